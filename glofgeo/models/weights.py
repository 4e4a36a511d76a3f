"""DINOv2 weights from anywhere -> encoder. The layout of a file is recognised, not asked for."""

import math
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from datasets_def.atomic import written_beside
from datasets_def.bands import CHANNELS, DEFAULT_BANDS, TERRAIN
from glofgeo.errors import GlofgeoError
from glofgeo.models.checkpoint import read_safetensors
from glofgeo.models.encoder import PATCH, SIZES, DinoV2Encoder
from glofgeo.models.header import container, read_header, safetensors_metadata

RGB = ("B04", "B03", "B02")

_PATCH_KEY = "patch_embed.proj.weight"
_HF_PATCH_KEY = "embeddings.patch_embeddings.projection.weight"
# Hugging Face's names (transformers, models/dinov2/convert_dinov2_to_hf.py) and the chunked blocks of Meta's own
# training checkpoints -> those of Meta and timm.
_RENAMES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^layernorm\.", "norm."),
        (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
        (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),
        (r"^register_tokens$", "reg_token"),
    )
]


@dataclass(frozen=True)
class LoadReport:
    """What became of a weight file.

    Attributes:
        source: the file.
        layout: whose names it used: `Hugging Face`, or `Meta or timm`, which are the same.
        prefix: what stood before every name.
        blocks: transformer blocks taken from it.
        bands: the bands its filters were taken for.
        renamed: number of tensors loaded under another name than the file's, prefix aside.
        loaded: number of the transformer's tensors that come from the file.
        initial: the transformer's tensors that keep their initial value.
        left_over: the file's tensors that were not used.
    """

    source: str
    layout: str
    prefix: str
    blocks: int
    bands: tuple[str, ...]
    renamed: int
    loaded: int
    initial: tuple[str, ...]
    left_over: tuple[str, ...]


def load_pretrained(
    encoder: DinoV2Encoder, source: str | Path, bands: Sequence[str] = DEFAULT_BANDS, *, progress: bool = False
) -> LoadReport:
    """Puts pretrained DINOv2 weights into the encoder's transformer.

    Files of Meta, timm and Hugging Face, of Lightning, and earlier ones with any number of added blocks fit, under
    any prefix and beside any other tensors. Added blocks that the file lacks start anew from the last pretrained one.

    Args:
        encoder: is changed in place, or not at all if an error is raised.
        source: `dinov2` for the published weights of this size, or a file (PyTorch or safetensors).
        bands: names of the encoder's input channels, in order.
        progress: show how far a download is.

    Raises:
        GlofgeoError: If the weights cannot be had, the file is no weight file, or it does not hold all of the
            pretrained part in this encoder's size.
    """
    if len(bands) != encoder.vit.in_chans or any(band not in CHANNELS for band in bands):
        raise GlofgeoError(f"bands {', '.join(bands)}: name the encoder's {encoder.vit.in_chans} input bands")
    path = _published(encoder, progress) if source == "dinov2" else Path(source)
    raw, file_bands = _read(path)
    prefix, layout = _find_transformer(raw, path)
    # New name -> name in the file, for the report.
    tensors, names = _rename({key.removeprefix(prefix): key for key in raw if key.startswith(prefix)}, raw)
    _check_size(encoder, tensors, path)

    ours = encoder.vit.state_dict()
    blocks = len({key.split(".")[1] for key in tensors if key.startswith("blocks.") and key in ours})
    wanted = [
        key for key in ours if not key.startswith("blocks.") or int(key.split(".")[1]) < max(blocks, encoder.depth)
    ]
    missing = next((key for key in wanted if key not in tensors), None)
    if missing:
        raise GlofgeoError(
            f"{path}: {missing} {tuple(ours[missing].shape)} is missing: not a whole DINOv2 {encoder.variant}"
        )

    channels = tensors[_PATCH_KEY].shape[1]
    file_bands = file_bands or (RGB if channels == 3 else tuple(bands))
    if len(file_bands) != channels:
        raise GlofgeoError(
            f"{path}: its filters read {channels} bands, and nothing says which",
            f"give a file for RGB or for {', '.join(bands)}",
        )
    tensors[_PATCH_KEY] = band_filters(tensors[_PATCH_KEY], file_bands, tuple(bands))
    if tensors["pos_embed"].shape[1] == encoder.grid**2 + 1:
        # Ours holds patch positions only; the class token's is added to that token once and for all.
        tensors["cls_token"] = tensors["cls_token"] + tensors["pos_embed"][:, :1]
        tensors["pos_embed"] = tensors["pos_embed"][:, 1:]
    for key in wanted:
        if tensors[key].shape != ours[key].shape:
            raise GlofgeoError(
                f"{path}: {key} should be {tuple(ours[key].shape)} and is {tuple(tensors[key].shape)}: "
                f"not a DINOv2 {encoder.variant}"
            )
    encoder.vit.load_state_dict({key: tensors[key].float() for key in wanted}, strict=False)
    encoder.reset_extra_blocks(blocks - encoder.depth)
    used = {name for key in wanted for name in names[key]}
    return LoadReport(
        source=str(path),
        layout=layout,
        prefix=prefix,
        blocks=blocks,
        bands=file_bands,
        renamed=sum(names[key] != [prefix + key] for key in wanted),
        loaded=len(wanted),
        initial=tuple(key for key in ours if key not in wanted),
        left_over=tuple(name for name in raw if name not in used),
    )


def band_filters(weight: Tensor, file_bands: tuple[str, ...], bands: tuple[str, ...]) -> Tensor:
    """Arranges pretrained patch filters for other bands.

    A band the file knows keeps its filter; any other starts from the mean of the file's. All are scaled so that the
    response to a scene that is grey over all bands stays what it was. Terrain, which is no light, starts from zero.

    Args:
        weight: ``(D, len(file_bands), 14, 14)``.
        file_bands: what its channels stand for.
        bands: what the result's shall stand for.

    Returns:
        ``(D, len(bands), 14, 14)`` float32.
    """
    weight = weight.float()
    if bands == file_bands:
        return weight
    known = dict(zip(file_bands, weight.unbind(dim=1), strict=True))
    light = torch.stack([filters for band, filters in known.items() if band not in TERRAIN], dim=1)
    lit = [band for band in bands if band not in TERRAIN]
    arranged = torch.stack([known.get(band, light.mean(dim=1)) for band in lit], dim=1) * (light.shape[1] / len(lit))
    # Where a band of the file is not used, scaling alone leaves a remainder; every band takes its share of it.
    arranged += (light.sum(dim=1) - arranged.sum(dim=1)).unsqueeze(1) / len(lit)
    found = known | dict(zip(lit, arranged.unbind(dim=1), strict=True))
    return torch.stack([found.get(band, torch.zeros_like(weight[:, 0])) for band in bands], dim=1)


def _published(encoder: DinoV2Encoder, progress: bool) -> Path:
    """Returns the file Meta publishes for this size, fetched from where timm's register of models says."""
    if encoder.variant == "tiny":
        raise GlofgeoError(
            "there are no published weights for tiny",
            "start from random ones, or take a larger model",
            argument="weights",
        )
    kind = "_reg4" if encoder.registers else ""
    config = timm.get_pretrained_cfg(f"vit_{encoder.variant}_patch14{kind}_dinov2.lvd142m")
    assert config is not None
    url = str(config.url)
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.exists():
        try:
            with written_beside(path) as part:
                torch.hub.download_url_to_file(url, str(part), progress=progress)
                # A connection that ends early is no error to torch; Meta publishes no checksum, but a zip file ends
                # with its table of contents.
                if not zipfile.is_zipfile(part):
                    raise OSError("it came incomplete")
        except OSError as error:
            raise GlofgeoError(
                f"cannot fetch {url} ({error})",
                f"fetch it by hand and name the file, or put it at {path}; `none` starts from random weights",
                argument="weights",
            ) from error
    return path


def _read(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...] | None]:
    """Reads all tensors of a file, nested dictionaries joined by dots, and its bands if it is one of ours."""
    if container(path) == "safetensors":
        metadata = safetensors_metadata(path)
        bands = read_header(path).config.model.bands if "glofgeo" in metadata else None
        return read_safetensors(path), bands
    try:
        return dict(_flatten(torch.load(path, map_location="cpu", weights_only=True))), None
    except pickle.UnpicklingError as error:
        raise GlofgeoError(
            f"{path}: holds Python objects, which glofgeo does not unpickle, or is damaged",
            "save its state_dict alone, with torch.save or as safetensors",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise GlofgeoError(f"{path}: damaged or cut short", "copy or download it again") from error


def _flatten(value: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """Lists the tensors in nested mappings under dotted names."""
    if isinstance(value, Tensor):
        return [(name, value)]
    if not isinstance(value, Mapping):
        return []
    return [found for key, inner in value.items() for found in _flatten(inner, f"{name}.{key}" if name else str(key))]


def _find_transformer(raw: Mapping[str, Tensor], path: Path) -> tuple[str, str]:
    """Returns the prefix and the layout of the transformer in a file; of several, a teacher's, else the first."""
    found = [
        (key.removesuffix(patch_key), layout)
        for key in raw
        for patch_key, layout in ((_HF_PATCH_KEY, "Hugging Face"), (_PATCH_KEY, "Meta or timm"))
        if key == patch_key or key.endswith("." + patch_key)
    ]
    if not found:
        example = next(iter(raw), None)
        holds = f"its first tensor is {example}" if example else "it holds no tensors"
        raise GlofgeoError(f"{path}: no DINOv2 weights in it ({holds})", "give Meta's, timm's or Hugging Face's file")
    return next((entry for entry in found if "teacher" in entry[0]), found[0])


def _rename(keys: Mapping[str, str], raw: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Brings tensors to Meta's and timm's names.

    Args:
        keys: name without prefix -> name in the file.
        raw: name in the file -> tensor.

    Returns:
        Tensors by their new name, and for each the names it had in the file.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[str, list[str]] = {}
    for key, name in keys.items():
        for pattern, replacement in _RENAMES:
            key = pattern.sub(replacement, key)
        tensors[key], names[key] = raw[name], [name]
    for query in [key for key in tensors if ".attn.query." in key]:
        parts = [query.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        fused = query.replace(".query.", ".qkv.")
        if all(part in tensors for part in parts):
            tensors[fused] = torch.cat([tensors.pop(part) for part in parts])
            names[fused] = [name for part in parts for name in names.pop(part)]
    return tensors, names


def _check_size(encoder: DinoV2Encoder, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses another size, patch, position grid or number of registers, each in its own sentence."""
    width, patch = tensors[_PATCH_KEY].shape[0], tensors[_PATCH_KEY].shape[-1]
    expected = SIZES[encoder.variant].width
    if width != expected:
        held = next((variant for variant, size in SIZES.items() if size.width == width), "another size")
        raise GlofgeoError(
            f"{path}: holds {held} ({width} wide), the encoder is {encoder.variant} ({expected} wide)",
            "change the variant or the file",
            argument="model.variant",
        )
    if patch != PATCH:
        raise GlofgeoError(f"{path}: its patches are {patch} px, DINOv2's are {PATCH}", "give a DINOv2 file")
    registers = tensors["reg_token"].shape[1] if "reg_token" in tensors else 0
    if registers != encoder.registers:
        raise GlofgeoError(
            f"{path}: has {registers} register tokens, the encoder {encoder.registers}",
            f"build the encoder with {registers}",
            argument="model.registers",
        )
    positions = tensors["pos_embed"].shape[1] if "pos_embed" in tensors else encoder.grid**2
    if positions not in (encoder.grid**2, encoder.grid**2 + 1):
        side = math.isqrt(positions) * PATCH
        raise GlofgeoError(
            f"{path}: its position embedding is for {side} px, the encoder's for {encoder.grid * PATCH} px",
            f"build the encoder for {side} px (inputs of any size still work)",
            argument="model.image_size",
        )
