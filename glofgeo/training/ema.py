"""A running mean of the weights, drawn towards those of the start if wanted: what is validated and kept."""

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
        first: the same as it was at the start, if it has a share.
    """

    def __init__(self, decay: float, start_share: float = 0.0) -> None:
        """Starts a mean.

        Args:
            decay: weight of the past in the long run, 0 to below 1.
            start_share: of the weights at the start in what is validated and kept, 0 to below 1. Between the two lie
                models that are better than both where there were few labels (Wortsman et al. 2022, arXiv 2109.01903).
        """
        self.decay = decay
        self.start_share = start_share
        self.steps = 0
        self.mean: dict[str, Tensor] = {}
        self.first: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}

    def start(self, model: nn.Module) -> None:
        """Begins with the weights as they are, or with those of an earlier run."""
        current = averaged(model)
        self.mean = {name: self.mean.get(name, tensor).to(tensor, copy=True) for name, tensor in current.items()}
        if self.start_share:
            self.first = {name: self.first.get(name, tensor).to(tensor, copy=True) for name, tensor in current.items()}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Takes in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        current = averaged(model)
        torch._foreach_lerp_(list(self.mean.values()), [current[name] for name in self.mean], 1 - decay)

    @torch.no_grad()
    def put_in(self, model: nn.Module) -> None:
        """Gives the model what is to be validated and kept."""
        current = averaged(model)
        self._own = {name: tensor.clone() for name, tensor in current.items()}
        for name, tensor in current.items():
            tensor.copy_(self.mean[name])
            if self.first:
                tensor.lerp_(self.first[name], self.start_share)

    @torch.no_grad()
    def take_out(self, model: nn.Module) -> None:
        """Gives the model its own weights back."""
        for name, tensor in averaged(model).items():
            tensor.copy_(self._own[name])
        self._own = {}


class RunningMean(Callback):
    """Keeps the mean of a model in training.

    From the start of validation to the end of the epoch the model carries the mean, so that callbacks before this one
    see and save it; then the weights themselves come back. Its state travels in `last.ckpt`.
    """

    def __init__(self, decay: float, start_share: float = 0.0) -> None:
        """Starts a mean; see `WeightMean`."""
        self.weights = WeightMean(decay, start_share)
        self._put_in = False

    def state_dict(self) -> dict[str, Any]:
        """Gives tensors and plain values for `last.ckpt`."""
        return {"steps": self.weights.steps, "mean": self.weights.mean, "first": self.weights.first}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up where `last.ckpt` was written, by an earlier version too."""
        self.weights.steps, self.weights.mean = state_dict["steps"], state_dict["mean"]
        self.weights.first = state_dict.get("first", {})

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
        if not self._put_in:
            self.weights.put_in(_model(pl_module))
            self._put_in = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the weights themselves back."""
        if self._put_in:
            self.weights.take_out(_model(pl_module))
            self._put_in = False


def averaged(model: nn.Module) -> dict[str, Tensor]:
    """What changes in training: not a frozen transformer, not the counters of batch norm."""
    learned = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    running = {name: b for name, b in model.named_buffers() if name.endswith(("running_mean", "running_var"))}
    return learned | running


def _model(module: lightning.LightningModule) -> nn.Module:
    return cast(LakeTask, module).model
