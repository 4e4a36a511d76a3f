"""Blocks of a map, and how far a figure would move had others been seen: the block bootstrap."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.transform import xy as pixel_to_xy
from scipy.stats import norm as normal
from scipy.stats import t as student

from datasets_def.grid import Grid
from glofgeo.evaluation.pixels import Mask, Polygons, pixel_areas

BLOCK_METRES = 2500.0
RESAMPLES = 1000
# With fewer blocks, the spread between them is itself hardly known.
FEWEST_BLOCKS = 10
# Correlation of the errors of neighbouring blocks: above the first, blocks are enlarged as long as enough are left;
# above the second, those that are left say too little of each other to give an interval.
NEGLIGIBLE, TOO_MUCH = 0.1, 0.3
# A figure that a twentieth of the resamples leave undefined rests on a block or two: an interval would be too narrow.
_DEFINED_SHARE = 0.95

Interval = tuple[float, float] | None
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """Squares that cover a grid, numbered row by row.

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

    def pixel_areas(self) -> npt.NDArray[np.float64]:
        """Area of a pixel in the middle of each block, square metres, `(blocks,)`."""
        row, col = np.indices(self.shape).reshape(2, -1) + 0.5
        x, y = pixel_to_xy(self.grid.transform, row * self.side, col * self.side, offset="ul")
        return pixel_areas(self.grid, x, y)


def cut_blocks(grid: Grid) -> Blocks:
    """Cuts a grid into blocks of `BLOCK_METRES`, to the nearest pixel."""
    return Blocks(grid, max(round(BLOCK_METRES / grid.pixel_side), 1))


@dataclass(frozen=True)
class Joined:
    """Square blocks joined to larger ones, until neighbours hardly err together.

    Attributes:
        times: side of the larger ones, in blocks.
        correlation: of the errors of neighbours among them, 0-1; 0 where no two are neighbours.
    """

    times: int
    correlation: float

    @property
    def side_km(self) -> float:
        """Side of the larger blocks."""
        return self.times * BLOCK_METRES / 1000

    @property
    def too_few(self) -> bool:
        """Whether neighbours err together so much that no interval can be given."""
        return self.correlation > TOO_MUCH


AS_CUT = Joined(1, 0.0)


def join_blocks(counts: Counts, shape: tuple[int, int], times: int) -> Counts:
    """Sums the counts of squares of blocks.

    Args:
        counts: `(blocks, ...)` of one grid, row by row.
        shape: (rows, cols) of its blocks.
        times: side of the squares; those at the end of a row or column may be cut short.

    Returns:
        `(joined blocks, ...)`, row by row.
    """
    image = counts.reshape(*shape, *counts.shape[1:])
    rows, cols = (np.arange(0, length, times) for length in shape)
    joined: Counts = np.add.reduceat(np.add.reduceat(image, rows, axis=0), cols, axis=1)
    return joined.reshape(-1, *counts.shape[1:])


def choose_blocks(methods: Sequence[Sequence[Counts]], shapes: Sequence[tuple[int, int]]) -> Joined:
    """Doubles the side of the blocks until the errors of neighbours hardly correlate, for every method.

    A block's error is what it adds to the IoU beyond its share: tp - IoU * (tp + fp + fn). A larger block is taken only
    if `FEWEST_BLOCKS` are left.

    Args:
        methods: for each method, for each grid: `(blocks, 3 or more)`, beginning with tp, fp, fn; row by row.
        shapes: (rows, cols) of the blocks of each grid.
    """
    times = 1
    while True:
        joined = [[join_blocks(part, shape, times) for part, shape in zip(m, shapes, strict=True)] for m in methods]
        sides = [tuple(-(-length // times) for length in shape) for shape in shapes]
        correlation = max(_correlation(method, sides) for method in joined)
        larger = sum(
            np.count_nonzero(join_blocks(part, shape, 2 * times).any(axis=1))
            for part, shape in zip(methods[0], shapes, strict=True)
        )
        if correlation <= NEGLIGIBLE or larger < FEWEST_BLOCKS:
            return Joined(times, correlation)
        times *= 2


def _correlation(counts: Sequence[Counts], shapes: Sequence[tuple[int, ...]]) -> float:
    """Correlation of the errors of blocks that share a side, pooled over grids; 0 if negative or undefined."""
    hits, union = (sum(part[:, :last].sum() for part in counts) for last in (1, 3))
    products = pairs = squares = used = 0.0
    for part, shape in zip(counts, shapes, strict=True):
        seen = np.asarray(part.any(axis=1)).reshape(shape)
        error = (part[:, 0] - (hits / union if union else 0) * part[:, :3].sum(axis=1)).reshape(shape)
        squares, used = squares + float((error**2).sum()), used + np.count_nonzero(seen)
        for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            products += float((error[first] * error[second]).sum())
            pairs += np.count_nonzero(seen[first] & seen[second])
    if not pairs or not squares:
        return 0.0
    # Errors sum to nothing, which alone makes those of n independent blocks correlate by -1 / (n - 1).
    return max(float(products / pairs / (squares / used) + 1 / (used - 1)), 0.0)


def bootstrap(
    counts: Counts,
    figures: Callable[[Counts], Mapping[str, float | None]],
    joined: Joined = AS_CUT,
    seed: int = 0,
) -> dict[str, Interval]:
    """Gives 95 % intervals of figures by drawing whole blocks with replacement.

    Neighbouring pixels err together, so that single pixels would make intervals far too narrow. The interval tells how
    far a figure would move had another area of the same kind been mapped, with the same model and the same reference
    lakes. It knows nothing of other regions, seasons or mappers. Efron & Tibshirani 1993, An Introduction to the
    Bootstrap, chapters 8 and 13.

    The percentiles of the `RESAMPLES` draws lie further out than 2.5 and 97.5: by Student's t for the number of blocks
    (Hesterberg 2015, The American Statistician 69:371, "expanded percentile interval"), and by the root of 1 + 4 r for
    a correlation r that is left between a block and its four neighbours.

    Args:
        counts: what each block adds to the sums, `(blocks, K)`; blocks of zeros only are left out.
        figures: turns the sums `(K,)` into named figures, None where undefined.
        joined: how the blocks came about.
        seed: of the draws; equal seeds give equal draws for equal blocks.

    Returns:
        (low, high) of each figure; None with fewer than `FEWEST_BLOCKS` blocks, where neighbours err together too much,
        or where over 5 % of the draws leave it undefined.
    """
    used = counts[counts.any(axis=1)]
    names = figures(counts.sum(axis=0))
    if len(used) < FEWEST_BLOCKS or joined.too_few:
        return dict.fromkeys(names)
    draws = np.random.default_rng(seed).multinomial(len(used), np.full(len(used), 1 / len(used)), RESAMPLES)
    drawn = [figures(total) for total in draws @ used]
    errors = student.ppf(0.975, len(used) - 1) * math.sqrt(len(used) / (len(used) - 1) * (1 + 4 * joined.correlation))
    percentiles = (100 * normal.cdf(-errors), 100 * normal.cdf(errors))
    return {name: _interval([one[name] for one in drawn], percentiles) for name in names}


def _interval(values: list[float | None], percentiles: tuple[float, float]) -> Interval:
    defined = [value for value in values if value is not None]
    if len(defined) < _DEFINED_SHARE * len(values):
        return None
    low, high = np.percentile(defined, percentiles)
    return float(low), float(high)
