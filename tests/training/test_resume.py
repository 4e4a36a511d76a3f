"""A run that is killed at any moment leaves readable files, and goes on to where it would have ended."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import torch
import yaml
from shapely import Point, box

from glofgeo import cli
from glofgeo.config import TrainConfig
from glofgeo.models import load_checkpoint
from glofgeo.resume import Inputs
from glofgeo.settings import from_dict

COMMAND = Path(sys.executable).with_name("glofgeo")
LEFT, TOP, EPOCHS = 492000.0, 3090000.0, 5
SETTINGS = {
    "model": {"variant": "tiny", "extra_blocks": 0, "image_size": 56, "decoder_channels": [16, 16, 8, 8, 8]},
    "data": {"window": 56, "batch_size": 2, "crops": 16, "workers": 0, "hard_share": 0.0},
    "weights": "none", "epochs": EPOCHS, "lr": 1e-3, "patience": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    import rasterio
    from rasterio.transform import from_origin

    folder = tmp_path_factory.mktemp("place")
    image = np.random.default_rng(0).integers(1500, 2500, (4, 100, 220)).astype(np.uint16)
    spots = [(row, col) for row in (20, 50, 80) for col in (15, 45, 75, 135, 165, 195)]
    for row, col in spots:
        image[3, row - 4 : row + 4, col - 4 : col + 4] = 200
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", dtype="uint16", count=4, width=220, height=100, crs="EPSG:32645",
        transform=from_origin(LEFT, TOP, 10, 10), nodata=0,
    ) as target:  # fmt: skip
        target.write(image)
        target.descriptions, target.scales = ("B02", "B03", "B04", "B08"), (1e-4,) * 4
    lakes = [Point(LEFT + 10 * col, TOP - 10 * row).buffer(45) for row, col in spots]
    gpd.GeoDataFrame(geometry=lakes, crs="EPSG:32645").to_file(folder / "lakes.gpkg")
    halves = [box(LEFT + x, TOP - 1000, LEFT + x + 1000, TOP) for x in (0, 1200)]
    aoi = gpd.GeoDataFrame({"split": ["train", "val"]}, geometry=halves, crs="EPSG:32645")
    aoi.to_file(folder / "aoi.gpkg")
    (folder / "quick.yaml").write_text(yaml.safe_dump(SETTINGS))
    return folder


def start(place, *words):
    # A run remembers its data; and a cluster's variables do not make a lone process wait for others.
    data = () if "--resume" in words else ("--aoi", "aoi.gpkg", "--scenes", "scene.tif", "--lakes", "lakes.gpkg")
    given = [*data, "--device", "cpu", *words]
    return subprocess.Popen(
        [COMMAND, "train", *given], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"SLURM_NTASKS": "4", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "lakes"},
    )  # fmt: skip


def finish(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    return out


def rows_of(run):
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def check_readable(run):
    if (run / "config.yaml").exists():
        assert yaml.safe_load((run / "config.yaml").read_text())["epochs"] == EPOCHS
        assert (run / "split.json").exists()
    if (run / "last.ckpt").exists():
        assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] >= 0
        assert [int(row["epoch"]) for row in rows_of(run)] == list(range(1, len(rows_of(run)) + 1))
        assert load_checkpoint(run / "best.safetensors").scorecard["iou"] >= 0


def test_a_run_killed_three_times_ends_as_if_it_had_not_been(place):
    finish(start(place, "--config", "quick.yaml", "--out", "whole"))
    rng = np.random.default_rng()
    run = place / "killed"
    begin = ("--config", "quick.yaml", "--out", "killed")
    for kill in range(3):
        process = start(place, *(("--resume", "killed") if (run / "config.yaml").exists() else begin))
        # From the moment the folder is open, so that the kill falls into the training and not into the imports.
        before = (run / "last.ckpt").stat().st_mtime_ns if (run / "last.ckpt").exists() else 0
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and process.poll() is None:
            now = (run / "last.ckpt").stat().st_mtime_ns if (run / "last.ckpt").exists() else 0
            if now != before or (kill == 0 and (run / "config.yaml").exists()):
                break
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        check_readable(run)
    finish(start(place, "--resume", "killed"))
    check_readable(run)
    ended, expected = rows_of(run), rows_of(place / "whole")
    assert [row["epoch"] for row in ended] == [str(n) for n in range(1, EPOCHS + 1)]
    # At most the epoch in progress was repeated, and repeated alike.
    assert [row["step"] for row in ended] == [row["step"] for row in expected]
    assert [float(row["val_iou"]) for row in ended] == pytest.approx([float(r["val_iou"]) for r in expected], abs=1e-6)
    one, two = (load_checkpoint(folder / "best.safetensors") for folder in (run, place / "whole"))
    assert all(torch.equal(tensor, two.model.state_dict()[name]) for name, tensor in one.model.state_dict().items())
    assert {"scorecard.json", "scorecard.md", "scorecard.png"} <= {path.name for path in run.iterdir()}
    assert load_checkpoint(run / "best.safetensors").pixel_m == pytest.approx(10, abs=0.02)


@pytest.fixture
def run(place, tmp_path):
    """The files of a run that were there before its first epoch ended, made by hand."""
    folder = tmp_path / "run"
    folder.mkdir()
    config = from_dict(TrainConfig, SETTINGS, "")
    (folder / "config.yaml").write_text(yaml.safe_dump(dataclasses.asdict(config)))
    where = [str(place / name) for name in ("aoi.gpkg", "scene.tif", "lakes.gpkg")]
    (folder / "inputs.json").write_text(Inputs(where[0], "aoi.gpkg", *where[1:]).to_json())
    return folder


def refusal(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["glofgeo", "train", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_flags_that_differ_from_the_run_are_named(run, place, capsys, monkeypatch, tmp_path):
    for flag, value in (("--lr", "0.5"), ("--epochs", "6"), ("--data.window", "70"), ("--model.variant", "small"),
                        ("--config", "demo"), ("--out", tmp_path / "other"), ("--offset", "-1000")):  # fmt: skip
        line = refusal(capsys, monkeypatch, "--resume", run, flag, value)
        assert line.endswith(f" ({flag})")
        assert "leave it out" in line
    # What is the same is no difference; so the next thing that is wrong is told.
    same = ("--epochs", EPOCHS, "--lr", "1e-3", "--out", run)
    assert "(--device)" in refusal(capsys, monkeypatch, "--resume", run, *same, "--device", "cuda")
    assert "(--device)" in refusal(capsys, monkeypatch, f"--resume={run}", "--device", "cuda")


def test_what_is_no_run_or_has_moved_is_told_in_a_line(run, capsys, monkeypatch, tmp_path):
    assert "no such run" in refusal(capsys, monkeypatch, "--resume", tmp_path / "gone")
    assert "no such run" in refusal(capsys, monkeypatch, "--resume", run / "last.ckpt")
    assert "no config.yaml" in refusal(capsys, monkeypatch, "--resume", tmp_path)
    inputs = Inputs(**json.loads((run / "inputs.json").read_text()))
    for flag, name in (("--scenes", "scenes"), ("--lakes", "lakes")):
        moved = dataclasses.replace(inputs, **{name: str(tmp_path / "moved")})
        (run / "inputs.json").write_text(moved.to_json())
        assert f"{tmp_path / 'moved'}: no such file or folder; check the path ({flag})" in refusal(
            capsys, monkeypatch, "--resume", run
        )
    (run / "inputs.json").write_text("{")
    assert "inputs.json: damaged" in refusal(capsys, monkeypatch, "--resume", run)
    (run / "inputs.json").unlink()
    assert "(--aoi)" in refusal(capsys, monkeypatch, "--resume", run)
    (run / "last.ckpt").write_bytes(b"PK\x03\x04 and no more")
    assert "cut short" in refusal(capsys, monkeypatch, "--resume", run / "last.ckpt")
