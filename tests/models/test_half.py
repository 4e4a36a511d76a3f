"""Checkpoints at half the size."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, load_checkpoint, save_checkpoint

MODEL = ModelConfig("tiny", image_size=28)


@pytest.fixture(scope="module")
def trained():
    """A network whose statistics float16 cannot hold, and one of whose filters it cannot hold either."""
    torch.manual_seed(0)
    model = build_model(MODEL)
    for number, norm in enumerate(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_var.fill_(1e6 if number % 2 else 1e-9)
    with torch.no_grad():
        model.head[0].weight.view(-1)[0] = 1e5
    return model.eval()


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    for half in (False, True):
        save_checkpoint(folder / f"{half}.safetensors", trained, TrainConfig(model=MODEL), {}, half=half)
    return folder / "False.safetensors", folder / "True.safetensors"


def test_it_is_half_as_large_and_loads_as_float32(files, trained):
    whole, half = files
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    loaded = load_checkpoint(half).model
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32, torch.int64}
    stored, exact = load_file(half), trained.state_dict()
    for name, tensor in loaded.state_dict().items():
        # Ten bits after the first; below 6e-5 in steps of 6e-8.
        torch.testing.assert_close(tensor, exact[name], rtol=2**-11, atol=2**-25)
        if stored[name].dtype == torch.float32:
            assert torch.equal(tensor, exact[name])
    kept = {name for name, tensor in stored.items() if tensor.dtype == torch.float32}
    assert "head.0.weight" in kept and "decoder.blocks.0.conv1.0.weight" not in kept
    assert {name for name in stored if name.endswith(("running_var", "running_mean", ".bias", ".gamma"))} <= kept


def test_what_changed_in_it_is_noticed(files, tmp_path):
    content = bytearray(files[1].read_bytes())
    content[-5] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(content)
    with pytest.raises(GlofgeoError, match="bytes changed"):
        load_checkpoint(tmp_path / "damaged.safetensors")
    (tmp_path / "short.safetensors").write_bytes(content[:-100])
    with pytest.raises(GlofgeoError, match="copy or download it again"):
        load_checkpoint(tmp_path / "short.safetensors")


def test_the_same_model_at_half_the_size_is_another_file_but_no_other_network(files):
    whole, half = (load_checkpoint(file) for file in files)
    assert whole.sha256 != half.sha256 and whole.config == half.config
