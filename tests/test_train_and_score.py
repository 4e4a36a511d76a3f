"""The scorecard that a training run ends with."""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import torch
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely import Point, box

import glofgeo
from datasets_def import open_scene
from glofgeo import train_and_score
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, load_checkpoint, read_header, save_checkpoint
from glofgeo.models.bundled import bundled_model
from glofgeo.resume import config_of
from glofgeo.train_and_score import score
from glofgeo.training import RunOptions, Sources, Trained
from glofgeo.training.datamodule import LakeData
from glofgeo.training.survey import survey

LEFT, TOP, ROWS, COLS, ZONE = 492000, 3090000, 130, 420, "EPSG:32645"
SMALL = "--config demo --epochs 2 --data.crops 8 --data.window 56 --model.image-size 56 --device cpu"


def call(folder, *words):
    command = [Path(sys.executable).with_name("glofgeo"), *map(str, words)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rounded(figures):
    """Figures to six digits: areas come from ground that went through other CRSs."""
    return json.loads(json.dumps(figures), parse_float=lambda text: float(f"{float(text):.6g}"))


@pytest.fixture
def ground(tmp_path, write_raster):
    """A scene whose thirds train, validate and test, with lakes that are easy to tell but for a grey one to test."""
    rng = np.random.default_rng(0)
    image = rng.integers(1500, 2500, (4, ROWS, COLS)).astype(np.uint16)
    at = [(row, col) for row in (30, 65, 100) for col in (40, 100, 180, 240, 320, 380)]
    lakes = [Point(LEFT + 10 * col, TOP - 10 * row).buffer(70) for row, col in at]
    blue = rasterize(lakes[:-1], (ROWS, COLS), transform=from_origin(LEFT, TOP, 10, 10)).astype(bool)
    image[3, blue] = 200
    (tmp_path / "scenes").mkdir()
    write_raster(tmp_path / "scenes" / "one.tif", image, origin=(LEFT, TOP), scale=1e-4)
    gpd.GeoDataFrame(geometry=lakes, crs=ZONE).to_file(tmp_path / "lakes.gpkg")
    thirds = [box(LEFT + col * 10, TOP - ROWS * 10, LEFT + (col + 140) * 10, TOP) for col in (0, 140, 280)]
    aoi = gpd.GeoDataFrame({"split": ["train", "val", "test"]}, geometry=thirds, crs=ZONE)
    aoi.to_file(tmp_path / "aoi.gpkg")
    aoi[2:].to_file(tmp_path / "test.gpkg")
    aoi[:2].to_file(tmp_path / "untested.gpkg")
    return tmp_path


def test_the_scorecard_of_a_run_is_that_of_the_maps_its_model_makes(ground):
    given = ["--scenes", "scenes", "--lakes", "lakes.gpkg", *SMALL.split()]
    told = call(ground, "train", "--aoi", "aoi.gpkg", *given, "--out", "run", "--compare", "unet")
    assert "run/scorecard.md" in told
    assert not list((ground / "run").glob(".score-*"))
    card = json.loads((ground / "run" / "scorecard.json").read_text())
    assert "split `test`" in card["notes"][0]
    assert "100% of its windows come from scenes that are also used for training" in card["notes"][1]

    call(ground, "map", "--checkpoint", "run/best.safetensors", "--scene", "scenes/one.tif", "--aoi", "test.gpkg")
    words = ["--prediction", "maps/one/probability.tif", "--scene", "scenes/one.tif", "--aoi", "test.gpkg"]
    cut = ["--ndwi-threshold", card["ndwi_threshold"], "--json", "own.json"]
    call(ground, "evaluate", *words, "--lakes", "lakes.gpkg", *cut)
    own = json.loads((ground / "own.json").read_text())
    for name in ("model", "ndwi", "ndwi_at"):
        assert rounded(card[name]) == rounded(own[name]), name
    assert sum(card["unet"]["pixels"].values()) == ROWS * 140
    assert 0.8 < card["ndwi"]["recall"] < 1  # it misses the grey lake
    for name in ("scorecard.md", "scorecard.png"):
        assert (ground / "run" / name).stat().st_size > 500
    assert "U-Net" in (ground / "run" / "scorecard.md").read_text()


def test_a_notebook_trains_in_silence_and_gets_the_scorecard(ground, capfd):
    """Without a test split, whose absence the scorecard mentions; and then resumes what was trained."""
    model = ModelConfig("tiny", extra_blocks=0, image_size=56, decoder_channels=(16, 16, 8, 8, 8))
    data = DataConfig(window=56, batch_size=2, crops=8, workers=0)
    config = TrainConfig(model=model, data=data, weights="none", epochs=1)
    aoi = gpd.read_file(ground / "untested.gpkg")
    given = {"scenes": str(ground / "scenes"), "lakes": ground / "lakes.gpkg", "device": "cpu"}
    run = glofgeo.train(aoi, **given, out=str(ground / "run"), config=config)
    assert capfd.readouterr() == ("", "")
    assert run.folder == ground / "run" and run.best.is_file()
    assert run.iou == load_checkpoint(run.best).scorecard["iou"]
    assert sum(dataclasses.astuple(run.scorecard.model.pixels)) == ROWS * 140
    written = json.loads((run.folder / "scorecard.json").read_text())
    assert "this flatters" in written["notes"][0] and "this flatters" in (run.folder / "scorecard.md").read_text()

    with pytest.raises(GlofgeoError) as refusal:
        glofgeo.train(resume=run.folder, device="cpu")
    assert refusal.value.argument == "aoi"  # it was no file, so the run does not remember it
    with pytest.raises(GlofgeoError, match="epochs 9: the run has 1"):
        glofgeo.train(aoi, **given, resume=str(run.folder), config=dataclasses.replace(config, epochs=9))
    assert glofgeo.train(aoi, **given, resume=str(run.folder)).iou == run.iou
    assert glofgeo.train is train_and_score.train


class Doubtful(torch.nn.Module):
    """Calls a pixel lake if its B08 is below 0.05, and all others with 45 %: a rival whose answer is known."""

    config = ModelConfig("tiny", image_size=56)

    def forward(self, reflectance):
        return torch.where(reflectance[:, 3:4] < 0.05, 3.0, math.log(0.45 / 0.55))


def test_the_rival_is_judged_by_its_own_probabilities_and_not_with_the_models_temperature(ground):
    """At a temperature of 20 what it calls with 45 % would round to 50 %, and be lake."""
    settings = TrainConfig(model=ModelConfig("tiny", image_size=56), data=DataConfig(window=56, workers=0))
    sources = Sources(gpd.read_file(ground / "aoi.gpkg"), "aoi", ground / "scenes", ground / "lakes.gpkg")
    data = LakeData(survey(sources, settings), settings, ground / "cache")
    data.prepare_data()
    data.setup("fit")
    best = ground / "best.safetensors"
    save_checkpoint(best, build_model(settings.model), settings, {}, {}, 20.0)
    card = score(Trained(best, 0.5, data, Doubtful()), RunOptions(device="cpu"))
    scene = open_scene(ground / "scenes" / "one.tif")
    blue = (scene.read(bands=("B08",))[0] < 0.05)[:, 280:]
    assert card.unet.pixels.tp + card.unet.pixels.fp == blue.sum() > 0
    assert load_checkpoint(best).temperature == 20


def test_a_training_starts_from_the_bundled_model_and_goes_on(ground, monkeypatch, run, refused):
    monkeypatch.chdir(ground)
    given = ["--aoi", "aoi.gpkg", "--scenes", "scenes", "--lakes", "lakes.gpkg", "--weights", "bundled"]
    given += ["--data.window", "56", "--data.crops", "8", "--epochs", "1", "--device", "cpu", "--out", "run"]
    own = read_header(bundled_model()).config.model
    for flag, value in (("--model.variant", "large"), ("--model.extra-blocks", own.extra_blocks + 1)):
        assert refused("train", *given, flag, value).endswith(f"({flag})")
    assert not (ground / "run").exists()

    status, out, err = run("train", *given)
    assert status == 0, err
    assert "Weights from the bundled model, all of them" in out
    assert "the model that it started from has a lake IoU of" in out
    best = load_checkpoint(Path("run/best.safetensors"))
    assert best.config.model == own
    assert config_of(Path("run")).weights == best.config.weights == "bundled"
    assert best.sha256 != read_header(bundled_model()).sha256

    assert run("train", "--resume", "run", "--device", "cpu")[0] == 0
    Path("run/last.ckpt").unlink()  # as if it had been killed in its first epoch
    status, out, err = run("train", "--resume", "run", "--device", "cpu")
    assert status == 0, err
    assert "Weights from the bundled model" in out
    again = load_checkpoint(Path("run/best.safetensors")).model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in best.model.state_dict().items())
