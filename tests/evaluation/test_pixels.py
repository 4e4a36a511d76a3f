import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.crs import CRS

from datasets_def.grid import Grid
from glofgeo.evaluation.pixels import PixelCounts, bring, burn, count_pixels, pixel_areas, rows_of, strips

masks = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(*[arrays(bool, shape) for _ in range(3)])
)


@given(masks)
def test_figures_are_those_of_the_textbook(three):
    predicted, reference, usable = three
    counts = count_pixels(*three)
    pairs = [(bool(p), bool(t)) for p, t, u in zip(predicted.flat, reference.flat, usable.flat, strict=True) if u]
    a, b = ({i for i, pair in enumerate(pairs) if pair[k]} for k in (0, 1))
    assert counts.tp + counts.fp + counts.fn + counts.tn == len(pairs)
    assert counts.iou == (pytest.approx(len(a & b) / len(a | b)) if a | b else None)
    assert counts.dice == (pytest.approx(2 * len(a & b) / (len(a) + len(b))) if a | b else None)
    assert counts.precision == (pytest.approx(len(a & b) / len(a)) if a else None)
    assert counts.recall == (pytest.approx(len(a & b) / len(b)) if b else None)
    right = sum(p == t for p, t in pairs)
    assert counts.accuracy == (pytest.approx(right / len(pairs)) if pairs else None)


@given(masks, st.integers(1, 13))
def test_counts_of_strips_add_up(three, height):
    cuts = strips(Grid(three[0].shape, Affine.scale(1, -1), CRS.from_epsg(32645)), height)
    total = sum((count_pixels(*(mask[rows] for mask in three)) for rows in cuts), PixelCounts())
    assert total == count_pixels(*three)


centres = st.tuples(st.floats(-5, 45), st.floats(-5, 45), st.floats(0.3, 15))


@given(st.lists(centres, max_size=4), st.integers(1, 40), st.integers(0, 1))
def test_a_pixel_is_inside_if_its_centre_is_whatever_the_strips(circles, height, kind):
    transform = (Affine(10, 0, 300000, 0, -10, 3100000), Affine(1e-4, 0, 86.9, 0, -1e-4, 27.9))[kind]
    grid = Grid((37, 29), transform, CRS.from_epsg((32645, 4326)[kind]))
    discs = [shapely.Point(x, y).buffer(r, 5) for x, y, r in circles]
    polygons = np.array(
        [shapely.transform(d, lambda xy: np.column_stack(transform * (xy[:, 0], xy[:, 1]))) for d in discs],
        dtype=object,
    )
    rows, cols = np.mgrid[:37, :29] + 0.5
    expected = np.zeros(grid.shape, bool)
    unsure = np.zeros(grid.shape, bool)
    for disc in discs:
        expected |= shapely.contains_xy(disc, cols, rows)
        unsure |= shapely.distance(disc.exterior, shapely.points(cols, rows)) < 1e-4
    burnt = np.vstack([burn(polygons, rows_of(grid, strip)) for strip in strips(grid, height)])
    assert (burnt == expected)[~unsure].all()


def test_polygons_come_to_the_grid_from_any_crs():
    grid = Grid((100, 100), Affine(10, 0, 490000, 0, -10, 3090000), CRS.from_epsg(32645))
    lake = gpd.GeoDataFrame(geometry=[shapely.box(490200, 3089300, 490600, 3089600)], crs=32645)
    far = gpd.GeoDataFrame(geometry=[shapely.box(10, 46, 10.1, 46.1)], crs=4326)
    here = burn(bring(lake, grid), grid)
    assert here.sum() == 40 * 30
    for crs in (4326, 32644, 3857):
        assert (burn(bring(lake.to_crs(crs), grid), grid) == here).mean() > 0.999
        assert bring(far.to_crs(crs), grid).size == 0


def test_an_area_of_half_a_continent_reaches_a_grid_inside_it():
    grid = Grid((100, 100), Affine(10, 0, 490000, 0, -10, 3090000), CRS.from_epsg(32645))
    area = gpd.GeoDataFrame(geometry=[shapely.box(20, 0, 150, 60), shapely.box(-80, 0, -60, 10)], crs=4326)
    assert burn(bring(area, grid, clip=True), grid).all()


def test_an_area_keeps_to_its_parallel():
    """27.9 N bends by hundreds of metres across a UTM zone; the edge must follow it, not the chord."""
    grid = Grid((200, 100), Affine(10, 0, 499500, 0, -10, 3087000), CRS.from_epsg(32645))
    area = gpd.GeoDataFrame(geometry=[shapely.box(84, 27.9, 90, 29)], crs=4326)
    edge = gpd.GeoSeries([shapely.Point(87, 27.9)], crs=4326).to_crs(32645).y.item()
    inside = burn(bring(area, grid, clip=True), grid)
    assert abs(inside[:, 50].sum() - (3087000 - edge) / 10) <= 1


def test_a_pixel_across_180_has_the_area_of_its_neighbours():
    east, north = pyproj.Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 66)
    grid = Grid((10, 10), Affine(10, 0, east - 55, 0, -10, north + 50), CRS.from_epsg(32601))
    areas = pixel_areas(grid, east - 55 + 10.0 * np.arange(10), np.full(10, north))
    assert areas == pytest.approx(100, rel=0.01)
