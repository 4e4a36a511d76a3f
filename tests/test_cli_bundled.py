"""The model that comes with glofgeo, on the command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from glofgeo.models import read_header
from glofgeo.models.bundled import bundled_card, bundled_model

COMMAND = Path(sys.executable).with_name("glofgeo")
UNMEASURED = "its skill on Himalayan glacial lakes is unmeasured"


@pytest.fixture
def here(tmp_path, write_raster, monkeypatch):
    """A folder with a scene and nothing else."""
    write_raster(tmp_path / "scene.tif", np.full((4, 96, 96), 1800, np.uint16), scale=1e-4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(folder):
    return json.loads((folder / "maps" / "scene" / "run.json").read_text())


def test_a_scene_is_mapped_in_a_fresh_folder(here):
    words = [COMMAND, "map", "--scene", "scene.tif"]
    result = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    digest = read_header(bundled_model()).sha256
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Model: ")]
    assert line.startswith(f"Model: bundled, SHA-256 {digest[:12]}") and line.endswith(UNMEASURED)
    assert (record(here)["model"], record(here)["checkpoint_sha256"]) == ("bundled", digest)
    assert record(here)["model_note"].endswith(UNMEASURED)
    assert UNMEASURED in (here / "maps" / "scene" / "report.html").read_text()
    assert {path.name for path in here.iterdir()} == {"scene.tif", "maps"}


def test_a_model_of_ones_own_goes_first_unless_the_bundled_one_is_named(here, run, checkpoint):
    (here / "runs" / "mine").mkdir(parents=True)
    shutil.copy(checkpoint, here / "runs" / "mine" / "best.safetensors")
    for words, model in ([], "runs/mine/best.safetensors"), (["--checkpoint", "bundled"], "bundled"):
        status, out, err = run("map", "--scene", "scene.tif", *words)
        assert status == 0, err
        assert record(here)["model"] == model
        assert f"Model: {model}, " in out and (UNMEASURED in out) == (model == "bundled")


def test_it_is_known_by_what_it_is_and_not_by_its_name(here, run, checkpoint):
    shutil.copy(bundled_model(), here / "mine.safetensors")
    shutil.copy(checkpoint, here / "bundled.safetensors")
    for name, unmeasured in ("mine.safetensors", True), ("bundled.safetensors", False):
        status, out, err = run("map", "--scene", "scene.tif", "--checkpoint", name)
        assert status == 0, err
        assert f"Model: {name}, " in out
        told = out, (here / "maps" / "scene" / "report.html").read_text(), str(record(here)["model_note"])
        assert [UNMEASURED in text for text in told] == [unmeasured] * 3


def test_it_is_evaluated(here, run):
    lakes = gpd.GeoDataFrame(geometry=gpd.points_from_xy([300500], [3099500]).buffer(200), crs="EPSG:32645")
    lakes.to_file(here / "lakes.gpkg")
    words = ["--scene", "scene.tif", "--lakes", "lakes.gpkg", "--out", "card"]
    status, out, err = run("evaluate", *words, "--checkpoint", "bundled")
    assert status == 0, err
    (model,) = json.loads((here / "card" / "scorecard.json").read_text())["models"]
    assert (model["name"], model["sha256"]) == ("bundled", read_header(bundled_model()).sha256)
    for text in out, (here / "card" / "scorecard.md").read_text(), model["note"]:
        assert UNMEASURED in " ".join(text.split())
    assert out.count("Model: bundled, ") == 1


def test_it_is_evaluated_on_pixels_of_another_size_where_that_is_meant(here, run, refused, write_raster):
    write_raster(here / "coarse.tif", np.full((4, 96, 96), 1800, np.uint16), scale=1e-4, pixel=60.0)
    lakes = gpd.GeoDataFrame(geometry=gpd.points_from_xy([300500], [3099500]).buffer(200), crs="EPSG:32645")
    lakes.to_file(here / "lakes.gpkg")
    words = ["evaluate", "--scene", "coarse.tif", "--lakes", "lakes.gpkg", "--checkpoint", "bundled"]
    assert "m wide" in refused(*words) and "(--any-resolution)" in refused(*words)
    status, _, err = run(*words, "--any-resolution")
    assert status == 0, err


def test_its_card_is_shown_above_what_its_file_says(run):
    status, out, _ = run("info", "bundled")
    assert status == 0
    card = [line.strip() for line in bundled_card().splitlines()]
    assert out.splitlines()[: len(card)] == card
    assert read_header(bundled_model()).sha256 in out


def test_a_reader_that_has_seen_enough_is_no_failure():
    with subprocess.Popen([COMMAND, "info", "bundled"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=600) == 141


def test_it_is_exported_into_the_folder_one_is_in(here, refused):
    (here / "bundled.onnx").write_text("mine")  # what is in the way tells where the model would go, before the work
    assert "bundled.onnx: is not a model that glofgeo exported" in refused("export", "--checkpoint", "bundled")
    (here / "out").mkdir()
    (here / "out" / "bundled.onnx").write_text("mine")
    assert "out/bundled.onnx: is not a model" in refused("export", "--out", "out")
