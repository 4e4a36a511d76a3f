import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from glofgeo.inventory import geodesic_size
from glofgeo.mapping import polygons
from glofgeo.mapping.components import LakeRuns
from glofgeo.mapping.polygons import lake_polygons

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


def coverage(size, inside):
    """Percent of each pixel that lies within a form; 16 x 16 samples a pixel at (x, y) from the middle."""
    axis = (np.arange(size * 16) + 0.5) / 16 - size / 2
    covered = inside(axis[None, :], axis[:, None])
    return np.rint(covered.reshape(size, 16, size, 16).mean((1, 3)) * 100).astype(np.uint8)


def disc(radius, centre=(0.0, 0.0)):
    x0, y0 = centre
    return coverage(int(2 * radius + 8), lambda x, y: (x - x0) ** 2 + (y - y0) ** 2 <= radius**2)


def outlines(percent, min_pixels=1, transform=PIXELS, crs=None):
    runs = LakeRuns(percent.shape)
    runs.add(0, percent)
    clean = runs.clean(min_pixels)

    def read(window):
        (top, bottom), (left, right) = window.toranges()
        assert 0 <= top < bottom <= percent.shape[0]
        assert 0 <= left < right <= percent.shape[1]
        return percent[top:bottom, left:right]

    return lake_polygons(read, clean.lakes, transform, crs), clean.mask(0, percent)


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


def area_errors(draw, area, count):
    """Relative errors of area over random centres."""
    rng = np.random.default_rng(0)
    lakes = [outlines(draw(rng.uniform(-0.5, 0.5, 2)))[0] for _ in range(count)]
    return np.array([lake.area.sum() for lake in lakes]) / area - 1


@pytest.mark.parametrize(("radius", "count"), [(3, 200), (5, 150), (10, 60), (30, 10)])
def test_areas_of_discs_are_neither_too_small_nor_too_large_on_average(radius, count):
    errors = area_errors(lambda centre: disc(radius, centre), np.pi * radius**2, count)
    assert abs(errors.mean()) < 0.002
    assert np.abs(errors).max() < 0.05


def test_areas_of_islands_are_neither_too_small_nor_too_large_on_average():
    area = []
    for centre in np.random.default_rng(0).uniform(-0.5, 0.5, (80, 2)):
        lakes, _ = outlines(np.pad(100 - disc(5, centre), 4, constant_values=100))
        (island,) = lakes.geometry.item().geoms[0].interiors
        area.append(shapely.Polygon(island).area)
    assert np.mean(area) == pytest.approx(np.pi * 25, rel=0.002)


def test_area_of_a_kidney_is_neither_too_small_nor_too_large_on_average():
    def kidney(centre):
        def inside(x, y):
            x, y = x - centre[0], np.abs(y - centre[1])
            along = np.where(x > 0, np.abs(np.hypot(x, y) - 9), np.hypot(x, y - 9))
            return along <= 3

        return coverage(32, inside)

    area = np.pi * 9 * 6 + np.pi * 3**2
    assert abs(area_errors(kidney, area, 60).mean()) < 0.002


@pytest.mark.parametrize("rise", [(0, 1), (1, 1)])
@given(st.floats(-0.5, 0.5))
@settings(max_examples=20, deadline=None)
def test_straight_shores_along_rows_and_diagonals_are_not_moved(rise, shift):
    percent = coverage(24, lambda x, y: x * rise[1] + y * rise[0] <= shift)
    lakes, _ = outlines(percent)
    line = percent.astype(float)
    row = 12
    last = np.flatnonzero(line[row] >= 50)[-1]
    inside, outside = np.maximum(line[row, last], 50.5), np.minimum(line[row, last + 1], 49.5)
    crossing = last + 0.5 + (inside - 50) / (inside - outside)
    shore = shapely.intersection(lakes.geometry.item(), shapely.LineString([(0, row + 0.5), (24, row + 0.5)]))
    # Outlines that meet the border of the scene are rounded to a thousandth of a pixel.
    assert shore.bounds[2] == pytest.approx(crossing, abs=1e-3)


def test_oblique_straight_shores_stay_where_they_are_on_average():
    moved = []
    for angle in np.linspace(0.1, 1.4, 9):
        for shift in np.linspace(-0.45, 0.45, 10):
            across = np.cos(angle), np.sin(angle)
            percent = coverage(30, lambda x, y, a=across, d=shift: x * a[0] + y * a[1] <= d)
            lakes, _ = outlines(percent)
            points = shapely.get_coordinates(lakes.geometry.item()) - 15
            shore = np.hypot(*points.T) < 10
            moved.append(points[shore] @ across - shift)
            assert np.abs(moved[-1]).max() < 0.125
    assert abs(np.concatenate(moved).mean()) < 0.005


@pytest.mark.parametrize(("transform", "crs"), [(UTM, "EPSG:32645"), (DEGREES, "EPSG:4326")])
def test_outline_lies_where_the_pixels_are_on_the_ground(transform, crs):
    percent = np.zeros((30, 30), np.uint8)
    percent[5:15, 8:20] = 100
    lakes, _ = outlines(percent, transform=transform, crs=crs)
    (left, top), (right, bottom) = transform * (8, 5), transform * (20, 15)
    (x, y), outline = transform * (14, 10), lakes.geometry.item()
    across = shapely.intersection(outline, shapely.LineString([(left - 1, y), (right + 1, y)]))
    along = shapely.intersection(outline, shapely.LineString([(x, bottom - 1), (x, top + 1)]))
    assert across.bounds == pytest.approx((left, y, right, y), abs=1e-12 * abs(top))
    assert along.bounds == pytest.approx((x, bottom, x, top), abs=1e-12 * abs(top))
    ground = [
        gpd.GeoSeries([shape], crs=crs).to_crs("EPSG:4326")
        for shape in (outline, shapely.box(left, bottom, right, top))
    ]
    (area,), (whole,) = (geodesic_size(shape)[0] for shape in ground)
    assert area == pytest.approx(whole, rel=0.01)


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


def test_pixels_at_other_thresholds_are_those_of_the_lake_and_its_ring():
    percent = np.zeros((30, 30), np.uint8)
    percent[10:20, 10:20] = 40  # a blurred shore
    percent[12:18, 12:18] = 60
    percent[13:17, 13:17] = 90
    percent[2, 2] = percent[25, 25] = 45  # elsewhere
    percent[14, 19] = 255
    lakes, _ = outlines(percent)
    assert (lakes.n_px.item(), lakes.n_px_30.item(), lakes.n_px_70.item()) == (36, 99, 16)


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


@given(st.integers(0, 10_000), st.integers(8, 30), st.integers(60, 400))
@settings(max_examples=15, deadline=None)
def test_lakes_drawn_in_bands_and_blocks_are_the_same(seed, rows, pixels):
    percent = scene(seed, (40, 30))
    whole, _ = outlines(percent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polygons, "_BAND_ROWS", rows)
        patch.setattr(polygons, "_BLOCK_PIXELS", pixels)
        pieces, _ = outlines(percent)
    figures = [column for column in whole.columns if column != "geometry"]
    assert pieces[figures].equals(whole[figures])
    assert pieces.geometry.is_valid.all()
    # Lakes that meet the border or a cloud are rounded to a thousandth of a pixel, once more where they are joined.
    rounded = whole.touches_edge * whole.length / 1024
    for left, right, tolerance in zip(pieces.geometry, whole.geometry, rounded, strict=True):
        assert len(left.geoms) == len(right.geoms)
        assert left.symmetric_difference(right).area <= tolerance + 1e-9


def test_no_lakes_give_an_empty_layer_of_the_same_shape():
    empty, _ = outlines(np.zeros((10, 10), np.uint8), crs="EPSG:32645")
    some, _ = outlines(disc(10), crs="EPSG:32645")
    assert len(empty) == 0
    assert empty.crs == "EPSG:32645"
    assert (empty.dtypes == some.dtypes).all()
    figures = {"n_px", "n_px_30", "n_px_70", "prob_mean", "prob_p10", "valid_frac", "touches_edge"}
    assert set(some.columns) == figures | {"geometry"}
