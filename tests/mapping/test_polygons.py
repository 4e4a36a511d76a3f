import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from glofgeo.inventory import geodesic_size
from glofgeo.mapping import polygons
from glofgeo.mapping.polygons import clean_mask, lake_polygons

UTM = Affine(10, 0, 480_000, 0, -10, 3_100_000)
DEGREES = Affine(1e-4, 0, 86.9, 0, -1e-4, 60.0)
PIXELS = Affine.identity()
EIGHT = np.ones((3, 3))


def scene(seed, shape=(30, 40)):
    """Smooth random probability with flat stretches at 0, 49, 50 and 100, and pixels that were not observed."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0.5, 1.2, 3]))
    field = (field - np.quantile(field, 0.6)) / field.std()
    percent = np.clip(50 + 60 * field, 0, 100).round().astype(np.uint8)
    percent[(percent > 44) & (percent < 50)] = 49
    percent[(percent >= 50) & (percent < 54)] = 50
    cloud = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0.4, 2]))
    percent[cloud > np.quantile(cloud, rng.choice([0.85, 0.97, 1.0]))] = 255
    return percent


def disc(radius, centre=(0.0, 0.0), margin=4):
    """A disc drawn as antialiased probability; coverage of pixels from 16 x 16 samples each."""
    size = int(2 * radius + 2 * margin)
    axis = (np.arange(size * 16) + 0.5) / 16 - size / 2
    inside = (axis[None, :] - centre[0]) ** 2 + (axis[:, None] - centre[1]) ** 2 <= radius**2
    return np.rint(inside.reshape(size, 16, size, 16).mean((1, 3)) * 100).astype(np.uint8)


def outlines(percent, min_pixels=1, transform=PIXELS, crs=None):
    mask = clean_mask(percent, min_pixels=min_pixels)
    return lake_polygons(percent, mask, transform, crs), mask


# --- clean_mask


@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0.3, 0.5, 0.7]))
@settings(max_examples=40, deadline=None)
def test_mask_follows_its_definition(seed, min_pixels, threshold):
    percent = scene(seed)
    mask = clean_mask(percent, threshold=threshold, min_pixels=min_pixels)

    lake = (percent >= round(threshold * 100)) & (percent != 255)
    labels, _ = ndimage.label(lake, EIGHT)
    lake &= np.bincount(labels.ravel())[labels] >= min_pixels
    holes, count = ndimage.label(~lake)
    for hole in range(1, count + 1):
        pixels = holes == hole
        rows, columns = np.nonzero(pixels)
        enclosed = rows.min() > 0 and columns.min() > 0 and rows.max() < 29 and columns.max() < 39
        if enclosed and pixels.sum() < min_pixels and not (percent[pixels] == 255).any():
            lake |= pixels
    expected = np.where(percent == 255, 255, lake)
    np.testing.assert_array_equal(mask, expected)


def test_cleaning_twice_changes_nothing():
    percent = scene(5)
    mask = clean_mask(percent, min_pixels=6)
    again = clean_mask(np.where(mask == 255, 255, mask * 100).astype(np.uint8), min_pixels=6)
    np.testing.assert_array_equal(mask, again)


def test_threshold_that_is_no_binary_fraction_still_includes_its_percent():
    assert clean_mask(np.full((3, 3), 7, np.uint8), threshold=0.07).all()


# --- lake_polygons


@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([(UTM, "EPSG:32645"), (DEGREES, "EPSG:4326")]))
@settings(max_examples=40, deadline=None)
def test_every_lake_is_one_valid_row_that_holds_its_own_pixels_and_no_other(seed, min_pixels, grid):
    transform, crs = grid
    percent = scene(seed)
    lakes, mask = outlines(percent, min_pixels, transform, crs)
    labels, count = ndimage.label(mask == 1, EIGHT)
    assert len(lakes) == count
    assert lakes.crs == crs
    assert lakes.geometry.is_valid.all()
    assert (shapely.area(lakes.geometry.to_numpy()) > 0).all()
    assert (lakes.geom_type == "MultiPolygon").all()

    rows, columns = np.indices(mask.shape)
    x, y = transform * (columns + 0.5, rows + 0.5)
    for label, lake in enumerate(lakes.itertuples(), start=1):
        inside = shapely.contains_xy(lake.geometry, x, y)
        np.testing.assert_array_equal(inside, labels == label)
        assert lake.n_px == (labels == label).sum()
        assert lake.prob_mean == pytest.approx(percent[labels == label].mean() / 100)
        assert lake.prob_p10 == pytest.approx(np.percentile(percent[labels == label], 10) / 100)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_lakes_neither_overlap_nor_enter_what_was_not_observed(seed):
    percent = scene(seed)
    lakes, _ = outlines(percent)
    apart = shapely.union_all(lakes.geometry.to_numpy()).area
    assert apart == pytest.approx(lakes.area.sum(), abs=1e-6)
    rows, columns = np.nonzero(percent == 255)
    hidden = shapely.union_all(shapely.box(columns, rows, columns + 1, rows + 1))
    frame = shapely.box(0, 0, 40, 30)
    assert sum(shapely.area(shapely.intersection(lakes.geometry.to_numpy(), hidden))) < 1e-6
    assert frame.buffer(1e-9).covers(shapely.union_all(lakes.geometry.to_numpy()))


@given(st.floats(10, 40), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=30, deadline=None)
def test_area_of_a_disc_is_right_to_one_percent(radius, x, y):
    lakes, _ = outlines(disc(radius, (x, y)))
    assert len(lakes) == 1
    assert lakes.area.item() == pytest.approx(np.pi * radius**2, rel=0.01)
    # Pixel stairs would give 8 r, 27 % more than the shore is long.
    assert lakes.length.item() == pytest.approx(2 * np.pi * radius, rel=0.02)


def test_area_of_a_small_disc_is_right_to_five_percent():
    rng = np.random.default_rng(0)
    errors = [outlines(disc(3, centre))[0].area.item() / (np.pi * 9) - 1 for centre in rng.uniform(-0.5, 0.5, (60, 2))]
    assert np.abs(errors).max() < 0.05


@pytest.mark.parametrize(("transform", "crs"), [(UTM, "EPSG:32645"), (DEGREES, "EPSG:4326")])
def test_outline_lies_where_the_pixels_are_on_the_ground(transform, crs):
    percent = np.zeros((30, 30), np.uint8)
    percent[5:15, 8:20] = 100
    lakes, _ = outlines(percent, transform=transform, crs=crs)
    (left, top), (right, bottom) = transform * (8, 5), transform * (20, 15)
    assert lakes.total_bounds == pytest.approx((left, bottom, right, top), abs=1e-12 * abs(top))
    area, _ = geodesic_size(lakes.geometry.to_crs("EPSG:4326"))
    whole, _ = geodesic_size(lakes.geometry.set_precision(0).envelope.to_crs("EPSG:4326"))
    assert area[0] == pytest.approx(whole[0], rel=0.02)


def test_outline_runs_along_the_edges_of_scene_and_cloud():
    percent = np.full((20, 20), 60, np.uint8)
    percent[:, 10:] = 255
    lakes, _ = outlines(percent)
    assert shapely.normalize(lakes.geometry.item()).equals(shapely.box(0, 0, 10, 20))
    assert lakes.touches_edge.item()
    assert lakes.valid_frac.item() == 0


def test_land_beyond_a_thin_gap_is_not_mapped():
    percent = np.full((9, 9), 49, np.uint8)
    percent[3:6, 2:5] = 100
    percent[:, 5] = 255
    lakes, _ = outlines(percent)
    assert lakes.total_bounds[2] == 5


def test_islands_are_holes_and_specks_of_land_are_not():
    percent = np.zeros((40, 40), np.uint8)
    percent[5:35, 5:35] = 100
    percent[10:14, 10:14] = 0
    percent[25, 25] = 0
    lakes, _ = outlines(percent, min_pixels=5)
    assert len(lakes.geometry.item().geoms[0].interiors) == 1
    assert lakes.n_px.item() == 30 * 30 - 16


def test_surroundings_and_edge():
    percent = np.zeros((30, 30), np.uint8)
    percent[12:15, 12:15] = 100
    lakes, _ = outlines(percent)
    assert lakes.valid_frac.item() == 1
    assert not lakes.touches_edge.item()

    percent[:, 17:] = 255  # two pixels of land away: one of six columns beside the lake is hidden
    lakes, _ = outlines(percent)
    assert lakes.valid_frac.item() == pytest.approx(1 - 9 / 72)
    assert not lakes.touches_edge.item()

    percent[:, 15:] = 255
    lakes, _ = outlines(percent)
    assert lakes.touches_edge.item()


def test_a_lake_longer_than_a_block_is_drawn_as_one(monkeypatch):
    percent = scene(7, (60, 50))
    whole, _ = outlines(percent)
    monkeypatch.setattr(polygons, "_BLOCK_ROWS", 7)
    pieces, _ = outlines(percent)
    assert len(pieces) == len(whole)
    for left, right in zip(pieces.geometry, whole.geometry, strict=True):
        assert left.is_valid
        assert left.symmetric_difference(right).area < 1e-9


def test_no_lakes_give_an_empty_layer_of_the_same_shape():
    empty, _ = outlines(np.zeros((10, 10), np.uint8), crs="EPSG:32645")
    some, _ = outlines(disc(10), crs="EPSG:32645")
    assert len(empty) == 0
    assert empty.crs == "EPSG:32645"
    assert (empty.dtypes == some.dtypes).all()
    assert set(some.columns) == {"n_px", "prob_mean", "prob_p10", "valid_frac", "touches_edge", "geometry"}
