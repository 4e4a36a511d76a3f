"""What a run leaves behind after every epoch: a row of figures and, if it is the best yet, the model."""

import contextlib
import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from datasets_def.atomic import written_beside
from glofgeo.errors import GlofgeoError
from glofgeo.models import LakeSegmenter, fit_temperature, save_checkpoint
from glofgeo.training.adapt import merged
from glofgeo.training.pictures import draw_curves, draw_examples
from glofgeo.training.task import LakeTask
from glofgeo.training.validation import LOGITS

FIGURES = ("val_iou", "val_dice", "val_precision", "val_recall", "val_accuracy")


class WholeFiles(TorchCheckpointIO):
    """Writes `last.ckpt` beside itself and renames it; Lightning's own way copies between disks."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes a checkpoint; `path` holds the whole of it afterwards or what it held before.

        Raises:
            GlofgeoError: If the disk does not take it.
        """
        with _replacing(Path(path)) as partial:
            torch.save(checkpoint, partial)


class Journal(Callback):
    """Writes `metrics.csv`, pictures and `best.safetensors`; its state travels in `last.ckpt`.

    Attributes:
        best: best lake IoU so far, -1 before the first epoch.
        rows: figures of every epoch.
        seconds: wall time of all epochs so far, those before a resumption included.
    """

    def __init__(
        self,
        folder: Path,
        provenance: dict[str, Any],
        pixel_m: float | None = None,
        console: Console = Console(quiet=True),  # noqa: B008 (keeps nothing)
    ) -> None:
        """Starts a journal.

        Args:
            folder: the run folder.
            provenance: what to write into checkpoints, plain JSON values.
            pixel_m: the same, side of the scenes' pixels in metres.
            console: gets a line an epoch.
        """
        self.folder = folder
        self.provenance = provenance
        self.pixel_m = pixel_m
        self.console = console
        self.best = -1.0
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Gives plain values for `last.ckpt`."""
        return {"best": self.best, "rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up where `last.ckpt` was written."""
        self.best, self.rows, self.seconds = state_dict["best"], state_dict["rows"], state_dict["seconds"]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Writes the epoch down; `last.ckpt` follows, so a run killed in between repeats the epoch."""
        task = cast(LakeTask, pl_module)
        self.seconds += time.perf_counter() - self._started
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        figures = {name: float(trainer.callback_metrics[name]) for name in FIGURES}
        losses = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss")}
        rates = {"lr": max(group["lr"] for group in trainer.optimizers[0].param_groups)}
        self.rows.append(
            {"epoch": epoch, "step": trainer.global_step, "seconds": round(self.seconds, 2)} | rates | losses | figures
        )
        self._write("metrics.csv", _table(self.rows))
        self._write("curves.png", draw_curves(self.rows))
        better = figures["val_iou"] > self.best
        if better:
            self.best = figures["val_iou"]
            save_checkpoint(
                self.folder / "best.safetensors",
                merged(cast(LakeSegmenter, task.model)),
                task.config,
                self.provenance | {"epoch": epoch},
                {"on": "validation area, pixels"} | {n.removeprefix("val_"): v for n, v in figures.items()},
                _temperature(task.judged.histogram),
                self.pixel_m,
            )
            if examples := task.examples.ordered():
                self._write("examples.png", draw_examples(examples, task.config.model.bands, self.pixel_m))
        text = f"epoch {epoch}/{trainer.max_epochs}  loss {losses['train_loss']:.3f}  "
        self.console.print(f"{text}lake IoU {figures['val_iou']:.3f}{'  best' if better else ''}", highlight=False)

    def _write(self, name: str, content: bytes) -> None:
        with _replacing(self.folder / name) as partial:
            partial.write_bytes(content)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Gives a file to write beside `path`, whose place it takes if all went well; else it disappears.

    Raises:
        GlofgeoError: If it cannot be written.
    """
    try:
        with written_beside(path) as part:
            yield part
    # Torch has an error without a kind of its own for a full disk.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise GlofgeoError(
            f"{path}: cannot be written ({reason})", f"make room, then resume {path.parent}", argument="resume"
        ) from error


def _table(rows: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _temperature(histogram: npt.NDArray[np.int64]) -> float:
    """Fits the temperature to observed land and lake `(2, bins)`; 1 where one of the two is missing."""
    if not histogram.any(axis=1).all():
        return 1.0
    labels = np.broadcast_to(np.array([[False], [True]]), histogram.shape)
    return fit_temperature(np.broadcast_to(LOGITS, histogram.shape), labels, histogram.astype(np.float64))
