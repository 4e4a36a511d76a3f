"""The encoder against Hugging Face's DINOv2, which shares no code with it or with timm."""

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from glofgeo.models import DinoV2Encoder, load_pretrained

GRID = 37
RGB = ("B04", "B03", "B02")


def hugging_face(folder, registers):
    """Random weights everywhere, LayerScale, norms and positions too, and the file Hugging Face writes for them."""
    torch.manual_seed(registers)
    shape = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3}
    shape |= {"image_size": 14 * GRID, "patch_size": 14}
    if registers:
        config = Dinov2WithRegistersConfig(num_register_tokens=registers, **shape)
        model = Dinov2WithRegistersModel(config).eval()
    else:
        model = Dinov2Model(Dinov2Config(**shape)).eval()
    for name, parameter in model.named_parameters():
        scale = 1.0 if name.startswith("embeddings.") and "patch" not in name else 0.1
        parameter.copy_(scale * torch.randn_like(parameter) + ("norm" in name and "weight" in name))
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


def resampling(rows, size):
    """Keys' bicubic kernel (a = -0.75) at the positions Meta samples: ``(rows, size)``, edges repeated."""
    place = (torch.arange(rows, dtype=torch.float64) + 0.5) * size / (rows + 0.1) - 0.5
    weights = torch.zeros(rows, size, dtype=torch.float64)
    for step in (-1, 0, 1, 2):
        at = place.floor() + step
        t = (place - at).abs()
        near = 1.25 * t**3 - 2.25 * t**2 + 1
        far = -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
        weights.scatter_add_(1, at.clamp(0, size - 1).long().unsqueeze(1), torch.where(t <= 1, near, far).unsqueeze(1))
    return weights


def sample_as_meta(embeddings):
    """Has Hugging Face's plain model place its positions as Meta's hub does: offset 0.1, no antialiasing."""

    def positions(tokens, height, width):
        table = embeddings.position_embeddings.double()
        grid = table[0, 1:].unflatten(0, (GRID, GRID))
        down, across = resampling(height // 14, GRID), resampling(width // 14, GRID)
        grid = torch.einsum("hy,wx,yxd->hwd", down, across, grid)
        return torch.cat([table[0, :1], grid.flatten(0, 1)]).unsqueeze(0).float()

    embeddings.interpolate_pos_encoding = positions


@pytest.mark.parametrize("registers", [0, 4])
@torch.no_grad()
def test_tokens_are_those_of_hugging_face(tmp_path, registers):
    """Through the file Hugging Face writes, so that the loader is checked as well.

    Away from 518 px Hugging Face's plain model leaves out the 0.1 that Meta's adds to the grid, so its positions are
    sampled anew there, by a kernel written out above. Its model with registers samples as Meta's does (antialiased,
    no offset) and is taken as it is.
    """
    model, path = hugging_face(tmp_path, registers)
    encoder = DinoV2Encoder("tiny", extra_blocks=0, in_channels=3, registers=registers).eval()
    assert load_pretrained(encoder, path, RGB).blocks == 12

    def errors(height, width, blocks):
        x = torch.randn(1, 3, height, width)
        states = model(x, output_hidden_states=True).hidden_states
        found = []
        for block, tokens in zip(blocks, encoder.tokens(x, blocks), strict=True):
            expected = model.layernorm(states[block + 1])[:, 1 + registers :]
            expected = expected.transpose(1, 2).unflatten(2, (height // 14, width // 14))
            found.append(float((tokens - expected).norm() / expected.norm()))
        return found

    assert max(errors(518, 518, (0, 5, 11))) <= 1e-5
    if not registers:
        sample_as_meta(model.embeddings)
    assert max(errors(448, 644, (5, 11))) <= 1e-4
    # What comes after the positions is the same at any size: one block will do for 5476 tokens.
    model.encoder.layer = model.encoder.layer[:1]
    for size in (448, 644, 1036):
        assert max(errors(size, size, (0,))) <= 1e-4
