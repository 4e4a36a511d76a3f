import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from geopandas import GeoSeries
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from shapely import box

from datasets_def.reproject import areas_on_grid, lakes_on_grid, neighbourhood, to_crs, to_degrees
from glofgeo.errors import GlofgeoError

SIDE = 32
GLOBE = box(-180, -90, 180, 90)


@st.composite
def grids(draw):
    """A grid anywhere: UTM north and south, the poles, degrees on either side of 180, US survey feet."""
    kind = draw(st.sampled_from(["utm", "utm at 180", "polar", "degrees", "feet"]))
    pixel = draw(st.sampled_from([10.0, 600.0, 3400.0]))
    if kind == "degrees":
        x, y = draw(st.floats(-200, 200)), draw(st.floats(-80, 80))
        return 4326, Affine(pixel * 1e-5, 0, x, 0, -pixel * 1e-5, y)
    if kind == "feet":
        return 2264, Affine(pixel, 0, draw(st.floats(1e6, 2e6)), 0, -pixel, draw(st.floats(5e5, 8e5)))
    if kind == "polar":
        x, y = (draw(st.one_of(st.floats(-2e6, 2e6), st.just(-pixel * SIDE / 2), st.just(0.0))) for _ in "xy")
        return draw(st.sampled_from([3413, 3031, 3995])), Affine(pixel, 0, x, 0, -pixel, y + pixel * SIDE)
    zone = draw(st.sampled_from([1, 60])) if kind == "utm at 180" else draw(st.integers(1, 60))
    south = draw(st.booleans())
    latitude = draw(st.floats(0, 80))
    code = (32700 if south and draw(st.booleans()) else 32600) + zone
    longitude = 180 if kind == "utm at 180" else zone * 6 - 183
    x, y = pyproj.Transformer.from_crs(4326, code, always_xy=True).transform(
        longitude, -latitude if south else latitude
    )
    return code, Affine(pixel, 0, round(x) - pixel * SIDE / 2, 0, -pixel, round(y) + pixel * SIDE / 2)


def outline_of(transform):
    return box(transform.c, transform.f + SIDE * transform.e, transform.c + SIDE * transform.a, transform.f)


def centres(crs, transform, right=0.0, down=0.0):
    cols, rows = np.meshgrid(np.arange(SIDE) + 0.5 + right, np.arange(SIDE) + 0.5 + down)
    x, y = transform * (cols, rows)
    return (x, y) if crs == 4326 else pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)


def inside(polygon, lon, lat):
    """Whether places lie in a polygon of straight edges in degrees, on whatever turn it counts."""
    return np.any([shapely.contains_xy(polygon, lon + turn, lat) for turn in (-720, -360, 0, 360, 720)], axis=0)


@settings(max_examples=50)
@given(grids(), st.data())
def test_a_pixel_is_in_an_area_if_its_centre_is_anywhere_on_earth(grid, data):
    crs, transform = grid
    lon, lat = centres(crs, transform)
    reach = data.draw(st.sampled_from([0.01, 0.3, 3, 40, 150]))
    middle = lon[0, 0] + 1.234567e-5, lat[0, 0] + 2.345678e-5
    offsets = st.tuples(st.floats(-reach, reach), st.floats(-reach, reach))
    corners = np.array([data.draw(offsets) for _ in range(3)]) + middle
    corners[:, 1] = np.clip(corners[:, 1], -90, 90)
    area = data.draw(st.sampled_from([shapely.Polygon(corners), box(*corners.min(axis=0), *corners.max(axis=0))]))
    found = areas_on_grid(GeoSeries([area], crs=4326), crs, outline_of(transform))
    drawn = rasterize(found, (SIDE, SIDE), transform=transform) if found.size else np.zeros((SIDE, SIDE), np.uint8)
    # A tenth of a pixel around, so that rounding decides nothing.
    around = [inside(area, *centres(crs, transform, dx, dy)) for dx in (-0.1, 0, 0.1) for dy in (-0.1, 0, 0.1)]
    assert drawn[np.all(around, axis=0)].all()
    assert not drawn[~np.any(around, axis=0)].any()


@settings(max_examples=30)
@given(grids(), st.sampled_from([GLOBE, box(-180, 0, 180, 90), box(-180, -90, 180, 0)]))
def test_the_globe_covers_every_grid_and_a_hemisphere_its_own(grid, area):
    crs, transform = grid
    outline = outline_of(transform)
    lat = centres(crs, transform)[1]
    found = shapely.union_all(areas_on_grid(GeoSeries([area], crs=4326), crs, outline))
    if area is GLOBE or (abs(lat) > 1).all():
        share = 1 if area is GLOBE or (lat.mean() > 0) == (area.bounds[3] > 0) else 0
        assert found.area == pytest.approx(share * outline.area, rel=1e-6)


@settings(max_examples=30)
@given(grids())
def test_a_grid_comes_back_from_degrees_as_it_was(grid):
    crs, transform = grid
    outline = outline_of(transform)
    lon, lat = centres(crs, transform)
    degrees = to_degrees(GeoSeries([outline], crs=crs)).iloc[0]
    west, south, east, north = degrees.bounds
    assert degrees.is_valid and west >= -180 and east <= 180 and south >= -90 and north <= 90
    back = shapely.union_all(areas_on_grid(GeoSeries([degrees], crs=4326), crs, outline))
    # Straight for a kilometre is not straight enough in degrees within a few of a pole.
    near_pole = 1e6 if abs(lat).max() > 89.8 else 1e-3 * outline.area if abs(lat).max() > 89 else 0
    assert back.symmetric_difference(outline).area <= 1e-4 * outline.area + near_pole
    west, south, east, north = neighbourhood(crs, outline)
    turns = np.array([-720, -360, 0, 360, 720])[:, None, None]
    assert ((lon + turns > west) & (lon + turns < east)).any(axis=0).all()
    assert (lat > south).all() and (lat < north).all()


def test_a_lake_across_180_is_cut_there_and_comes_back_whole():
    x, y = pyproj.Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 66)
    island = shapely.Point(x, y).buffer(50)
    lake = GeoSeries([shapely.Point(x, y).buffer(400) - island, shapely.Point(x + 3000, y).buffer(300)], crs=32601)
    cut = to_degrees(lake)
    assert cut.iloc[0].geom_type == "MultiPolygon" and cut.iloc[1].geom_type == "Polygon"
    assert max(east - west for west, _, east, _ in (part.bounds for part in cut.iloc[0].geoms)) < 0.02
    tile = box(x - 9000, y - 9000, x + 9000, y + 9000)
    beyond = cut.iloc[:1].translate(360)
    for layer in (lake, cut, beyond.set_crs(4326), to_crs(lake, 32660), to_crs(lake, 3857)):
        found = lakes_on_grid(layer, 32601, tile)
        assert found.size == layer.size
        assert found[0].symmetric_difference(lake.iloc[0]).area < 1e-3 * lake.iloc[0].area
    home = box(179.9, 65.9, 180.1, 66.1), box(-180.1, 65.9, -179.9, 66.1)
    assert [lakes_on_grid(cut, 4326, grid).size for grid in home] == [2, 2]
    for grid in home:
        assert lakes_on_grid(cut, 4326, grid)[0].area == pytest.approx(cut.iloc[0].area)
        assert lakes_on_grid(lake, 4326, grid)[0].area == pytest.approx(cut.iloc[0].area)


def test_lakes_elsewhere_stay_away_and_a_lake_at_the_edge_stays_whole():
    tile = box(300000, 3000000, 309000, 3009000)
    edge = GeoSeries([shapely.Point(300000, 3004000).buffer(500)], crs=32645)
    assert lakes_on_grid(to_crs(edge, 4326), 32645, tile)[0].area == pytest.approx(edge.iloc[0].area, rel=1e-6)
    east = shapely.MultiPolygon([box(179.9, 27, 180, 27.1), box(-180, 27, -179.9, 27.1)])
    assert lakes_on_grid(GeoSeries([east, box(-95, 27, -94, 28)], crs=4326), 32645, tile).size == 0
    assert lakes_on_grid(GeoSeries([east], crs=4326), 4326, box(84, 26.9, 85, 27.2)).size == 0


def test_an_area_drawn_in_metres_bends_too():
    world = GeoSeries([GLOBE.intersection(box(-180, -85, 180, 85))], crs=4326).to_crs(3857)
    antarctica = GeoSeries([box(-3e6, -3e6, 3e6, 3e6)], crs=3031)
    for area, crs, x, y in (
        (world, 32601, 4e5, 7.2e6),
        (antarctica, 3031, -1e5, -1e5),
        (antarctica, 32733, 5e5, 1.5e6),
    ):
        grid = box(x, y, x + 1e5, y + 1e5)
        assert shapely.union_all(areas_on_grid(area, crs, grid)).area == pytest.approx(grid.area, rel=1e-6)
    assert areas_on_grid(antarctica, 32633, box(5e5, 7e6, 6e5, 7.1e6)).size == 0


def test_what_lies_off_the_earth_is_told():
    with pytest.raises(GlofgeoError, match="lies outside the area"):
        to_degrees(GeoSeries([box(5e7, 5e7, 6e7, 6e7)], crs=32645))
    with pytest.raises(GlofgeoError, match="lies outside the area"):
        areas_on_grid(GeoSeries([GLOBE], crs=4326), 32645, box(5e7, 5e7, 6e7, 6e7))
