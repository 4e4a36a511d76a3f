"""Batches of windows through a model, whatever runs it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from glofgeo.errors import GlofgeoError
from glofgeo.inference.devices import computes_in_bfloat16

Batch = npt.NDArray[np.float32]
Infer = Callable[[Batch], Batch]

# Pixels at once where `--batch-size auto` meets this kind of processor. A CPU gains nothing from more than one window,
# unless the windows are small; a GPU that cannot hold as many gets half of it, and half again.
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
        raise GlofgeoError(f"--device {name}: this machine has none that torch can use; leave --device out")
    return torch.device(name)


def torch_inference(model: torch.nn.Module, device: torch.device, *, compiled: bool = False) -> Infer:
    """Makes a model that gives logits `(B, 1, H, W)` answer with probabilities.

    bfloat16 is used where the processor multiplies matrices in it; elsewhere it costs precision and saves no time.

    Args:
        model: reflectance `(B, C, H, W)` -> logits.
        device: where to compute.
        compiled: translate the model with `torch.compile` first.

    Returns:
        float32 `(B, C, H, W)` reflectance -> float32 `(B, H, W)` probability, 0-1.
    """
    # Convolutions are a tenth to a quarter faster with the channels innermost.
    innermost = torch.channels_last
    model = model.to(device, memory_format=innermost).eval()  # type: ignore[call-overload]
    if compiled:
        model.compile()
    half = computes_in_bfloat16(device)

    def infer(batch: Batch) -> Batch:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            images = torch.from_numpy(batch).to(device, non_blocking=True).contiguous(memory_format=innermost)
            logits: Tensor = model(images)
            return logits[:, 0].float().sigmoid().cpu().numpy()

    return infer


def symmetric(infer: Infer) -> Infer:
    """Averages the answers to a window's eight symmetries: four turns of it and of its mirror image."""

    def average(batch: Batch) -> Batch:
        total = np.zeros((len(batch), *batch.shape[2:]), np.float32)
        for turns in range(4):
            turned = np.rot90(batch, turns, (2, 3))
            total += np.rot90(infer(np.ascontiguousarray(turned)), -turns, (1, 2))
            mirrored = infer(np.ascontiguousarray(turned[..., ::-1]))
            total += np.rot90(mirrored[..., ::-1], -turns, (1, 2))
        total /= 8
        return total

    return average


class Batcher:
    """Runs windows in batches, in smaller ones once memory runs out.

    Attributes:
        size: windows at once.
    """

    def __init__(self, infer: Infer, size: int) -> None:
        self.size = size
        self._infer = infer

    def __call__(self, batch: Batch) -> Batch:
        """Gives the probabilities `(B, H, W)` of reflectance `(B, C, H, W)`.

        Raises:
            GlofgeoError: If not even a single window fits in memory, or the model answers with no number.
        """
        answers: list[Batch] = []
        start = 0
        while start < len(batch):
            try:
                answers.append(self._infer(batch[start : start + self.size]))
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                if self.size == 1:
                    raise GlofgeoError(
                        "memory does not hold the model at work on a single window: close other programs, take a "
                        "smaller model, or another --device"
                    ) from error
                self.size = max(min(self.size, len(batch) - start) // 2, 1)
                torch.cuda.empty_cache()
            else:
                start += self.size
        probability = answers[0] if len(answers) == 1 else np.concatenate(answers)
        if not np.isfinite(probability.sum()):
            raise GlofgeoError("the model answers with not-a-number: its weights are damaged; take another checkpoint")
        return probability


def auto_batch(device: torch.device, window: int) -> int:
    """Windows of this side in pixels at once for `--batch-size auto`."""
    return max(1, _AUTO_PIXELS[device.type] // window**2)


def _is_out_of_memory(error: Exception) -> bool:
    # Neither torch's allocator on the CPU nor ONNX Runtime has an error class of its own for it.
    told = str(error).lower()
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or any(words in told for words in ("out of memory", "can't allocate", "failed to allocate"))
