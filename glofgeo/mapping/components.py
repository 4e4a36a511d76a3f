"""Lakes as runs of pixels, found strip by strip while a scene's probability is made; arrays in, no files.

A scene has hundreds of millions of pixels but only some ten thousand runs of lake. Kept as runs, lakes are joined,
cleaned and found again without an image of the scene: memory follows the lakes, not the scene.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from glofgeo.percent import NOT_OBSERVED, is_lake, percent_cut


@dataclass(frozen=True)
class Runs:
    """Runs of pixels within rows, in reading order.

    Attributes:
        row: int32, row of each run.
        start: int32, its first column.
        stop: int32, the column after its last.
    """

    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """One after the other; no part gives no run."""
        none = np.zeros(0, dtype=np.int32)
        row, start, stop = (
            np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in ("row", "start", "stop")
        )
        return cls(row, start, stop)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Runs":
        """Some of the runs, by mask, index or slice."""
        return Runs(self.row[which], self.start[which], self.stop[which])

    def between(self, first: int, last: int) -> slice:
        """Where the runs of the rows `first` up to but not including `last` are."""
        begin, end = np.searchsorted(self.row, (first, last))
        return slice(int(begin), int(end))

    def paint(self, image: NDArray[np.generic], top: int, left: int, value: int | NDArray[np.generic]) -> None:
        """Sets an image `(h, w)`, whose first pixel is at (top, left), to `value` (one, or one a run) on the runs."""
        height, width = image.shape
        begin = np.clip(self.start - left, 0, width).astype(np.intp)
        length = np.clip(self.stop - left, 0, width) - begin
        length[(self.row < top) | (self.row >= top + height)] = 0
        offset = (self.row - top).astype(np.intp) * width + begin - (np.cumsum(length) - length)
        pixels = np.arange(length.sum()) + np.repeat(offset, length)
        image.reshape(-1)[pixels] = value if isinstance(value, int) else np.repeat(value, length)

    def groups(self, *, diagonal: bool) -> NDArray[np.int32]:
        """The connected group of each run, 0-based in the order of the groups' first pixels.

        Args:
            diagonal: whether pixels that share a corner are connected (8-connected), or only an edge (4-connected).
        """
        if not self.row.size:
            return np.zeros(0, dtype=np.int32)
        # Positions count one column more than a row has, so that a run's stop never equals the next row's first start.
        line = int(self.stop.max()) + 1
        start, stop = (self.row.astype(np.int64) * line + edge for edge in (self.start, self.stop))
        # A run touches those of the row above that stop after its start and start before its stop (diagonally: at it).
        reach = 0 if diagonal else 1
        first = np.searchsorted(stop, start - line + reach, side="left")
        count = np.maximum(np.searchsorted(start, stop - line - reach, side="right") - first, 0)
        below = np.repeat(np.arange(start.size), count)
        above = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
        links = coo_array((np.ones(below.size, dtype=bool), (below, above)), shape=(start.size, start.size))
        return connected_components(links, directed=False)[1]


class LakeRuns:
    """Collects the lake pixels of a scene from strips of its probability, as runs."""

    def __init__(self, shape: tuple[int, int], *, threshold: float = 0.5) -> None:
        """Starts at the first row.

        Args:
            shape: (rows, columns) of the scene.
            threshold: probability (0-1) from which on a pixel is lake.
        """
        self._shape = shape
        self._cut = percent_cut(threshold)
        self._rows = 0
        self._parts: list[Runs] = []
        self._veiled: list[NDArray[np.bool_]] = []

    def add(self, first_row: int, percent: NDArray[np.uint8]) -> None:
        """Takes the next strip.

        Args:
            first_row: row of the scene at which the strip begins.
            percent: `(rows, W)`, lake probability in percent 0-100, 255 = not observed.

        Raises:
            ValueError: If the strip does not follow the one before, or does not fit the scene.
        """
        rows, columns = percent.shape
        if first_row != self._rows or columns != self._shape[1] or first_row + rows > self._shape[0]:
            raise ValueError(f"strip {percent.shape} at row {first_row}: row {self._rows} of {self._shape} comes next")
        self._rows += rows
        wet = np.flatnonzero(is_lake(percent, self._cut).any(axis=1))
        if wet.size:
            runs = _find_runs(is_lake(percent[wet], self._cut))
            self._veiled.append(_veiled(runs, percent[wet]))
            self._parts.append(Runs((wet[runs.row] + first_row).astype(np.int32), runs.start, runs.stop))

    def clean(self, min_pixels: int) -> "CleanLakes":
        """Decides for each pixel between lake and land, and drops what is too small to be either.

        Lakes (8-connected) of fewer than `min_pixels` pixels become land; then land (4-connected) of fewer than
        `min_pixels` pixels that lake encloses on all sides becomes lake. Land beside pixels that were not observed,
        or at the border of the scene, is not known to be enclosed and stays.

        Args:
            min_pixels: size in pixels of the smallest lake, and of the smallest island.

        Raises:
            ValueError: If strips are missing.
        """
        if self._rows != self._shape[0]:
            raise ValueError(f"{self._rows} of {self._shape[0]} rows were added")
        found = Runs.concatenate(self._parts)
        lake = found.groups(diagonal=True)
        small = (_sizes(found, lake) < min_pixels)[lake]
        kept = found.take(~small)

        land, open_water = self._land(kept, np.flatnonzero(~small))
        island = land.groups(diagonal=False)
        enclosed = _sizes(land, island) < min_pixels
        enclosed[island[open_water]] = False
        filled = land.take(enclosed[island])
        final = _merge(Runs.concatenate([kept, filled]))
        return CleanLakes(self._cut, found.take(small), filled, Lakes(self._shape, final, final.groups(diagonal=True)))

    def _land(self, kept: Runs, number: NDArray[np.intp]) -> tuple[Runs, NDArray[np.bool_]]:
        """What lies between the runs of lake, and whether it reaches the border or pixels that were not observed.

        Args:
            kept: the runs of lake.
            number: of each of them among the runs that were found, which include the lakes that are too small.
        """
        height, width = self._shape
        every = np.arange(height, dtype=np.int32)
        first, last = (np.searchsorted(kept.row, every, side=side) for side in ("left", "right"))
        row = np.insert(kept.row, first, every)
        start = np.insert(kept.stop, first, 0)
        stop = np.insert(kept.start, last, width)
        before = np.cumsum(np.concatenate([[False], *self._veiled]))
        veiled = np.diff(before[np.append(number, before.size - 1)]) > 0
        open_ = np.insert(veiled, first, False) | (row == 0) | (row == height - 1) | (start == 0) | (stop == width)
        some = start < stop
        return Runs(row, start, stop).take(some), open_[some]


@dataclass(frozen=True)
class Lakes:
    """The lakes of a scene, numbered from 0 in the order of their first pixels (row by row).

    Attributes:
        shape: (rows, columns) of the scene.
        runs: the pixels of all of them.
        lake: int32, the lake to which each run belongs.
    """

    shape: tuple[int, int]
    runs: Runs
    lake: NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.lake.max(initial=-1)) + 1

    def boxes(self) -> NDArray[np.int32]:
        """Bounding boxes in pixels, `(lakes, 4)`: first row, first column, and the row and column after the last."""
        box = np.empty((len(self), 4), dtype=np.int32)
        box[:, :2], box[:, 2:] = np.iinfo(np.int32).max, 0
        np.minimum.at(box[:, 0], self.lake, self.runs.row)
        np.minimum.at(box[:, 1], self.lake, self.runs.start)
        np.maximum.at(box[:, 2], self.lake, self.runs.row + 1)
        np.maximum.at(box[:, 3], self.lake, self.runs.stop)
        return box

    def each(self) -> Iterator[Runs]:
        """The runs of each lake."""
        order = np.argsort(self.lake, kind="stable")
        ends = np.searchsorted(self.lake, np.arange(len(self)), side="right", sorter=order)
        for begin, end in pairwise([0, *ends.tolist()]):
            yield self.runs.take(order[begin:end])

    def number(self, top: int, left: int, shape: tuple[int, int]) -> NDArray[np.int32]:
        """A part of the scene, which may reach beyond it, as an image: 1 + the number of the lake, 0 elsewhere."""
        image = np.zeros(shape, dtype=np.int32)
        rows = self.runs.between(top, top + shape[0])
        self.runs.take(rows).paint(image, top, left, self.lake[rows] + 1)
        return image


@dataclass(frozen=True)
class CleanLakes:
    """What became of a scene's lake pixels.

    Attributes:
        cut: percent from which on a pixel was lake at first.
        dropped: pixels of lakes that were too small.
        filled: pixels of islands that were too small.
        lakes: the lakes that are left.
        withdrawn: pixels of lakes that were among them until `withdraw`.
    """

    cut: int
    dropped: Runs
    filled: Runs
    lakes: Lakes
    withdrawn: Runs = field(default_factory=lambda: Runs.concatenate([]))

    def withdraw(self, which: NDArray[np.bool_]) -> "CleanLakes":
        """Makes land of some of the lakes, islands that were filled in them included.

        Args:
            which: `(lakes,)`, true for those to go.
        """
        gone = which[self.lakes.lake]
        number = np.cumsum(~which) - 1
        lakes = Lakes(self.lakes.shape, self.lakes.runs.take(~gone), number[self.lakes.lake[~gone]].astype(np.int32))
        return replace(self, lakes=lakes, withdrawn=self.lakes.runs.take(gone))

    def mask(self, first_row: int, percent: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask of any strip of the scene.

        Args:
            first_row: row of the scene at which the strip begins.
            percent: `(rows, W)`, its probability as it was added.

        Returns:
            `(rows, W)` uint8: 0 land, 1 lake, 255 = not observed, the latter exactly where `percent` has it.
        """
        mask = is_lake(percent, self.cut).view(np.uint8)
        for runs, value in ((self.dropped, 0), (self.filled, 1), (self.withdrawn, 0)):
            runs.take(runs.between(first_row, first_row + len(mask))).paint(mask, first_row, 0, value)
        mask[percent == NOT_OBSERVED] = NOT_OBSERVED
        return mask


def _find_runs(lake: NDArray[np.bool_]) -> Runs:
    """The runs of an image `(h, w)`."""
    height, width = lake.shape
    line = width + 1
    flat = np.zeros(height * line + 1, dtype=bool)
    flat[1:].reshape(height, line)[:, :width] = lake
    edges = np.flatnonzero(flat[1:] != flat[:-1]).astype(np.int32).reshape(-1, 2)
    row, start = np.divmod(edges[:, 0], line)
    return Runs(row, start, edges[:, 1] - row * line)


def _veiled(runs: Runs, percent: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether a pixel that was not observed lies between each run and the next one of its row."""
    flat = percent.reshape(-1)
    if flat.max() != NOT_OBSERVED:
        return np.zeros(runs.row.size, dtype=bool)
    first = runs.row.astype(np.intp) * percent.shape[1]
    edges = np.stack([first + runs.start, first + runs.stop], axis=1).reshape(-1)
    # The last run may stop at the end of the strip, where no gap begins.
    inside = edges[edges < flat.size]
    largest = np.zeros(edges.size, dtype=np.uint8)
    largest[: inside.size] = np.maximum.reduceat(flat, inside)
    return largest[1::2] == NOT_OBSERVED


def _sizes(runs: Runs, group: NDArray[np.int32]) -> NDArray[np.intp]:
    """Pixels in each group."""
    return np.bincount(group, weights=runs.stop - runs.start).astype(np.intp)


def _merge(runs: Runs) -> Runs:
    """Puts runs into reading order, those that touch within a row as one."""
    runs = runs.take(np.lexsort((runs.start, runs.row)))
    apart = (runs.row[1:] != runs.row[:-1]) | (runs.start[1:] != runs.stop[:-1])
    head, tail = np.append(True, apart), np.append(apart, True)
    if not runs.row.size:
        return runs
    return Runs(runs.row[head], runs.start[head], runs.stop[tail])
