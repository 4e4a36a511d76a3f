"""A trained model as one self-describing file: safetensors with a JSON header. Reading one never unpickles."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from datasets_def.atomic import written_beside
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models.header import FORMAT, HEADER_KEY, Header, read_checkpoint_header
from glofgeo.models.segmenter import LakeSegmenter, build_model


@dataclass(frozen=True)
class LoadedCheckpoint(Header):
    """A checkpoint's header and its model, on the CPU, float32, in evaluation mode."""

    model: LakeSegmenter


def save_checkpoint(  # noqa: PLR0913
    path: str | Path,
    model: LakeSegmenter,
    config: TrainConfig,
    provenance: dict[str, Any],
    scorecard: dict[str, Any] | None = None,
    temperature: float = 1.0,
    pixel_m: float | None = None,
    *,
    half: bool = False,
) -> None:
    """Writes a checkpoint; `path` either holds the whole of it afterwards or what it held before.

    Args:
        path: ends in `.safetensors`; its folder is made.
        model: weights are stored as float32, or see `half`.
        config: of the training run; its `model` is replaced by the model's own configuration.
        provenance: plain JSON values.
        scorecard: plain JSON values.
        temperature: see `Header`.
        pixel_m: see `Header`.
        half: store filters and matrices as float16, which halves the file; biases, norms and statistics, which are few,
            stay float32. It loads as float32, but what was rounded stays so.

    Raises:
        GlofgeoError: If the file cannot be written.
    """
    path = Path(path)
    filters = {name for name, parameter in model.named_parameters() if half and parameter.ndim > 1}
    tensors = {
        name: _stored(tensor, half=name in filters).detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    header = json.dumps(
        {
            "format": FORMAT,
            "config": dataclasses.asdict(dataclasses.replace(config, model=model.config)),
            "provenance": provenance,
            "scorecard": scorecard,
            "temperature": temperature,
            "pixel_m": pixel_m,
        }
    )
    metadata = {HEADER_KEY: header, "sha256": _sha256(header, tensors)}
    try:
        with written_beside(path) as part:
            save_file(tensors, part, metadata)
            # safetensors keeps its files to their owner; a checkpoint is made to be passed on.
            part.chmod(0o644)
    # safetensors reports a full disk or a missing right as its own error.
    except (OSError, SafetensorError) as error:
        raise GlofgeoError(
            f"{path}: cannot write the checkpoint ({error})", "check free space and write permission"
        ) from error


def load_checkpoint(path: str | Path) -> LoadedCheckpoint:
    """Reads a checkpoint and builds its model.

    Raises:
        GlofgeoError: If there is no such file, or it is a Git LFS pointer, a web page, cut short, no checkpoint of
            glofgeo, of a newer format, changed since it was written, or does not fit the network it describes.
    """
    path = Path(path)
    header, text = read_checkpoint_header(path)
    tensors = read_safetensors(path)
    if _sha256(text, tensors) != header.sha256:
        raise GlofgeoError(f"{path}: its bytes changed since it was written (SHA-256 differs)", "copy it again")
    # Without memory first: filling 300 million weights with random numbers only to replace them takes seconds.
    with torch.device("meta"):
        model = build_model(header.config.model)
    expected = model.state_dict()
    misfit = _first_misfit(expected, tensors)
    if misfit:
        raise GlofgeoError(f"{path}: does not fit the network it describes: {misfit}", "train it again")
    # Half of the precision takes half of the disk, but the network computes in float32.
    model.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}, assign=True)
    return LoadedCheckpoint(**vars(header), model=model.eval())


def describe_header(header: Header) -> str:
    """What a person wants to know of a checkpoint, in lines."""
    model = header.config.model
    with torch.device("meta"):
        parameters = sum(p.numel() for p in build_model(model).parameters())
    figures = {
        name: f"{value:.3f}" if isinstance(value, float) else value for name, value in (header.scorecard or {}).items()
    }
    lines = {
        "model": f"DINOv2 {model.variant} + {model.extra_blocks} blocks ({model.extra_init}), U-Net decoder, "
        f"{parameters / 1e6:.1f} M parameters",
        "bands": ", ".join(model.bands),
        "mean": ", ".join(f"{value:g}" for value in model.mean),
        "std": ", ".join(f"{value:g}" for value in model.std),
        "window": f"{header.config.data.window} pixels",
        "pixel": f"{header.pixel_m:.3g} m" if header.pixel_m else "size not known",
        "temperature": f"{header.temperature:.3g}",
        **{name: _short(json.dumps(value)) for name, value in header.provenance.items()},
        "scorecard": ", ".join(f"{name} {value}" for name, value in figures.items()) or "none in the file",
        "sha256": header.sha256,
    }
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file whose header was already checked.

    Raises:
        GlofgeoError: If the header does not describe them after all.
    """
    try:
        return load_file(path)
    except (SafetensorError, AttributeError, KeyError) as error:
        raise GlofgeoError(f"{path}: its safetensors header is damaged", "copy or download it again") from error


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    if half and tensor.abs().max() <= torch.finfo(torch.float16).max:
        return tensor.half()
    return tensor.float() if tensor.is_floating_point() else tensor


def _sha256(header: str, tensors: dict[str, Tensor]) -> str:
    """Digest of the header's text and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first_misfit(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str | None:
    """Names the first tensor that is missing, of another shape or kind, or one too many."""
    for name, tensor in expected.items():
        if name not in found:
            return f"{name} is missing"
        if tensor.shape != found[name].shape:
            return f"{name} should be {tuple(tensor.shape)} and is {tuple(found[name].shape)}"
        if tensor.is_floating_point() != found[name].is_floating_point():
            return f"{name} should be {tensor.dtype} and is {found[name].dtype}"
    return next((f"{name} has no place" for name in found if name not in expected), None)
