"""Read ahead | infer | write behind: a scene's lake probability in memory for a few strips."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from rasterio.windows import Window

from datasets_def.scene import Scene
from glofgeo.config import NOT_OBSERVED
from glofgeo.mapping.blend import RollingBlend
from glofgeo.mapping.windows import WindowPlan

# Rows of one read: the block height of 10 m JPEG 2000 files, so that every block is decoded once.
_READ_ROWS = 1024

Strip = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Area:
    """The part of a scene that is mapped.

    Attributes:
        window: its rectangle on the scene's grid.
        mask: rows `(first, count)` of that rectangle -> bool `(count, cols)`, False outside the area of interest.
    """

    window: Window
    mask: Callable[[int, int], npt.NDArray[np.bool_]] | None = None


def stream_probability(
    scene: Scene,
    area: Area,
    plan: WindowPlan,
    infer: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    batch_size: int,
    write: Callable[[int, npt.NDArray[np.uint8]], None],
    look: Callable[[int, Strip], None],
    advance: Callable[[int], None],
) -> None:
    """Maps an area strip by strip.

    Windows in which nothing is observed are not inferred.

    Args:
        scene: with the bands that `infer` wants.
        area: part of the scene.
        plan: windows on the area's rectangle.
        infer: float32 `(B, C, H, W)` reflectance -> float32 `(B, H, W)` probability.
        batch_size: windows given to `infer` at once.
        write: receives first row and uint8 `(rows, cols)` percent, 255 not observed; called in row order from one
            other thread.
        look: receives first row and strip of everything read, once and in row order, for the overview.
        advance: receives the number of windows done since the last call.
    """
    blend = RollingBlend(plan)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written = None
        for row, (image, valid) in enumerate(_window_rows(scene, area, plan, reader, look)):
            _infer_row(blend, row, image, valid, infer, batch_size, advance)
            first = blend.next_row
            probability = blend.finish(row)
            percent = np.rint(probability * 100).clip(0, 100).astype(np.uint8)
            percent[~valid[: len(percent)]] = NOT_OBSERVED
            if written is not None:
                written.result()
            written = writer.submit(write, first, percent)
        if written is not None:
            written.result()


def _infer_row(
    blend: RollingBlend,
    row: int,
    image: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    infer: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    batch_size: int,
    advance: Callable[[int], None],
) -> None:
    width = blend.plan.width
    lefts = list(enumerate(blend.plan.lefts))
    wanted = [(col, left) for col, left in lefts if valid[:, left : left + width].any()]
    advance(len(lefts) - len(wanted))
    for start in range(0, len(wanted), batch_size):
        batch = wanted[start : start + batch_size]
        probability = infer(np.stack([image[:, :, left : left + width] for _, left in batch]))
        for (col, _), window in zip(batch, probability, strict=True):
            blend.add(row, col, window)
        advance(len(batch))


def _window_rows(
    scene: Scene,
    area: Area,
    plan: WindowPlan,
    reader: ThreadPoolExecutor,
    look: Callable[[int, Strip], None],
) -> Iterator[Strip]:
    """Gives reflectance and validity of each row of windows, reading the next rows meanwhile."""
    rows, cols = plan.shape
    bounds = _read_bounds(int(area.window.row_off), rows)
    ahead = reader.submit(_read, scene, area, bounds[0], bounds[1])
    image = np.empty((len(scene.bands), 0, cols), np.float32)
    valid = np.empty((0, cols), bool)
    first, block = 0, 0
    for top in plan.tops:
        image, valid = image[:, top - first :], valid[top - first :]
        first = top
        while valid.shape[0] < plan.height:
            strip = ahead.result()
            look(bounds[block], strip)
            block += 1
            if block + 1 < len(bounds):
                ahead = reader.submit(_read, scene, area, bounds[block], bounds[block + 1])
            image = np.concatenate([image, strip[0]], axis=1)
            valid = np.concatenate([valid, strip[1]])
        yield image[:, : plan.height], valid[: plan.height]


def _read_bounds(offset: int, rows: int) -> list[int]:
    """Row limits of the reads, aligned to the file's blocks."""
    first = _READ_ROWS - offset % _READ_ROWS
    return [0, *range(min(first, rows), rows, _READ_ROWS), rows]


def _read(scene: Scene, area: Area, start: int, stop: int) -> Strip:
    window = Window(area.window.col_off, area.window.row_off + start, area.window.width, stop - start)
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
        image, valid = scene.load(window)
    if area.mask is not None:
        valid &= area.mask(start, stop - start)
    return image, valid


def torch_inference(
    model: torch.nn.Module, device: torch.device
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Makes a model that gives logits `(B, 1, H, W)` into the `infer` of `stream_probability`."""
    # Convolutions are a tenth faster with the channels innermost.
    model = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def infer(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(torch.from_numpy(batch).to(device, non_blocking=True))
        return logits[:, 0].float().sigmoid().cpu().numpy()

    return infer
