"""Read ahead | infer | write behind: a scene's lake probability in memory for a few strips."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from datasets_def.scene import Scene
from glofgeo.config import NOT_OBSERVED
from glofgeo.mapping.blend import RollingBlend
from glofgeo.mapping.inference import Batch, Batcher
from glofgeo.mapping.windows import WindowPlan

# Rows of one read: the block height of 10 m JPEG 2000 files, so that every block is decoded once.
_READ_ROWS = 1024

# Bytes for GDAL's blocks while mapping; a row of blocks of four bands takes 92 MiB. Its own default is 5 % of the
# machine's memory.
GDAL_CACHE = 128 * 2**20

# Digital numbers `(C, rows, cols)` as stored, and which pixels show the ground, `(rows, cols)`.
Strip = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]


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
    infer: Batcher,
    write: Callable[[int, npt.NDArray[np.uint8]], None],
    look: Callable[[int, Strip], None],
    advance: Callable[[int], None],
    *,
    worth: Callable[[npt.NDArray[np.float32]], bool] | None = None,
) -> None:
    """Maps an area strip by strip.

    Windows in which nothing is observed are not inferred. Memory holds `window` + 1024 rows of digital numbers and
    one more read of 1024 rows, whatever the height of the area.

    Args:
        scene: with the bands that `infer` wants.
        area: part of the scene.
        plan: windows on the area's rectangle.
        infer: float32 `(B, C, H, W)` reflectance -> float32 `(B, H, W)` probability.
        write: receives first row and uint8 `(rows, cols)` percent, 255 not observed; called in row order from one
            other thread.
        look: receives first row and strip of everything read, once and in row order, from one other thread.
        advance: receives the number of windows done since the last call.
        worth: float32 `(C, H, W)` reflectance of a window -> False if it holds no lake; by default all may.
    """
    blend = RollingBlend(plan)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        try:
            for row, (numbers, valid) in enumerate(_window_rows(scene, area, plan, reader, look)):
                _infer_row(scene, blend, row, numbers, valid, infer, worth, advance)
                first = blend.next_row
                probability = blend.finish(row)
                observed = valid[: len(probability)].copy()
                if written is not None:
                    written.result()
                written = writer.submit(_write, write, first, probability, observed)
            if written is not None:
                written.result()
        finally:
            # After Ctrl-C or an error nothing new is begun.
            reader.shutdown(wait=False, cancel_futures=True)


def _write(
    write: Callable[[int, npt.NDArray[np.uint8]], None],
    first: int,
    probability: npt.NDArray[np.float32],
    observed: npt.NDArray[np.bool_],
) -> None:
    probability *= 100
    probability += 0.5
    percent = probability.astype(np.uint8)
    percent[~observed] = NOT_OBSERVED
    write(first, percent)


def _infer_row(
    scene: Scene,
    blend: RollingBlend,
    row: int,
    numbers: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    infer: Batcher,
    worth: Callable[[npt.NDArray[np.float32]], bool] | None,
    advance: Callable[[int], None],
) -> None:
    plan = blend.plan
    wanted = [
        col
        for col, left in enumerate(plan.lefts)
        if valid[:, left : left + plan.width].any()
        and (worth is None or worth(_reflectance(scene, numbers, plan, left)))
    ]
    advance(len(plan.lefts) - len(wanted))
    while wanted:
        # Batches of about equal size: a last one of a single window would leave a GPU idle.
        size = -(-len(wanted) // -(-len(wanted) // infer.size))
        cols, wanted = wanted[:size], wanted[size:]
        batch = np.empty((len(cols), len(numbers), plan.window, plan.window), np.float32)
        for target, col in zip(batch, cols, strict=True):
            _reflectance(scene, numbers, plan, plan.lefts[col], target)
        for col, probability in zip(cols, infer(batch), strict=True):
            blend.add(row, col, probability[plan.on_grid])
        advance(len(cols))


def _reflectance(
    scene: Scene, numbers: npt.NDArray[Any], plan: WindowPlan, left: int, out: Batch | None = None
) -> Batch:
    """Reflectance of one window; a grid smaller than the window is continued by reflection on all sides."""
    part = numbers[:, :, left : left + plan.width]
    if part.shape[1:] == (plan.window, plan.window):
        return scene.reflectance(part, out=out)
    rows, cols = plan.on_grid
    around = [(0, 0)] + [(span.start, plan.window - span.stop) for span in (rows, cols)]
    padded = np.pad(scene.reflectance(part), around, mode="reflect")
    if out is not None:
        out[:] = padded
    return padded


def _window_rows(
    scene: Scene,
    area: Area,
    plan: WindowPlan,
    reader: ThreadPoolExecutor,
    look: Callable[[int, Strip], None],
) -> Iterator[Strip]:
    """Gives numbers and validity of each row of windows, valid until the next is asked for, and reads on meanwhile."""
    rows, cols = plan.shape
    bounds = _read_bounds(int(area.window.row_off), rows)
    ahead = reader.submit(_read, scene, area, bounds[0], bounds[1], look)
    numbers, valid = np.empty((0, 0, 0)), np.empty((plan.height + _READ_ROWS, cols), bool)
    first, block, filled = 0, 0, 0
    for top in plan.tops:
        drop, first = top - first, top
        for plane in (*numbers, valid):
            plane[: filled - drop] = plane[drop:filled]
        filled -= drop
        while filled < plan.height:
            strip = ahead.result()
            block += 1
            if block + 1 < len(bounds):
                ahead = reader.submit(_read, scene, area, bounds[block], bounds[block + 1], look)
            if not numbers.size:
                numbers = np.empty((len(strip[0]), *valid.shape), strip[0].dtype)
            count = len(strip[1])
            numbers[:, filled : filled + count], valid[filled : filled + count] = strip
            del strip
            filled += count
        yield numbers[:, : plan.height], valid[: plan.height]


def _read_bounds(offset: int, rows: int) -> list[int]:
    """Row limits of the reads, aligned to the file's blocks."""
    first = _READ_ROWS - offset % _READ_ROWS
    return [0, *range(min(first, rows), rows, _READ_ROWS), rows]


def _read(scene: Scene, area: Area, start: int, stop: int, look: Callable[[int, Strip], None]) -> Strip:
    window = Window(area.window.col_off, area.window.row_off + start, area.window.width, stop - start)
    numbers, valid = scene.load_numbers(window)
    if area.mask is not None:
        valid &= area.mask(start, stop - start)
    look(start, (numbers, valid))
    return numbers, valid
