"""Pixels without data, however a file tells of them, are not valid and carry one fixed value."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.shutil import copy as copy_raster

from datasets_def import open_scene
from datasets_def.bands import BANDS, DEFAULT_BANDS
from datasets_def.files import Layer, Planes
from datasets_def.pixels import measured

MEANS = np.array([BANDS[band].mean for band in DEFAULT_BANDS], np.float32)
HOLE = np.zeros((24, 30), bool)
HOLE[3:9, 5:20] = HOLE[:, 28:] = True


def dn(dtype=np.uint16):
    return np.random.default_rng(0).integers(1100, 4000, (4, *HOLE.shape)).astype(dtype)


def check(path, hole=HOLE):
    """Reads what lies around the hole rightly, and the means in it."""
    scene = open_scene(path)
    image, valid = scene.load()
    np.testing.assert_array_equal(valid, ~hole)
    np.testing.assert_array_equal(scene.valid(), ~hole)
    np.testing.assert_array_equal(image[:, hole], np.broadcast_to(MEANS[:, None], (4, hole.sum())))
    np.testing.assert_allclose(image[:, ~hole], (dn()[:, ~hole] - 1000.0) / 1e4, atol=1e-6)
    return scene


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("dtype", "sentinel"),
    [(np.uint16, 0), (np.uint16, 65535), (np.int16, -9999), (np.int16, -32768), (np.int32, -(2**31)),
     (np.float32, np.nan), (np.float32, -9999), (np.float32, 1e20), (np.float32, -3.4e38), (np.float64, 1e300)],
)  # fmt: skip
def test_every_sentinel_declared_or_not(tmp_path, write_raster, dtype, sentinel, declared):
    numbers = dn(dtype)
    numbers[:, HOLE] = sentinel
    path = write_raster(
        tmp_path / "a.tif", numbers, nodata=sentinel if declared else None, scale=1e-4, offset=-0.1
    )  # fmt: skip
    scene = check(path)
    assert scene.missing.startswith(f"{sentinel:g}" if declared else "0")


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint16, 1), (np.float32, 1), (np.float32, 1e-4)])
def test_a_zero_in_one_band_is_dark_water_where_nothing_else_is_declared_and_there_is_no_offset(
    tmp_path, write_raster, dtype, scale
):
    numbers = (dn() - 1000).clip(1)
    numbers[3, HOLE] = 0
    numbers[:, 0, 0] = 0
    scene = open_scene(write_raster(tmp_path / "a.tif", (numbers * scale).astype(dtype), nodata=None, tells=False))
    image, valid = scene.load()
    assert not valid[0, 0] and valid.sum() == valid.size - 1
    assert (image[3, HOLE][valid[HOLE]] == 0).all()
    assert scene.missing == "0 in all bands"


def test_a_pixel_that_one_band_lacks_is_not_observed(tmp_path, write_raster):
    numbers = dn()
    numbers[2, HOLE] = 0
    check(write_raster(tmp_path / "a.tif", numbers, scale=1e-4, offset=-0.1))


@pytest.mark.parametrize(
    ("dtype", "declared"), [(np.uint16, 65535), (np.int16, -9999), (np.float32, -9999), (np.float32, np.nan)]
)
def test_zeros_in_all_bands_are_missing_beside_any_declared_nodata(tmp_path, write_raster, dtype, declared):
    numbers = dn(dtype)
    numbers[:, HOLE] = 0
    numbers[:, 3:9, 5:10] = declared
    path = write_raster(tmp_path / "a.tif", numbers, nodata=declared, scale=1e-4, offset=-0.1)
    assert "0 in all bands" in check(path).missing


def test_a_pixel_that_is_0_in_one_band_stays_beside_another_nodata(tmp_path, write_raster):
    numbers = dn()
    numbers[2, HOLE] = 0
    image, valid = open_scene(
        write_raster(tmp_path / "a.tif", numbers, nodata=65535, scale=1e-4, offset=-0.1)
    ).load()  # fmt: skip
    assert valid.all()
    np.testing.assert_allclose(image, (numbers - 1000.0) / 1e4, atol=1e-6)


def test_zeros_in_all_files_of_a_folder_are_missing(tmp_path, write_raster):
    numbers = dn()
    numbers[:, HOLE] = 0
    numbers[1, 20, 2] = 0
    for band, plane in zip(DEFAULT_BANDS, numbers, strict=True):
        write_raster(tmp_path / f"{band}.tif", plane[None], bands=(band,), nodata=65535, scale=1e-4, offset=-0.1)
    np.testing.assert_array_equal(open_scene(tmp_path).valid(), ~HOLE)


def test_nodata_of_its_own_for_every_band_of_a_vrt(tmp_path, write_raster):
    numbers = dn()
    for band, hole in enumerate((7, 65535, 0, 9)):
        numbers[band, HOLE] = hole
    numbers[0, 20, 2] = 9  # nodata of another band
    write_raster(tmp_path / "a.tif", numbers, scale=1e-4, offset=-0.1, nodata=None)
    copy_raster(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    text = (tmp_path / "a.vrt").read_text()
    for hole, name in zip((7, 65535, 0, 9), DEFAULT_BANDS, strict=True):
        text = text.replace(f"<Description>{name}<", f"<NoDataValue>{hole}</NoDataValue><Description>{name}<")
    (tmp_path / "a.vrt").write_text(text)
    scene = open_scene(tmp_path / "a.vrt")
    assert [layer.nodata for layer in scene.layers.values()] == [7, 65535, 0, 9]
    image, valid = scene.load()
    np.testing.assert_array_equal(valid, ~HOLE)
    np.testing.assert_allclose(image[0, 20, 2], (9 - 1000) / 1e4, atol=1e-6)


@pytest.mark.parametrize("internal", [True, False])
def test_a_mask_inside_the_file_or_beside_it(tmp_path, write_raster, internal):
    path = write_raster(tmp_path / "a.tif", dn(), nodata=None, scale=1e-4, offset=-0.1)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as target:
        target.write_mask(~HOLE)
    assert (tmp_path / "a.tif.msk").exists() is not internal
    assert "mask" in check(path).missing


def test_an_alpha_band(tmp_path, write_raster):
    numbers = np.concatenate([dn(), np.where(HOLE, 0, 65535)[None].astype(np.uint16)])
    path = write_raster(
        tmp_path / "a.tif", numbers, bands=(*DEFAULT_BANDS, "alpha"), nodata=None, scale=1e-4, offset=-0.1
    )
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [*[ColorInterp.gray] * 4, ColorInterp.alpha]
    assert "alpha" in check(path).missing


def test_a_band_that_calls_itself_alpha_but_is_named_as_a_band_is_that_band(tmp_path, write_raster):
    numbers = dn()
    numbers[:, HOLE] = 0
    path = write_raster(tmp_path / "a.tif", numbers, scale=1e-4, offset=-0.1)
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [*[ColorInterp.gray] * 3, ColorInterp.alpha]
    assert "alpha" not in check(path).missing


def test_a_classification_of_another_type_in_any_place(tmp_path, write_raster):
    classes = np.full((1, *HOLE.shape), 6, np.uint8)
    classes[0, 15:, :10] = 9
    optical = write_raster(tmp_path / "bands.tif", dn(), scale=1e-4, offset=-0.1)
    write_raster(tmp_path / "classes.tif", classes, bands=("SCL",))
    bands = [("classes.tif", 1, "Byte", "SCL")] + [
        (optical.name, number, "UInt16", name) for number, name in enumerate(DEFAULT_BANDS, 1)
    ]
    with rasterio.open(optical) as source:
        origin = ", ".join(map(str, source.transform.to_gdal()))
        head = f'<VRTDataset rasterXSize="30" rasterYSize="24"><SRS>{source.crs.to_wkt()}</SRS>'
    body = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{place}"><Description>{name}</Description>'
        + ("<Offset>-0.1</Offset><Scale>0.0001</Scale>" if kind == "UInt16" else "")
        + f'<SimpleSource><SourceFilename relativeToVRT="1">{file}</SourceFilename>'
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
        for place, (file, number, kind, name) in enumerate(bands, 1)
    )
    (tmp_path / "all.vrt").write_text(f"{head}<GeoTransform>{origin}</GeoTransform>{body}</VRTDataset>")
    scene = open_scene(tmp_path / "all.vrt")
    assert scene.has_cloud_mask
    np.testing.assert_array_equal(scene.valid(), classes[0] != 9)
    np.testing.assert_array_equal(scene.classes(), classes[0])
    np.testing.assert_allclose(scene.read(), (dn() - 1000.0) / 1e4, atol=1e-6)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("kind", "number"), [(np.uint8, 255), (np.uint8, 12), (np.uint16, 260), (np.int16, -1), (np.float32, np.nan)]
)
def test_what_is_no_class_is_not_observed(tmp_path, write_raster, kind, number, together):
    classes = np.full((1, *HOLE.shape), 6, kind)
    classes[0, :5] = number
    classes[0, 5:7] = np.resize(np.arange(12), (2, HOLE.shape[1]))
    if together:
        stack = np.concatenate([dn().astype(np.promote_types(kind, np.uint16)), classes])
        path = write_raster(tmp_path / "a.tif", stack, bands=(*DEFAULT_BANDS, "SCL"), scale=1e-4, offset=-0.1)
    else:
        path = tmp_path / "bands"
        path.mkdir()
        write_raster(path / "SCL.tif", classes, bands=None, nodata=number)
        for band, plane in zip(DEFAULT_BANDS, dn(), strict=True):
            write_raster(path / f"{band}.tif", plane[None], bands=None, scale=1e-4, offset=-0.1)
    scene = open_scene(path)
    assert not scene.valid()[:5].any()
    assert not scene.load()[1][:5].any()
    assert (scene.classes()[:5] == 0).all()
    np.testing.assert_array_equal(scene.valid()[5:], ~np.isin(classes[0, 5:], (0, 1, 8, 9, 10)))


@pytest.mark.parametrize("baseline", ["02.14", "05.10"])
def test_holes_of_products_are_alike_before_and_after_baseline_04_00(tmp_path, baseline):
    from datasets_def.synthetic.product import write_product

    scene = open_scene(write_product(tmp_path, size=96, baseline=baseline, seed=1)[0])
    pixels = scene.load_dn()
    hole = (pixels.dn == 0).any(axis=0)
    assert hole.any()
    np.testing.assert_array_equal(pixels.present, ~hole)
    assert (scene.read()[:, hole] == MEANS[:, None]).all()


@given(
    st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64]),
    st.sampled_from([1.0, 100.0, 10000.0]), st.sampled_from([0.0, -1000.0, 50.0]),
    st.one_of(st.integers(-40000, 70000).map(float), st.just(float("nan")), st.floats(-1e5, 1e5)), st.data(),
)  # fmt: skip
def test_measured_is_what_it_says(dtype, quantification, offset, nodata, data):
    bounds = (0, 255) if dtype is np.uint8 else (0, 65535) if dtype is np.uint16 else (-32768, 32767)
    values = data.draw(st.lists(st.integers(*bounds), min_size=1, max_size=70))
    if nodata == nodata and bounds[0] <= nodata <= bounds[1] and (dtype().dtype.kind == "f" or nodata % 1 == 0):
        values.append(nodata)
    numbers = np.array(values, dtype)[None, :, None]
    layer = Layer("", quantification=quantification, offset=offset, nodata=nodata)
    exact = np.array(values, np.float64)
    low, high = -0.5 * quantification - offset, 3.0 * quantification - offset
    expected = (exact >= low) & (exact <= high) & (exact != nodata) & (exact != 0)
    np.testing.assert_array_equal(measured(Planes(numbers, None), [layer])[:, 0], expected)
