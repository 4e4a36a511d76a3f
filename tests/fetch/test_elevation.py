"""The elevation model around an area, as one file."""

import math

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from shapely.geometry import box

from datasets_def.elevation import open_dem
from datasets_def.grid import Grid
from glofgeo.errors import GlofgeoError
from glofgeo.fetch import elevation, mosaic
from glofgeo.fetch.elevation import dem_bounds, dem_tiles, fetch_dem
from glofgeo.fetch.mosaic import NODATA, mosaic_grid
from glofgeo.hazard.lakes import dem_date

from .conftest import full_disk

KHUMBU = gpd.GeoSeries([box(86.52, 27.72, 87.05, 28.08)], crs=4326)
WGS84 = CRS.from_epsg(4326)


def tile_grid(lat, lon, rows=12):
    """The pixels of a tile: their centres, not their edges, lie on whole degrees; from 50 degrees on they are wider."""
    cols = rows if lat < 50 else rows * 2 // 3
    corner = Affine.translation(lon - 0.5 / cols, lat + 1 + 0.5 / rows)
    return Grid((rows, cols), corner * Affine.scale(1 / cols, -1 / rows), WGS84)


def height_at(lon, lat):
    """Metres; they rise evenly, so that interpolation is exact."""
    return (50 * (lat % 90) + 10 * (lon % 360)).astype(np.float32)


def heights_of(grid):
    cols, rows = np.meshgrid(np.arange(grid.shape[1]) + 0.5, np.arange(grid.shape[0]) + 0.5)
    return height_at(*(grid.transform * (cols, rows)))


@pytest.fixture
def serve(server):
    """Puts tiles on the server."""

    def add(*names):
        for name in names:
            lat, lon = int(name[1:3]) * (1 if name[0] == "N" else -1), int(name[8:11]) * (1 if name[7] == "E" else -1)
            grid, stem = tile_grid(lat, lon), f"Copernicus_DSM_COG_10_{name}_DEM"
            with MemoryFile() as memory:
                profile = {"height": grid.shape[0], "width": grid.shape[1], "transform": grid.transform, "crs": WGS84}
                with memory.open(driver="GTiff", count=1, dtype="float32", **profile) as target:
                    target.write(heights_of(grid), 1)
                server.files[f"/{stem}/{stem}.tif"] = memory.read()

    return add


def read(path):
    with rasterio.open(path) as source:
        return source.read(1, masked=True), Grid(source.shape, source.transform, source.crs)


def test_tiles_around_khumbu():
    names = ["N27_00_E086_00", "N27_00_E087_00", "N28_00_E086_00", "N28_00_E087_00"]
    assert dem_tiles(KHUMBU) == names
    assert dem_tiles(gpd.GeoSeries([box(-0.8, -0.8, -0.2, -0.2)], crs=4326)) == ["S01_00_W001_00"]


def test_tiles_across_the_antimeridian_are_few():
    fiji = gpd.GeoSeries([box(179.5, -16.5, 180, -16.4), box(-180, -16.5, -179.5, -16.4)], crs=4326)
    assert dem_tiles(fiji) == ["S17_00_E179_00", "S17_00_W180_00"]


@given(st.floats(-179, 178), st.floats(-80, 79), st.floats(0.01, 2), st.floats(0.01, 2))
def test_tiles_hold_the_area(west, south, width, height):
    area = box(west, south, min(west + width, 180), south + height)
    corners = [(int(name[1:3]) * (1 if name[0] == "N" else -1), int(name[8:11]) * (1 if name[7] == "E" else -1))
               for name in dem_tiles(gpd.GeoSeries([area], crs=4326))]  # fmt: skip
    together = gpd.GeoSeries([box(lon, lat, lon + 1, lat + 1) for lat, lon in corners]).union_all()
    assert together.buffer(1e-9).covers(area)


@given(st.floats(-170, 170), st.floats(-80, 79), st.floats(0.01, 2), st.floats(0.01, 2))
def test_a_mosaic_has_the_pixels_of_the_finest_tile_that_touch_the_bounds(west, south, width, height):
    bounds = (west, south, west + width, south + height)
    lat, lon = math.floor(south), math.floor(west)
    tiles = [tile_grid(lat, lon), tile_grid(lat + 1, lon)]
    finest = min(tiles, key=lambda grid: grid.transform.a)
    grid = mosaic_grid(tiles, bounds)
    assert grid.outline.buffer(1e-4).covers(box(*bounds))
    inner = grid.outline.buffer(-1.01 * finest.transform.a, join_style="mitre")
    assert inner.is_empty or box(*bounds).covers(inner)
    col, row = ~finest.transform * grid.transform * (0, 0)
    assert (col, row) == pytest.approx((round(col), round(row)), abs=1e-6)


def test_tiles_become_one_cog_and_what_is_missing_is_void(server, serve, tmp_path):
    tiles, path = dem_tiles(KHUMBU), tmp_path / "data" / "dem.tif"
    serve(*tiles[1:])
    fetched = fetch_dem(KHUMBU, path, source=server.url)
    assert (fetched.tiles, fetched.voids, fetched.failed) == (3, ["N27_00_E086_00"], {})
    heights, grid = read(path)
    assert grid.outline.covers(box(86.37, 27.57, 87.2, 28.23))
    void = np.zeros(heights.shape, bool)
    void[grid.intersect((86 - 1 / 24, 27 + 1 / 24, 87 - 1 / 24, 28 + 1 / 24)).toslices()] = True
    assert (heights.mask == void).all()
    assert np.allclose(heights[~void], heights_of(grid)[~void], atol=1e-3)
    with rasterio.open(path) as source:
        assert (source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"], source.nodata) == ("COG", NODATA)
    assert [child.name for child in path.parent.iterdir()] == ["dem.tif"]
    assert dem_date(open_dem([path])) == "2011-2015 (Copernicus GLO)"


def test_a_file_that_holds_the_area_is_left_and_another_area_replaces_it(server, serve, tmp_path):
    path = tmp_path / "dem.tif"
    serve(*dem_tiles(KHUMBU), "N26_00_E086_00", "N26_00_E087_00")
    fetch_dem(KHUMBU, path, source=server.url)
    before, asked = path.read_bytes(), len(server.log)
    smaller = gpd.GeoSeries([KHUMBU.union_all().buffer(-0.1)], crs=4326)
    assert fetch_dem(smaller, path, source=server.url).tiles is None
    assert (path.read_bytes(), len(server.log)) == (before, asked)
    larger = gpd.GeoSeries([box(86.52, 27.0, 87.05, 28.08)], crs=4326)
    assert fetch_dem(larger, path, source=server.url).tiles == 6
    assert read(path)[1].bounds[1] < 26.86


def test_a_file_of_another_origin_is_left_alone(tmp_path):
    path = tmp_path / "dem.tif"
    path.write_bytes(b"drawn by hand")
    with pytest.raises(GlofgeoError, match="another origin"):
        fetch_dem(KHUMBU, path)
    assert path.read_bytes() == b"drawn by hand"


def test_no_finished_tile_comes_twice(server, serve, tmp_path, monkeypatch):
    tiles, path = dem_tiles(KHUMBU), tmp_path / "dem.tif"
    serve(*tiles)
    server.fault = lambda path, number: "400" if tiles[2] in path else None
    assert list(fetch_dem(KHUMBU, path, source=server.url).failed) == [tiles[2]]
    assert not path.exists()
    server.fault = lambda path, number: None

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(elevation, "write_mosaic", killed)
        fetch_dem(KHUMBU, path, source=server.url)
    assert fetch_dem(KHUMBU, path, source=server.url).tiles == 4
    assert len([one for one in server.log if one.sent]) == 4


def test_a_tile_that_is_a_page_of_the_network_is_named_and_comes_again(server, serve, tmp_path):
    tiles, path = dem_tiles(KHUMBU), tmp_path / "dem.tif"
    serve(*tiles)
    address = next(address for address in server.files if tiles[1] in address)
    content = server.files[address]
    server.files[address] = b"<html>Log in</html>"
    fetched = fetch_dem(KHUMBU, path, source=server.url)
    assert list(fetched.failed) == [tiles[1]]
    assert "came damaged" in str(fetched.failed[tiles[1]])
    server.files[address] = content
    assert fetch_dem(KHUMBU, path, source=server.url).tiles == 4


def test_a_kill_while_tiles_are_joined_stops_no_later_call(server, serve, tmp_path):
    serve(*dem_tiles(KHUMBU))
    path = tmp_path / "dem.tif"
    (tmp_path / ".dem.tif.part").mkdir()
    (tmp_path / ".dem.tif.part" / "working.tif").write_bytes(b"II*\0\x08\0\0\0")
    assert fetch_dem(KHUMBU, path, source=server.url).tiles == 4


def test_a_full_disk_is_told_as_such(server, serve, tmp_path):
    serve(*dem_tiles(KHUMBU))
    with full_disk(1500), pytest.raises(GlofgeoError, match=r"dem\.tif: cannot be written .*free some space"):
        fetch_dem(KHUMBU, tmp_path / "dem.tif", source=server.url)
    assert fetch_dem(KHUMBU, tmp_path / "dem.tif", source=server.url).tiles == 4


def test_tiles_of_other_spacing_are_brought_to_the_finest(server, serve, tmp_path, monkeypatch):
    monkeypatch.setattr(mosaic, "_SIDE", 5)
    area, path = gpd.GeoSeries([box(10.4, 49.7, 11.3, 50.3)], crs=4326), tmp_path / "dem.tif"
    serve(*dem_tiles(area))
    fetch_dem(area, path, source=server.url)
    heights, grid = read(path)
    assert grid.transform.a == pytest.approx(1 / 12)
    assert not heights.mask.any()
    # At the edge of a tile there is nothing to interpolate with: half a pixel of it is taken as level.
    assert abs(heights - heights_of(grid)).max() <= 10 / 8 / 2 + 1e-3
    fine = grid.intersect((10, 49, 12, 50))
    assert np.allclose(heights[fine.toslices()], heights_of(grid.window(fine)), atol=1e-3)


def test_an_area_across_the_antimeridian_is_one_file_for_both_sides(server, serve, tmp_path):
    fiji = gpd.GeoSeries([box(179.5, -16.5, 180, -16.4), box(-180, -16.5, -179.5, -16.4)], crs=4326)
    path = tmp_path / "dem.tif"
    assert dem_bounds(fiji) == pytest.approx((179.35, -16.65, 180.65, -16.25))
    serve(*dem_tiles(fiji))
    assert fetch_dem(fiji, path, source=server.url).tiles == 2
    heights, grid = read(path)
    assert not heights.mask.any()
    assert np.allclose(heights, heights_of(grid), atol=1e-3)
    dem = open_dem([path])
    for lon in (179.7, -179.7):
        there = Grid((2, 2), Affine.translation(lon, -16.4) * Affine.scale(0.02, -0.02), WGS84)
        assert np.allclose(dem.on(there), heights_of(there), atol=0.1)
    across = Grid((4, 20), Affine.translation(810_000, 8_178_000) * Affine.scale(1000, -1000), CRS.from_epsg(32760))
    middles = np.meshgrid(np.arange(20) + 0.5, np.arange(4) + 0.5)
    lon, lat = Transformer.from_crs(32760, 4326, always_xy=True).transform(*(across.transform * middles))
    assert lon.min() < 0 < lon.max()
    assert np.allclose(dem.on(across), height_at(lon, lat), atol=0.1)


def test_an_area_without_any_tile_is_told(server, tmp_path):
    with pytest.raises(GlofgeoError, match="no tile around the area: N27_00_E086_00"):
        fetch_dem(KHUMBU, tmp_path / "dem.tif", source=server.url)


def test_the_command_says_what_there_is(server, serve, run, tmp_path):
    words = ("fetch", "--aoi", tmp_path / "aoi.geojson", "--dem", "--out", tmp_path / "scenes")
    KHUMBU.to_file(words[2])
    serve(*dem_tiles(KHUMBU))
    fetch_dem(KHUMBU, tmp_path / "dem.tif", source=server.url)
    status, told, _ = run(*words)
    assert (status, told) == (0, f"{tmp_path / 'dem.tif'}: Copernicus GLO-30 around the area, was there\n")
    (tmp_path / "dem.tif").write_bytes(b"drawn by hand")
    status, _, told = run(*words)
    assert status == 1
    assert "is of another origin" in told and "(--out)" in told
