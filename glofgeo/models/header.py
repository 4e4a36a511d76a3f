"""What a model's file says about itself, read without torch: of a finished map nothing else is asked."""

import json
import re
import struct
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models.onnx_metadata import onnx_metadata
from glofgeo.settings import Range, check, from_dict

FORMAT = 1

# Under these keys both kinds of file hold the header and, ONNX, the digest of the file.
HEADER_KEY = "glofgeo"
DIGEST_KEY = "glofgeo_sha256"

# Bytes of JSON; a network of 1000 tensors takes a hundredth of it.
_LARGEST_HEADER = 2**24


@dataclass(frozen=True)
class Header:
    """What a checkpoint says about itself.

    Attributes:
        config: of the training run; `config.model` describes the network, its bands and their normalisation.
        provenance: where the model comes from, plain JSON values.
        scorecard: how good it is, plain JSON values; None if it was never evaluated.
        sha256: of everything in the file that decides what the model answers: description and tensors.
        temperature: number that the model's logits are to be divided by, so that its probabilities fit the area it
            was validated on; 1 if that was not looked at, and in ONNX files, whose graph divides by it.
        pixel_m: side in metres of the pixels it was trained on, on the ground; None if the file is from before that
            was kept.
    """

    config: TrainConfig
    provenance: dict[str, Any]
    scorecard: dict[str, Any] | None
    sha256: str
    # Fitted ones lie between 0.05 and 20.
    temperature: Annotated[float, Range(0.01, 100)] = field(default=1.0, kw_only=True)
    pixel_m: Annotated[float, Range(0.1, 10_000)] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self)


def read_header(path: str | Path) -> Header:
    """Reads what a checkpoint, or an exported `.onnx`, says about itself.

    Its tensors are not read, so damage to them goes unnoticed.

    Raises:
        GlofgeoError: As `load_checkpoint`, except for what only the tensors tell.
    """
    path = Path(path)
    return read_onnx_header(path) if path.suffix == ".onnx" else read_checkpoint_header(path)[0]


def read_checkpoint_header(path: Path) -> tuple[Header, str]:
    """Gives the header of a `.safetensors` checkpoint, and the text it was read from.

    Raises:
        GlofgeoError: As `load_checkpoint`, except for what only the tensors tell.
    """
    remedy = "a training can start from it: give it as the weights"
    if container(path) != "safetensors":
        raise GlofgeoError(f"{path}: is a PyTorch file, not a glofgeo checkpoint (.safetensors)", remedy)
    metadata = safetensors_metadata(path)
    if HEADER_KEY not in metadata:
        raise GlofgeoError(f"{path}: safetensors, but not written by glofgeo", remedy)
    text = metadata[HEADER_KEY]
    return _parse(text, path, metadata.get("sha256")), text


def read_onnx_header(path: Path) -> Header:
    """Gives the header of an exported model.

    Raises:
        GlofgeoError: If there is no such file, or it is not ONNX, not exported by glofgeo, of a newer format, or cut
            short.
    """
    _require_file(path)
    metadata = onnx_metadata(path)
    if HEADER_KEY not in metadata:
        raise GlofgeoError(f"{path}: ONNX, but not exported by glofgeo", "export the checkpoint with glofgeo")
    return _parse(metadata[HEADER_KEY], path)


def _parse(text: str, path: Path, sha256: str | None = None) -> Header:
    try:
        values = _json(text)
        version = int(values["format"])
        if version > FORMAT:
            raise GlofgeoError(
                f"{path}: checkpoint format {version}, this glofgeo reads up to {FORMAT}", "update glofgeo"
            )
        values["sha256"] = sha256 or values["sha256"]
        if not re.fullmatch("[0-9a-f]{64}", values["sha256"]):
            raise ValueError
        # Earlier files lack what has a default; later ones of this format may say more.
        required = {name: values[name] for name in ("config", "provenance", "scorecard")}
        known = required | {f.name: values[f.name] for f in fields(Header) if f.name in values}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise GlofgeoError(f"{path}: its glofgeo header is damaged", "copy the checkpoint again") from None
    return from_dict(Header, known, str(path))


def container(path: Path) -> Literal["safetensors", "torch"]:
    """Tells by its first bytes, whatever its name, what kind of weight file this is.

    Raises:
        GlofgeoError: If there is no such file, or it is a Git LFS pointer, a web page, or anything else.
    """
    _require_file(path)
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise GlofgeoError(f"{path}: cannot be read ({error.strerror})", "give a weight file") from error
    if start.startswith(b"version https://git-lfs"):
        raise GlofgeoError(f"{path}: a Git LFS pointer, not the file itself", "run `git lfs pull` where it comes from")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise GlofgeoError(f"{path}: a web page saved under this name, not weights", "download the file again")
    # Zip: torch.save since 1.6; 0x80: the pickle before that.
    if start.startswith((b"PK\x03\x04", b"\x80")) and start[8:9] != b"{":
        return "torch"
    if start[8:9] == b"{":
        return "safetensors"
    raise GlofgeoError(f"{path}: neither safetensors nor a PyTorch file", "give a weight file")


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Reads the metadata of a safetensors file after checking that all of the file is there.

    Layout: https://github.com/huggingface/safetensors#format, 8 bytes header length, JSON header, data.

    Raises:
        GlofgeoError: If the file is damaged or cut short.
    """
    size = path.stat().st_size
    remedy = "copy or download it again"
    damaged = f"{path}: its safetensors header is damaged"
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if 8 + length > size:
            raise GlofgeoError(f"{path}: cut short within its header", remedy)
        if length > _LARGEST_HEADER:
            raise GlofgeoError(damaged, remedy)
        try:
            header = _json(file.read(length).decode())
            metadata: dict[str, str] = header.pop("__metadata__", {})
            if not all(isinstance(text, str) for text in metadata.values()):
                raise ValueError
            expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            raise GlofgeoError(damaged, remedy) from None
    if size != expected:
        raise GlofgeoError(f"{path}: {size} bytes where its header says {expected}", remedy)
    return metadata


def _json(text: str) -> Any:
    """Parses JSON in which no name may stand twice.

    Raises:
        ValueError: If it is no such JSON.
        RecursionError: If it is nested a thousand deep.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def _require_file(path: Path) -> None:
    # Opening a pipe would wait for whoever writes into it.
    if not path.exists():
        raise GlofgeoError(f"{path}: no such file", "check the path")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise GlofgeoError(f"{path}: cannot be read ({kind})", "give a weight file")
