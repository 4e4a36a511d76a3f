"""The rasters are Cloud-Optimized GeoTIFFs on the scene's grid, say what they show, and are never half there."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from datasets_def.grid import Grid
from glofgeo.mapping import rasters
from glofgeo.mapping.rasters import PercentCounts, StripWriter, WorkingRaster, describe_probability, require_pixels

SHAPE = (1300, 1100)
GRIDS = [
    Grid(SHAPE, Affine(10, 0, 480_000, 0, -10, 3_100_000), CRS.from_epsg(32645)),
    Grid(SHAPE, Affine(0.000107, 0, -117.3, 0, -0.000071, 51.6), CRS.from_epsg(4326)),
]
TAGS = {"SCENE_ID": "S2A_MSIL2A_X", "ACQUISITION_DATETIME": "2023-10-12T04:57:01+00:00", "SOFTWARE": "glofgeo 0"}


@pytest.fixture(scope="module")
def percent():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 101, SHAPE, dtype=np.uint8)
    values[:200, :300] = 255
    return values


def write_strips(folder, percent, grid=GRIDS[0], rows=170):
    counts = PercentCounts()
    with StripWriter(folder / "strips.tif", replace(grid, shape=percent.shape)) as writer:
        for row in range(0, percent.shape[0], rows):
            for sink in (writer, counts):
                sink.add(row, percent[row : row + rows])
        describe_probability(writer, counts.finish(), TAGS)
        return writer.finish()


def write_probability(folder, percent, grid=GRIDS[0], rows=170):
    strips = write_strips(folder, percent, grid, rows)
    rasters.write_probability(folder / "probability.tif", strips)
    strips.path.unlink()
    return folder / "probability.tif"


def write_mask(folder, percent, grid=GRIDS[0]):
    strips = write_strips(folder, percent, grid)
    rasters.write_mask(
        folder / "mask.tif", strips, lambda first, rows: np.where(rows == 255, 255, rows > 50).astype(np.uint8), TAGS
    )
    strips.path.unlink()
    return folder / "mask.tif"


def assert_cog(raster, grid):
    assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert raster.compression.name == "deflate"
    assert raster.block_shapes == [(512, 512)]
    assert raster.overviews(1) == [2, 4]
    assert Grid(raster.shape, raster.transform, raster.crs) == grid
    assert raster.dtypes == ("uint8",)
    assert raster.nodata == 255
    assert TAGS.items() <= raster.tags().items()


@pytest.mark.parametrize("grid", GRIDS)
def test_probability_is_a_cog_on_the_grid_of_the_scene(tmp_path, percent, grid):
    with rasterio.open(write_probability(tmp_path, percent, grid)) as raster:
        assert_cog(raster, grid)
        np.testing.assert_array_equal(raster.read(1), percent)
        assert raster.descriptions == ("lake probability, percent",)


def test_probability_is_stretched_from_0_to_100_and_tells_its_true_mean(tmp_path, percent):
    percent = np.where(percent == 255, 255, percent // 2).astype(np.uint8)
    with rasterio.open(write_probability(tmp_path, percent)) as raster:
        band = raster.tags(1)
    seen = percent[percent != 255]
    assert float(band["STATISTICS_MINIMUM"]) == 0
    assert float(band["STATISTICS_MAXIMUM"]) == 100
    assert float(band["STATISTICS_MEAN"]) == pytest.approx(seen.mean(), rel=1e-5)
    assert float(band["STATISTICS_STDDEV"]) == pytest.approx(seen.std(), rel=1e-5)


def test_probability_seen_from_afar_is_the_mean_of_what_was_observed(tmp_path):
    percent = np.zeros(SHAPE, np.uint8)
    percent[100:102, 100:102] = [[100, 0], [255, 50]]
    path = write_probability(tmp_path, percent)
    with rasterio.open(path, overview_level=0) as overview:
        assert overview.read(1)[50, 50] == 50


def test_a_scene_of_which_nothing_was_observed_can_be_written(tmp_path):
    with rasterio.open(write_probability(tmp_path, np.full((700, 600), 255, np.uint8))) as raster:
        assert (raster.read(1) == 255).all()


@pytest.mark.parametrize("grid", GRIDS)
def test_mask_is_a_cog_with_colours(tmp_path, percent, grid):
    with rasterio.open(write_mask(tmp_path, percent, grid)) as raster:
        assert_cog(raster, grid)
        np.testing.assert_array_equal(raster.read(1), np.where(percent == 255, 255, percent > 50))
        assert raster.colorinterp == (ColorInterp.palette,)
        assert raster.colormap(1)[1][:3] == (30, 144, 255)
        assert "0 land, 1 lake" in raster.descriptions[0]
    with rasterio.open(tmp_path / "mask.tif", overview_level=1) as overview:
        assert set(np.unique(overview.read(1))) <= {0, 1, 255}


def test_styles_lie_beside_the_rasters_and_nothing_else_does(tmp_path, percent):
    write_probability(tmp_path, percent)
    write_mask(tmp_path, percent)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mask.tif", "mask.qml", "probability.tif", "probability.qml"}
    assert ET.parse(tmp_path / "mask.qml").find("pipe/rasterrenderer").get("type") == "paletted"
    assert ET.parse(tmp_path / "probability.qml").find("pipe/rasterrenderer").get("type") == "singlebandpseudocolor"


def test_equal_maps_give_equal_bytes(tmp_path, percent):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        # The number of rows in a strip is a matter of the machine, not of the map.
        write_probability(tmp_path / name, percent, rows={"a": 170, "b": 512}[name])
        write_mask(tmp_path / name, percent)
    for name in ("probability.tif", "mask.tif", "mask.qml", "probability.qml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_failed_write_leaves_the_earlier_file_and_no_parts(tmp_path, percent):
    path = write_probability(tmp_path, percent)
    before = path.read_bytes()
    broken = tmp_path / "broken.tif"
    broken.write_bytes(before[: len(before) // 2])
    with pytest.raises((rasterio.errors.RasterioError, CPLE_BaseError)):
        rasters.write_probability(path, WorkingRaster(broken, 0))
    broken.unlink()
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"probability.tif", "probability.qml"}


def test_pixels_that_did_not_reach_the_disk_are_noticed(tmp_path, percent):
    strips = write_strips(tmp_path, percent)
    require_pixels(strips.path, crc32(percent.tobytes()))
    percent[-1, -1] ^= 1
    with pytest.raises(OSError, match=r"strips\.tif"):
        require_pixels(strips.path, crc32(percent.tobytes()))
    percent[-1, -1] ^= 1
