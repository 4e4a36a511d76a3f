"""Which scenes are found, and what is none."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from datasets_def import find_scenes
from glofgeo.errors import GlofgeoError

PIXELS = np.ones((4, 8, 8), np.uint16)


def test_endings_in_upper_and_lower_case(mine, tmp_path, write_raster, zipped):
    folder = tmp_path / "scenes"
    folder.mkdir()
    product = mine.rename(folder / "a.safe")
    nameless = shutil.copytree(product, folder / "b")
    (folder / "c.SAFE").mkdir()
    rasters = [write_raster(folder / name, PIXELS) for name in ("d.TIF", "e.tiff")]
    archive = zipped(product, "scenes/f.ZIP")
    (folder / "notes.txt").touch()
    assert find_scenes(folder) == [product, nameless, folder / "c.SAFE", *rasters, archive]


def test_our_own_maps_are_no_scenes(mine, tmp_path, write_raster):
    """Where `--out` lies in the folder of scenes, or is it."""
    for out in (mine.parent / "maps", mine.parent):
        folder = out / mine.stem
        folder.mkdir(parents=True)
        for name in ("mask.tif", "probability.tif"):
            write_raster(folder / name, PIXELS)
        (folder / "run.json").touch()
        (out / "lakes.gpkg").touch()
        (out / "best.safetensors").touch()
    assert find_scenes(mine.parent) == [mine]
    with pytest.raises(GlofgeoError, match="holds no scene"):
        find_scenes(mine.parent / "maps")
    shown = write_raster(mine.parent / mine.stem / "scene.tif", PIXELS)
    assert find_scenes(mine.parent) == [shown, mine]


def test_links_may_lead_back_or_nowhere(mine):
    folder = mine.parent
    (folder / "deep").mkdir()
    (folder / "deep" / "back").symlink_to(folder)
    (folder / "deep" / "turn").symlink_to(folder / "deep" / "turn")
    (folder / "gone.tif").symlink_to(folder / "nothing")
    assert find_scenes(folder) == [mine, folder / "gone.tif"]


def test_pipes_are_no_scenes(mine):
    os.mkfifo(mine.parent / "pipe.tif")
    os.mkfifo(mine.parent / "pipe.zip")
    assert find_scenes(mine.parent) == [mine]
    with pytest.raises(GlofgeoError, match="neither a folder nor a regular file"):
        find_scenes(mine.parent / "pipe.tif")


def test_a_folder_in_a_product_stands_for_it(mine, monkeypatch):
    (granule,) = (mine / "GRANULE").iterdir()
    assert find_scenes(granule) == find_scenes(granule / "IMG_DATA") == [mine]
    monkeypatch.chdir(granule)
    assert find_scenes("..") == [mine]


def test_a_folder_that_may_not_be_read_is_passed_over_with_a_word(caplog):
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder, closed = Path(name), Path(name) / "closed"
        closed.mkdir()
        (folder / "a.tif").touch()
        folder.chmod(0o755)
        closed.chmod(0)
        try:
            if before == 0:
                os.seteuid(65534)
            with caplog.at_level(logging.WARNING):
                assert find_scenes(folder) == [folder / "a.tif"]
            with pytest.raises(GlofgeoError, match="no permission to read it"):
                find_scenes(closed)
        finally:
            os.seteuid(before)
            closed.chmod(0o755)
    assert "closed: no permission to read it" in caplog.text
