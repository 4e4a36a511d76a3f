"""The metadata file of a product beside its bands tells their offset."""

import shutil

import pytest

from datasets_def import open_scene
from datasets_def.errors import GlofgeoError


@pytest.fixture
def folder(small, tmp_path):
    """The 10 m bands of a product and its metadata, as catalogues of single bands hold them."""
    path = tmp_path / "imja"
    path.mkdir()
    for image in small.rglob("IMG_DATA/R10m/*.jp2"):
        shutil.copy(image, path / f"{image.stem.split('_')[2]}.jp2")
    shutil.copy(small / "MTD_MSIL2A.xml", path / "product_metadata.xml")
    return path


def test_the_offset_is_that_of_the_metadata(folder, small):
    ours, theirs = open_scene(folder), open_scene(small)
    assert ours.radiometry == "(DN -1000) / 10000, from its product metadata"
    assert (ours.read() == theirs.read()).all()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [(">-1000<", ">-10000000<", "BOA_ADD_OFFSET"), ("PROCESSING_BASELINE>", "OTHER>", "PROCESSING_BASELINE"),
     ("</", "<", "broken XML")],
)  # fmt: skip
def test_metadata_that_cannot_be_understood_are_refused(folder, old, new, words):
    path = folder / "product_metadata.xml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(GlofgeoError, match=words):
        open_scene(folder)


def test_metadata_that_contradict_the_name_of_the_folder_are_refused(folder, small):
    path = folder / "product_metadata.xml"
    path.write_text(path.read_text().replace(">-1000<", ">0<"))
    named = folder.rename(folder.with_name(small.stem))
    with pytest.raises(GlofgeoError, match="disagree about the offset"):
        open_scene(named)
