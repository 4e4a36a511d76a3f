"""A running mean of the weights, which is what is validated and kept."""

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from glofgeo.training.task import LakeTask


class RunningMean(Callback):
    """Averages the trainable weights and batch-norm statistics over the steps, exponentially.

    The weight of the past after step t is `min(decay, (1 + t) / (10 + t))`, so that short runs do not keep their random
    start (as in TensorFlow's ExponentialMovingAverage; Polyak & Juditsky 1992, SIAM J. Control Optim. 30:838). From the
    start of validation to the end of the epoch the model carries the mean, so that callbacks before this one see and
    save it; then the weights themselves come back. Its state travels in `last.ckpt`.
    """

    def __init__(self, decay: float) -> None:
        """Starts a mean.

        Args:
            decay: weight of the past in the long run, 0 to below 1.
        """
        self.decay = decay
        self.steps = 0
        self.mean: dict[str, Tensor] = {}
        self._swapped = False

    def state_dict(self) -> dict[str, Any]:
        """Gives tensors and plain values for `last.ckpt`."""
        return {"steps": self.steps, "mean": self.mean}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up where `last.ckpt` was written."""
        self.steps, self.mean = state_dict["steps"], state_dict["mean"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts from the weights as they are, or from what was resumed."""
        current = _averaged(pl_module)
        self.mean = {name: self.mean.get(name, tensor).to(tensor, copy=True) for name, tensor in current.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Takes in a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        current = _averaged(pl_module)
        torch._foreach_lerp_(list(self.mean.values()), [current[name] for name in self.mean], 1 - decay)

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the mean into the model."""
        if not self._swapped:
            self._swap(pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the weights themselves back."""
        if self._swapped:
            self._swap(pl_module)

    @torch.no_grad()
    def _swap(self, module: lightning.LightningModule) -> None:
        for name, tensor in _averaged(module).items():
            kept = tensor.clone()
            tensor.copy_(self.mean[name])
            self.mean[name].copy_(kept)
        self._swapped = not self._swapped


def _averaged(module: lightning.LightningModule) -> dict[str, Tensor]:
    """What changes in training: not a frozen transformer, not the counters of batch norm."""
    assert isinstance(module, LakeTask)
    learned = {name: p.detach() for name, p in module.model.named_parameters() if p.requires_grad}
    running = {name: b for name, b in module.model.named_buffers() if name.endswith(("running_mean", "running_var"))}
    return learned | running
