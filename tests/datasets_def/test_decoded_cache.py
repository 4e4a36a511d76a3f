"""Tiled copies of products: the same pixels, made once, whole or not at all, within a size."""

import os
import shutil
import time

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from datasets_def import TiledCopy, fill_cache, open_scene
from datasets_def.processes import process_tag
from datasets_def.synthetic.product import write_product
from glofgeo.errors import GlofgeoError

WHOLE = Window(0, 0, 300, 300)
ROOM = 50e9


def copy_of(product, folder, window=WHOLE, bands=("B02", "B03", "B04", "B08")):
    return TiledCopy(open_scene(product, bands), window, folder)


def fill(copies, folder, limit=ROOM):
    """Gives what was said to be worked on."""
    told = []
    fill_cache(copies, folder, limit, lambda text, done, total: told.append((text, done, total)))
    return told


def decoded(told):
    return any(text.startswith("decoding") for text, _, _ in told)


@pytest.fixture
def mine(product, tmp_path):
    """The product in a folder that may be changed."""
    return shutil.copytree(product[0], tmp_path / product[0].name)


@pytest.mark.parametrize(("level", "baseline"), [("L2A", "05.10"), ("L2A", "02.14"), ("L1C", "05.09")])
def test_a_copy_is_the_same_scene(tmp_path, level, baseline):
    product, _ = write_product(tmp_path, size=96, level=level, baseline=baseline, seed=1)
    copy = copy_of(product, tmp_path / "cache", Window(0, 0, 96, 96))
    fill([copy], copy.folder)
    there, plain = open_scene(copy.path), open_scene(product)
    for name in ("id", "crs", "transform", "shape", "datetime", "baseline", "level", "has_cloud_mask"):
        assert getattr(there, name) == getattr(plain, name)
    for ours, theirs in zip(there.load(), plain.load(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=10)
@given(st.data())
def test_a_window_of_a_product_keeps_its_pixels_and_their_place(product, tmp_path, data):
    row, col = data.draw(st.integers(0, 299)), data.draw(st.integers(0, 299))
    window = Window(col, row, data.draw(st.integers(1, 300 - col)), data.draw(st.integers(1, 300 - row)))
    copy = copy_of(product[0], tmp_path, window)
    fill([copy], tmp_path)
    there, plain = open_scene(copy.path), open_scene(product[0])
    assert (there.crs, there.shape) == (plain.crs, (window.height, window.width))
    assert there.transform == plain.transform * plain.transform.translation(col, row)
    for ours, theirs in zip(there.load(), plain.load(window), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(there.classes(), plain.classes(window))


def test_strips_join_without_a_seam(product, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets_def.decoded.READ_ROWS", 64)
    window = Window(31, 63, 200, 131)
    copy = copy_of(product[0], tmp_path, window)
    fill([copy], tmp_path)
    for ours, theirs in zip(open_scene(copy.path).load(), open_scene(product[0]).load(window), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_20_m_band_and_a_zipped_product_can_be_copied(tmp_path):
    product, _ = write_product(tmp_path, size=101, seed=2, bands=("B03", "B8A"))
    zipped = shutil.make_archive(tmp_path / "zipped" / product.name, "zip", tmp_path, product.name)
    window = Window(3, 5, 40, 21)
    copy = copy_of(zipped, tmp_path / "cache", window, ("B8A", "B03"))
    fill([copy], copy.folder)
    expected = open_scene(product, ("B8A", "B03")).read(window)
    np.testing.assert_array_equal(open_scene(copy.path, ("B8A", "B03")).read(), expected)


def test_a_copy_is_a_plain_geotiff_with_named_bands(product, tmp_path):
    copy = copy_of(product[0], tmp_path)
    fill([copy], tmp_path)
    with rasterio.open(copy.path) as source:
        assert source.driver == "GTiff" and source.is_tiled
        assert source.descriptions == ("B02", "B03", "B04", "B08", "SCL")
        assert source.scales[0] == pytest.approx(1e-4) and source.offsets[0] == pytest.approx(-0.1)


def test_a_copy_is_made_once_and_alone(product, tmp_path):
    copy = copy_of(product[0], tmp_path)
    told = fill([copy], tmp_path)
    assert decoded(told) and told[-1][1] <= told[-1][2]
    before = copy.path.stat()
    assert not decoded(fill([copy_of(product[0], tmp_path)], tmp_path))
    assert copy.path.stat().st_mtime_ns == before.st_mtime_ns
    assert [entry.name for entry in tmp_path.iterdir()] == [copy.path.parent.name]


def test_bands_window_and_files_tell_copies_apart(mine, tmp_path):
    folder = tmp_path / "cache"
    first = copy_of(mine, folder)
    others = [copy_of(mine, folder, bands=("B03", "B02", "B04", "B08")), copy_of(mine, folder, Window(0, 0, 300, 299))]
    paths = {copy.path for copy in [first, *others]}
    assert len(paths) == 3
    jp2 = next(mine.rglob("*_B02_10m.jp2"))
    os.utime(jp2, (time.time() + 5, time.time() + 5))
    assert first.path not in paths


def test_another_offset_in_the_metadata_is_another_copy(mine, tmp_path):
    before = copy_of(mine, tmp_path / "cache").path
    (mine / "manifest.safe").unlink()
    metadata = mine / "MTD_MSIL2A.xml"
    metadata.write_text(metadata.read_text().replace(">-1000<", ">-900<"))
    copy = copy_of(mine, tmp_path / "cache")
    assert copy.path != before
    fill([copy], copy.folder)
    np.testing.assert_array_equal(open_scene(copy.path).read(), open_scene(mine).read())


@pytest.mark.parametrize("harm", ["cut short", "one byte", "no record", "broken record", "odd record", "no file"])
def test_a_damaged_copy_is_made_again(product, tmp_path, harm):
    copy = copy_of(product[0], tmp_path)
    fill([copy], tmp_path)
    record = copy.path.parent / "copy.json"
    content = bytearray(copy.path.read_bytes())
    content[len(content) // 2] ^= 1
    match harm:
        case "cut short":
            os.truncate(copy.path, len(content) - 1)
        case "one byte":
            copy.path.write_bytes(content)
        case "no record":
            record.unlink()
        case "broken record":
            record.write_text("{")
        case "odd record":
            record.write_text("[]")
        case "no file":
            copy.path.unlink()
    assert decoded(fill([copy], tmp_path))
    np.testing.assert_array_equal(open_scene(copy.path).read(), open_scene(product[0]).read())
    assert not decoded(fill([copy], tmp_path))


def test_the_copy_used_longest_ago_gives_way(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 298, 299)]
    fill(copies[:2], tmp_path)
    used = time.time()
    for copy, age in zip(copies[:2], (10, 20), strict=True):
        os.utime(copy.path.parent / "copy.json", (used - age, used - age))
    fill(copies[2:], tmp_path, limit=2.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [True, False, True]


def test_using_a_copy_again_keeps_it(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 298, 299)]
    fill(copies[:2], tmp_path)
    for copy, age in zip(copies[:2], (20, 10), strict=True):
        os.utime(copy.path.parent / "copy.json", (time.time() - age, time.time() - age))
    fill(copies[:1], tmp_path)
    fill(copies[2:], tmp_path, limit=2.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [True, False, True]


def test_a_copy_in_use_stays_although_it_is_the_oldest(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 298, 299)]
    fill(copies[:2], tmp_path)
    os.utime(copies[0].path.parent / "copy.json", (1, 1))
    fill([copies[0], copies[2]], tmp_path, limit=2.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [True, False, True]


def test_more_than_the_limit_is_refused_before_anything_is_removed_or_made(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (298, 299)]
    fill(copies[:1], tmp_path)
    with pytest.raises(GlofgeoError, match="allow more"):
        fill(copies[1:], tmp_path, limit=copies[1].size - 1)
    assert [copy.path.exists() for copy in copies] == [True, False]


def test_what_a_killed_run_left_is_removed_and_what_is_being_written_stays(product, tmp_path):
    key = f".scene_{'0' * 16}"
    gone, other, busy = f"{key}.{'1' * 32}", f"{key}.00000000-7.{'2' * 32}", f"{key}.{process_tag()}.{'3' * 32}"
    for name, age in ((gone, 2 * 86400), (other, 60), (busy, 2 * 86400), ("of the user", 2 * 86400)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.tif").write_bytes(b"0" * 1000)
        for path in (tmp_path / name / "part.tif", tmp_path / name):
            os.utime(path, (time.time() - age, time.time() - age))
    (tmp_path / "notes.txt").write_text("of the user")
    copy = copy_of(product[0], tmp_path)
    fill([copy], tmp_path, limit=copy.size + 1)
    stay = {other, busy, "of the user", "notes.txt", copy.path.parent.name}
    assert {entry.name for entry in tmp_path.iterdir()} == stay


def test_an_unreadable_product_leaves_nothing(mine, tmp_path):
    jp2 = next(mine.rglob("*_B04_10m.jp2"))
    os.truncate(jp2, jp2.stat().st_size // 2)
    copy = copy_of(mine, tmp_path / "cache")
    with pytest.raises(GlofgeoError, match="B04"):
        fill([copy], copy.folder)
    assert list(copy.folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(product, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GlofgeoError, match="cannot be written"):
        fill([copy_of(product[0], tmp_path / "file" / "cache")], tmp_path / "file" / "cache")


def test_what_is_no_copy_stays_whatever_room_is_needed(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (298, 299)]
    fill(copies[:1], tmp_path)
    (copies[0].path.parent / "notes.txt").write_text("of the user")
    for name in (f"thesis_{'0' * 16}", "thesis"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.docx").write_bytes(b"0" * 10**7)
    (tmp_path / f"link_{'0' * 16}").symlink_to(tmp_path / "thesis")
    fill(copies[1:], tmp_path, limit=copies[1].size + 1)
    assert all(copy.path.exists() for copy in copies)
    assert len(list(tmp_path.rglob("thesis.docx"))) == 2
    copies[0].path.write_bytes(b"")
    with pytest.raises(GlofgeoError, match="holds other files"):
        fill(copies[:1], tmp_path)
    assert (copies[0].path.parent / "notes.txt").exists()


def test_a_copy_keeps_dark_water_of_0_in_one_band(tmp_path):
    dn = np.full((4, 64, 64), 900, np.uint16)
    dn[3, 10:20, 10:20] = 0
    dn[:, :, :5] = 0
    for name, plane in zip(("B02", "B03", "B04", "B08"), dn, strict=True):
        with rasterio.open(
            tmp_path / f"{name}.jp2", "w", driver="JP2OpenJPEG", dtype="uint16", count=1, width=64, height=64,
            crs="EPSG:32645", transform=rasterio.transform.from_origin(300000, 3100000, 10, 10), quality=100,
            reversible="YES",
        ) as target:  # fmt: skip
            target.write(plane, 1)
    scene = open_scene(tmp_path, offset=0)
    copy = TiledCopy(scene, Window(0, 0, 64, 64), tmp_path / "cache")
    fill([copy], copy.folder)
    assert (scene.load()[1] == (np.arange(64) >= 5)).all()
    for ours, theirs in zip(open_scene(copy.path).load(), scene.load(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
