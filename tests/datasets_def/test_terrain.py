"""Slope and cast shadow beside the bands of a scene."""

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from datasets_def import open_scene
from datasets_def.bands import TERRAIN
from datasets_def.elevation import cast_shadow, open_dem, slope, spacing
from datasets_def.errors import GlofgeoError
from datasets_def.sun import scene_sun

BANDS = ("slope", "B08", "shadow", "B03")
VOID = (slice(120, 122), slice(110, 113))


@pytest.fixture(scope="module")
def hilly(kept, tmp_path_factory):
    """A product of 160 x 160 pixels, and a DEM of 30 m on its grid that reaches 3 km beyond it and has a void."""
    grid = open_scene(kept).grid.coarser(3).window(Window(-100, -100, 254, 254))
    rows, cols = np.indices(grid.shape)
    height = 4000 + 300 * np.sin(rows / 7) * np.cos(cols / 11) + 1500.0 * (rows > 180)
    height[VOID] = -9999
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=254, height=254, count=1, dtype="float32", crs=grid.crs,
        transform=grid.transform, nodata=-9999,
    ) as target:  # fmt: skip
        target.write(height.astype(np.float32), 1)
    return kept, open_dem([path]), grid, height


@pytest.fixture(scope="module")
def scene(hilly):
    return open_scene(hilly[0], BANDS, dem=hilly[1])


def test_terrain_comes_in_the_order_asked_for_under_the_scenes_own_sun(hilly, scene):
    product, _, grid, height = hilly
    image, valid = scene.load()
    plain = open_scene(product, ("B03", "B08")).read()
    np.testing.assert_array_equal(image[[3, 1]][:, valid], plain[:, valid])
    ground = np.where(height < 0, np.nan, height).astype(np.float32)
    pixel = spacing(grid)
    inner = slice(100, 154)
    wanted = {
        "slope": slope(ground, pixel)[inner, inner] / 90,
        "shadow": cast_shadow(ground, pixel, *scene_sun(scene))[inner, inner],
    }
    for name, values in wanted.items():
        each = values.repeat(3, 0).repeat(3, 1)[:160, :160]
        found = image[BANDS.index(name)]
        assert np.abs(found - each)[valid].max() < 1e-4, name
        assert len(np.unique(found[valid])) > 1


@settings(max_examples=15)
@given(st.data())
def test_a_window_says_the_same_as_the_whole(scene, data):
    top, left = data.draw(st.integers(0, 150)), data.draw(st.integers(0, 150))
    height, width = data.draw(st.integers(1, 160 - top)), data.draw(st.integers(1, 160 - left))
    part, valid = scene.load(Window(left, top, width, height))
    whole, all_valid = scene.load()
    np.testing.assert_array_equal(valid, all_valid[top : top + height, left : left + width])
    np.testing.assert_array_equal(part, whole[:, top : top + height, left : left + width])


def test_ground_of_unknown_height_is_not_observed_rather_than_flat(hilly, scene):
    image, valid = scene.load()
    # The void, and a pixel of the DEM around it, in which the slope is not known.
    hole = (slice(57, 69), slice(27, 42))
    assert not valid[hole].any() and valid.mean() > 0.6
    assert (image[0][hole] == np.float32(TERRAIN["slope"].mean)).all()
    plain = open_scene(hilly[0], ("B08", "B03"))
    assert plain.valid().sum() > valid.sum()
    # A shadow alone is known beside a void.
    alone = open_scene(hilly[0], ("B08", "shadow"), dem=hilly[1]).load()[1]
    assert valid.sum() < alone.sum()


def test_terrain_can_be_read_alone(scene, hilly):
    image, valid = scene.load()
    np.testing.assert_array_equal(scene.read(bands=("shadow",))[0][valid], image[2][valid])


def test_a_missing_or_distant_dem_stops(hilly, tmp_path, write_raster):
    product, dem = hilly[:2]
    with pytest.raises(GlofgeoError, match="slope must be computed from a DEM, and there is none; give one"):
        open_scene(product, ("B03", "slope"))
    with pytest.raises(GlofgeoError, match=r"unknown band height: Sentinel-2 has .* and a DEM gives slope and shadow"):
        open_scene(product, ("B03", "height"), dem=dem)
    image = write_raster(tmp_path / "image.tif", np.ones((4, 40, 40), np.uint16))
    with pytest.raises(GlofgeoError, match="the DEM does not cover image"):
        open_scene(image, ("B03", "slope"), dem=dem)


def test_a_scene_without_a_time_has_slopes_but_no_shadow(hilly, tmp_path, write_raster):
    dem, grid = hilly[1:3]
    x, y = grid.transform * (120, 100)
    image = write_raster(tmp_path / "image.tif", np.ones((4, 40, 40), np.uint16), origin=(x, y))
    with pytest.raises(GlofgeoError, match=r"not tell its time of day.*ACQUISITION_DATETIME"):
        open_scene(image, ("B03", "shadow"), dem=dem)
    assert open_scene(image, ("B03", "slope"), dem=dem).read().shape == (2, 40, 40)


def test_a_dem_tells_how_much_of_a_grid_it_covers(hilly, scene):
    dem, grid = hilly[1:3]
    assert dem.covers(scene.grid) == pytest.approx(1)
    assert dem.covers(grid.window(Window(127, 0, 254, 254))) == pytest.approx(0.5, abs=0.01)
    assert dem.covers(grid.window(Window(300, 0, 10, 10))) == 0


def test_terrain_of_a_raster_can_be_read_alone(hilly, tmp_path, write_raster):
    dem, grid = hilly[1:3]
    x, y = grid.transform * (120, 100)
    image = write_raster(tmp_path / "image.tif", np.ones((4, 40, 40), np.uint16), origin=(x, y))
    scene = open_scene(image, ("B03", "slope"), dem=dem)
    np.testing.assert_array_equal(scene.read(bands=("slope",))[0], scene.read()[1])
