"""A trained model as one self-describing file: safetensors with a JSON header. Reading one never unpickles."""

import contextlib
import dataclasses
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from glofgeo.config import TrainConfig, from_dict
from glofgeo.errors import GlofgeoError
from glofgeo.models.segmenter import LakeSegmenter, build_model

FORMAT = 1


@dataclass(frozen=True)
class Header:
    """What a checkpoint says about itself.

    Attributes:
        config: of the training run; `config.model` describes the network, its bands and their normalisation.
        provenance: where the model comes from, plain JSON values.
        scorecard: how good it is, plain JSON values; None if it was never evaluated.
        sha256: of everything in the file that decides what the model answers: description and tensors.
        temperature: number that the model's logits are to be divided by, so that its probabilities fit the ground it
            was validated on; 1 if that was not looked at.
    """

    config: TrainConfig
    provenance: dict[str, Any]
    scorecard: dict[str, Any] | None
    sha256: str
    temperature: float = field(default=1.0, kw_only=True)


@dataclass(frozen=True)
class LoadedCheckpoint(Header):
    """A checkpoint's header and its model, on the CPU, float32, in evaluation mode."""

    model: LakeSegmenter


def save_checkpoint(
    path: Path,
    model: LakeSegmenter,
    config: TrainConfig,
    provenance: dict[str, Any],
    scorecard: dict[str, Any] | None = None,
    temperature: float = 1.0,
) -> None:
    """Writes a checkpoint; `path` either holds the whole of it afterwards or what it held before.

    Args:
        path: ends in `.safetensors`; its folder is made.
        model: weights are stored as float32.
        config: of the training run; its `model` is replaced by the model's own configuration.
        provenance: plain JSON values.
        scorecard: plain JSON values.
        temperature: see `Header`.

    Raises:
        GlofgeoError: If the file cannot be written.
    """
    tensors = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    header = json.dumps(
        {
            "format": FORMAT,
            "config": dataclasses.asdict(dataclasses.replace(config, model=model.config)),
            "provenance": provenance,
            "scorecard": scorecard,
            "temperature": temperature,
        }
    )
    metadata = {"glofgeo": header, "sha256": _sha256(header, tensors)}
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part, metadata)
        # safetensors keeps its files to their owner; a checkpoint is made to be passed on.
        part.chmod(0o644)
        part.replace(path)
    # safetensors reports a full disk or a missing right as its own error.
    except (OSError, SafetensorError) as error:
        raise GlofgeoError(f"{path}: cannot write the checkpoint ({error}): is there space and the right?") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Reads a checkpoint and builds its model.

    Raises:
        GlofgeoError: If there is no such file, or it is a Git LFS pointer, a web page, cut short, no checkpoint of
            glofgeo, of a newer format, changed since it was written, or does not fit the network it describes.
    """
    header, text = _read_header(path)
    tensors = read_safetensors(path)
    if _sha256(text, tensors) != header.sha256:
        raise GlofgeoError(f"{path}: its bytes changed since it was written (SHA-256 differs): copy it again")
    # Without memory first: filling 300 million weights with random numbers only to replace them takes seconds.
    with torch.device("meta"):
        model = build_model(header.config.model)
    misfit = _first_misfit(model.state_dict(), tensors)
    if misfit:
        raise GlofgeoError(f"{path}: does not fit the network it describes: {misfit}; train it again")
    model.load_state_dict(tensors, assign=True)
    return LoadedCheckpoint(**vars(header), model=model.eval())


def read_header(path: Path) -> Header:
    """Reads what a checkpoint says about itself, without its tensors and so without noticing damage to them.

    Raises:
        GlofgeoError: As `load_checkpoint`, except for what only the tensors tell.
    """
    return _read_header(path)[0]


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
        "temperature": f"{header.temperature:.3g}",
        **{name: _short(json.dumps(value)) for name, value in header.provenance.items()},
        "scorecard": ", ".join(f"{name} {value}" for name, value in figures.items()) or "never evaluated",
        "sha256": header.sha256,
    }
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"


def _read_header(path: Path) -> tuple[Header, str]:
    """Returns the header and the text it was read from."""
    if container(path) != "safetensors":
        raise GlofgeoError(
            f"{path}: is a PyTorch file, not a glofgeo checkpoint (.safetensors): "
            "to start a training from it, give it to `glofgeo train --weights`"
        )
    metadata = safetensors_metadata(path)
    if "glofgeo" not in metadata:
        raise GlofgeoError(
            f"{path}: safetensors, but not written by glofgeo: "
            "to start a training from it, give it to `glofgeo train --weights`"
        )
    try:
        values = json.loads(metadata["glofgeo"])
        version = int(values["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise GlofgeoError(f"{path}: its glofgeo header is damaged: copy the checkpoint again") from error
    if version > FORMAT:
        raise GlofgeoError(f"{path}: checkpoint format {version}, this glofgeo reads up to {FORMAT}: update glofgeo")
    try:
        config = from_dict(TrainConfig, values["config"], str(path))
        # Earlier files do not know of temperatures.
        temperature = float(values.get("temperature", 1.0))
        header = Header(config, values["provenance"], values["scorecard"], metadata["sha256"], temperature=temperature)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GlofgeoError(f"{path}: its glofgeo header is damaged: copy the checkpoint again") from error
    return header, metadata["glofgeo"]


def container(path: Path) -> Literal["safetensors", "torch"]:
    """Tells by its first bytes, whatever its name, what kind of weight file this is.

    Raises:
        GlofgeoError: If there is no such file, or it is a Git LFS pointer, a web page, or anything else.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except FileNotFoundError as error:
        raise GlofgeoError(f"{path}: no such file: check the path") from error
    except OSError as error:
        raise GlofgeoError(f"{path}: cannot be read ({error.strerror}): give a weight file") from error
    if start.startswith(b"version https://git-lfs"):
        raise GlofgeoError(f"{path}: a Git LFS pointer, not the file itself: run `git lfs pull` where it comes from")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise GlofgeoError(f"{path}: a web page saved under this name, not weights: download the file again")
    # Zip: torch.save since 1.6; 0x80: the pickle before that.
    if start.startswith((b"PK\x03\x04", b"\x80")) and start[8:9] != b"{":
        return "torch"
    if start[8:9] == b"{":
        return "safetensors"
    raise GlofgeoError(f"{path}: neither safetensors nor a PyTorch file: give a weight file")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file whose header was already checked.

    Raises:
        GlofgeoError: If the header does not describe them after all.
    """
    try:
        return load_file(path)
    except (SafetensorError, AttributeError, KeyError) as error:
        raise GlofgeoError(f"{path}: its safetensors header is damaged: copy or download it again") from error


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Reads the metadata of a safetensors file after checking that all of the file is there.

    Layout: https://github.com/huggingface/safetensors#format, 8 bytes header length, JSON header, data.

    Raises:
        GlofgeoError: If the file is damaged or cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if 8 + length > size:
            raise GlofgeoError(f"{path}: cut short within its header: copy or download it again")
        try:
            header = json.loads(file.read(length))
            metadata: dict[str, str] = header.pop("__metadata__", {})
            expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise GlofgeoError(f"{path}: its safetensors header is damaged: copy or download it again") from error
    if size != expected:
        raise GlofgeoError(f"{path}: {size} bytes where its header says {expected}: copy or download it again")
    return metadata


def _sha256(header: str, tensors: dict[str, Tensor]) -> str:
    """Digest of the header's text and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().reshape(-1).view("uint8").data)
    return digest.hexdigest()


def _first_misfit(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str | None:
    """Names the first tensor that is missing, of another shape, or one too many."""
    for name, tensor in expected.items():
        if name not in found:
            return f"{name} is missing"
        if tensor.shape != found[name].shape:
            return f"{name} should be {tuple(tensor.shape)} and is {tuple(found[name].shape)}"
    return next((f"{name} has no place" for name in found if name not in expected), None)
