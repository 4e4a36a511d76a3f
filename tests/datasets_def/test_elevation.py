"""A DEM on the grid of a scene, and the slope and shadow that follow from it."""

import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from datasets_def.elevation import Spacing, cast_shadow, open_dem, slope, spacing
from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid

UTM = CRS.from_epsg(32645)
SCENE = Grid((60, 50), from_origin(480000, 3090000, 10, 10), UTM)
SQUARE = Spacing(10.0, 10.0)


def plane(x, y):
    """Height of a tilted plain in EPSG:32645; a plane there is one in degrees, too, as near as matters here."""
    return 4000 + (x - 480000) * 0.3 - (y - 3090000) * 0.2


def write_tile(path, bounds, shape, crs=4326, *, nodata=None, hole=None, dtype="float32"):
    transform = rasterio.transform.from_bounds(*bounds, shape[1], shape[0])
    rows, cols = np.indices(shape)
    x, y = transform * (cols + 0.5, rows + 0.5)
    lon, lat = x.ravel(), y.ravel()
    east, north = rasterio.warp.transform(f"EPSG:{crs}", UTM, lon, lat)
    height = plane(np.array(east), np.array(north)).reshape(shape)
    if hole:
        height[hole] = -32768 if nodata is None else nodata
    with rasterio.open(
        path, "w", driver="GTiff", width=shape[1], height=shape[0], count=1, dtype=dtype, crs=f"EPSG:{crs}",
        transform=transform, nodata=nodata,
    ) as target:  # fmt: skip
        target.write(height.astype(dtype), 1)
    return path


def degrees_around(grid, margin=0.002):
    west, south, east, north = transform_bounds(grid.crs, CRS.from_epsg(4326), *grid.bounds)
    return west - margin, south - margin, east + margin, north + margin


def truth(grid):
    rows, cols = np.indices(grid.shape)
    return plane(*(grid.transform * (cols + 0.5, rows + 0.5)))


def test_a_dem_in_degrees_lies_on_the_scenes_grid(tmp_path):
    dem = open_dem([write_tile(tmp_path / "dem.tif", degrees_around(SCENE), (60, 60))])
    np.testing.assert_allclose(dem.on(SCENE), truth(SCENE), atol=0.1)


def test_tiles_fill_one_another_and_a_folder_names_them_all(tmp_path):
    west, south, east, north = degrees_around(SCENE)
    middle = (west + east) / 2
    write_tile(tmp_path / "a.tif", (west, south, middle, north), (40, 20))
    write_tile(tmp_path / "b.tif", (middle, south, east, north), (40, 20), hole=(slice(0, 40), slice(8, 20)))
    height = open_dem([tmp_path]).on(SCENE)
    seen = np.isfinite(height)
    assert 0.6 < seen.mean() < 0.95 and not seen[:, -5:].any()
    # Half a pixel of the tiles (8 m) from their common edge there is no neighbour to interpolate with.
    np.testing.assert_allclose(height[seen], truth(SCENE)[seen], atol=4)


@pytest.mark.parametrize("nodata", [None, -9999])
def test_voids_are_not_heights_and_fine_dems_are_averaged(tmp_path, nodata):
    bounds = (479990, 3089300, 480610, 3090010)
    hole = (slice(200, 300), slice(100, 200))
    dem = open_dem([write_tile(tmp_path / "fine.tif", bounds, (710, 620), 32645, nodata=nodata, hole=hole)])
    coarse = SCENE.coarser(2)
    height, there = dem.on(coarse), truth(coarse)
    seen = np.isfinite(height)
    assert not seen[10:14, 5:9].any()
    assert seen[20:].all()
    np.testing.assert_allclose(height[seen], there[seen], atol=6 if nodata is None else 3)


def test_heights_are_in_metres_whatever_unit_a_file_stores(tmp_path):
    path = write_tile(tmp_path / "dem.tif", degrees_around(SCENE), (80, 80), dtype="int16")
    whole = open_dem([path]).on(SCENE)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = [0.1], [300]
    np.testing.assert_allclose(open_dem([path]).on(SCENE), whole / 10 + 300, atol=0.01)


def test_files_that_are_no_dem_are_named(tmp_path, write_raster):
    four = write_raster(tmp_path / "image.tif", np.zeros((4, 5, 5), np.uint16))
    text = tmp_path / "text.tif"
    text.write_text("no raster")
    with pytest.raises(GlofgeoError, match=r"image\.tif: has 4 bands"):
        open_dem([four])
    with pytest.raises(GlofgeoError, match=r"text\.tif: cannot be read as a DEM"):
        open_dem([text])
    with pytest.raises(GlofgeoError, match=r"gone\.tif: no such DEM"):
        open_dem([tmp_path / "gone.tif"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(GlofgeoError, match=r"empty: holds no \.tif"):
        open_dem([tmp_path / "empty"])


def test_pixels_are_measured_on_the_ground():
    utm = spacing(SCENE)
    assert utm.east_m == pytest.approx(10, rel=1e-3) and utm.north_m == pytest.approx(10, rel=1e-3)
    assert utm.turn == pytest.approx(0, abs=0.2)
    degrees = spacing(Grid((3, 3), from_origin(86.9, 60.0, 0.001, 0.001), CRS.from_epsg(4326)))
    assert degrees.east_m == pytest.approx(55.8, abs=0.1) and degrees.north_m == pytest.approx(111.4, abs=0.1)


@given(st.floats(-1, 1), st.floats(-1, 1), st.sampled_from([10.0, 30.0]), st.sampled_from([10.0, 27.0]))
def test_slope_of_a_plane_is_exact_up_to_its_border(east, north, width, height):
    rows, cols = np.indices((6, 7))
    ground = (east * cols * width - north * rows * height).astype(np.float32)
    found = slope(ground, Spacing(width, height))
    np.testing.assert_allclose(found, math.degrees(math.atan(math.hypot(east, north))), atol=0.01)


def test_slope_is_horns():
    ground = np.array([[1, 2, 3], [4, 5, 7], [9, 8, 6]], np.float32) * 10
    east = (30 + 2 * 70 + 60 - 10 - 2 * 40 - 90) / 80
    south = (90 + 2 * 80 + 60 - 10 - 2 * 20 - 30) / 80
    assert slope(ground, SQUARE)[1, 1] == pytest.approx(math.degrees(math.atan(math.hypot(east, south))), rel=1e-5)
    ground[0, 0] = np.nan
    assert np.isnan(slope(ground, SQUARE)[1, 1])


def test_slope_is_that_of_xdem():
    """Of xdem 0.2.3, `slope(..., surface_fit="Horn")`; it needs an older pandas than glofgeo."""
    ground = np.array(
        [[5020, 5054, 4978, 5090, 5068, 5091], [5004, 4981, 5082, 4989, 5034, 5065],
         [4986, 4985, 4969, 4977, 4990, 5013], [4924, 5044, 4965, 5039, 5069, 5025],
         [4929, 4966, 4963, 5066, 4989, 5093]], np.float32,
    )  # fmt: skip
    known = {
        30.0: [[40.552, 40.473, 52.552, 58.726], [24.772, 26.888, 22.546, 33.035], [30.51, 22.709, 51.986, 35.411]],
        20.0: [[52.076, 51.999, 62.951, 67.956], [34.691, 37.257, 31.912, 44.287], [41.474, 32.118, 62.475, 46.841]],
    }
    for side, degrees in known.items():
        np.testing.assert_allclose(slope(ground, Spacing(side, side))[1:-1, 1:-1], degrees, atol=2e-3)


def test_a_shadow_reaches_no_farther_than_one_looks():
    ground = np.zeros((100, 60), np.float32)
    ground[50] = 200.0
    whole = cast_shadow(ground, SQUARE, 45.0, 180.0)
    near = cast_shadow(ground, SQUARE, 45.0, 180.0, 100.0)
    assert near[40:50].all() and not near[:40].any() and whole[31:50].all()
    assert (cast_shadow(ground, SQUARE, 45.0, 180.0, 1000.0) == whole).all()


def test_a_wall_throws_a_shadow_of_its_height():
    ground = np.zeros((100, 60), np.float32)
    ground[50] = 200.0
    shadow = cast_shadow(ground, SQUARE, 45.0, 180.0)
    assert shadow[31:50].all() and not shadow[:30].any() and not shadow[50:].any()
    east = cast_shadow(np.ascontiguousarray(ground.T), SQUARE, 45.0, 90.0)
    assert east[:, 31:50].all() and not east[:, :30].any() and not east[:, 50:].any()


def traced(ground, pixel, zenith, azimuth):
    """How far the ground between each pixel and the sun rises over the line to it (m), at each line of the grid.

    The ground is linear along the grid's lines; a ray can be held up by it only where it crosses one.
    """
    rows, cols = ground.shape
    down, right = -math.cos(math.radians(azimuth)) / pixel.north_m, math.sin(math.radians(azimuth)) / pixel.east_m
    over = np.full(ground.shape, -np.inf)
    for row, col in np.ndindex(ground.shape):
        metres = [k / abs(v) for v in (down, right) if v for k in range(1, rows + cols)]
        for metre in sorted(metres):
            r, c = row + metre * down, col + metre * right
            if not (0 <= r <= rows - 1 and 0 <= c <= cols - 1):
                break
            r0, c0 = min(int(r), rows - 2), min(int(c), cols - 2)
            fr, fc = r - r0, c - c0
            top = ground[r0, c0] * (1 - fc) + ground[r0, c0 + 1] * fc
            low = ground[r0 + 1, c0] * (1 - fc) + ground[r0 + 1, c0 + 1] * fc
            clear = top * (1 - fr) + low * fr - ground[row, col] - metre / math.tan(math.radians(zenith))
            over[row, col] = max(over[row, col], clear)
    return over


@given(st.integers(0, 2**32), st.floats(25, 75), st.floats(0, 359), st.sampled_from([10.0, 14.0]))
def test_shadow_is_that_of_an_exact_ray_tracer(seed, zenith, azimuth, width):
    rng = np.random.default_rng(seed)
    steps = np.cumsum(np.cumsum(rng.normal(0, 3, (14, 12)), axis=0), axis=1)
    ground = steps.astype(np.float32)
    pixel = Spacing(width, 10.0)
    over = traced(ground, pixel, zenith, azimuth)
    found = cast_shadow(ground, pixel, zenith, azimuth)
    # The march looks at one of the two families of lines: where the ray is held up by less than the ground bends within
    # a pixel, and by the grid's outermost line, the two may differ.
    bend = np.abs(np.diff(np.diff(ground, axis=0), axis=1)).max() / 4 + 0.01
    sure = np.abs(over) > bend
    inner = (slice(1, -1), slice(1, -1))
    assert (found[inner] == (over > 0)[inner])[sure[inner]].mean() > 0.97
    assert not found[over < -bend].any()


def test_a_void_throws_no_shadow_and_has_none():
    ground = np.zeros((20, 20), np.float32)
    ground[10] = np.nan
    shadow = cast_shadow(ground, SQUARE, 60.0, 180.0)
    assert not shadow.any()


def test_shadow_follows_true_north_on_a_turned_grid():
    ground = np.zeros((40, 40), np.float32)
    ground[20, :] = 100.0
    assert (cast_shadow(ground, Spacing(10, 10, 30.0), 45, 210) == cast_shadow(ground, SQUARE, 45, 180)).all()


def test_a_turned_dem_is_refused(tmp_path):
    path = tmp_path / "turned.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=1, dtype="int16", crs=UTM,
        transform=Affine(10, 3, 480000, 3, -10, 3090000),
    ) as target:  # fmt: skip
        target.write(np.ones((1, 4, 4), np.int16))
    with pytest.raises(GlofgeoError, match="turned"):
        open_dem([path])
