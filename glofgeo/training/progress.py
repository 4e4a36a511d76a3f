"""One line of a terminal that says how far training is."""

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class EpochBar(Callback):
    """Shows `epoch 1/6 ━━━━━ 12/25 0:01:10 0:00:41`: batches of the epoch or of its validation, time spent and left."""

    def __init__(self, console: Console) -> None:
        """Shows nothing yet.

        Args:
            console: where lines are printed, too; they appear above the bar.
        """
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
        self._bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)

    def _begin(self, trainer: lightning.Trainer, batches: float, what: str = "") -> None:
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{what}"
        self._task = self._bar.add_task(text, total=batches)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Shows the bar."""
        self._bar.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts an epoch."""
        self._begin(trainer, trainer.num_training_batches)

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts its validation."""
        self._begin(trainer, sum(trainer.num_val_batches), ", validating")

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Counts a batch."""
        self._bar.advance(self._task)

    def on_validation_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Counts a batch."""
        self._bar.advance(self._task)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Removes the bar."""
        self._bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Removes the bar."""
        self._bar.stop()


class TimeBar(Callback):
    """Shows how much of a time that is set beforehand has passed."""

    def __init__(self, console: Console, text: str, seconds: float) -> None:
        """Shows nothing yet.

        Args:
            console: where.
            text: what is going on.
            seconds: how long it will take.
        """
        columns = (TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(text, total=seconds)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Shows the bar."""
        self._bar.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Moves it on."""
        self._bar.update(self._task, completed=self._bar.tasks[0].elapsed)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Removes the bar."""
        self._bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Removes the bar."""
        self._bar.stop()
