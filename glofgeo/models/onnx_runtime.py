"""An exported model in ONNX Runtime."""

import hashlib
import mmap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from glofgeo.errors import GlofgeoError
from glofgeo.models.header import DIGEST_KEY, Header, read_onnx_header
from glofgeo.models.onnx_metadata import onnx_metadata
from glofgeo.models.runtime import Batch, Predict

DIGEST_LENGTH = 64


def start_onnx(path: Path) -> tuple[Header, Predict]:
    """Opens an exported model, on the GPU where ONNX Runtime's GPU package is installed; see `Predictor.on`.

    Returns:
        What the file says of itself, whose `config.data.window` and `config.model.image_size` are those of the graph;
        and the function that answers, which takes windows of that side and no others.

    Raises:
        GlofgeoError: If the extra `onnx` is not installed, there is no such file, or it is no ONNX file, not exported
            by glofgeo, of a newer format, cut short, or changed since it was written.
    """
    header = read_onnx_header(path)
    session = open_session(path)
    expected = (len(header.config.model.bands), *(header.config.data.window,) * 2)

    def predict(reflectance: Batch) -> Batch:
        if reflectance.ndim != 4 or reflectance.shape[1:] != expected:
            raise ValueError(f"{reflectance.shape}: this model takes (B, {', '.join(map(str, expected))})")
        (probability,) = session.run(None, {"reflectance": reflectance})
        return probability[:, 0]

    return header, predict


def open_session(path: Path) -> Any:
    """Gives an `onnxruntime.InferenceSession` of a file whose bytes are those that were written.

    Raises:
        GlofgeoError: As `start_onnx`.
    """
    require_extra("onnxruntime")
    import onnxruntime

    if onnx_metadata(path).get(DIGEST_KEY) != file_digest(path):
        raise GlofgeoError(f"{path}: its bytes changed since it was written (SHA-256 differs)", "copy it again")
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(path, providers=providers)
    # onnxruntime's errors share no base of their own.
    except Exception as error:
        raise GlofgeoError(f"{path}: ONNX Runtime cannot open it", "export the model again") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file without the digest at its end."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        digest = hashlib.sha256(view[:-DIGEST_LENGTH]).hexdigest()
        view.release()
    return digest


def require_extra(*packages: str) -> None:
    """Makes sure that packages of the extra `onnx` are installed.

    Raises:
        GlofgeoError: If one is not.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        words = f"pip install {' '.join(missing)}"
        raise GlofgeoError(f"not installed: {', '.join(missing)}", f"`{words}` or `uv {words}`")
