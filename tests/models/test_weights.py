import copy
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder, load_pretrained
from glofgeo.models.encoder import SIZES, Size

BANDS = ("B02", "B03", "B04", "B08")
WIDTH, DEPTH, HEADS, GRID = 192, 12, 3, 7


def meta_state(depth=DEPTH, channels=3, registers=0, width=WIDTH, grid=GRID):
    """Random weights under the names and in the shapes of Meta's published files."""
    draw = torch.Generator().manual_seed(depth + channels)

    def weights(*shape, scale=0.05):
        return torch.randn(shape, generator=draw) * scale

    state = {
        "cls_token": weights(1, 1, width, scale=1.0),
        "pos_embed": weights(1, grid**2 + 1, width, scale=1.0),
        "mask_token": weights(1, width),
        "patch_embed.proj.weight": weights(width, channels, 14, 14),
        "patch_embed.proj.bias": weights(width),
        "norm.weight": 1 + weights(width),
        "norm.bias": weights(width),
    }
    if registers:
        state["register_tokens"] = weights(1, registers, width, scale=1.0)
    for i in range(depth):
        for name in ("norm1", "norm2"):
            state |= {f"blocks.{i}.{name}.weight": 1 + weights(width), f"blocks.{i}.{name}.bias": weights(width)}
        for name, out, into in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", 4 * width, width),
            ("mlp.fc2", width, 4 * width),
        ):
            state |= {f"blocks.{i}.{name}.weight": weights(out, into), f"blocks.{i}.{name}.bias": weights(out)}
        state |= {f"blocks.{i}.ls{n}.gamma": 0.5 + weights(width) for n in (1, 2)}
    return state


def hugging_face(state):
    renamed = {}
    for key, value in state.items():
        key = key.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
        if key in ("cls_token", "mask_token", "register_tokens"):
            key = f"embeddings.{key}"
        if key == "pos_embed":
            key = "embeddings.position_embeddings"
        key = key.replace("blocks.", "encoder.layer.").replace("attn.proj", "attention.output.dense")
        key = key.replace("ls1.gamma", "layer_scale1.lambda1").replace("ls2.gamma", "layer_scale2.lambda1")
        if key.startswith("norm."):
            key = f"layer{key}"
        if "attn.qkv" in key:
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[key.replace("attn.qkv", f"attention.attention.{name}")] = part.contiguous()
        else:
            renamed[key] = value
    return renamed


def timm_registers(state):
    """timm keeps no class position for register models; it is part of the class token."""
    state = dict(state)
    state["reg_token"] = state.pop("register_tokens")
    state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
    state["pos_embed"] = state["pos_embed"][:, 1:].contiguous()
    del state["mask_token"]
    return state


def reference_tokens(state, x, block):
    """DINOv2 written out a second time, straight from the equations and Meta's weights."""
    x = F.conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14)
    _, width, rows, cols = x.shape
    image = state["pos_embed"][:, 1:].reshape(1, GRID, GRID, width).permute(0, 3, 1, 2)
    if (rows, cols) != (GRID, GRID):
        if "register_tokens" in state:
            image = F.interpolate(image, size=(rows, cols), mode="bicubic", antialias=True)
        else:
            image = F.interpolate(image, scale_factor=((rows + 0.1) / GRID, (cols + 0.1) / GRID), mode="bicubic")
    x = (x + image).flatten(2).transpose(1, 2)
    x = torch.cat([state["cls_token"] + state["pos_embed"][:, :1], state.get("register_tokens", x[:, :0]), x], 1)

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    for i in range(block + 1):
        b = f"blocks.{i}"
        qkv = linear(norm(x, f"{b}.norm1"), f"{b}.attn.qkv").unflatten(-1, (3, HEADS, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = (q @ k.transpose(-1, -2) / math.sqrt(width // HEADS)).softmax(-1) @ v
        x = x + state[f"{b}.ls1.gamma"] * linear(mixed.transpose(1, 2).flatten(2), f"{b}.attn.proj")
        hidden = linear(norm(x, f"{b}.norm2"), f"{b}.mlp.fc1")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = x + state[f"{b}.ls2.gamma"] * linear(hidden, f"{b}.mlp.fc2")
    return norm(x, "norm")[:, -rows * cols :].transpose(1, 2).unflatten(2, (rows, cols))


def encoder(in_channels=3, variant="tiny", **settings):
    torch.manual_seed(1)
    return DinoV2Encoder(variant, in_channels=in_channels, image_size=14 * GRID, **settings).eval()


@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("size", [(98, 98), (70, 70), (140, 112)])
@torch.no_grad()
def test_tokens_are_metas(tmp_path, registers, size):
    state = meta_state(registers=registers)
    torch.save(state, tmp_path / "meta.pth")
    model = encoder(registers=registers)
    load_pretrained(model, tmp_path / "meta.pth", ("B04", "B03", "B02"))
    x = torch.randn(1, 3, *size)
    for block, found in zip((4, 11), model.tokens(x, (4, 11)), strict=True):
        expected = reference_tokens(state, x, block)
        assert (found - expected).norm() / expected.norm() < 1e-5


def without(state, *keys):
    return {key: value for key, value in state.items() if key not in keys}


def under(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def segmentation_head():
    return {
        "decoder.blocks.0.conv1.0.weight": torch.ones(8, 8, 3, 3),
        "segmentation_head.0.weight": torch.ones(1, 8, 3, 3),
    }


PREFIXES = ("encoder.", "backbone.", "module.", "teacher.", "model.", "module.backbone.")
LAYOUTS = {
    "meta.pth": lambda s: s,
    "meta_training.pth": lambda s: {
        "student": {"backbone." + k.replace("blocks.", "blocks.0."): v + 1 for k, v in s.items()},
        "teacher": {"backbone." + k.replace("blocks.", "blocks.0."): v for k, v in s.items()},
    },
    "timm.safetensors": lambda s: without(s, "mask_token"),
    "hugging_face.safetensors": hugging_face,
    "hugging_face_classifier.safetensors": lambda s: under("dinov2.", hugging_face(s)),
    "lightning.ckpt": lambda s: {
        "epoch": 3,
        "state_dict": under("model.encoder.", s),
        "optimizer_states": [{"state": {}}],
    },
    **{f"{prefix}pt": partial(under, prefix) for prefix in PREFIXES},
}


@pytest.fixture(scope="module")
def deep():
    """An encoder as deep as `large`, 24 + 1 blocks, and as narrow as will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "narrow", Size(48, 24, HEADS, (8, 8, 8, 8)))
        yield encoder(variant="narrow")


@pytest.mark.parametrize("head", [False, True], ids=["bare", "head"])
@pytest.mark.parametrize("file", LAYOUTS)
@pytest.mark.parametrize("depth", [24, 25])
@torch.no_grad()
def test_every_layout_gives_the_same_tokens(tmp_path, deep, file, depth, head):
    state = meta_state(depth, width=48)
    # A head stands among the transformer's tensors, under their prefix, or beside them.
    value = LAYOUTS[file](state | segmentation_head()) | segmentation_head() if head else LAYOUTS[file](state)
    (save_file if file.endswith("safetensors") else torch.save)(value, tmp_path / file)
    # What a load leaves out shows in the tokens.
    for parameter in deep.vit.parameters():
        parameter.fill_(math.nan)
    report = load_pretrained(deep, tmp_path / file, ("B04", "B03", "B02"))
    assert report.blocks == depth
    assert report.layout == ("Hugging Face" if file.startswith("hugging") else "Meta or timm")
    assert bool(report.initial) == (depth == 24)
    assert any("mask_token" in name for name in report.left_over) == (file != "timm.safetensors")
    assert any("segmentation_head" in name for name in report.left_over) == head
    x = torch.randn(1, 3, 98, 98)
    expected = reference_tokens(state, x, depth - 1)
    torch.testing.assert_close(deep.tokens(x, (24,))[0], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_timm_register_file_equals_metas(tmp_path):
    state = meta_state(registers=4)
    torch.save(state, tmp_path / "meta.pth")
    save_file(timm_registers(state), tmp_path / "timm.safetensors")
    models = [encoder(registers=4), encoder(registers=4)]
    load_pretrained(models[0], tmp_path / "meta.pth", ("B04", "B03", "B02"))
    load_pretrained(models[1], tmp_path / "timm.safetensors", ("B04", "B03", "B02"))
    x = torch.randn(1, 3, 84, 84)
    assert torch.equal(models[0].tokens(x, (12,))[0], models[1].tokens(x, (12,))[0])


@torch.no_grad()
def test_added_block_is_copied_anew_from_the_loaded_weights(tmp_path):
    torch.save(meta_state(), tmp_path / "meta.pth")
    model = encoder(extra_blocks=2)
    report = load_pretrained(model, tmp_path / "meta.pth", ("B04", "B03", "B02"))
    for block in model.blocks[12:]:
        assert torch.equal(block.attn.qkv.weight, model.blocks[11].attn.qkv.weight)
        assert not block.ls1.gamma.any()
    assert {name.split(".")[1] for name in report.initial} == {"12", "13"}
    last, added = model.tokens(torch.randn(1, 3, 56, 56), (11, 13))
    assert torch.equal(last, added)


@torch.no_grad()
def test_order_of_the_bands_changes_nothing(tmp_path):
    torch.save(meta_state(), tmp_path / "meta.pth")
    x = torch.randn(1, 4, 98, 98)
    order = [3, 1, 0, 2]
    one, other = encoder(4), encoder(4)
    load_pretrained(one, tmp_path / "meta.pth", BANDS)
    load_pretrained(other, tmp_path / "meta.pth", [BANDS[i] for i in order])
    torch.testing.assert_close(one.tokens(x, (12,))[0], other.tokens(x[:, order], (12,))[0], atol=1e-4, rtol=1e-4)


def test_four_band_file_is_taken_as_it_stands(tmp_path):
    state = meta_state(channels=4)
    torch.save(state, tmp_path / "four.pth")
    model = encoder(4)
    report = load_pretrained(model, tmp_path / "four.pth", BANDS)
    assert report.bands == BANDS
    assert torch.equal(model.vit.patch_embed.proj.weight, state["patch_embed.proj.weight"])


class Unsafe:
    pass


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "cannot be read"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
        (lambda p: p.write_text("\n<!DOCTYPE html><html></html>"), "web page"),
        (lambda p: p.write_bytes(b"\x01\x02nothing known"), "neither safetensors nor"),
        (lambda p: p.write_bytes(b""), "neither safetensors nor"),
        (lambda p: torch.save({"model": Unsafe()}, p), "Python objects"),
        (lambda p: torch.save({"epoch": 3}, p), "it holds no tensors"),
        (lambda p: torch.save({"conv1.weight": torch.ones(1)}, p), "first tensor is conv1.weight"),
        (lambda p: torch.save(meta_state(depth=1, width=768), p), r"holds base \(768 wide\), the encoder is tiny"),
        (lambda p: torch.save(meta_state(depth=11), p), r"blocks.11.norm1.weight \(192,\) is missing"),
        (lambda p: torch.save(without(meta_state(), "pos_embed"), p), r"pos_embed \(1, 49, 192\) is missing"),
        (lambda p: torch.save(without(meta_state(), "blocks.3.ls1.gamma"), p), r"blocks.3.ls1.gamma \(192,\) is miss"),
        (
            lambda p: torch.save(meta_state() | {"blocks.0.mlp.fc1.bias": torch.ones(7)}, p),
            r"blocks.0.mlp.fc1.bias should be \(768,\) and is \(7,\)",
        ),
        (lambda p: torch.save(meta_state(depth=1, registers=4), p), "build the encoder with 4"),
        (lambda p: torch.save(meta_state(depth=1, grid=37), p), "build the encoder for 518 px"),
        (lambda p: torch.save(meta_state(channels=6), p), "filters read 6 bands"),
        (
            lambda p: torch.save(meta_state(depth=1) | {"patch_embed.proj.weight": torch.ones(192, 3, 16, 16)}, p),
            "patches are 16 px",
        ),
    ],
)
def test_refused_files_are_told_apart_and_change_nothing(tmp_path, write, message):
    path = tmp_path / "weights.pth"
    write(path)
    model = encoder(4)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(GlofgeoError, match=message) as raised:
        load_pretrained(model, path, BANDS)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
def test_file_cut_short_is_refused(tmp_path, name, kept):
    path = tmp_path / name
    (torch.save if name.endswith("pth") else save_file)(meta_state(depth=1), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(GlofgeoError, match="download it again"):
        load_pretrained(encoder(), path, ("B04", "B03", "B02"))
