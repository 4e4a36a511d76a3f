"""Trains the network to beat: the same windows, the same loss, the same wall time."""

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import DataLoader

from glofgeo.config import TrainConfig
from glofgeo.inference.devices import computes_in_bfloat16
from glofgeo.models import ComparisonUnet
from glofgeo.training.augment import Augment
from glofgeo.training.ema import WeightMean
from glofgeo.training.losses import LakeLoss

# As commonly taken for a small convolutional network under AdamW.
_RATE = 1e-3
_DECAY = 0.01
_RISING = 0.05


def train_unet(loader: DataLoader[Any], config: TrainConfig, seconds: float, device: torch.device) -> ComparisonUnet:
    """Trains a U-Net from scratch for a while.

    It sees the windows that the model saw, in the same order, from the first epoch on, with the same augmentation and
    loss, as logarithms where the model does; its rate warms up and falls along a cosine over the time it has. Nothing
    is kept back for choosing an epoch: the mean of the weights at the end counts, as with the model.

    Args:
        loader: windows; its sampler has `set_epoch`.
        config: bands and logarithms, loss, clipping, running mean, seed.
        seconds: wall time from the first step on.
        device: where to compute.

    Returns:
        The network in evaluation mode.
    """
    torch.manual_seed(config.seed)
    model = ComparisonUnet(config.model).to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    loss_of, augment = LakeLoss(config.loss), Augment(config.model.bands, config.augment).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
    mean = WeightMean(config.ema)
    mean.start(model)
    half = computes_in_bfloat16(device)
    columns = (TextColumn("training the U-Net"), BarColumn(12), TimeRemainingColumn())
    started = time.perf_counter()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=seconds)
        for batch in _endless(loader):
            spent = time.perf_counter() - started
            if spent >= seconds:
                break
            bar.update(task, completed=spent)
            for group in optimizer.param_groups:
                group["lr"] = _RATE * _share(spent / seconds)
            image, mask = augment(batch["image"].to(device), batch["mask"].to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits = model(image.contiguous(memory_format=torch.channels_last))
            optimizer.zero_grad(set_to_none=True)
            loss: Tensor = loss_of(logits, mask)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            mean.add(model)
    mean.swap(model)
    print(f"U-Net: {mean.steps} steps in {seconds:.0f} s", flush=True)
    return model.eval()


def _endless(loader: DataLoader[Any]) -> Iterator[dict[str, Tensor]]:
    sampler: Any = loader.sampler
    epoch = 0
    while True:
        sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def _share(spent: float) -> float:
    """Share of the peak rate at a share of the time, both 0-1."""
    if spent < _RISING:
        return spent / _RISING
    return 0.5 * (1 + math.cos(math.pi * (spent - _RISING) / (1 - _RISING)))
