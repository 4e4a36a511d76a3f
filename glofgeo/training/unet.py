"""Trains the network to beat: the same windows, the same loss, the same wall time."""

import dataclasses
import math
from datetime import timedelta
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Timer

from glofgeo.config import TrainConfig
from glofgeo.models import ComparisonUnet
from glofgeo.training.datamodule import LakeData
from glofgeo.training.ema import RunningMean
from glofgeo.training.options import RunOptions
from glofgeo.training.progress import TimeBar
from glofgeo.training.task import LakeTask

# As commonly taken for a small convolutional network under AdamW.
_RATE = 1e-3
_DECAY = 0.01
_RISING = 0.05


class UnetTask(LakeTask):
    """The steps of `LakeTask`, with a rate that warms up and falls along a cosine over the time there is."""

    def __init__(self, config: TrainConfig, seconds: float) -> None:
        """Starts a U-Net from random weights.

        Args:
            config: bands and logarithms, loss, augmentation, seed.
            seconds: wall time from the first step on.
        """
        super().__init__(ComparisonUnet(config.model), dataclasses.replace(config, tune="full"))
        self.timer = Timer(timedelta(seconds=seconds), verbose=False)
        self.seconds = seconds

    def configure_callbacks(self) -> list[Callback]:
        """Ends training when the time is over."""
        return [self.timer]

    def configure_optimizers(self) -> Any:
        """Gives AdamW with a rate that follows the clock."""
        optimizer = torch.optim.AdamW(self.model.parameters(), _RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda _: share_of_peak(min(1.0, self.timer.time_elapsed() / self.seconds))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_unet(data: LakeData, config: TrainConfig, seconds: float, options: RunOptions) -> ComparisonUnet:
    """Trains a U-Net from scratch for a while.

    It sees the windows that the model saw, in the same order, from the first epoch on, with the same augmentation and
    loss, as logarithms where the model does. Nothing is kept back for choosing an epoch: the running mean of the
    weights at the end counts, as with the model.

    Args:
        data: set up.
        config: bands and logarithms, loss, clipping, running mean, seed.
        seconds: wall time from the first step on.
        options: where to compute, and whether to show progress.

    Returns:
        The network in evaluation mode.
    """
    torch.manual_seed(config.seed)
    task, mean = UnetTask(config, seconds), RunningMean(config.ema)
    console = options.console
    callbacks: list[Callback] = [mean]
    if console.is_terminal and options.progress:
        callbacks.append(TimeBar(console, "training the U-Net", seconds))
    trainer = lightning.Trainer(
        **options.alone.hardware,
        max_epochs=-1,
        limit_val_batches=0,
        gradient_clip_val=config.clip,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, train_dataloaders=data.train_dataloader())
    mean.weights.put_in(task.model)
    console.print(f"U-Net: {mean.weights.steps} steps in {seconds:.0f} s", highlight=False)
    unet: ComparisonUnet = task.model.eval()  # type: ignore[assignment]
    return unet


def share_of_peak(spent: float) -> float:
    """Share of the peak rate at a share of the time, both 0-1."""
    if spent < _RISING:
        return spent / _RISING
    return 0.5 * (1 + math.cos(math.pi * (spent - _RISING) / (1 - _RISING)))
