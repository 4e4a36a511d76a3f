"""The radiometry of raster files is declared, given, beyond doubt, or refused."""

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from datasets_def import open_scene
from datasets_def.bands import DEFAULT_BANDS
from glofgeo.errors import GlofgeoError

PRODUCT = "S2A_MSIL2A_20221005T115411_{}_R023_T29UNU_20221005T162759"
DARK, BRIGHT = 200, 1300


def dn(floor=BRIGHT, seed=0):
    """Digital numbers whose darkest lie at a floor."""
    return np.random.default_rng(seed).integers(floor, floor + 3000, (4, 32, 32)).astype(np.uint16)


def offset_of(path, **given_):
    scene = open_scene(path, **given_)
    offsets = {layer.offset for layer in scene.layers.values()}
    assert f"{next(iter(offsets)):+g}" in scene.radiometry
    return offsets


def refuses(path, *words, **given_):
    with pytest.raises(GlofgeoError) as caught:
        open_scene(path, **given_)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in (path.name, *words))
    return caught.value


def asks_for_the_offset(path):
    error = refuses(path, "does not say")
    assert error.argument == "offset" and "-1000" in error.hint and "--" not in str(error)


@pytest.mark.parametrize(
    ("name", "tags", "offset"),
    [
        ("a.tif", {"PROCESSING_BASELINE": "05.10"}, -1000),
        ("a.tif", {"PROCESSING_BASELINE": "02.14"}, 0),
        ("a.tif", {"processing_baseline": "04.00"}, -1000),
        ("a.tif", {"BOA_ADD_OFFSET": "-1000"}, -1000),
        ("a.tif", {"RADIO_ADD_OFFSET": "0"}, 0),
        (PRODUCT.format("N0400") + ".tif", {}, -1000),
        (PRODUCT.format("N0214") + "_crop.tif", {}, 0),
        (PRODUCT.format("N0511") + ".SAFE/crop.tif", {}, -1000),
    ],
)
def test_what_is_declared_is_taken(tmp_path, write_raster, name, tags, offset):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    path = write_raster(tmp_path / name, dn(), tells=False, **tags)
    assert offset_of(path) == {offset}
    assert offset_of(path, offset=offset) == {offset}
    refuses(path, "contradicts", offset=-1000 - offset)


def test_scale_and_offset_of_the_file_go_before_its_tags(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn(), scale=1e-4, offset=-0.1, PROCESSING_BASELINE="02.14")
    assert offset_of(path) == {-1000}
    refuses(path, "contradicts", offset=0)


@pytest.mark.parametrize("scale", [(0.0, 0.0), (-1e-4, 0.0), (1e-4, float("nan")), (float("inf"), 0.0), (1e-4, 5.0)])
def test_impossible_scales_are_refused(tmp_path, write_raster, scale):
    path = write_raster(tmp_path / "a.tif", dn())
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = [scale[0]] * 4, [scale[1]] * 4
    refuses(path, "impossible")


def test_a_scale_on_some_bands_only_is_refused(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn())
    with rasterio.open(path, "r+") as target:
        target.scales = [1e-4, 1e-4, 1e-4, 1.0]
    refuses(path, "B08")


def test_a_stac_item_is_believed_unless_its_kind_is_known_to_err(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn(), tells=False)
    item = {
        "type": "Feature", "id": "other", "assets": {"data": {"href": "https://host/a.tif"}},
        "properties": {"s2:processing_baseline": "05.09", "datetime": "2023-10-12T04:57:01.024Z"},
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(item))
    assert offset_of(path) == {-1000}
    assert open_scene(path).datetime.hour == 4
    item["properties"]["earthsearch:boa_offset_applied"] = True
    (tmp_path / "a.json").write_text(json.dumps(item))
    asks_for_the_offset(path)
    (tmp_path / "a.json").write_text("[1, 2")
    asks_for_the_offset(path)


def test_claims_that_disagree_with_each_other_or_with_the_pixels_are_refused(tmp_path, write_raster):
    path = write_raster(tmp_path / (PRODUCT.format("N0214") + ".tif"), dn(), tells=False, PROCESSING_BASELINE="05.10")
    refuses(path, "disagree")
    path = write_raster(tmp_path / (PRODUCT.format("N0511") + ".tif"), dn(DARK - 100, 1) // 4 + 1, tells=False)
    refuses(path, "subtracted already")


@pytest.mark.parametrize("baseline", ["99.99", "unknown", ""])
def test_a_baseline_that_says_nothing_is_no_claim(tmp_path, write_raster, baseline):
    path = write_raster(tmp_path / "a.tif", dn(), tells=False, PROCESSING_BASELINE=baseline)
    asks_for_the_offset(path)


def test_a_file_that_tells_nothing_is_measured_only_where_it_is_beyond_doubt(tmp_path, write_raster):
    dark = dn()
    dark[3, :4] = DARK
    assert offset_of(write_raster(tmp_path / "dark.tif", dark, tells=False)) == {0}
    # As many of the darkest pixels as real products with the offset have below 900, and a border without data.
    shadow = dn()
    shadow[0, 0, :8] = 650
    shadow[:, 31] = 0
    path = write_raster(tmp_path / "shadow.tif", shadow, tells=False)
    asks_for_the_offset(path)
    assert offset_of(path, offset=-1000) == {-1000}
    assert offset_of(path, offset=0) == {0}


@pytest.mark.parametrize("hole", [-9999, -32768])
def test_undeclared_sentinels_are_not_taken_for_dark_ground(tmp_path, write_raster, hole):
    numbers = dn().astype(np.int16)
    numbers[:, :8] = hole
    path = write_raster(tmp_path / "a.tif", numbers, nodata=None, tells=False)
    asks_for_the_offset(path)


def test_fill_beside_another_nodata_is_not_taken_for_dark_ground(tmp_path, write_raster):
    numbers = dn()
    numbers[:, :8] = 0
    asks_for_the_offset(write_raster(tmp_path / "a.tif", numbers, nodata=65535, tells=False))


def test_a_tile_without_pixels_needs_no_offset(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", np.zeros((4, 32, 32), np.uint16), nodata=65535, tells=False)
    assert offset_of(path) == {0} and "no pixel is measured" in open_scene(path).radiometry
    assert offset_of(path, offset=-1000) == {-1000}
    speck = np.zeros((4, 2100, 2100), np.uint16)
    speck[:, 1000, 1000] = BRIGHT  # between the pixels that are sampled
    asks_for_the_offset(write_raster(tmp_path / "speck.tif", speck, tells=False))


def test_pieces_of_one_export_are_judged_together(tmp_path, write_raster):
    dark = dn()
    dark[2, :16] = DARK
    pieces = [
        write_raster(tmp_path / f"export-{number:010d}-0000000000.tif", numbers, tells=False)
        for number, numbers in ((0, dark), (32, dn(seed=1)))
    ]
    alone = write_raster(tmp_path / "export.tif", dn(seed=1), tells=False)
    assert [offset_of(piece) for piece in pieces] == [{0}, {0}]
    asks_for_the_offset(alone)


def test_an_offset_that_the_pixels_rule_out_is_refused(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn(DARK), tells=False)
    assert refuses(path, "no offset", offset=-1000).argument == "offset"
    assert offset_of(path, offset=0) == {0}


def test_pictures_and_numbers_that_are_no_reflectance_are_refused(tmp_path, write_raster):
    refuses(write_raster(tmp_path / "picture.tif", dn() % 256, tells=False), "picture")
    refuses(write_raster(tmp_path / "complex.tif", dn().astype(np.complex64)), "complex")
    refuses(write_raster(tmp_path / "b.tif", dn(DARK) * np.uint16(10), tells=False), "scaled to 16 bits", offset=0)
    path = write_raster(tmp_path / "reflectance.tif", dn() / np.float32(1e4))
    np.testing.assert_array_equal(open_scene(path).read(), dn() / np.float32(1e4))
    refuses(path, "floating-point", offset=-1000)


@pytest.mark.parametrize(("fill", "declared"), [(0, np.nan), (0, -9999), (0, 0), (np.nan, None), (1e20, 0)])
def test_floating_point_dn_are_told_from_reflectance_however_much_of_them_is_fill(
    tmp_path, write_raster, fill, declared
):
    numbers = dn().astype(np.float32)
    numbers[:, :24] = fill
    dark = np.concatenate([numbers[:, :24], numbers[:, 24:] - (BRIGHT - DARK)], axis=1)
    asks_for_the_offset(write_raster(tmp_path / "dn.tif", numbers, nodata=declared, tells=False))
    assert offset_of(tmp_path / "dn.tif", offset=-1000) == {-1000}
    assert offset_of(write_raster(tmp_path / "dark.tif", dark, nodata=declared, tells=False)) == {0}
    sunlit = numbers / np.float32(1e4)
    sunlit[:, :24] = fill
    sunlit[:, 24, :8] = 3.5  # on 3 % of what was measured, a glint
    assert open_scene(write_raster(tmp_path / "reflectance.tif", sunlit, nodata=declared)).read().max() < 3


@given(st.sampled_from([0.0, -1000.0]), st.integers(0, 5), st.floats(0, 1))
def test_ground_of_any_share_of_snow_is_read_rightly_or_refused(tmp_path_factory, write_raster, offset, seed, snow):
    rng = np.random.default_rng(seed)
    bright, dark = rng.normal(0.7, 0.2, (4, 24, 24)), rng.normal(0.05, 0.02, (4, 24, 24))
    ground = np.where(rng.random((24, 24)) < snow, bright, dark)
    numbers = np.clip(ground * 1e4 - offset, 1, 30000).astype(np.uint16)
    path = write_raster(tmp_path_factory.mktemp("ground") / "a.tif", numbers, tells=False)
    try:
        found = offset_of(path)
    except GlofgeoError:
        return
    assert found == {offset}


def test_a_name_that_lists_bands_in_another_order_is_refused(tmp_path, write_raster):
    path = write_raster(tmp_path / "x_B04B03B02B08_10m.tif", dn())
    refuses(path, "B04, B03, B02, B08", "B02, B03, B04, B08")
    right = write_raster(tmp_path / "x_B02_B03_B04_B08.tif", dn())
    assert open_scene(right).bands == DEFAULT_BANDS


def test_bands_named_twice_are_refused(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn(), bands=("B02", "B03", "b3", "B08"))
    refuses(path, "B03", "once")


def test_names_of_bands_as_gdal_writes_them(tmp_path, write_raster):
    names = ("B4, central wavelength 665 nm", "B2", "b03 (green)", "B8")
    scene = open_scene(write_raster(tmp_path / "a.tif", dn(), bands=names))
    assert [scene.layers[band].index for band in ("B04", "B02", "B03", "B08")] == [1, 2, 3, 4]


def test_a_radiometry_that_differs_between_bands_is_told_of_each(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", dn(), scale=1e-4)
    with rasterio.open(path, "r+") as target:
        target.offsets = (0.0, -0.1, 0.0, 0.0)
    assert open_scene(path).radiometry.startswith("B02, B04, B08: (DN +0) / 10000; B03: (DN -1000) / 10000, ")
    assert open_scene(path, ("B02", "B04")).radiometry.startswith("(DN +0) / 10000, ")


@pytest.mark.parametrize("value", ["nan", "inf", "-1e18", "-10001"])
def test_offsets_that_cannot_be_are_refused(tmp_path, write_raster, value):
    refuses(write_raster(tmp_path / "a.tif", dn(), BOA_ADD_OFFSET=value), "BOA_ADD_OFFSET")
    with pytest.raises(GlofgeoError, match="offset"):
        open_scene(write_raster(tmp_path / "b.tif", dn(), tells=False), offset=float(value))


@pytest.mark.parametrize(
    ("crs", "origin", "pixel"),
    [
        ("EPSG:4326", (300000, 3100000), 10.0),
        ("EPSG:4326", (86, 28), 10.0),
        ("EPSG:4978", (300000, 3100000), 10.0),
        ("EPSG:32645", (300000, 3100000), 1e-9),
        ("EPSG:32645", (1e18, 3100000), 10.0),
        ("EPSG:32645", (300000, 1e9), 10.0),
        ("EPSG:32645", (0, 0), 1e18),
    ],
)
def test_a_grid_that_lies_nowhere_on_the_earth_is_refused(tmp_path, write_raster, crs, origin, pixel):
    refuses(write_raster(tmp_path / "a.tif", dn(), crs=crs, origin=origin, pixel=pixel), "do not lie on the Earth")


@pytest.mark.parametrize("crs", ["EPSG:32601", "EPSG:3857", "EPSG:3413", "EPSG:3031", "EPSG:2193", "EPSG:2225"])
def test_a_grid_of_any_projection_is_a_place(tmp_path, write_raster, crs):
    origin = (1_700_000, 5_000_000) if crs == "EPSG:2193" else (600_000, 1_000_000)
    assert open_scene(write_raster(tmp_path / "a.tif", dn(), crs=crs, origin=origin)).read().shape == (4, 32, 32)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_vrt_whose_damage_is_no_text_is_refused(tmp_path, write_raster):
    write_raster(tmp_path / "b.tif", dn())
    (tmp_path / "a.vrt").write_bytes(
        b'<VRTDataset rasterXSize="32" rasterYSize="32"><VRTRasterBand dataType="\xf1\x86" band="1"><SimpleSource>'
        b'<SourceFilename relativeToVRT="1">b\xf1\x86.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    refuses(tmp_path / "a.vrt", "cannot be opened")
