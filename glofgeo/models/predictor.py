"""Predictor: everything that mapping needs of a model, in one value.

Its card is read at once and without torch; the network is loaded when it is first asked for an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from glofgeo.errors import GlofgeoError
from glofgeo.models.bundled import BUNDLED, bundled_model, is_bundled
from glofgeo.models.header import Header, read_header
from glofgeo.models.runtime import Batch, Predict, Start

if TYPE_CHECKING:
    from glofgeo.models.torch_runtime import Network


@dataclass(frozen=True)
class Predictor:
    """A model that can be asked, whatever runs it.

    Attributes:
        name: what to call it: its file, `bundled`, or the class of its network.
        card: what it says about itself.
        runtime: what computes. It decides the last bits of an answer.
        start: loads the network.
        file: what it was read from; None if it is in memory only.
    """

    name: str
    card: Header
    runtime: Literal["torch", "onnx"]
    start: Start = field(repr=False)
    file: Path | None = field(default=None, repr=False)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the input channels, in order."""
        return self.card.config.model.bands

    @property
    def window(self) -> int:
        """Height and width in pixels of what it was trained on; an ONNX file takes no other."""
        return self.card.config.data.window

    @property
    def temperature(self) -> float:
        """What the logits of its answer are to be divided by; `predict` does not."""
        return self.card.temperature

    @property
    def sha256(self) -> str:
        """Of everything that decides what it answers."""
        return self.card.sha256

    def on(self, device: str = "cpu", *, half: bool = False, compiled: bool = False) -> Predict:
        """Loads the network onto a device.

        Args:
            device: as torch calls it: `cpu`, `cuda`, `mps`. ONNX Runtime takes the GPU where its GPU package is
                installed, whatever this says.
            half: compute in bfloat16.
            compiled: compile the network with `torch.compile` first.

        Returns:
            float32 `(B, C, H, W)` reflectance -> float32 `(B, H, W)` probability, 0-1. A network that was given in
            memory moves to the device itself.

        Raises:
            GlofgeoError: If its file is damaged, or has been replaced since the card was read.
        """
        return self.start(device, half=half, compiled=compiled)

    def predict(self, reflectance: Batch) -> Batch:
        """Gives the probability of "lake" for every pixel, computed on the CPU; `on` gives other devices.

        Args:
            reflectance: float32 `(B, C, H, W)`, surface reflectance (1.0 = 100 %), channels as in `bands`.

        Returns:
            float32 `(B, H, W)`, 0-1, before `temperature`.

        Raises:
            GlofgeoError: As `on`, or if that is no such array, or a number in it is not finite.
        """
        _require_reflectance(reflectance, self.bands, self.window if self.runtime == "onnx" else None)
        return self._on_cpu(np.ascontiguousarray(reflectance))

    @cached_property
    def _on_cpu(self) -> Predict:
        return self.on()


def load_model(model: "Predictor | str | Path | None" = None) -> Predictor:
    """Opens a model.

    Args:
        model: a `.safetensors` checkpoint, an exported `.onnx`, or `bundled`, the model that comes with glofgeo; see
            `find_model` for the default. A Predictor is given back as it is.

    Raises:
        GlofgeoError: If the file is not there, no model, or damaged. Damage to its weights is told when they are first
            used.
    """
    if isinstance(model, Predictor):
        return model
    path = find_model(model)
    name = BUNDLED if path == bundled_model() else str(path)
    try:
        card = read_header(path)
    except GlofgeoError as error:
        if model is not None or name == BUNDLED:
            raise
        hint = f"it is the newest run: remove it, or name another model, such as {BUNDLED}"
        raise GlofgeoError(str(error).removesuffix(f"; {error.hint}"), hint, argument="checkpoint") from None
    if path.suffix == ".onnx":
        return Predictor(name, card, "onnx", partial(_start_onnx, path, card.sha256), path)
    return Predictor(name, card, "torch", partial(_start_checkpoint, path, card.sha256), path)


def torch_predictor(network: "Network", card: Header | None = None) -> Predictor:
    """Makes a Predictor of a network in memory.

    Args:
        network: a torch module, reflectance `(B, C, H, W)` -> logits `(B, 1, H, W)`, with the attribute `config`, a
            `ModelConfig`.
        card: what is known of it; by default its configuration, for windows of `config.image_size`.
    """
    from glofgeo.models.torch_runtime import describe_network, start_network

    card = card or describe_network(network)
    return Predictor(type(network).__name__, card, "torch", partial(start_network, network))


def find_model(model: str | Path | None = None) -> Path:
    """Gives the file of a model, which need not be there.

    Args:
        model: its path or that of its run folder, or `bundled`; by default the model that was trained last, the newest
            `runs/*/best.safetensors` below the current folder, and where there is none, the bundled one.
    """
    if model is not None:
        best = Path(model) / "best.safetensors"
        named = best if best.is_file() else Path(model)
        return bundled_model() if is_bundled(model) else named
    trained = sorted(Path("runs").glob("*/best.safetensors"), key=lambda path: path.stat().st_mtime)
    return trained[-1] if trained else bundled_model()


def _start_checkpoint(path: Path, sha256: str, device: str, *, half: bool, compiled: bool) -> Predict:
    from glofgeo.models.checkpoint import load_checkpoint
    from glofgeo.models.torch_runtime import start_network

    loaded = load_checkpoint(path)
    _require_same(path, sha256, loaded.sha256)
    return start_network(loaded.model, device, half=half, compiled=compiled)


def _start_onnx(path: Path, sha256: str, device: str, *, half: bool, compiled: bool) -> Predict:
    from glofgeo.models.onnx_runtime import start_onnx

    found, predict = start_onnx(path)
    _require_same(path, sha256, found.sha256)
    return predict


def _require_reflectance(batch: Batch, bands: Sequence[str], side: int | None) -> None:
    """Refuses what a network would answer with an error of its own, or with nothing but NaN.

    Args:
        batch: what was given.
        bands: that the model reads.
        side: of the only window that it takes; None where it takes any.
    """
    rows, cols = (side, side) if side else ("H", "W")
    wanted = f"this model takes float32 (B, {len(bands)}, {rows}, {cols})"
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
        found = batch.dtype if isinstance(batch, np.ndarray) else type(batch).__name__
        raise GlofgeoError(f"reflectance is {found}, and {wanted}", "convert it; 1.0 is 100 %")
    sides = (side, side) if side else batch.shape[2:]
    if batch.ndim != 4 or batch.shape[1:] != (len(bands), *sides) or not batch.size:
        raise GlofgeoError(f"reflectance is {batch.shape}, and {wanted}", f"give {', '.join(bands)} in this order")
    # One number that is none would make all of the answer so.
    if not np.isfinite(batch).all():
        raise GlofgeoError("reflectance has NaN or infinity", "fill what was not measured, as `Scene.read` does")


def _require_same(path: Path, expected: str, found: str) -> None:
    if found != expected:
        raise GlofgeoError(f"{path}: has been replaced since it was opened", "open it again")
