"""Single-band files of one folder are one scene."""

import numpy as np
import pytest
from rasterio.shutil import copy as copy_raster

from datasets_def import find_scenes, open_scene
from datasets_def.synthetic.product import write_product
from glofgeo.errors import GlofgeoError

BANDS = ("B02", "B03", "B04", "B08")


def dn(side=24, seed=0):
    return np.random.default_rng(seed).integers(1200, 4000, (1, side, side)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path, write_raster):
    """Four 10 m bands, one of 20 m, and a 20 m classification with a corner of cloud."""
    path = tmp_path / "imja"
    path.mkdir()
    for number, band in enumerate(BANDS):
        write_raster(path / f"{band}.tif", dn(seed=number), bands=None, tells=False)
    write_raster(path / "B11.tif", dn(12, 9), bands=None, pixel=20.0, tells=False)
    classes = np.full((1, 12, 12), 6, np.uint8)
    classes[0, :3, :3] = 9
    write_raster(path / "SCL.tif", classes, bands=None, pixel=20.0)
    return path


def test_a_folder_of_band_files_is_one_scene(folder):
    assert find_scenes(folder.parent) == [folder]
    assert find_scenes(folder) == [folder]
    scene = open_scene(folder, ("B08", "B02", "B11"), offset=-1000)
    assert (scene.id, scene.shape, scene.transform.a) == ("imja", (24, 24), 10)
    image, valid = scene.load()
    np.testing.assert_allclose(image[0], (dn(seed=3)[0] - 1000.0) / 1e4, atol=1e-6)
    np.testing.assert_allclose(image[2], (dn(12, 9)[0] - 1000.0).repeat(2, 0).repeat(2, 1) / 1e4, atol=1e-6)
    assert not valid[:6, :6].any()
    assert valid.sum() == 24 * 24 - 36


def test_the_offset_is_judged_from_all_bands_together_or_asked_for(folder, write_raster):
    with pytest.raises(GlofgeoError, match="give the offset"):
        open_scene(folder)
    dark = dn(seed=3)
    dark[0, :5] = 150
    write_raster(folder / "B08.tif", dark, bands=None, tells=False)
    assert {layer.offset for layer in open_scene(folder).layers.values()} == {0}


@pytest.mark.parametrize("where", ["R10m", "copied"])
def test_images_copied_out_of_a_product(tmp_path, where):
    product, _ = write_product(tmp_path / "made", size=96, seed=1)
    target = tmp_path / where
    target.mkdir()
    for file in product.rglob("IMG_DATA/R10m/*.jp2"):
        file.rename(target / file.name)
    scene = open_scene(target, offset=-1000)
    assert scene.id.startswith("T45")
    assert scene.datetime is not None
    assert scene.read().shape == (4, 96, 96)


def test_band_files_named_in_any_case_with_a_prefix(tmp_path, write_raster):
    for number, name in enumerate(("x_b2.TIF", "x_b3.tif", "x_B04_10m.tif", "x-B08.tiff")):
        write_raster(tmp_path / name, dn(seed=number), bands=None, scale=1e-4, offset=-0.1)
    assert open_scene(tmp_path, BANDS).id == "x"


def refuses(folder, *words, bands=BANDS):
    with pytest.raises(GlofgeoError) as caught:
        open_scene(folder, bands, offset=-1000)
    assert all(word in str(caught.value) for word in words)


def test_band_files_that_make_no_scene_are_refused(folder, write_raster):
    write_raster(folder / "other_B03.tif", dn(), bands=None)
    refuses(folder, "B03.tif", "other_B03.tif")
    (folder / "other_B03.tif").unlink()
    write_raster(folder / "B04.tif", dn(), bands=None, origin=(300010, 3100000), tells=False)
    refuses(folder, "B04.tif", "grid")
    write_raster(folder / "B04.tif", dn(), bands=("B03",), tells=False)
    refuses(folder, "B04", "B03")
    (folder / "B04.tif").unlink()
    refuses(folder, "B04")
    copy_raster(folder / "B02.tif", folder / "B04.tif", driver="GTiff")
    refuses(folder, "B05", bands=("B05",))


def test_files_of_several_days_or_offsets_make_no_scene(folder, tmp_path, write_raster):
    write_raster(folder / "B04.tif", dn(), bands=None, tells=False, BOA_ADD_OFFSET=0)
    with pytest.raises(GlofgeoError, match=r"offset"):
        open_scene(folder, BANDS)
    write_raster(folder / "B04.tif", dn(), bands=None, tells=False, ACQUISITION_DATETIME="2020-01-01T00:00:00")
    write_raster(folder / "B08.tif", dn(), bands=None, tells=False, ACQUISITION_DATETIME="2024-10-15T00:00:00")
    refuses(folder, "B04", "2020-01-01", "B08", "2024-10-15")


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (1e-2, -0.1), (1.0, -0.1)])
def test_a_file_with_another_scale_or_offset_is_refused(folder, write_raster, scale, offset):
    for band in BANDS:
        mine = (scale, offset) if band == "B04" else (1e-4, -0.1)
        write_raster(folder / f"{band}.tif", dn(), bands=None, scale=mine[0], offset=mine[1])
    with pytest.raises(GlofgeoError, match=r"bands disagree about scale and offset .*B04: \(DN"):
        open_scene(folder, BANDS)


def test_floating_point_reflectance_may_stand_beside_scaled_numbers(folder, write_raster):
    for band in BANDS:
        write_raster(folder / f"{band}.tif", dn(), bands=None, scale=1e-4)
    write_raster(folder / "B04.tif", (dn() / 1e4).astype(np.float32), bands=None)
    np.testing.assert_allclose(*open_scene(folder, ("B04", "B08")).read(), atol=1e-6)


def test_files_of_dn_and_of_scaled_numbers_may_share_a_folder(folder, write_raster):
    write_raster(folder / "B04.tif", dn(seed=2), bands=None, scale=1e-4, offset=-0.1)
    scene = open_scene(folder, BANDS, offset=-1000)
    np.testing.assert_allclose(scene.read()[2], (dn(seed=2)[0] - 1000.0) / 1e4, atol=1e-6)


def test_a_folder_named_as_a_product_tells_its_time(folder, tmp_path):
    named = tmp_path / "S2A_MSIL2A_20181015T045701_N0209_R119_T45RVL_20181015T085701"
    folder.rename(named)
    assert open_scene(named, offset=0).datetime.isoformat() == "2018-10-15T04:57:01+00:00"
