from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from glofgeo.mapping.components import LakeRuns

EIGHT = np.ones((3, 3))


def scene(seed, shape):
    """Random probability from salt to smooth, with many pixels at the threshold, and pixels that were not observed."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0, 0.5, 1.2, 3]))
    field = field - np.quantile(field, rng.choice([0.2, 0.6, 0.9]))
    percent = np.clip(50 + 60 * field / (field.std() + 1e-9), 0, 100).round().astype(np.uint8)
    percent[(percent > 44) & (percent < 54)] //= 10
    percent[percent < 6] *= 10
    cloud = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0, 0.4, 2]))
    percent[cloud > np.quantile(cloud, rng.choice([0.85, 0.97, 1.0]))] = 255
    return percent


def found(percent, cuts=(), **settings):
    """The runs of a scene given strip by strip."""
    runs = LakeRuns(percent.shape, **settings)
    edges = [0, *sorted(cuts), len(percent)]
    for first, last in pairwise(edges):
        runs.add(first, percent[first:last])
    return runs


def brute_force(percent, level, min_pixels):
    """The mask by its definition, on the whole image."""
    height, width = percent.shape
    lake = (percent >= level) & (percent != 255)
    labels, _ = ndimage.label(lake, EIGHT)
    lake &= np.bincount(labels.ravel())[labels] >= min_pixels
    holes, count = ndimage.label(~lake)
    for hole in range(1, count + 1):
        pixels = holes == hole
        rows, columns = np.nonzero(pixels)
        enclosed = rows.min() > 0 and columns.min() > 0 and rows.max() < height - 1 and columns.max() < width - 1
        if enclosed and pixels.sum() < min_pixels and not (percent[pixels] == 255).any():
            lake |= pixels
    return np.where(percent == 255, 255, lake)


shapes = st.tuples(st.integers(1, 30), st.integers(1, 40))


@given(st.integers(0, 10_000), shapes, st.integers(1, 12), st.sampled_from([0.07, 0.3, 0.5, 0.7]), st.data())
@settings(max_examples=150, deadline=None)
def test_strips_of_any_height_give_the_mask_and_the_lakes_of_the_whole_scene(seed, shape, min_pixels, threshold, data):
    percent = scene(seed, shape)
    cuts = data.draw(st.lists(st.integers(0, shape[0]), max_size=4))
    clean = found(percent, cuts, threshold=threshold).clean(min_pixels)
    expected = brute_force(percent, round(threshold * 100), min_pixels)

    first, last = sorted(data.draw(st.tuples(*[st.integers(0, shape[0])] * 2)))
    strip = clean.mask(first, percent[first:last])
    assert strip.dtype == np.uint8
    np.testing.assert_array_equal(strip, expected[first:last])

    labels, count = ndimage.label(expected == 1, EIGHT)
    assert len(clean.lakes) == count
    np.testing.assert_array_equal(clean.lakes.number(0, 0, shape), labels)
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(labels)]
    np.testing.assert_array_equal(clean.lakes.boxes(), np.reshape(boxes, (-1, 4)))
    for number, runs in enumerate(clean.lakes.each(), start=1):
        assert (runs.stop - runs.start).sum() == (labels == number).sum()


@given(st.integers(0, 1000), st.integers(-5, 35), st.integers(-5, 45), shapes)
@settings(max_examples=40, deadline=None)
def test_a_window_of_numbers_may_reach_beyond_the_scene(seed, top, left, shape):
    lakes = found(scene(seed, (30, 40))).clean(3).lakes
    whole = np.pad(lakes.number(0, 0, (30, 40)), 50)
    window = lakes.number(top, left, shape)
    np.testing.assert_array_equal(window, whole[50 + top :, 50 + left :][: shape[0], : shape[1]])


def test_a_lake_across_all_strips_is_one():
    percent = np.zeros((50, 20), np.uint8)
    percent[3:47, 5:9] = 100
    lakes = found(percent, range(1, 50)).clean(5).lakes
    assert len(lakes) == 1
    assert lakes.boxes().tolist() == [[3, 5, 47, 9]]


def test_a_lake_on_a_filled_island_becomes_part_of_the_lake_around():
    percent = np.full((20, 20), 100, np.uint8)
    percent[5:13, 5:13] = 0  # 64 pixels of land with the lake, 28 without
    percent[6:12, 6:12] = 100
    assert len(found(percent).clean(20).lakes) == 2
    assert len(found(percent).clean(30).lakes) == 1


def test_an_island_that_hides_an_unobserved_pixel_stays_even_below_a_dropped_speck():
    percent = np.full((20, 20), 100, np.uint8)
    percent[8:12, 8:12] = 0
    assert (found(percent).clean(30).mask(0, percent) == 1).all()
    percent[9, 9] = 100
    percent[9, 10] = 255
    mask = found(percent).clean(30).mask(0, percent)
    assert (mask[8:12, 8:12] != 1).all()
    assert mask[9, 10] == 255


@given(st.integers(0, 10_000), shapes, st.integers(1, 8), st.data())
@settings(max_examples=50, deadline=None)
def test_a_lake_that_is_withdrawn_is_land_and_the_others_stay(seed, shape, min_pixels, data):
    percent = scene(seed, shape)
    clean = found(percent).clean(min_pixels)
    count = len(clean.lakes)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    before, numbers = clean.mask(0, percent), clean.lakes.number(0, 0, shape)
    left = clean.withdraw(gone)
    expected = np.where(np.append(False, gone)[numbers], 0, before)
    np.testing.assert_array_equal(left.mask(0, percent), expected)
    np.testing.assert_array_equal(left.mask(shape[0] // 2, percent[shape[0] // 2 :]), expected[shape[0] // 2 :])
    assert len(left.lakes) == count - gone.sum()
    np.testing.assert_array_equal(left.lakes.number(0, 0, shape) > 0, expected == 1)
    runs = [(one.stop - one.start).sum() for one, out in zip(clean.lakes.each(), gone, strict=True) if not out]
    assert [(one.stop - one.start).sum() for one in left.lakes.each()] == runs


def test_cleaning_twice_changes_nothing():
    percent = scene(5, (30, 40))
    mask = found(percent).clean(6).mask(0, percent)
    again = np.where(mask == 255, 255, mask * 100).astype(np.uint8)
    np.testing.assert_array_equal(found(again).clean(6).mask(0, again), mask)


def test_strips_out_of_order_or_missing_are_refused():
    strip = np.zeros((4, 10), np.uint8)
    with pytest.raises(ValueError, match="row 0"):
        LakeRuns((8, 10)).add(4, strip)
    with pytest.raises(ValueError, match="row 0"):
        LakeRuns((8, 12)).add(0, strip)
    with pytest.raises(ValueError, match="row 0"):
        LakeRuns((3, 10)).add(0, strip)
    runs = LakeRuns((8, 10))
    runs.add(0, strip)
    with pytest.raises(ValueError, match="4 of 8 rows"):
        runs.clean(1)


@pytest.mark.parametrize(("threshold", "first"), [(0.285, 29), (0.29, 29), (0.07, 7), (0.071, 8), (0.5, 50)])
def test_a_pixel_is_lake_from_the_threshold_on(threshold, first):
    percent = np.arange(101, dtype=np.uint8)[None]
    mask = found(percent, threshold=threshold).clean(1).mask(0, percent)
    assert np.flatnonzero(mask[0] == 1).tolist() == list(range(first, 101))
