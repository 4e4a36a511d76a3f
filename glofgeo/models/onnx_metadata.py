"""The metadata of an ONNX file, read past its graph: neither ONNX Runtime nor the weights are loaded for it.

A protobuf message is a row of fields, each a number with a wire type and then a value or its length:
https://protobuf.dev/programming-guides/encoding/. Field 14 of ONNX's `ModelProto` is a pair of texts, key (1) and value
(2): https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from glofgeo.errors import GlofgeoError

_METADATA_PROPS = 14
_LARGEST = 2**24
# Wire types of a fixed number of bytes.
_FIXED = {1: 8, 5: 4}


def onnx_metadata(path: Path) -> dict[str, str]:
    """Gives the metadata of an ONNX file; of a key that occurs twice the last value, as protobuf has it.

    Raises:
        GlofgeoError: If it is no ONNX file, or is cut short.
    """
    try:
        if not (size := path.stat().st_size):
            raise ValueError
        with path.open("rb") as file:
            entries = list(_fields(file, size, only=_METADATA_PROPS))
        pairs = [dict(_fields(io.BytesIO(entry), len(entry))) for _, entry in entries]
        return {pair[1].decode(): pair.get(2, b"").decode() for pair in pairs}
    except (ValueError, KeyError, OSError):
        raise GlofgeoError(
            f"{path}: not an ONNX file, or cut short", "copy it again, or export the checkpoint again"
        ) from None


def _fields(file: BinaryIO, size: int, only: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yields the number and bytes of every field that has a length, if asked for of one number only.

    Raises:
        ValueError: If these bytes are no protobuf message.
    """
    while file.tell() < size:
        number, wire = divmod(_varint(file), 8)
        if wire == 0:
            _varint(file)
            continue
        length = _varint(file) if wire == 2 else _FIXED.get(wire, size)
        if number == 0 or length > size - file.tell():
            raise ValueError
        if wire == 2 and only in (None, number):
            if length > _LARGEST:
                raise ValueError
            yield number, file.read(length)
        else:
            file.seek(length, 1)


def _varint(file: BinaryIO) -> int:
    """Reads seven bits a byte, lowest first, as long as the eighth is set."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError
