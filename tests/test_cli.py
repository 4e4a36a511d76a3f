"""The command line as a user meets it: verbs, defaults, and one line for every wrong input."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import pytest
from shapely.geometry import box

from glofgeo import cli

COMMAND = Path(sys.executable).with_name("glofgeo")
VERBS = ("demo", "evaluate", "export", "info", "map", "train")


def glofgeo(*words, cwd=None):
    """Runs the installed command as a shell would."""
    return subprocess.run([COMMAND, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture
def asked(monkeypatch, tmp_path_factory):
    """Collects what `train` would be asked to do, where there are data."""
    here = tmp_path_factory.mktemp("here")
    (here / "data" / "scenes").mkdir(parents=True)
    (here / "data" / "lakes.gpkg").touch()
    monkeypatch.chdir(here)
    seen = []

    def train(sources, config, *words, **more):
        seen.append({"aoi": sources.aoi, "config": config})
        return SimpleNamespace(best=Path("run/best.safetensors"), iou=0.5)

    monkeypatch.setattr("glofgeo.training.train_model", train)
    monkeypatch.setattr("glofgeo.train_and_score.score", lambda *words: None)
    return seen


def test_help_lists_the_verbs():
    result = glofgeo("--help")
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in VERBS)


def panels(text):
    """The titles of a help page, each with the flags under it."""
    found = {}
    for line in text.splitlines():
        if line.startswith("╭─"):
            flags = found[line.strip("╭─╮ ")] = []
        elif name := re.match(r"│ \*? *(--[\w.-]+)", line):
            flags.append(name.group(1))
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_narrow_terminal_and_says_what_each_flag_does(verb, monkeypatch, run):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run(verb, "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    for argument in cli.app[verb].assemble_argument_collection(parse_docstring=True):
        assert len(argument.parameter.help or "") > 5 or argument.children, argument.name
    assert not re.search(r"\[default: *(None|False|\(\)|\[\])? *\]", out)


def test_help_of_train_sorts_its_flags_the_everyday_ones_first(run):
    titles = panels(run("train", "--help")[1])
    assert next(iter(titles)) == "Main options"
    assert {"--aoi", "--scenes", "--lakes", "--epochs", "--device"} <= {*titles["Main options"]}
    assert max(map(len, titles.values())) <= 15
    where = {flag: title for title, flags in titles.items() for flag in flags}
    assert where["--weights"] == where["--model.variant"] == "Model"
    assert where["--lr"] == "Optimiser" and where["--loss.dice"] == "Loss"
    assert where["--compile"] == where["--data.workers"] == "Speed, memory and hardware"


@pytest.mark.parametrize(
    "words",
    [
        ["melt"],
        ["train"],
        ["map"],
        ["map", "--scene"],
        ["map", "--scene", "x", "--nonsense", "1"],
        ["train", "--aoi", "x", "--epochs", "many"],
        ["train", "--aoi", "x", "--model.variant", "huge"],
        ["evaluate"],
        ["evaluate", "--lakes", "x", "--prediction", "x", "--checkpoint", "bundled"],
    ],
)
def test_usage_errors_list_the_verbs(refused, words):
    message = refused(*words)
    assert all(verb in message for verb in VERBS)


def test_configuration_comes_from_preset_file_and_flags_in_this_order(asked, run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\nmodel:\n  variant: small\n  bands: [B03, B08]\ndata:\n  crops: 7\n")
    assert run("train", "--aoi", "khumbu", "--config", file, "--data.crops", "9")[0] == 0
    assert run("train", "--aoi", "khumbu")[0] == 0
    assert run("train", "--aoi", "khumbu", "--config=demo")[0] == 0
    own, default, demo = (words["config"] for words in asked)
    assert (own.epochs, own.model.variant, own.model.bands, own.data.crops) == (3, "small", ("B03", "B08"), 9)
    assert (default.model.variant, default.data.window) == ("large", 518)
    assert demo.model.variant == "tiny"


def test_a_wrong_configuration_is_named(refused, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epoch: 3\n")
    assert "epoch" in refused("train", "--aoi", "khumbu", "--config", file)
    file.write_text("a: [")
    assert "mine.yaml" in refused("train", "--aoi", "khumbu", "--config", file)
    assert "nowhere.yaml" in refused("train", "--aoi", "khumbu", "--config", "nowhere.yaml")
    assert "B99" in refused("train", "--aoi", "khumbu", "--model.bands", "B99")


def test_an_unwritable_folder_is_named(refused, product, checkpoint, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for verb in (["map", "--scene", product[0], "--checkpoint", checkpoint], ["demo"]):
        assert str(file) in refused(*verb, "--out", file / "maps")
    assert file.read_text() == ""


def test_info_verifies_a_product_on_request(run, product, tmp_path):
    status, out, _ = run("info", "--verify", product[0])
    assert status == 0 and "7 files are whole" in out and "compared when a file is read" in out
    damaged = shutil.copytree(product[0], tmp_path / product[0].name)
    images = sorted(damaged.rglob("*.jp2"))[:2]
    for image in images:
        image.write_bytes(image.read_bytes().replace(b"\xff\x93", b"\xff\x92"))
    status, out, err = run("info", damaged, "--verify")
    assert status == 2 and "2 are damaged or missing" in err
    assert len(out.splitlines()) == 2
    assert all(image.name in line for image, line in zip(images, out.splitlines(), strict=True))
    (damaged / "manifest.safe").unlink()
    assert "none: damaged pixels would go unnoticed" in run("info", damaged)[1]


def test_training_refuses_what_it_cannot_learn_from(refused, product, tmp_path):
    aoi = gpd.GeoDataFrame(geometry=[box(86.9, 27.88, 86.95, 27.91)], crs="EPSG:4326")
    aoi.to_file(tmp_path / "here.geojson")
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 11, 46)], crs="EPSG:4326")
    away.to_file(tmp_path / "away.gpkg")
    words = ["--config", "demo", "--out", tmp_path / "run", "--data.window", "64"]
    base = ["train", *words, "--scenes", product[0]]
    assert "away.gpkg" in refused(*base, "--aoi", tmp_path / "here.geojson", "--lakes", tmp_path / "away.gpkg")
    assert "outside" in refused(*base, "--aoi", tmp_path / "away.gpkg", "--lakes", product[1])
    assert "nolakes.gpkg" in refused(*base, "--aoi", tmp_path / "here.geojson", "--lakes", tmp_path / "nolakes.gpkg")
    empty = tmp_path / "scenes"
    empty.mkdir()
    base = ["train", *words, "--scenes", empty, "--aoi", tmp_path / "here.geojson", "--lakes", product[1]]
    assert "no scene" in refused(*base)
    assert not (tmp_path / "run").exists()


def test_a_fault_of_ours_is_told_apart(run, monkeypatch):
    def fail(name):
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("datasets_def.aoi.read_aoi", fail)
    status, _, err = run("train", "--aoi", "khumbu")
    assert status == 1
    assert "the sky fell" in err
    assert "--debug" in err
    with pytest.raises(RuntimeError):
        run("train", "--aoi", "khumbu", "--debug")


def test_the_two_commands_as_written(product, tmp_path):
    """Everything at its default but the size of the work."""
    scenes = tmp_path / "data" / "scenes"
    scenes.mkdir(parents=True)
    shutil.copytree(product[0], scenes / product[0].name)
    shutil.copy(product[1], tmp_path / "data" / "lakes.gpkg")
    left, low, right, high = gpd.read_file(product[1]).to_crs("EPSG:4326").total_bounds
    middle = (left + right) / 2
    aoi = gpd.GeoDataFrame(
        {"split": ["train", "val"]},
        geometry=[
            box(left - 0.01, low - 0.01, middle, high + 0.01),
            box(middle, low - 0.01, right + 0.01, high + 0.01),
        ],
        crs="EPSG:4326",
    )
    (tmp_path / "aoi").mkdir()
    aoi.to_file(tmp_path / "aoi" / "himalaya.geojson")
    small = ["--config", "demo", "--epochs", "1", "--data.crops", "4", "--data.batch-size", "2", "--data.window", "70"]
    result = glofgeo("train", "--aoi", "himalaya.geojson", *small, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    result = glofgeo("map", "--scene", scenes / product[0].name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "maps" / product[0].stem
    expected = {"probability.tif", "mask.tif", "lakes.gpkg", "overview.png", "run.json", "item.json"}
    assert expected <= {path.name for path in folder.iterdir()}
    record = json.loads((folder / "run.json").read_text())
    assert (record["scene"], record["baseline"], record["cloud_mask"]) == (product[0].stem, "05.10", True)
    assert {path.name for path in (tmp_path / "maps").iterdir() if path.suffix != ".json"} == {product[0].stem}

    words = ["--prediction", folder / "mask.tif", "--scene", product[0], "--lakes", product[1]]
    words += ["--ndwi-threshold", "0.3", "--out", tmp_path / "card"]
    result = glofgeo("evaluate", *words, "--json", tmp_path / "card.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "NDWI" in result.stdout
    assert json.loads((tmp_path / "card.json").read_text())["ndwi_threshold"] == 0.3
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"scorecard.json", "scorecard.md", "scorecard.png"}
    result = glofgeo("evaluate", "--scene", product[0], "--lakes", product[1], "--aoi", "himalaya", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aoi", "card", "card.json", "data", "maps", "runs"]

    checkpoint = next((tmp_path / "runs").glob("*/best.safetensors"))
    described = json.loads(checkpoint.with_suffix(".json").read_text())
    assert described["assets"]["model"]["href"] == "./best.safetensors"
    for words in (["--lakes", folder / "lakes.gpkg", "--format", "fgb"], ["--format", "mlm", "--out", "described"]):
        result = glofgeo("export", *words, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert (folder / "lakes.fgb").is_file() and (tmp_path / "described" / "best.json").is_file()
    result = glofgeo("info", checkpoint)
    assert "B02, B03, B04, B08" in result.stdout
    result = glofgeo("info", product[0])
    assert "05.10" in result.stdout


def test_ready_made_areas_are_found_from_anywhere(asked, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = ["--scenes", tmp_path, "--lakes", tmp_path]
    for name in ("himalaya.geojson", "himalaya", "south_lhonak"):
        assert run("train", "--aoi", name, *data)[0] == 0
    assert len(asked[0]["aoi"]) > 5
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_refused_before_the_work(refused, checkpoint, tmp_path, product):
    (tmp_path / "scorecard.md").write_text("my notes")
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "best.onnx").write_text("my model")
    words = ["evaluate", "--scene", product[0], "--lakes", product[1], "--checkpoint", checkpoint]
    assert "scorecard.md" in refused(*words, "--out", tmp_path)
    assert "card.json" in refused(*words, "--json", tmp_path / "card.json")
    assert "best.onnx" in refused("export", "--checkpoint", checkpoint, "--out", tmp_path)
    assert (tmp_path / "best.onnx").read_text() == "my model"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_locked_disk_is_no_fault_of_glofgeo(run, monkeypatch, code):
    def fail(name):
        raise OSError(code, os.strerror(code), "/data/x")

    monkeypatch.setattr("datasets_def.aoi.read_aoi", fail)
    status, _, err = run("train", "--aoi", "khumbu")
    assert (status, err.count("\n")) == (2, 1)
    assert f"/data/x: {os.strerror(code)}" in err


TRAIN = {
    "--clip": -1, "--patience": -1, "--warmup": 5, "--loss.lake-weight": -1, "--augment.haze": -1, "--lr": 0,
    "--data.cache-size": "nan", "--data.block-deg": 0, "--epochs": -1, "--data.workers": -1, "--data.window": 13,
    "--model.std": "0", "--devices": 0, "--device": "cuda", "--wandb": "", "--offset": "inf", "--lr ": "nan",
}  # fmt: skip
MAP = {"--min-area": "nan", "--threshold": 1, "--overlap": -1, "--batch-size": 0, "--offset": "nan"}


FLAGS = [("train", *flag) for flag in TRAIN.items()] + [("map", *flag) for flag in MAP.items()]


@pytest.mark.parametrize(("verb", "flag", "value"), FLAGS)
def test_a_flag_that_cannot_be_meant_is_named_and_nothing_written(refused, tmp_path, monkeypatch, verb, flag, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "lakes.gpkg").touch()
    before = sorted(tmp_path.rglob("*"))
    data = ["--aoi", "khumbu", "--scenes", "scenes", "--lakes", "lakes.gpkg", "--out", "run"]
    given = data if verb == "train" else ["--scene", "scenes"]
    assert flag.strip() in refused(verb, *given, flag.strip(), value)
    assert sorted(tmp_path.rglob("*")) == before
