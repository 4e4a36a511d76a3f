"""A network that the tests of the export to ONNX share."""

from pathlib import Path

import pytest
import torch
from torch import nn

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.models import build_model, load_checkpoint, save_checkpoint

# A window that is no multiple of 14, and a position embedding stored for another size than it.
CONFIG = TrainConfig(model=ModelConfig("tiny", image_size=70), data=DataConfig(window=128))
# Far from 1, so that leaving it out, or dividing by it twice, shows.
TEMPERATURE = 1.7


@pytest.fixture(scope="session")
@torch.no_grad()
def opinionated(tmp_path_factory) -> Path:
    """A checkpoint of an untrained network in whose answer every part has a say."""
    torch.manual_seed(1)
    model = build_model(CONFIG.model)
    for name, tensor in model.state_dict().items():
        if name.endswith(".gamma"):
            tensor.fill_(1)
        elif name.endswith(("pos_embed", "cls_token")):
            tensor.normal_()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    # Batch norms learn to bring every map to the same strength, the transformer's too.
    model.train()(0.4 * torch.rand(4, 4, 70, 70))
    path = tmp_path_factory.mktemp("opinionated") / "best.safetensors"
    save_checkpoint(path, model.eval(), CONFIG, {"aoi": "himalaya"}, {"iou": 0.5}, TEMPERATURE)
    return path


@pytest.fixture(scope="session")
def loaded(opinionated):
    return load_checkpoint(opinionated)
