"""What products say of themselves: impossible metadata are refused, and the file is blamed."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from datasets_def import open_scene
from datasets_def.synthetic.product import write_jp2
from glofgeo.errors import GlofgeoError

MAIN, TILE = "MTD_MSIL2A.xml", "MTD_TL.xml"


def refused(path, read=False, **options) -> str:
    with pytest.raises(GlofgeoError) as caught:
        scene = open_scene(path, **options)
        if read:
            scene.load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "tag", "value"),
    [
        *[(MAIN, "BOA_QUANTIFICATION_VALUE", v) for v in ("0", "-10000", "inf", "nan", "1e300", "ten", "", "1")],
        *[(MAIN, "BOA_ADD_OFFSET", v) for v in ("nan", "-inf", "1e9", "-20000", "", "-1_000", "٣")],
        *[(MAIN, "PROCESSING_BASELINE", v) for v in ("nan", "5", "-05.10", "05.1x", "inf")],
        *[(MAIN, "PRODUCT_START_TIME", v) for v in ("0001-01-01T00:00:00Z", "2024-13-01", "9999-12-31T23:59:59-14:00")],
        *[(TILE, "HORIZONTAL_CS_CODE", v) for v in ("EPSG:4326", "EPSG:32661", "EPSG:32700", "EPSG:99999999", "x")],
        *[(TILE, tag, v) for tag in ("NROWS", "NCOLS") for v in ("0", "-96", "1e9", "1e18", "inf", "nan", "95.5")],
        *[(TILE, tag, v) for tag in ("XDIM", "YDIM") for v in ("0", "nan", "inf", "-11", "20")],
        (TILE, "XDIM", "-10"),
        (TILE, "YDIM", "10"),
        *[(TILE, tag, v) for tag in ("ULX", "ULY") for v in ("nan", "inf", "-1e8", "1e300", "")],
    ],
)
def test_impossible_metadata_are_refused_and_the_file_is_named(mine, edit, name, tag, value):
    edit(mine, name, rf"(<{tag}\b[^>]*>)[^<]*", rf"\g<1>{value}", count=1)
    message = refused(mine)
    assert name in message and tag in message


def test_grids_with_different_corners_are_refused(mine, edit):
    edit(mine, TILE, r"<ULX>(\d)", r"<ULX>1\1", count=1)
    assert "corners" in refused(mine)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (TILE, "EPSG:32645", "EPSG:32646", "tile 45R"),
        (TILE, "EPSG:32645", "EPSG:32745", "tile 45R"),
        (MAIN, "<PRODUCT_START_TIME>2024", "<PRODUCT_START_TIME>2023", "20241015T045701"),
        (MAIN, "(<PRODUCT_START_TIME>|<PRODUCT_URI>S2A_MSIL2A_)2024", r"\g<1>2023", "image name says 20241015T045701"),
        (MAIN, "<BOA_ADD_OFFSET [^/]*/BOA_ADD_OFFSET>|(<PROCESSING_BASELINE>)05.10", r"\g<1>02.09", "baseline 05.10"),
    ],
)
def test_metadata_that_contradict_the_products_own_name_are_refused(mine, edit, name, old, new, said):
    edit(mine, name, old, new)
    assert said in refused(mine)


def rewrite(product, epsg=None, shift=(0, 0), pixel=None, side=None, plain=False):
    """Writes the file of B03 anew, in another place or of another size."""
    (path,) = product.rglob("*_B03_10m.jp2")
    with rasterio.open(path) as source:
        digits, crs, t = source.read(1), source.crs, source.transform
    digits = digits[:side, :side]
    path.unlink()
    if plain:
        with rasterio.open(path, "w", driver="JP2OpenJPEG", width=96, height=96, count=1, dtype="uint16",
                           QUALITY=100, REVERSIBLE="YES") as target:  # fmt: skip
            target.write(digits, 1)
    else:
        size = pixel or t.a
        write_jp2(path, digits, epsg or crs.to_epsg(), from_origin(t.c + shift[0], t.f + shift[1], size, size))


@pytest.mark.parametrize(
    "change",
    [{"epsg": 32646}, {"shift": (60, 0)}, {"shift": (0, -10)}, {"pixel": 20.0}, {"side": 95}, {"shift": (1e5, 1e5)}],
)
def test_an_image_elsewhere_than_its_metadata_say_is_refused(mine, change):
    (mine / "manifest.safe").unlink()
    rewrite(mine, **change)
    message = refused(mine, read=True)
    assert "B03_10m.jp2" in message and "metadata" in message


def test_an_image_half_a_pixel_off_or_without_a_place_is_read(mine, small):
    (mine / "manifest.safe").unlink()
    rewrite(mine, shift=(5, -5))
    assert np.array_equal(open_scene(mine).read(), open_scene(small).read())
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        rewrite(mine, plain=True)
    assert np.array_equal(open_scene(mine).read(), open_scene(small).read())


def test_every_band_has_the_offset_of_its_own_id(mine, edit):
    """Ids as in the product specification: 8 is B8A, 9 is B09."""
    edit(mine, MAIN, r'(band_id="(\d+)">)-1000', lambda m: f"{m[1]}-{m[2]}")
    names = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
    layers = open_scene(mine).layers
    assert {name: layers[name].offset for name in layers} == {
        name: -number for number, name in enumerate(names) if name != "B10"
    }
    with rasterio.open(next(mine.rglob("*_B8A_20m.jp2"))) as source:
        numbers = source.read(1).repeat(2, 0).repeat(2, 1)
    seen = numbers != 0
    np.testing.assert_allclose(open_scene(mine).read(bands=("B8A",))[0][seen], (numbers[seen] - 8.0) / 1e4, atol=1e-6)


def local(product, edit, with_offsets):
    """Makes it a product of Sen2Cor run locally."""
    edit(product, MAIN, "(<PROCESSING_BASELINE>)[^<]*", r"\g<1>99.99")
    if not with_offsets:
        edit(product, MAIN, r"\s*<BOA_ADD_OFFSET b[^\n]*", "")


def test_a_product_of_local_processing_with_offsets_is_read_by_them(mine, small, edit):
    local(mine, edit, with_offsets=True)
    scene = open_scene(mine)
    assert scene.baseline == "99.99"
    assert np.array_equal(scene.read(), open_scene(small).read())


@pytest.mark.parametrize("offset", [-1000, 0])
def test_a_product_of_local_processing_without_offsets_asks_for_them(mine, edit, offset):
    local(mine, edit, with_offsets=False)
    message = refused(mine)
    assert "99.99" in message and "Sen2Cor" in message and "-1000 or 0" in message
    scene = open_scene(mine, offset=offset)
    assert "as given" in scene.radiometry and f"{offset:+d}" in scene.radiometry
    with rasterio.open(next(mine.rglob("*_B04_10m.jp2"))) as source:
        numbers = source.read(1)
    seen = numbers != 0
    np.testing.assert_allclose(scene.read(bands=("B04",))[0][seen], (numbers[seen] + float(offset)) / 1e4, atol=1e-6)


def test_an_offset_given_must_be_what_the_product_declares(small):
    assert "-1000" in refused(small, offset=0)
    assert open_scene(small, offset=-1000).radiometry == open_scene(small).radiometry


def test_the_path_may_be_a_part_of_the_product(mine, monkeypatch):
    (granule,) = (mine / "GRANULE").iterdir()
    (mine.parent / "notes.txt").touch()
    for part in (mine / MAIN, granule, granule / TILE, granule / "IMG_DATA", mine / "GRANULE", mine.parent):
        scene = open_scene(part)
        assert (scene.id, scene.path) == (mine.stem, mine), part
    image = next(mine.rglob("*_B03_10m.jp2"))
    assert str(mine) in refused(image) and "give the product" in refused(image)
    for place, words in ((mine, (".",)), (granule, (".", "..", "../..")), (mine.parent, (".", mine.name))):
        monkeypatch.chdir(place)
        for word in words:
            assert open_scene(word).id == mine.stem, (place, word)


def test_links_and_endings_in_upper_and_lower_case(mine, small, tmp_path):
    shutil.move(mine / "GRANULE", tmp_path / "elsewhere")
    (mine / "GRANULE").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(mine)
    assert np.array_equal(open_scene(mine).read(), open_scene(small).read())
    for image in (tmp_path / "elsewhere").rglob("*.jp2"):
        image.rename(image.with_suffix(".JP2"))
    (mine / "manifest.safe").unlink()
    lower = mine.rename(mine.with_suffix(".safe"))
    assert open_scene(lower).id == small.stem
    assert np.array_equal(open_scene(lower).read(), open_scene(small).read())


def test_what_is_no_whole_product_is_named_for_what_it_is(mine, tmp_path):
    old = tmp_path / "S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000_R119_V20160101T045701_20160101T045701.SAFE"
    for tile in ("T45RVL", "T45RVM"):
        granule = old / "GRANULE" / f"S2A_OPER_MSI_L1C_TL_EPA__20160101T000000_A000001_{tile}_N02.04"
        granule.mkdir(parents=True)
        (granule / f"S2A_OPER_MTD_L1C_TL_EPA__20160101T000000_A000001_{tile}.xml").touch()
    (old / "S2A_OPER_MTD_SAFL1C_PDMC_20160101T000000_R119_V20160101T045701_20160101T045701.xml").touch()
    assert "before December 2016, of 2 granules" in refused(old)
    (granule,) = (mine / "GRANULE").iterdir()
    shutil.rmtree(granule / "IMG_DATA")
    assert "missing all images" in refused(mine, read=True)
    (granule / TILE).unlink()
    assert "missing MTD_TL.xml" in refused(mine)
    (mine / MAIN).rename(mine / "MTD_MSIL1B.xml")
    assert "Level-1B" in refused(mine)


def test_two_files_of_one_band_are_not_chosen_between(mine, small):
    image = next(mine.rglob("*_B03_10m.jp2"))
    shutil.copy(next(mine.rglob("*_B04_10m.jp2")), image.with_name("copy_of_" + image.name))
    assert np.array_equal(open_scene(mine).read(), open_scene(small).read())
    shutil.copy(image, image.with_name("old_" + image.name))
    image.unlink()
    assert "two files of B03" in refused(mine)


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{}]><x>&k;</x>'.format(
    "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10))
)


@pytest.mark.parametrize(
    "content",
    [
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b"<?xml version='1.0' encoding='rot13'?><x/>",
        b"<?xml version='1.0' encoding='latin-\xff'?><x/>",
        b"<x>" * 400_000,
        b"<x>" * 300_000 + b"</x>" * 300_000,
        b"<PROCESSING_BASELINE>" + b"9" * 3_000_000 + b"</PROCESSING_BASELINE>",
        b"<x>" + b"<a/>" * 60_000 + b"</x>",
        b"\0" * 1000,
        b"",
    ],
)
def test_hostile_xml_is_refused(mine, content):
    for name in (MAIN, TILE):
        (path,) = mine.rglob(name)
        whole = path.read_bytes()
        path.write_bytes(content)
        message = refused(mine)
        assert len(message) < 600
        path.write_bytes(whole)


def test_pipes_devices_and_endless_files_are_not_opened(mine, tmp_path):
    (granule,) = (mine / "GRANULE").iterdir()
    for name in ("pipe.SAFE", "pipe.zip", "pipe.tif", "pipe.jp2", MAIN):
        os.mkfifo(tmp_path / name)
        assert "neither a folder nor a regular file" in refused(tmp_path / name)
    assert "neither" in refused("/dev/zero")
    image = next(mine.rglob("*_B03_10m.jp2"))
    image.unlink()
    os.mkfifo(image)
    assert image.name in refused(mine, read=True)
    with (granule / TILE).open("wb") as file:
        file.truncate(2**31)
    assert "MTD_TL.xml: larger than 4 MiB" in refused(mine)
    (mine / MAIN).unlink()
    (mine / MAIN).symlink_to("/dev/zero")
    assert MAIN in refused(mine)


def test_names_that_cannot_be_and_folders_that_may_not_be_read(mine):
    assert "UTF-8" in refused(b"\xff.tif".decode(errors="surrogateescape"))
    assert "UTF-8" in refused("nul\0.tif")
    assert "name too long" in refused("x" * 5000).lower()
    (mine / "turn").symlink_to(mine / "turn")
    assert "cannot be opened" in refused(mine / "turn")
    before = os.geteuid()
    mine.chmod(0)
    try:
        if before == 0:
            os.seteuid(65534)
        assert "no permission to read it" in refused(mine)
    finally:
        os.seteuid(before)
        mine.chmod(0o755)


def test_the_real_product_may_be_named_by_its_parts(real_data):
    product = next(Path(real_data / "scenes").glob("*.SAFE"))
    for part in (product / MAIN, next(product.glob("GRANULE/*")), next(product.glob("GRANULE/*/MTD_TL.xml"))):
        assert open_scene(part).id == product.stem


@pytest.mark.parametrize(
    ("name", "tag"),
    [(MAIN, "BOA_QUANTIFICATION_VALUE"), (MAIN, "PRODUCT_START_TIME"), (MAIN, "BOA_ADD_OFFSET"), (TILE, "NROWS")],
)
def test_an_element_that_is_there_twice_must_say_one_thing(mine, edit, name, tag):
    edit(mine, name, rf"(<{tag}[^>]*>[^<]*</{tag}>)", r"\1\1", count=1)
    open_scene(mine)
    edit(mine, name, rf"(<{tag}[^>]*>)([^<]*)</", r"\g<1>1\g<2></", count=1)
    assert tag in refused(mine)
