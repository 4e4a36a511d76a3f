"""Zips by every program that people have, and by none."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_def import archive, open_scene
from glofgeo.errors import GlofgeoError


def refused(path) -> str:
    with pytest.raises(GlofgeoError) as caught:
        open_scene(path).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(path, product) -> bool:
    zipped, plain = open_scene(path), open_scene(product)
    return np.array_equal(zipped.read(), plain.read()) and np.array_equal(zipped.valid(), plain.valid())


@pytest.mark.parametrize(
    "name", ["a.zip", "B.ZIP", "x}y.zip", "{.zip", "f}/a.zip", "d.zip/a.zip", "q?*[#&' %20.zip", "a!b+c.SAFE.zip"]
)
def test_any_name_of_a_zip_or_its_folder(small, zipped, name):
    path = zipped(small, name)
    assert same(path, small)
    assert open_scene(path).id


def test_the_id_is_the_name_without_endings(small, zipped):
    for name in (f"{small.name}.zip", f"{small.stem}.zip", f"{small.stem}.safe.ZIP"):
        assert open_scene(zipped(small, name)).id == small.stem


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("/", "\\"),
        lambda name: "./" + name,
        lambda name: name.partition("/")[2],
        lambda name: "deep/er/" + name,
        lambda name: name.replace(".jp2", ".JP2"),
    ],
)
def test_any_way_of_storing_names(small, zipped, rename, mine):
    (mine / "manifest.safe").unlink()
    assert same(zipped(mine, rename=rename), small)


def test_what_macos_adds_is_passed_over(small, zipped):
    path = zipped(small)
    with zipfile.ZipFile(path, "a") as file:
        for name in file.namelist():
            folder, _, last = name.rpartition("/")
            file.writestr(f"__MACOSX/{folder}/._{last}", b"\0\5\x16\7")
            file.writestr(f"{folder}/._{last}", b"\0\5\x16\7")
    assert same(path, small)


def mark(path, offset_in_header, offset_in_directory, value):
    """Sets a 16-bit field of every member, in its own header and in the zip's directory."""
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", offset_in_header), (b"PK\1\2", offset_in_directory)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset : at + offset + 2] = value.to_bytes(2, "little")
            at = content.find(signature, at + 4)
    path.write_bytes(content)


def test_what_cannot_be_unpacked_is_told_apart(small, zipped):
    path = zipped(small)
    mark(path, 8, 10, 9)
    assert "Deflate64" in refused(path)
    path = zipped(small)
    mark(path, 6, 8, 1)
    assert "password" in refused(path)
    assert "LZMA" in refused(zipped(small, method=zipfile.ZIP_LZMA))
    assert "bzip2" in refused(zipped(small, method=zipfile.ZIP_BZIP2))


def test_a_damaged_member_is_noticed_by_its_crc(mine, zipped):
    """Without a manifest; stored, so that the damage is not in the packing."""
    (mine / "manifest.safe").unlink()
    path = zipped(mine, method=zipfile.ZIP_STORED)
    image = next(mine.rglob("*_B04_10m.jp2"))
    content, start = bytearray(path.read_bytes()), image.read_bytes()
    content[content.index(start) + len(start) // 2] ^= 255
    path.write_bytes(content)
    assert image.name in refused(path) and "CRC" in refused(path)
    assert np.array_equal(open_scene(path).read(bands=("B02",)), open_scene(mine).read(bands=("B02",)))


def test_bombs_and_crowds_are_refused(mine, small, zipped, tmp_path, monkeypatch):
    (mine / "MTD_MSIL2A.xml").write_bytes(b" " * 5_000_000)
    assert "larger than 4 MiB" in refused(zipped(mine))
    path = tmp_path / "lies.zip"
    path.write_bytes(zipped(mine).read_bytes().replace((5_000_000).to_bytes(4, "little"), b"\xe8\3\0\0"))
    assert "MTD_MSIL2A.xml" in refused(path)
    (tmp_path / "crowd.zip").write_bytes(b"PK\5\6" + b"\0" * 8 + (2**23).to_bytes(4, "little") + b"\0" * 6)
    assert "more than 20000 files" in refused(tmp_path / "crowd.zip")
    large = b"PK\6\6" + b"\0" * 36 + (2**40).to_bytes(8, "little") + b"\0" * 8
    (tmp_path / "crowd.zip").write_bytes(large + b"PK\5\6" + b"\xff" * 16 + b"\0" * 2)
    assert "more than 20000 files" in refused(tmp_path / "crowd.zip")
    monkeypatch.setattr(archive, "_MOST_FILES", 8)
    assert "more than 8 files" in refused(zipped(small))
    assert "more than 8 files" in refused(small)


def test_two_products_in_one_zip_or_folder_are_not_chosen_between(small, mine, zipped):
    path = zipped(small)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("other.SAFE/MTD_MSIL2A.xml", "")
    assert "2 products" in refused(path)
    shutil.copytree(mine, mine.parent / "other.SAFE")
    assert "2 products" in refused(mine.parent)


def test_a_file_that_declares_no_size_is_bounded():
    endless = Path("/proc/self/maps")
    if endless.exists():
        assert endless.stat().st_size == 0
        with pytest.raises(GlofgeoError, match="larger than"):
            archive.StoredFile(endless).read(100)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\5\6" + b"\0" * 18, b"PK\5\6" + b"\xff" * 18, b"Rar!\x1a\7\1\0" * 9]
)
def test_what_is_no_zip_is_named(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    assert "x.zip" in refused(tmp_path / "x.zip")


@pytest.fixture(scope="session")
def bare(small, tmp_path_factory) -> bytes:
    """A zip of a product without its images."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for file in small.rglob("*"):
            if file.suffix in (".xml", ".safe") and file.is_file():
                target.write(file, file.relative_to(small.parent))
    return stream.getvalue()


@settings(max_examples=80)
@given(st.data())
def test_whatever_happens_to_a_zip_only_our_own_error_comes_out(bare, tmp_path, data):
    content = bytearray(bare)
    marks = [at for at in range(len(content)) if content[at : at + 2] == b"PK"]
    near = st.builds(lambda at, by: min(at + by, len(content) - 1), st.sampled_from(marks), st.integers(0, 60))
    place = st.one_of(near, st.integers(0, len(content) - 1))
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=6)):
        content[at] = value
    path = tmp_path / "mutated.zip"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2, 30]))])
    try:
        open_scene(path)
    except GlofgeoError as error:
        assert "\n" not in str(error)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("part", ["MTD_TL.xml", "_B03_10m.jp2"])
def test_a_member_that_is_there_twice_is_not_chosen_between(small, zipped, part):
    path = zipped(small)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(next(name for name in file.namelist() if name.endswith(part)), b"other")
    assert "twice" in refused(path)
