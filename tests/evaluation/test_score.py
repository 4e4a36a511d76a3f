import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from scipy.ndimage import uniform_filter

from datasets_def.grid import Grid
from glofgeo.evaluation.blocks import Blocks
from glofgeo.evaluation.boundary import mark_shores
from glofgeo.evaluation.lakes import match_lakes, outline_lakes, size_class
from glofgeo.evaluation.pixels import burn, count_pixels, mark_pixels, pixel_areas
from glofgeo.evaluation.score import block_counts, score
from glofgeo.inventory.attributes import SIZE_CLASSES

SHAPE = (24, 30)
GRID = Grid(SHAPE, Affine(20, 0, 500000, 0, -20, 3100000), CRS.from_epsg(32645))


@st.composite
def maps(draw):
    """A prediction and a reference of blobs that partly agree."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    common, *own = (uniform_filter(rng.random(SHAPE), 4) for _ in range(3))
    level = draw(st.floats(0.42, 0.6))
    return tuple(common + draw(st.floats(0, 0.7)) * (noise - 0.5) > level for noise in own)


def squares(*rings):
    """Lakes from (left, top, right, bottom) in pixels of 20 m."""
    return np.array(
        [shapely.box(500000 + 20 * a, 3100000 - 20 * d, 500000 + 20 * c, 3100000 - 20 * b) for a, b, c, d in rings],
        dtype=object,
    )


def judge(mask, reference, lakes, usable, side):
    blocks = Blocks(GRID, side)
    marks = (*mark_pixels(mask, reference, usable), *mark_shores(mask, reference, usable))
    sums = np.column_stack([blocks.sums(mark, slice(0, SHAPE[0])) for mark in marks])
    outlined = outline_lakes(mask, GRID.transform)
    return score(block_counts(sums, outlined, lakes, np.ones(len(lakes), bool), usable, blocks)), outlined


@settings(max_examples=15)
@given(maps(), st.integers(1, 40))
def test_figures_of_summed_blocks_are_those_of_the_whole_map(two, side):
    mask, reference = two
    usable = np.ones(SHAPE, bool)
    usable[:, 28:] = False
    lakes = outline_lakes(reference, GRID.transform)
    found, outlined = judge(mask, reference, lakes, usable, side)
    assert found.pixels == count_pixels(mask, reference, usable)
    for level, classes in zip(found.lakes, found.by_size, strict=True):
        for name in ("found", "missed", "false"):
            assert getattr(level, name) == sum(getattr(one, name) for one in classes)
        # A predicted lake over two reference lakes may be right in two classes.
        assert level.right <= sum(one.right for one in classes)
        for one in classes:
            assert one.f1 is None or (one.f1 > 0) == (one.found > 0)
    assert found.land_km2 == pytest.approx((~reference & usable).sum() * 400 / 1e6, rel=2e-3)
    alone = [p for p in outlined if not any(p.intersection(lake).area > 0 for lake in lakes)]
    assert found.stray <= len(alone)
    assert found.lakes[0].false >= found.stray
    for name, value in found.figures().items():
        interval = found.intervals[name]
        assert interval is None or (value is not None and interval[0] <= interval[1])


@given(maps())
def test_every_predicted_lake_is_right_or_false_when_all_reference_lakes_count(two):
    guess, reference = (outline_lakes(mask, GRID.transform) for mask in two)
    for iou in (0.1, 0.5):
        counts = match_lakes(reference, guess, np.ones(len(reference), bool), iou)
        assert counts.right + counts.false == len(guess)
        assert counts.found + counts.missed == len(reference)


def test_a_lake_over_one_that_does_not_count_is_neither_right_nor_false():
    one, other = squares((0, 0, 5, 5)), squares((0, 0, 5, 5), (9, 9, 14, 14))
    counts = match_lakes(one, other, np.zeros(1, bool), 0.5)
    assert (counts.right, counts.false, counts.precision, counts.recall, counts.f1) == (0, 1, 0, None, 0)


def test_a_perfect_map_has_perfect_figures_and_no_bias():
    reference = np.zeros(SHAPE, bool)
    reference[2:8, 2:9] = reference[12:20, 15:24] = True
    found, _ = judge(reference, reference, outline_lakes(reference, GRID.transform), np.ones(SHAPE, bool), 8)
    figures = found.figures()
    assert figures["iou"] == figures["boundary_f1"] == figures["lakes 0.5 all f1"] == 1
    assert figures["area_bias"] == figures["false_per_100_km2"] == 0
    assert found.intervals["iou"] == (1, 1)


def test_bias_has_a_sign_and_stray_lakes_are_counted_on_land():
    reference, mask = np.zeros((2, *SHAPE), bool)
    reference[2:12, 2:12] = True
    mask[2:12, 2:9] = True
    lakes = outline_lakes(reference, GRID.transform)
    assert judge(mask, reference, lakes, np.ones(SHAPE, bool), 8)[0].figures()["area_bias"] == pytest.approx(-0.3)
    mask[15:20, 20:25] = True
    mask[2:12, 9:28] = True
    figures = judge(mask, reference, lakes, np.ones(SHAPE, bool), 8)[0].figures()
    assert figures["area_bias"] == pytest.approx((160 + 25) / 100)
    assert figures["false_per_100_km2"] == pytest.approx(100 / (620 * 400 / 1e6), rel=2e-3)


@pytest.mark.parametrize("crs", [32645, 3857])
def test_size_classes_are_of_the_area_on_the_ground(crs):
    grid = GRID if crs == 32645 else Grid(SHAPE, Affine(20, 0, 9.68e6, 0, -20, 3.25e6), CRS.from_epsg(3857))
    left, top = grid.transform * (0, 0)
    stretch = 400 / pixel_areas(grid, np.array([left]), np.array([top])).item()
    sides = np.sqrt(np.array([0.004, 0.006, 0.019, 0.021, 0.09, 0.11, 0.9, 1.1]) * 1e6 * stretch)
    lakes = np.array([shapely.box(left, top - side, left + side, top) for side in sides], dtype=object)
    assert size_class(lakes, grid).tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    assert len(SIZE_CLASSES) == 5


def test_lakes_of_each_size_are_counted_in_their_class():
    reference = squares((0, 0, 3, 4), (10, 0, 16, 6))  # 0.0048 and 0.0144 km2
    mask = np.zeros(SHAPE, bool)
    mask[0:6, 10:16] = True
    burnt = burn(reference, GRID)
    found, _ = judge(mask, burnt, reference, np.ones(SHAPE, bool), 8)
    small, next_up = found.by_size[1][:2]
    assert (small.found, small.missed, small.recall) == (0, 1, 0)
    assert (next_up.found, next_up.missed, next_up.f1) == (1, 0, 1)
    values = found.to_dict()["lakes"][1]
    assert (values["recall"], values["by_size_km2"]["0.005-0.02"]["f1"]) == (0.5, 1)


def test_lakes_are_drawn_with_the_block_they_lie_in():
    """Were all lakes told of one block, recall would be the same in every draw, or undefined."""
    reference = squares(
        *[(1 + 8 * k, 1, 5 + 8 * k, 5) for k in range(3)], *[(1 + 8 * k, 9, 5 + 8 * k, 13) for k in range(3)]
    )
    mask = burn(reference[:3], GRID)
    mask[17:21, 1:5] = True
    found, _ = judge(mask, burn(reference, GRID), reference, np.ones(SHAPE, bool), 8)
    for name, value in (("recall", 0.5), ("precision", 0.75)):
        low, high = found.intervals[f"lakes 0.5 all {name}"]
        assert low < found.figures()[f"lakes 0.5 all {name}"] == value < high


def test_by_size_a_right_lake_counts_where_the_lakes_it_shows_do():
    """Drawn too small, the lake of 0.0144 km2 would fall into the class of 0.0048 km2: F1 0 in both, none missed."""
    reference = squares((0, 0, 6, 6))
    mask = np.zeros(SHAPE, bool)
    mask[0:4, 0:5] = mask[20:23, 20:24] = True  # 20 of 36 pixels; 12 elsewhere
    found, _ = judge(mask, burn(reference, GRID), reference, np.ones(SHAPE, bool), 8)
    small, middle = found.by_size[1][:2]
    assert (small.found, small.missed, small.right, small.false, small.f1) == (0, 0, 0, 1, 0)
    assert (middle.found, middle.missed, middle.right, middle.false, middle.f1) == (1, 0, 1, 0, 1)
    assert (found.lakes[1].right, found.lakes[1].false) == (1, 1)


def test_a_lake_over_two_of_different_sizes_is_right_in_both_classes_and_once_in_all():
    reference = squares((0, 0, 3, 4), (4, 0, 10, 6))
    mask = np.zeros(SHAPE, bool)
    mask[0:6, 0:10] = True
    found, _ = judge(mask, burn(reference, GRID), reference, np.ones(SHAPE, bool), 8)
    assert [one.right for one in found.by_size[0]] == [1, 1, 0, 0, 0]
    assert (found.lakes[0].found, found.lakes[0].right, found.lakes[0].false) == (2, 1, 0)
    # At 0.5 the smaller one is missed, and the lake drawn over it shows the larger one.
    assert [(one.found, one.missed, one.right) for one in found.by_size[1][:2]] == [(0, 1, 0), (1, 0, 1)]
