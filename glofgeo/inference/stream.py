"""Read ahead | infer | write behind: a scene's lake probability in memory for a few strips."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from datasets_def.grid import READ_ROWS, Grid
from datasets_def.scene import Scene
from glofgeo.inference.blend import RollingBlend
from glofgeo.inference.windows import WindowPlan, reflect_around
from glofgeo.percent import NOT_OBSERVED, percent_steps, to_percent

if TYPE_CHECKING:
    from glofgeo.inference.batches import Batcher
    from glofgeo.models.runtime import Batch

# Bytes for GDAL's blocks while mapping; a row of blocks of four bands takes 92 MiB. Its own default is 5 % of the
# machine's memory.
GDAL_CACHE = 128 * 2**20


@dataclass(frozen=True)
class Strip:
    """Rows of an area as they were read.

    Attributes:
        first: row of the area at which it starts.
        dn: `(C, rows, cols)`, DN as stored.
        present: `(rows, cols)`, True where they are measurements.
        valid: `(rows, cols)`, True where the surface was observed and is wanted.
    """

    first: int
    dn: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]

    @property
    def stop(self) -> int:
        """The row after its last."""
        return self.first + len(self.valid)

    def rows(self, top: int, stop: int) -> tuple[slice, slice]:
        """The part of rows `top` to `stop` that lies on this strip: as rows of the strip, and counted from `top`."""
        start, end = max(top, self.first), max(min(stop, self.stop), max(top, self.first))
        return slice(start - self.first, end - self.first), slice(start - top, end - top)


class Mask(Protocol):
    """Tells which pixels of an area are wanted."""

    def rows(self, first: int, count: int) -> npt.NDArray[np.bool_]:
        """Gives `(count, cols)` from row `first` of the area on, True where wanted."""


@dataclass(frozen=True)
class Area:
    """The part of a scene that is mapped.

    Attributes:
        scene: with the bands that the model wants.
        window: the rectangle on the scene's grid.
        plan: windows on that rectangle.
        mask: what of the rectangle is wanted; None for all of it.
    """

    scene: Scene
    window: Window
    plan: WindowPlan
    mask: Mask | None = None

    @property
    def grid(self) -> Grid:
        """The grid of the rectangle."""
        return self.scene.grid.window(self.window)

    @property
    def wanted(self) -> float:
        """Share of the rectangle's pixels that are wanted, 0-1."""
        mask = self.mask
        if mask is None:
            return 1.0
        rows, cols = self.plan.shape
        inside = sum(
            int(np.count_nonzero(mask.rows(int(strip.row_off), int(strip.height)))) for strip in self.grid.strips()
        )
        return inside / (rows * cols)


class PercentSink(Protocol):
    """Takes the probability of an area, strip by strip."""

    def add(self, first_row: int, percent: npt.NDArray[np.uint8], /) -> None:
        """Takes `(rows, cols)` from a row of the area on: 0-100 percent, 255 not observed; in row order."""


class StripSink(Protocol):
    """Takes what was read of an area, strip by strip."""

    def add(self, first_row: int, strip: Strip, /) -> None:
        """Takes the strip that starts at a row of the area; in row order."""


def stream_probability(
    area: Area,
    batcher: "Batcher",
    sinks: Sequence[PercentSink],
    *,
    read: Sequence[StripSink] = (),
    advance: Callable[[int], None] | None = None,
    worth: Callable[[npt.NDArray[np.float32]], bool] | None = None,
) -> None:
    """Maps an area strip by strip.

    Windows in which nothing is observed are not inferred. Memory holds the reads of 1024 rows that a window touches
    and one more, as DN, whatever the height of the area.

    Args:
        area: what to map.
        batcher: the model at work.
        sinks: receive the probability, called from one other thread.
        read: receive everything read, once, called from one other thread.
        advance: receives the number of windows done since the last call.
        worth: float32 `(C, H, W)` reflectance of a window -> False if it holds no lake; by default all may.
    """
    plan = area.plan
    steps = None if batcher.temperature == 1 else percent_steps(batcher.temperature)
    blend = RollingBlend(plan)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as gatherer, ThreadPoolExecutor(1) as writer:
        todo = _work(area, _window_rows(area, reader, read), batcher, worth)
        ahead = gatherer.submit(next, todo, None)
        written: Future[None] | None = None
        try:
            while (work := ahead.result()) is not None:
                ahead = gatherer.submit(next, todo, None)
                if work.cols:
                    for col, probability in zip(work.cols, batcher(work.images), strict=True):
                        blend.add(work.row, col, probability[plan.on_grid])
                if work.observed is not None:
                    first = blend.next_row
                    probability = blend.finish(work.row)
                    if written is not None:
                        written.result()
                    written = writer.submit(_write, sinks, first, probability, work.observed, steps)
                if advance:
                    advance(work.windows)
            if written is not None:
                written.result()
        finally:
            # After Ctrl-C or an error nothing new is begun.
            for pool in (gatherer, reader):
                pool.shutdown(wait=False, cancel_futures=True)


def _write(
    sinks: Sequence[PercentSink],
    first: int,
    probability: npt.NDArray[np.float32],
    observed: npt.NDArray[np.bool_],
    steps: npt.NDArray[np.float32] | None,
) -> None:
    percent = to_percent(probability, steps)
    percent[~observed] = NOT_OBSERVED
    for sink in sinks:
        sink.add(first, percent)


@dataclass(frozen=True)
class _Work:
    """One batch of a row of windows.

    Attributes:
        row: of windows.
        cols: windows to infer, possibly none.
        images: float32 `(len(cols), C, H, W)` reflectance, to be used before the batch after the next one is made.
        windows: number of windows that are done with this batch, those that need no inference included.
        observed: with the last batch of a row, what is observed of the rows that it finishes.
    """

    row: int
    cols: list[int]
    images: "Batch"
    windows: int
    observed: npt.NDArray[np.bool_] | None


def _work(
    area: Area,
    rows: Iterator[list[Strip]],
    batcher: "Batcher",
    worth: Callable[[npt.NDArray[np.float32]], bool] | None,
) -> Iterator[_Work]:
    scene, plan = area.scene, area.plan
    # Made once and used in turn: the system clears every page of memory that it hands out.
    buffers = np.empty((2, batcher.size, len(scene.bands), plan.window, plan.window), np.float32)
    turn = 0
    for row, strips in enumerate(rows):
        top = plan.tops[row]
        stop = plan.tops[row + 1] if row + 1 < len(plan.tops) else plan.shape[0]
        wanted = [
            col
            for col, left in enumerate(plan.lefts)
            if _valid(strips, top, plan.height, left, plan.width).any()
            and (worth is None or worth(_reflectance(scene, strips, plan, top, left, buffers[turn, 0])))
        ]
        # Batches of about equal size: a last one of a single window would leave a GPU idle.
        batches = np.array_split(wanted, max(1, -(-len(wanted) // batcher.size)))
        skipped = len(plan.lefts) - len(wanted)
        for number, cols in enumerate(batches, 1):
            images = buffers[turn, : len(cols)]
            for image, col in zip(images, cols, strict=True):
                _reflectance(scene, strips, plan, top, plan.lefts[col], image)
            last = number == len(batches)
            observed = _valid(strips, top, stop - top, 0, plan.shape[1]) if last else None
            yield _Work(row, [int(col) for col in cols], images, len(cols) + skipped * last, observed)
            turn = 1 - turn


def _valid(strips: list[Strip], top: int, height: int, left: int, width: int) -> npt.NDArray[np.bool_]:
    part: npt.NDArray[np.bool_] = np.empty((height, width), bool)
    for strip in strips:
        there, here = strip.rows(top, top + height)
        part[here] = strip.valid[there, left : left + width]
    return part


def _reflectance(scene: Scene, strips: list[Strip], plan: WindowPlan, top: int, left: int, out: "Batch") -> "Batch":
    """Fills `out` with one window, float32 `(C, H, W)`; a grid smaller than it is continued by reflection."""
    inside = out[:, *plan.on_grid]
    for strip in strips:
        there, here = strip.rows(top, top + plan.height)
        part = (there, slice(left, left + plan.width))
        scene.reflectance(strip.dn[:, *part], out=inside[:, here], present=strip.present[part])
    reflect_around(plan, out)
    return out


def _window_rows(area: Area, reader: ThreadPoolExecutor, sinks: Sequence[StripSink]) -> Iterator[list[Strip]]:
    """Gives the strips that each row of windows touches, reading the next one meanwhile."""
    plan = area.plan
    bounds = _read_bounds(int(area.window.row_off), plan.shape[0])
    ahead = reader.submit(_read, area, bounds[0], bounds[1], sinks)
    strips: list[Strip] = []
    block = 0
    for top in plan.tops:
        strips = [strip for strip in strips if strip.stop > top]
        while block + 1 < len(bounds) and bounds[block] < top + plan.height:
            strips.append(ahead.result())
            block += 1
            if block + 1 < len(bounds):
                ahead = reader.submit(_read, area, bounds[block], bounds[block + 1], sinks)
        yield strips


def _read_bounds(offset: int, rows: int) -> list[int]:
    """Row limits of the reads, aligned to the file's blocks."""
    first = READ_ROWS - offset % READ_ROWS
    return [0, *range(min(first, rows), rows, READ_ROWS), rows]


def _read(area: Area, start: int, stop: int, sinks: Sequence[StripSink]) -> Strip:
    window = Window(area.window.col_off, area.window.row_off + start, area.window.width, stop - start)
    pixels = area.scene.load_dn(window)
    valid = pixels.valid if area.mask is None else pixels.valid & area.mask.rows(start, stop - start)
    strip = Strip(start, pixels.dn, pixels.present, valid)
    for sink in sinks:
        sink.add(start, strip)
    return strip
