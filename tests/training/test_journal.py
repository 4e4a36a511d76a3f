"""What is written down of an epoch."""

import csv
from types import SimpleNamespace

import pytest

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.models import build_model, load_checkpoint
from glofgeo.training import journal
from glofgeo.training.journal import FIGURES, Journal
from glofgeo.training.task import LakeTask

MODEL = ModelConfig("tiny", extra_blocks=0, image_size=28, decoder_channels=(8, 8, 8, 8, 8), stem_channels=(4, 8))


@pytest.fixture
def epochs(tmp_path, monkeypatch):
    """Runs a journal over epochs of given lake IoU, each of ten seconds with five between them."""
    task = LakeTask(build_model(MODEL), TrainConfig(model=MODEL, weights="none"))
    clock = [100.0]
    monkeypatch.setattr(journal.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(journal, "draw_curves", lambda rows: b"")  # slow, and tested elsewhere

    def run(kept, ious, first=0):
        for epoch, iou in enumerate(ious, first):
            trainer = SimpleNamespace(
                is_global_zero=True, current_epoch=epoch, max_epochs=9, global_step=4 * (epoch + 1),
                callback_metrics=dict.fromkeys(FIGURES, 0.25) | {"val_iou": iou, "train_loss": 1.0, "val_loss": 2.0},
                optimizers=[SimpleNamespace(param_groups=[{"lr": lr} for lr in (1e-5, 1e-3, 1e-4)])],
                progress_bar_callback=None,
            )  # fmt: skip
            kept.on_train_epoch_start(trainer, task)
            clock[0] += 10
            kept.on_train_epoch_end(trainer, task)
            clock[0] += 5

    return run


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_best_epoch_is_kept_and_an_equal_one_does_not_replace_it(tmp_path, epochs):
    epochs(Journal(tmp_path, {}), (0.2, 0.5, 0.5, 0.3))
    best = load_checkpoint(tmp_path / "best.safetensors")
    assert (best.provenance["epoch"], best.scorecard["iou"]) == (2, 0.5)
    assert best.temperature == 1  # there was no lake to fit it to


def test_an_epoch_tells_its_highest_rate_and_the_time_of_all_epochs_so_far(tmp_path, epochs):
    epochs(Journal(tmp_path, {}), (0.2, 0.5, 0.4))
    rows = rows_of(tmp_path)
    assert [(row["epoch"], row["step"], float(row["lr"])) for row in rows] == [
        ("1", "4", 1e-3), ("2", "8", 1e-3), ("3", "12", 1e-3)
    ]  # fmt: skip
    assert [float(row["seconds"]) for row in rows] == [10, 20, 30]


def test_a_resumed_run_goes_on_with_time_rows_and_best(tmp_path, epochs):
    one, two = Journal(tmp_path, {}), Journal(tmp_path, {})
    epochs(one, (0.2, 0.5))
    two.load_state_dict(one.state_dict())
    epochs(two, (0.4,), first=2)
    assert [float(row["seconds"]) for row in rows_of(tmp_path)] == [10, 20, 30]
    assert load_checkpoint(tmp_path / "best.safetensors").provenance["epoch"] == 2
