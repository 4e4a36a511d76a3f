"""Batches of windows through a model, whatever runs it."""

import numpy as np
import torch

from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.devices import computes_in_bfloat16
from glofgeo.models.predictor import Predictor
from glofgeo.models.runtime import Batch, Predict

# Pixels at once on this kind of processor where the batch size is `auto`. A CPU gains nothing from more than one
# window, unless the windows are small; a GPU that cannot hold as many gets half of it, and half again.
_AUTO_PIXELS = {"cpu": 224**2, "cuda": 16 * 518**2, "mps": 4 * 518**2}


def choose_device(name: str) -> torch.device:
    """Gives the device called `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        GlofgeoError: If it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        raise GlofgeoError(f"device {name}: not available to torch on this machine", "leave it out", argument="device")
    return torch.device(name)


def symmetric(predict: Predict) -> Predict:
    """Averages the answers to a window's eight symmetries: four turns of it and of its mirror image."""

    def average(batch: Batch) -> Batch:
        total = np.zeros((len(batch), *batch.shape[2:]), np.float32)
        for turns in range(4):
            turned = np.rot90(batch, turns, (2, 3))
            total += np.rot90(predict(np.ascontiguousarray(turned)), -turns, (1, 2))
            mirrored = predict(np.ascontiguousarray(turned[..., ::-1]))
            total += np.rot90(mirrored[..., ::-1], -turns, (1, 2))
        total /= 8
        return total

    return average


class Batcher:
    """A model at work: runs windows in batches, in smaller ones once memory runs out.

    Attributes:
        size: windows at once.
        temperature: what the logits of its answer are to be divided by, once windows are blended.
    """

    def __init__(self, predict: Predict, size: int, temperature: float = 1.0) -> None:
        self.size = size
        self.temperature = temperature
        self._predict = predict

    def __call__(self, batch: Batch) -> Batch:
        """Gives the probabilities `(B, H, W)` of reflectance `(B, C, H, W)`.

        Raises:
            GlofgeoError: If not even a single window fits in memory, or the model answers with no number.
        """
        answers: list[Batch] = []
        start = 0
        while start < len(batch):
            try:
                answers.append(self._predict(batch[start : start + self.size]))
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                if self.size == 1:
                    raise GlofgeoError(
                        "there is not enough memory for a single window",
                        "close other programs, take a smaller model, or another device",
                        argument="device",
                    ) from error
                self.size = max(min(self.size, len(batch) - start) // 2, 1)
                torch.cuda.empty_cache()
            else:
                start += self.size
        probability = answers[0] if len(answers) == 1 else np.concatenate(answers)
        if not np.isfinite(probability.sum()):
            raise GlofgeoError(
                "the model answers with not-a-number: its weights are damaged", "take another checkpoint"
            )
        return probability


def make_batcher(predictor: Predictor, settings: MapConfig, device: str = "auto") -> Batcher:
    """Puts a model to work on a device.

    bfloat16 is used where the processor multiplies matrices in it; elsewhere it costs precision and saves no time.

    Args:
        predictor: the model.
        settings: batch size, symmetries, and whether to compile.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        GlofgeoError: If the device is not there, or the model's file is damaged.
    """
    where = choose_device(device)
    predict = predictor.on(where.type, half=computes_in_bfloat16(where), compiled=settings.compile)
    size = auto_batch(where, predictor.window) if settings.batch_size == "auto" else settings.batch_size
    return Batcher(symmetric(predict) if settings.tta else predict, size, predictor.temperature)


def auto_batch(device: torch.device, window: int) -> int:
    """Windows of this side in pixels at once, where nothing else is asked for."""
    return max(1, _AUTO_PIXELS[device.type] // window**2)


def _is_out_of_memory(error: Exception) -> bool:
    # Neither torch's allocator on the CPU nor ONNX Runtime has an error class of its own for it.
    told = str(error).lower()
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in told for words in ("out of memory", "can't allocate", "failed to allocate"))
