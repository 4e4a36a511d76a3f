"""Damage that decoders do not notice is noticed by the product's checksums."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_def import open_scene
from datasets_def.archive import StoredFile
from datasets_def.manifest import Checksum, begin_verifying, read_manifest
from datasets_def.synthetic.product import write_product
from datasets_def.verify import verify_product
from glofgeo.errors import GlofgeoError


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True), st.sampled_from(["B02_10m", "B8A_20m", "SCL_20m"]))
def test_one_wrong_bit_in_any_image_is_noticed(mine, share, band):
    image = next(mine.rglob(f"*_{band}.jp2"))
    whole = image.read_bytes()
    flip(image, int(share * len(whole)))
    scene = open_scene(mine)
    with pytest.raises(GlofgeoError, match=image.name):
        scene.valid() if band.startswith("SCL") else scene.read(bands=(band[:3],))
    image.write_bytes(whole)


def test_a_small_window_of_a_damaged_image_is_not_trusted_and_others_are_read(mine, small):
    image = next(mine.rglob("*_B03_10m.jp2"))
    flip(image, image.stat().st_size // 2)
    scene = open_scene(mine)
    with pytest.raises(GlofgeoError, match="manifest"):
        scene.check()
    assert np.array_equal(scene.read(bands=("B02",)), open_scene(small).read(bands=("B02",)))


def test_a_file_repaired_or_harmed_later_is_verified_again(mine, small):
    image = next(mine.rglob("*_B03_10m.jp2"))
    scene = open_scene(mine)
    scene.load()
    for _ in range(2):
        flip(image, 500)
        with pytest.raises(GlofgeoError, match="manifest"):
            scene.load()
        flip(image, 500)
        assert np.array_equal(scene.read(), open_scene(small).read())


def test_metadata_changed_later_are_noticed(mine):
    main = mine / "MTD_MSIL2A.xml"
    main.write_text(main.read_text().replace('band_id="2">-1000', 'band_id="2">-1001'))
    with pytest.raises(GlofgeoError, match=r"MTD_MSIL2A\.xml: damaged or changed"):
        open_scene(mine)
    (mine / "manifest.safe").unlink()
    assert open_scene(mine).layers["B03"].offset == -1001


def test_a_broken_manifest_is_named(mine):
    (mine / "manifest.safe").write_text("<xfdu")
    with pytest.raises(GlofgeoError, match=r"manifest\.safe: broken XML"):
        open_scene(mine)


@pytest.mark.parametrize(("baseline", "kind"), [("05.10", "SHA3-256"), ("03.01", "MD5")])
def test_checksums_of_both_kinds(tmp_path, baseline, kind):
    path, _ = write_product(tmp_path, size=64, baseline=baseline, seed=4)
    listed = re.findall(
        r'href="\./([^"]+)"/><checksum checksumName="([^"]+)">(\w+)', (path / "manifest.safe").read_text()
    )
    assert {name for name, *_ in listed} == {
        file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file() and file.name != "manifest.safe"
    }
    digest = {"SHA3-256": hashlib.sha3_256, "MD5": hashlib.md5}[kind]
    for name, told, value in listed:
        assert told == kind and digest((path / name).read_bytes()).hexdigest() == value
    open_scene(path).load()
    image = next(path.rglob("*_B03_10m.jp2"))
    flip(image, 300)
    with pytest.raises(GlofgeoError, match=kind):
        open_scene(path).load()


@pytest.mark.parametrize("change", [("SHA3-256", "CRC-128"), ("<checksum.*?</checksum>", ""), (r"\./GRANULE", "../x")])
def test_without_a_checksum_of_a_known_kind_a_file_is_read_as_before(mine, small, change):
    manifest = mine / "manifest.safe"
    manifest.write_text(re.sub(*change, manifest.read_text()))
    assert np.array_equal(open_scene(mine).read(), open_scene(small).read())


def test_a_file_is_read_through_once_while_it_is_unchanged(tmp_path):
    path = tmp_path / "image.jp2"
    path.write_bytes(b"pixels")
    file, right = StoredFile(path), Checksum("MD5", hashlib.md5(b"pixels").hexdigest())
    first = begin_verifying(file, right)
    assert begin_verifying(file, right) is first and first.result() is None
    assert begin_verifying(file, Checksum("MD5", "0" * 32)).exception() is not None
    path.write_bytes(b"pixel")
    assert begin_verifying(file, right).exception() is not None


def test_all_files_of_a_product_are_verified_on_request(mine, zipped):
    whole = verify_product(mine)
    assert (whole.good, whole.unknown, whole.faults) == (8, 1, [])
    assert verify_product(zipped(mine)).good == 9
    images = sorted(mine.rglob("*.jp2"))
    flip(images[0], 300)
    images[1].unlink()
    (mine / "notes.txt").touch()
    found = verify_product(mine)
    assert (found.good, found.unknown) == (6, 2)
    assert len(found.faults) == 2
    assert images[0].name in found.faults[0] and "missing" in found.faults[1] and images[1].name in found.faults[1]


def test_only_products_are_verified(tmp_path, write_raster):
    path = write_raster(tmp_path / "a.tif", np.ones((4, 8, 8), np.uint16))
    with pytest.raises(GlofgeoError, match="only products"):
        verify_product(path)
    with pytest.raises(GlofgeoError, match="no such scene"):
        verify_product(tmp_path / "gone.SAFE")


def test_the_real_products_files_are_as_its_manifest_says(real_data):
    path = next(Path(real_data / "scenes").glob("*.SAFE"))
    found = verify_product(path)
    assert found.good == 19 and all("missing" in fault for fault in found.faults)
    files = {file.relative_to(path).as_posix(): StoredFile(file) for file in path.rglob("*") if file.is_file()}
    assert len(read_manifest(files)) == 86
