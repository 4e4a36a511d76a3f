"""Calibration: whether of the pixels called 70 % lake, 70 % are lake."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glofgeo.evaluation.blocks import AS_CUT, Blocks, Counts, Interval, Joined, bootstrap
from glofgeo.evaluation.pixels import Mask

BINS = 10
PERCENTS = 101


@dataclass(frozen=True)
class Bin:
    """Usable pixels of one range of probability.

    Attributes:
        low: from which on, 0-1.
        high: below which (up to and with 1 for the last), 0-1.
        pixels: how many.
        probability: their mean probability, 0-1; None if there are none.
        lake_share: share of them that is lake, 0-1; None if there are none.
    """

    low: float
    high: float
    pixels: int
    probability: float | None
    lake_share: float | None


@dataclass(frozen=True)
class Calibration:
    """How far lake probabilities can be taken at their word.

    Attributes:
        ece: expected calibration error, 0-1; None without pixels.
        interval: its 95 % interval.
        bins: `BINS` equal ones, for a reliability plot.
    """

    ece: float | None
    interval: Interval
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Gives plain values."""
        interval = None if self.interval is None else list(self.interval)
        return {"ece": self.ece, "interval": interval, "bins": [asdict(one) for one in self.bins]}


def count_percents(
    percent: npt.NDArray[np.uint8], reference: Mask, usable: Mask, blocks: Blocks, rows: slice
) -> Counts:
    """Counts pixels by block, reference and probability.

    Args:
        percent: `(rows, cols)` of a strip, lake probability 0-100.
        reference: same shape, True = lake.
        usable: same shape; other pixels may hold any value.
        blocks: of the grid.
        rows: where the strip lies on it.

    Returns:
        `(blocks, 2, 101)`: land and lake at each percentage.
    """
    count = blocks.shape[0] * blocks.shape[1]
    code = (blocks.numbers(rows)[usable] * 2 + reference[usable]) * PERCENTS + percent[usable]
    return np.bincount(code, minlength=count * 2 * PERCENTS).reshape(count, 2, PERCENTS).astype(np.float64)


def calibrate(histogram: Counts, joined: Joined = AS_CUT) -> Calibration:
    """Judges the probabilities of a map.

    The expected calibration error is the mean over pixels of the distance between a bin's mean probability and its
    share of lake (Guo et al. 2017, ICML, for the lake class). Nearly all pixels are land that is easy to tell,
    which makes it small: look at the bins.

    Args:
        histogram: `(blocks, 2, 101)` of `count_percents`.
        joined: how these blocks came about.
    """
    firsts = np.arange(BINS) * (PERCENTS - 1) // BINS
    lake, every = histogram[:, 1], histogram.sum(axis=1)
    parts = (every, every * np.arange(PERCENTS) / (PERCENTS - 1), lake)
    by_block = np.concatenate([np.add.reduceat(part, firsts, axis=1) for part in parts], axis=1)
    pixels, probability, lakes = by_block.sum(axis=0).reshape(3, BINS)
    bins = tuple(
        Bin(k / BINS, (k + 1) / BINS, int(n), float(p / n) if n else None, float(y / n) if n else None)
        for k, (n, p, y) in enumerate(zip(pixels, probability, lakes, strict=True))
    )
    return Calibration(_ece(by_block.sum(axis=0))["ece"], bootstrap(by_block, _ece, joined)["ece"], bins)


def _ece(sums: Counts) -> dict[str, float | None]:
    pixels, probability, lakes = sums.reshape(3, BINS)
    total = pixels.sum()
    return {"ece": float(np.abs(probability - lakes).sum() / total) if total else None}
