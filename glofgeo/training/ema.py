"""A running mean of the weights, which is what is validated and kept."""

from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from glofgeo.training.task import LakeTask


class WeightMean:
    """The exponential mean, over the steps, of a network's trainable weights and batch-norm statistics.

    The weight of the past after step t is `min(decay, (1 + t) / (10 + t))`, so that short runs do not keep their random
    start (as in TensorFlow's ExponentialMovingAverage; Polyak & Juditsky 1992, SIAM J. Control Optim. 30:838).

    Attributes:
        steps: that were taken in.
        mean: by name; what `averaged` gives, on its devices.
    """

    def __init__(self, decay: float) -> None:
        """Starts a mean.

        Args:
            decay: weight of the past in the long run, 0 to below 1.
        """
        self.decay = decay
        self.steps = 0
        self.mean: dict[str, Tensor] = {}

    def start(self, model: nn.Module) -> None:
        """Begins with the weights as they are, or with the mean of an earlier run."""
        current = averaged(model)
        self.mean = {name: self.mean.get(name, tensor).to(tensor, copy=True) for name, tensor in current.items()}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Takes in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        current = averaged(model)
        torch._foreach_lerp_(list(self.mean.values()), [current[name] for name in self.mean], 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchanges the model's weights for the mean, and back."""
        for name, tensor in averaged(model).items():
            kept = tensor.clone()
            tensor.copy_(self.mean[name])
            self.mean[name].copy_(kept)


class RunningMean(Callback):
    """Keeps the mean of a model in training.

    From the start of validation to the end of the epoch the model carries the mean, so that callbacks before this one
    see and save it; then the weights themselves come back. Its state travels in `last.ckpt`.
    """

    def __init__(self, decay: float) -> None:
        """Starts a mean; see `WeightMean`."""
        self.weights = WeightMean(decay)
        self._swapped = False

    def state_dict(self) -> dict[str, Any]:
        """Gives tensors and plain values for `last.ckpt`."""
        return {"steps": self.weights.steps, "mean": self.weights.mean}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up where `last.ckpt` was written."""
        self.weights.steps, self.weights.mean = state_dict["steps"], state_dict["mean"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts from the weights as they are, or from what was resumed."""
        self.weights.start(_model(pl_module))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Takes in a step."""
        self.weights.add(_model(pl_module))

    def on_validation_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the mean into the model."""
        if not self._swapped:
            self._swap(pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the weights themselves back."""
        if self._swapped:
            self._swap(pl_module)

    def _swap(self, module: lightning.LightningModule) -> None:
        self.weights.swap(_model(module))
        self._swapped = not self._swapped


def averaged(model: nn.Module) -> dict[str, Tensor]:
    """What changes in training: not a frozen transformer, not the counters of batch norm."""
    learned = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    running = {name: b for name, b in model.named_buffers() if name.endswith(("running_mean", "running_var"))}
    return learned | running


def _model(module: lightning.LightningModule) -> nn.Module:
    return cast(LakeTask, module).model
