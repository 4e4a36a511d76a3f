"""A network in torch, at work on a device."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Protocol

import torch
from torch import Tensor

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.models.header import Header
from glofgeo.models.runtime import Batch, Predict


class Network(Protocol):
    """A torch module that knows its configuration."""

    config: ModelConfig

    def __call__(self, reflectance: Tensor) -> Tensor:
        """Gives logits `(B, 1, H, W)` of reflectance `(B, C, H, W)`."""

    def state_dict(self) -> dict[str, Any]:
        """Gives its tensors."""


def start_network(network: Any, device: str, *, half: bool, compiled: bool) -> Predict:
    """Makes a network that gives logits answer with probabilities; see `Predictor.on`.

    Args:
        network: a torch module; it moves to the device.
        device: as torch calls it.
        half: compute in bfloat16.
        compiled: compile it first.
    """
    # Convolutions are a tenth to a quarter faster with the channels innermost.
    innermost = torch.channels_last
    where = torch.device(device)
    network = network.to(where, memory_format=innermost).eval()
    if compiled:
        network.compile()

    def predict(batch: Batch) -> Batch:
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=half):
            images = torch.from_numpy(batch).to(where, non_blocking=True).contiguous(memory_format=innermost)
            logits: Tensor = network(images)
            return logits[:, 0].float().sigmoid().cpu().numpy()

    return predict


def describe_network(network: Network) -> Header:
    """Makes the card of a network in memory: its configuration, and the SHA-256 of its class, that, and its weights."""
    config = TrainConfig(model=network.config, data=DataConfig(window=network.config.image_size))
    digest = hashlib.sha256(f"{type(network).__qualname__} {json.dumps(asdict(config.model))}".encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return Header(config, {"note": "a network in memory"}, None, digest.hexdigest())
