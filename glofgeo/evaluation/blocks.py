"""Blocks of ground, and how far a figure would move had others been seen: the block bootstrap."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.transform import xy as pixel_to_xy

from glofgeo.evaluation.pixels import Grid, Mask, Polygons

BLOCK_METRES = 2500.0
RESAMPLES = 1000
# A figure that a twentieth of the resamples leave undefined rests on a block or two: an interval would be too narrow.
_DEFINED_SHARE = 0.95

Interval = tuple[float, float] | None
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """Squares of ground that cover a grid, numbered row by row.

    Attributes:
        grid: what they cover.
        side: of a block, in pixels; the last of a row or column may be cut short.
    """

    grid: Grid
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of blocks."""
        rows, cols = self.grid.shape
        return math.ceil(rows / self.side), math.ceil(cols / self.side)

    def sums(self, mask: Mask, rows: slice) -> npt.NDArray[np.int64]:
        """Counts the true pixels of a strip in each block.

        Args:
            mask: `(rows, cols)`.
            rows: where the strip lies on the grid.

        Returns:
            `(blocks,)`.
        """
        total = np.zeros(self.shape, np.int64)
        first = rows.start // self.side
        tops = np.maximum(np.arange(first * self.side, rows.stop, self.side) - rows.start, 0)
        lefts = np.arange(0, mask.shape[1], self.side)
        narrow = np.add.reduceat(mask.view(np.uint8), tops, axis=0, dtype=np.uint32)
        total[first : first + len(tops)] = np.add.reduceat(narrow, lefts, axis=1, dtype=np.int64)
        return total.ravel()

    def numbers(self, rows: slice) -> npt.NDArray[np.intp]:
        """Numbers of the blocks that the pixels of a strip lie in, `(rows, cols)`."""
        row, col = np.arange(rows.start, rows.stop) // self.side, np.arange(self.grid.shape[1]) // self.side
        return row[:, None] * self.shape[1] + col

    def home(self, lakes: Polygons) -> npt.NDArray[np.intp]:
        """Number of the block that holds each lake's centroid, `(N,)`; the nearest one where that is off the grid."""
        centres = shapely.centroid(lakes)
        col, row = ~self.grid.transform * (shapely.get_x(centres), shapely.get_y(centres))
        number = [
            np.clip(np.floor(np.asarray(place) / self.side), 0, count - 1).astype(np.intp)
            for place, count in zip((row, col), self.shape, strict=True)
        ]
        return number[0] * self.shape[1] + number[1]

    def pixel_ground(self) -> npt.NDArray[np.float64]:
        """Ground of a pixel in the middle of each block, square metres, `(blocks,)`."""
        row, col = np.indices(self.shape).reshape(2, -1) + 0.5
        x, y = pixel_to_xy(self.grid.transform, row * self.side, col * self.side, offset="ul")
        return self.grid.pixel_ground(x, y)


def cut_blocks(grid: Grid) -> Blocks:
    """Cuts a grid into blocks of `BLOCK_METRES`, to the nearest pixel."""
    row, col = grid.shape
    x, y = pixel_to_xy(grid.transform, [row / 2], [col / 2], offset="ul")
    pixel = math.sqrt(grid.pixel_ground(x, y).item())
    return Blocks(grid, max(round(BLOCK_METRES / pixel), 1))


def bootstrap(
    counts: Counts, figures: Callable[[Counts], Mapping[str, float | None]], seed: int = 0
) -> dict[str, Interval]:
    """Gives 95 % intervals of figures by drawing whole blocks of ground with replacement.

    Neighbouring pixels err together, so that single pixels would make intervals far too narrow. The interval tells how
    far a figure would move had other ground of the same kind been seen, with the same model and the same truth. It
    knows nothing of other regions, seasons or mappers. Percentiles 2.5 and 97.5 of `RESAMPLES` draws; Efron &
    Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 and 13.

    Args:
        counts: what each block adds to the sums, `(blocks, K)`; blocks of zeros only are left out.
        figures: turns the sums `(K,)` into named figures, None where undefined.
        seed: of the draws; equal seeds give equal draws for equal blocks.

    Returns:
        (low, high) of each figure; None with fewer than two blocks, or where over 5 % of the draws leave it undefined.
    """
    used = counts[counts.any(axis=1)]
    names = figures(counts.sum(axis=0))
    if len(used) < 2:
        return dict.fromkeys(names)
    draws = np.random.default_rng(seed).multinomial(len(used), np.full(len(used), 1 / len(used)), RESAMPLES)
    drawn = [figures(total) for total in draws @ used]
    return {name: _interval([one[name] for one in drawn]) for name in names}


def _interval(values: list[float | None]) -> Interval:
    defined = [value for value in values if value is not None]
    if len(defined) < _DEFINED_SHARE * len(values):
        return None
    low, high = np.percentile(defined, (2.5, 97.5))
    return float(low), float(high)
