"""How a run is carried out: hardware, and who is told of it."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from rich.console import Console

from glofgeo.errors import GlofgeoError
from glofgeo.inference.batches import choose_device
from glofgeo.inference.devices import computes_in_bfloat16


@dataclass(frozen=True)
class RunOptions:
    """What does not belong to a run's settings.

    Attributes:
        device: where to compute.
        devices: how many of these, as Lightning has it.
        strategy: how they share the work, as Lightning has it.
        wandb: project of Weights & Biases to log to, besides TensorBoard.
        progress: print what a run is doing, with a bar in a terminal.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    strategy: str = "auto"
    wandb: str | None = None
    progress: bool = False

    def check(self) -> None:
        """Refuses what this machine does not have.

        Raises:
            GlofgeoError: If it is so.
        """
        if self.devices < 1:
            raise GlofgeoError(f"{self.devices} devices", "take 1 or more", argument="devices")
        choose_device(self.device)
        if self.wandb is not None and not self.wandb.strip():
            raise GlofgeoError(
                "the project of Weights & Biases has no name", "give one, or leave it out", argument="wandb"
            )
        if self.wandb is not None and find_spec("wandb") is None:
            raise GlofgeoError(
                "wandb is not installed",
                "`pip install wandb` or `uv pip install wandb`, or log to TensorBoard only",
                argument="wandb",
            )

    @property
    def alone(self) -> "RunOptions":
        """The same on one device."""
        return dataclasses.replace(self, devices=1, strategy="auto")

    @cached_property
    def console(self) -> Console:
        """Where a run prints; takes everything and shows nothing unless progress is asked for."""
        return Console(soft_wrap=True, quiet=not self.progress)

    @property
    def hardware(self) -> dict[str, Any]:
        """Arguments of `lightning.Trainer`."""
        on_gpu = self.device in ("auto", "cuda") and torch.cuda.is_available()
        half = computes_in_bfloat16(torch.device("cuda" if on_gpu else "cpu")) and self.device != "mps"
        # Lightning would take a lone process for one of the tasks that a cluster's variables name, and wait for them.
        lone = self.devices == 1 and self.strategy == "auto"
        return {
            "accelerator": {"cuda": "gpu"}.get(self.device, self.device),
            "devices": self.devices,
            "strategy": self.strategy,
            "precision": "bf16-mixed" if half else "32-true",
            "plugins": [LightningEnvironment()] if lone else [],
            # The sampler shares out its draw itself, and every process validates on the whole area.
            "use_distributed_sampler": False,
        }
