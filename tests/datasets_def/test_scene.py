"""Opening scenes: radiometry, validity, grids, and every wrong input."""

import shutil
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from datasets_def import find_scenes, open_scene
from datasets_def.bands import BANDS
from datasets_def.synthetic.product import write_product
from glofgeo.errors import GlofgeoError


def band_file(product, band):
    return next(product.rglob(f"*_{band}_10m.jp2"))


def stored_dn(product, band):
    with rasterio.open(band_file(product, band)) as source:
        return source.read(1)


def test_a_product_tells_what_it_is(product):
    scene = open_scene(product[0])
    assert scene.id == product[0].stem
    assert (scene.shape, scene.baseline, scene.level) == ((300, 300), "05.10", "L2A")
    assert scene.datetime == datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
    with rasterio.open(band_file(product[0], "B02")) as source:
        assert (scene.crs, scene.transform) == (source.crs, source.transform)


def test_reflectance_is_dn_plus_offset_by_quantification(product):
    scene = open_scene(product[0], ("B08", "B03"))
    numbers = np.stack([stored_dn(product[0], band).astype(float) for band in ("B08", "B03")])
    there = (numbers != 0).all(axis=0)
    assert not there.all()
    np.testing.assert_allclose(scene.read()[:, there], (numbers[:, there] - 1000) / 10000, atol=1e-6)
    assert scene.read().dtype == np.float32


@pytest.mark.parametrize(
    ("baseline", "level", "offset"), [("03.01", "L2A", 0), ("05.09", "L1C", -1000), ("02.08", "L1C", 0)]
)
def test_the_offset_comes_from_the_metadata_of_every_baseline_and_level(tmp_path, baseline, level, offset):
    path, _ = write_product(tmp_path, size=96, baseline=baseline, level=level, seed=1)
    scene = open_scene(path)
    assert scene.baseline == baseline
    with rasterio.open(next(path.rglob("*_B04*.jp2"))) as source:
        numbers = source.read(1)
    seen = numbers != 0
    read = scene.read(bands=("B04",))[0]
    np.testing.assert_allclose(read[seen], (numbers[seen] + float(offset)) / 10000, atol=1e-6)
    assert (read[~seen] == np.float32(BANDS["B04"].mean)).all()
    assert not seen.all()
    assert scene.has_cloud_mask == (level == "L2A")


def test_only_cloud_and_nodata_are_not_valid(product):
    scene = open_scene(product[0])
    assert (scene.valid() == ~np.isin(scene.classes(), (0, 1, 8, 9, 10))).all()


@settings(max_examples=20)
@given(st.data())
def test_any_window_reads_the_same_pixels_as_the_whole(product, data):
    scene = open_scene(product[0], ("B02", "B08"))
    row, col = data.draw(st.integers(0, 299)), data.draw(st.integers(0, 299))
    window = Window(col, row, data.draw(st.integers(1, 300 - col)), data.draw(st.integers(1, 300 - row)))
    image, valid = scene.load(window)
    part = window.toslices()
    assert (image == scene.read()[:, part[0], part[1]]).all()
    assert (valid == scene.load()[1][part]).all()
    assert (scene.classes(window) == scene.classes()[part]).all()


def test_a_20_m_band_is_served_on_the_10_m_grid(tmp_path):
    path, _ = write_product(tmp_path, size=101, seed=2, bands=("B03", "B8A"))
    scene = open_scene(path, ("B03", "B8A"))
    with rasterio.open(next(path.rglob("*_B8A_20m.jp2"))) as source:
        coarse = source.read(1)
    expected = (coarse.repeat(2, 0).repeat(2, 1)[:101, :101] - 1000.0) / 10000
    np.testing.assert_allclose(scene.read(bands=("B8A",))[0], expected, atol=1e-6)
    window = Window(3, 5, 40, 21)
    np.testing.assert_allclose(scene.read(window, ("B8A",))[0], expected[5:26, 3:43], atol=1e-6)


def test_a_zipped_product_is_the_same_scene(product, tmp_path):
    archive = shutil.make_archive(tmp_path / product[0].name, "zip", product[0].parent, product[0].name)
    zipped, plain = open_scene(archive), open_scene(product[0])
    assert zipped.id == plain.id
    assert (zipped.read() == plain.read()).all()
    assert (zipped.valid() == plain.valid()).all()


def test_a_raster_with_scale_and_offset_is_believed(tmp_path, write_raster):
    array = np.full((4, 8, 8), 1500, np.uint16)
    scene = open_scene(write_raster(tmp_path / "a.tif", array, scale=2e-4, offset=-0.2))
    np.testing.assert_allclose(scene.read(), 0.1, atol=1e-6)


def test_raster_bands_are_found_by_name(tmp_path, write_raster):
    array = np.stack([np.full((4, 4), 1 + i, np.uint16) for i in range(5)])
    path = write_raster(tmp_path / "x_20240101T101112.tif", array, bands=("B08", "b3", "SCL", "B04", "B02"))
    scene = open_scene(path, ("B02", "B03"))
    np.testing.assert_allclose(scene.read()[:, 0, 0], [5e-4, 2e-4], atol=1e-9)
    assert scene.has_cloud_mask
    assert scene.datetime == datetime(2024, 1, 1, 10, 11, 12, tzinfo=UTC)


def refuses(path, *words, bands=("B02", "B03", "B04", "B08")):
    with pytest.raises(GlofgeoError) as caught:
        scene = open_scene(path, bands)
        scene.load()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_wrong_inputs_are_named(tmp_path, write_raster):
    refuses(tmp_path / "none.SAFE", "none.SAFE", "no such scene")
    (tmp_path / "empty.SAFE").mkdir()
    refuses(tmp_path / "empty.SAFE", "empty.SAFE", "not a Sentinel-2 product")
    for name, words in (("gee.tif", "holds GeoTIFFs"), ("T32TQS_B02.jp2", "IMG_DATA")):
        folder = tmp_path / f"{name}.SAFE"
        folder.mkdir()
        (folder / name).touch()
        refuses(folder, f"{name}.SAFE", words)
    for thing in (None, np.zeros((4, 8, 8)), [tmp_path]):
        with pytest.raises(GlofgeoError, match="is no scene"):
            open_scene(thing)
    (tmp_path / "text.tif").write_text("hello")
    refuses(tmp_path / "text.tif", "text.tif")
    array = np.full((3, 8, 8), 500, np.uint16)
    refuses(write_raster(tmp_path / "three.tif", array, bands=("B02", "B03", "B04")), "three.tif", "B08")
    refuses(write_raster(tmp_path / "unnamed.tif", array, bands=None), "unnamed.tif", "descriptions")
    array = np.full((4, 8, 8), 500, np.uint16)
    refuses(write_raster(tmp_path / "nocrs.tif", array, crs=None), "nocrs.tif", "CRS")
    refuses(write_raster(tmp_path / "picture.tif", array.astype(np.uint8)), "picture.tif", "8-bit")
    refuses(write_raster(tmp_path / "float.tif", array.astype(np.float32) * 3, tells=False), "float.tif", "offset")
    refuses(tmp_path / "three.tif", "B99", bands=("B99",))


def copied(product, tmp_path):
    return shutil.copytree(product[0], tmp_path / product[0].name)


def test_a_missing_band_file_is_named_when_it_is_read(product, tmp_path):
    path = copied(product, tmp_path)
    band_file(path, "B03").unlink()
    assert open_scene(path).valid().any()
    assert open_scene(path).read(bands=("B02",)).shape == (1, 300, 300)
    refuses(path, "_B03_10m.jp2", "missing")


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """A product of four JPEG 2000 blocks: a decoder that fills missing blocks with zeros would go unnoticed."""
    return write_product(tmp_path_factory.mktemp("blocks"), size=1100, seed=2)


@pytest.mark.parametrize("kept", [0, 1, 200, 0.1, 0.5, 0.99, -1000, -1])
def test_a_truncated_band_file_is_named(blocks, tmp_path, kept):
    path = copied(blocks, tmp_path)
    for file in (band_file(path, "B04"), next(path.rglob("*_SCL_20m.jp2"))):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
        refuses(path, file.name)
        file.write_bytes(whole)
    assert open_scene(path).load()[1].any()


def test_broken_metadata_are_named(product, tmp_path):
    path = copied(product, tmp_path)
    xml = path / "MTD_MSIL2A.xml"
    whole = xml.read_text()
    xml.write_text(whole[: len(whole) // 2])
    refuses(path, "MTD_MSIL2A.xml", "broken XML")
    xml.write_text("".join(line for line in whole.splitlines(True) if "BOA_ADD_OFFSET" not in line))
    refuses(path, path.name, "05.10 without BOA_ADD_OFFSET")


def test_a_zip_cut_short_is_named(product, tmp_path):
    archive = tmp_path / "cut.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in product[0].rglob("*"):
            target.write(file, file.relative_to(product[0].parent))
    archive.write_bytes(archive.read_bytes()[:-2000])
    refuses(archive, "cut.zip", "download the product again")


def test_scenes_are_found_below_a_folder(product, tmp_path, write_raster):
    nested = tmp_path / "2024" / "autumn"
    nested.mkdir(parents=True)
    path = shutil.copytree(product[0], nested / product[0].name)
    raster = write_raster(tmp_path / "b.tif", np.ones((4, 8, 8), np.uint16))
    (tmp_path / ".hidden").mkdir()
    shutil.copy(raster, tmp_path / ".hidden")
    assert find_scenes(tmp_path) == [path, raster]
    assert find_scenes(path) == [path]
    (tmp_path / "void").mkdir()
    with pytest.raises(GlofgeoError, match="no scene"):
        find_scenes(tmp_path / "void")


def test_the_real_product(real_data):
    path = next((real_data / "scenes").glob("*.SAFE"))
    scene = open_scene(path)
    assert (scene.baseline, scene.shape, scene.crs.to_epsg()) == ("04.00", (10980, 10980), 32629)
    assert scene.datetime.replace(microsecond=0) == datetime(2022, 10, 5, 11, 54, 11, tzinfo=UTC)
    assert {(layer.offset, layer.quantification) for layer in scene.layers.values()} == {(-1000.0, 10000.0)}
    window = Window(4001, 5003, 700, 300)
    assert (scene.valid(window) == ~np.isin(scene.classes(window), (0, 1, 8, 9, 10))).all()
    with pytest.raises(GlofgeoError, match=r"T29UNU_20221005T115411_B02_10m\.jp2"):
        scene.read(window, ("B02",))
    coarse = open_scene(path, ("B02", "B03", "B04", "B8A"), resolution=60)
    image, valid = coarse.load()
    with rasterio.open(next(path.rglob("*_B8A_60m.jp2"))) as source:
        numbers = source.read(1)
    there = coarse.load_dn().present
    np.testing.assert_allclose(image[3][there], (numbers[there] - 1000.0) / 10000, atol=1e-6)
    assert image.shape == (4, 1830, 1830)
    assert 0.1 < valid.mean() < 0.5


def test_the_real_rasters(real_data):
    path = next((real_data / "scenes").glob("dolomites*.tif"))
    refuses(path, "give the offset, -1000 if they do, 0 if not")
    dolomites = open_scene(path, offset=-1000)
    assert 0.03 < dolomites.read().mean() < 0.3
    alberta = open_scene(next((real_data / "scenes").glob("alberta*B08*.tif")))
    assert "+0" in alberta.radiometry
    assert alberta.crs.is_geographic


@pytest.mark.parametrize("classified", [False, True])
@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("int16", -9999), ("float32", -9999.0), ("float32", float("nan"))]
)
def test_a_pixel_without_data_in_any_one_band_is_not_valid(tmp_path, write_raster, dtype, nodata, classified):
    array = np.full((4 + classified, 40, 12), 2000 if dtype != "float32" else 0.2, dtype)
    array[4:] = 5
    for band in range(4):
        array[band, 33 - band, 2 * band] = nodata
    names, scale = ("B02", "B03", "B04", "B08", "SCL")[: len(array)], None if dtype == "float32" else 1e-4
    scene = open_scene(write_raster(tmp_path / "a.tif", array, bands=names, nodata=nodata, scale=scale))
    missing = np.zeros((40, 12), bool)
    missing[[33, 32, 31, 30], [0, 2, 4, 6]] = True
    assert np.array_equal(scene.load()[1], ~missing)
    assert np.array_equal(scene.load(Window(0, 30, 12, 4))[1], ~missing[30:34])
    if not classified:
        assert np.array_equal(scene.valid(), ~missing)


@pytest.mark.parametrize("sentinel", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_never_reaches_a_network(tmp_path, write_raster, sentinel):
    array = np.random.default_rng(0).uniform(0.05, 0.6, (4, 20, 20)).astype(np.float32)
    array[:, 5:9, 5:9] = np.nan
    plain = open_scene(write_raster(tmp_path / "plain.tif", array, nodata=None))
    array[:, 5:9, 5:9] = sentinel
    scene = open_scene(write_raster(tmp_path / "other.tif", array, nodata=None))
    image, valid = scene.load()
    assert np.isfinite(image).all()
    assert not valid[5:9, 5:9].any() and valid.sum() == 400 - 16
    out = np.full_like(image, 7)
    assert scene.reflectance(array, out=out, present=valid) is out and np.isfinite(out).all()
    # So whatever looks at the pixels beside the hole sees the same, however the hole was written.
    assert np.array_equal(image, plain.load()[0])
