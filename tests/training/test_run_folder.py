"""Run folders: one for each run, and nothing of anybody else's."""

import json
import resource
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
import yaml
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.training.audit import Audit, SplitSize
from glofgeo.training.journal import Journal, WholeFiles
from glofgeo.training.run_folder import free_folder, open_folder
from glofgeo.training.show import show_audit, show_weights


def test_runs_that_start_together_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        started = [
            pool.submit(open_folder, tmp_path / "runs" / "now", TrainConfig(seed=i), {"run": i}, numbered=True)
            for i in range(8)
        ]
    folders = [one.result() for one in started]
    assert {folder.name for folder in folders} == {"now", *(f"now-{n}" for n in range(2, 9))}
    for i, folder in enumerate(folders):
        assert json.loads((folder / "split.json").read_text()) == {"run": i}
        assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == i
        assert len(list(folder.iterdir())) == 2


def test_of_runs_that_name_one_folder_one_gets_it(tmp_path):
    (tmp_path / "run").mkdir()
    out = free_folder(tmp_path / "run")
    with ThreadPoolExecutor(8) as pool:
        started = [pool.submit(open_folder, out, TrainConfig(), {"run": i}, numbered=False) for i in range(8)]
    errors = [one.exception() for one in started]
    assert errors.count(None) == 1
    assert all(isinstance(error, GlofgeoError) and error.argument == "out" for error in errors if error)
    assert json.loads((out / "split.json").read_text()) == {"run": errors.index(None)}


@pytest.mark.parametrize("kind", ["notes", "run", "file", "broken link"])
def test_a_folder_with_something_in_it_is_refused(tmp_path, kind):
    out = tmp_path / "run"
    if kind == "file":
        out.write_text("mine")
    elif kind == "broken link":
        out.symlink_to(tmp_path / "gone")
    else:
        out.mkdir()
        (out / ("last.ckpt" if kind == "run" else "notes.txt")).write_text("mine")
    with pytest.raises(GlofgeoError) as refusal:
        free_folder(out)
    assert refusal.value.argument == ("resume" if kind == "run" else "out")


def test_the_processes_of_a_run_share_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLOFGEO_RUN_FOLDER", raising=False)
    first = open_folder(free_folder(None), TrainConfig(), {}, numbered=True)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    second = open_folder(free_folder(None), TrainConfig(), {}, numbered=True)
    assert second == first.absolute() and len(list((tmp_path / "runs").iterdir())) == 1
    monkeypatch.delenv("GLOFGEO_RUN_FOLDER")
    with pytest.raises(GlofgeoError, match="name its folder"):
        free_folder(None)


@pytest.fixture
def little_room():
    """A disk that takes no file over 20 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, little_room):
    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"epoch": 1, "weights": torch.zeros(10)}, path)
    with pytest.raises(GlofgeoError, match=r"last\.ckpt: cannot be written .*resume") as refusal:
        WholeFiles().save_checkpoint({"epoch": 2, "weights": torch.zeros(100_000)}, path)
    assert "\n" not in str(refusal.value)
    assert torch.load(path, weights_only=True)["epoch"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_keeps_the_figures_before(tmp_path, little_room):
    journal = Journal(tmp_path, {})
    journal._write("metrics.csv", b"before")
    with pytest.raises(GlofgeoError, match=r"metrics\.csv: cannot be written"):
        journal._write("metrics.csv", b"0" * 30_000)
    assert (tmp_path / "metrics.csv").read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.csv"]


def test_names_are_printed_as_they_are(capsys):
    audit = Audit(
        how="by hand", splits={"[/b]": SplitSize(1, 2)}, distance_m={"a [green]b": 1}, lakes_left_out=0,
        lakes_undated=1, scene_overlap={"val": 0.5}, violations=("[/red]\nleak",),
        damaged={"x[/b].tif": "broken [bold]"},
    )  # fmt: skip
    console = Console(soft_wrap=True)
    show_audit(console, audit)
    show_weights(
        console,
        SimpleNamespace(source="a[/b]", layout="[x]", prefix="[/y]", blocks=1, loaded=1, renamed=0,
                        initial=["[/z]"], left_over=[])
    )  # fmt: skip
    out = capsys.readouterr().out
    assert all(name in out for name in ("[/b]", "[green]b", "[/red] leak", "x[/b].tif", "broken [bold]", "a[/b]:"))
    assert all(name in out for name in ("[x]", "'[/y]'", "[/z]"))
