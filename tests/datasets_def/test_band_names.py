"""Bands are known by the names that the programs in use give them, and by no others."""

import numpy as np
import pytest

from datasets_def import open_scene
from datasets_def.bands import DEFAULT_BANDS, band_name
from glofgeo.errors import GlofgeoError


def dn():
    return np.random.default_rng(0).integers(1300, 4300, (4, 32, 32)).astype(np.uint16)


@pytest.mark.parametrize(
    "names",
    [
        ("blue", "green", "red", "nir"),
        ("B02_10m", "B03_10m", "B04_10m", "B08_10m"),
        ("0_B2", "0_B3", "0_B4", "0_B8"),
        ("B2_median", "B3_median", "B4_median", "B8_median"),
        ("20220620T101559_20220620T101601_T32TQS_B2", "1_B3", "B4 - Red", "B8, 842 nm"),
    ],
)
def test_bands_are_known_by_the_names_that_other_programs_give_them(tmp_path, write_raster, names):
    path = write_raster(tmp_path / "a.tif", dn(), bands=names)
    np.testing.assert_array_equal(open_scene(path).load_dn().dn, dn())


@pytest.mark.parametrize("name", ["SR_B2", "B2x", "NDWI_B2_B3", "mean B2", "reddish"])
def test_other_names_are_no_bands_of_sentinel_2(name):
    assert band_name(name) == name


def test_a_file_without_names_that_lists_its_bands_is_read_in_that_order(tmp_path, write_raster):
    path = write_raster(tmp_path / "x_2022_B08_B02_B03_B04_10m.tif", dn(), bands=None)
    np.testing.assert_array_equal(open_scene(path).load_dn().dn, dn()[[1, 2, 3, 0]])
    with pytest.raises(GlofgeoError, match="have no names"):
        open_scene(write_raster(tmp_path / "x_B02_B03_B04.tif", dn(), bands=None))


@pytest.mark.parametrize(
    "pattern", ["2022-06-20-00:00_2022-06-20-23:59_Sentinel-2_L2A_{}_(Raw).tiff", "{}.tif", "x_{}_10m.tif"]
)
@pytest.mark.parametrize("names", [DEFAULT_BANDS, ("blue", "green", "red", "nir")])
def test_a_folder_of_single_bands_is_known_by_the_names_of_its_files(tmp_path, write_raster, pattern, names):
    for number, name in enumerate(names):
        write_raster(tmp_path / pattern.format(name), dn()[number : number + 1], bands=None)
    np.testing.assert_array_equal(open_scene(tmp_path).load_dn().dn, dn())
