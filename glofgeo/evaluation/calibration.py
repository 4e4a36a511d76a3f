"""Calibration: whether of the ground called 70 % lake, 70 % is lake."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.blocks import Blocks, Counts, Interval, bootstrap
from glofgeo.evaluation.pixels import Mask

BINS = 10
PERCENTS = 101
_COLDEST, _HOTTEST = 0.05, 20.0


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


def count_percents(percent: npt.NDArray[np.uint8], truth: Mask, usable: Mask, blocks: Blocks, rows: slice) -> Counts:
    """Counts pixels by block, truth and probability.

    Args:
        percent: `(rows, cols)` of a strip, lake probability 0-100.
        truth: same shape.
        usable: same shape; other pixels may hold any value.
        blocks: of the grid.
        rows: where the strip lies on it.

    Returns:
        `(blocks, 2, 101)`: land and lake at each percentage.
    """
    count = blocks.shape[0] * blocks.shape[1]
    code = (blocks.numbers(rows)[usable] * 2 + truth[usable]) * PERCENTS + percent[usable]
    return np.bincount(code, minlength=count * 2 * PERCENTS).reshape(count, 2, PERCENTS).astype(np.float64)


def calibrate(histogram: Counts) -> Calibration:
    """Judges the probabilities of a map.

    The expected calibration error is the mean over pixels of the distance between a bin's mean probability and its
    share of lake (Guo et al. 2017, ICML, for the lake class). Nearly all ground is land that is told apart with ease,
    which makes it small: look at the bins.

    Args:
        histogram: `(blocks, 2, 101)` of `count_percents`.
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
    return Calibration(_ece(by_block.sum(axis=0))["ece"], bootstrap(by_block, _ece)["ece"], bins)


def fit_temperature(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.bool_], counts: npt.NDArray[np.floating] | None = None
) -> float:
    """Finds the temperature T that makes sigmoid(logit / T) the most likely on held-out pixels.

    Guo et al. 2017, ICML, section 4.2. Above 1: the model was too sure. A histogram goes in with one logit for each of
    its cells and the cell's pixels as `counts`.

    Args:
        logits: of the lake class, any shape.
        labels: True = lake, same shape.
        counts: how many pixels each stands for, same shape; one each by default.

    Returns:
        T, from 0.05 to 20; the limits stand for "any surer is better" and "of no use".

    Raises:
        GlofgeoError: If labels are not booleans, shapes differ, a logit or count is not finite, a count is negative,
            or lake or land is missing.
    """
    if labels.dtype != np.bool_:
        raise GlofgeoError(f"temperature: labels are {labels.dtype}, not bool; leave out what is not known first")
    counts = np.ones(np.shape(logits)) if counts is None else counts
    if not np.shape(logits) == np.shape(labels) == np.shape(counts):
        raise GlofgeoError("temperature: logits, labels and counts differ in shape; give one of each for every pixel")
    margin = np.where(labels, logits, -logits).astype(np.float64)
    if not (np.isfinite(margin).all() and np.isfinite(counts).all() and (counts >= 0).all()):
        raise GlofgeoError("temperature: a logit or a count is not a finite number (counts: from 0); leave it out")
    if not counts[labels].sum() > 0 or not counts[~labels].sum() > 0:
        raise GlofgeoError("temperature: needs pixels of lake and of land; validate on ground that has both")

    def log_loss(sharpness: float) -> float:
        scaled = sharpness * margin
        return float(np.average(np.maximum(-scaled, 0) + np.log1p(np.exp(-np.abs(scaled))), weights=counts))

    # In 1 / T the loss is convex, so that a search between limits cannot miss its minimum.
    limits = (1 / _HOTTEST, 1 / _COLDEST)
    found = minimize_scalar(log_loss, bounds=limits, method="bounded", options={"xatol": 1e-6}).x
    return float(1 / min((*limits, found), key=log_loss))


def _ece(sums: Counts) -> dict[str, float | None]:
    pixels, probability, lakes = sums.reshape(3, BINS)
    total = pixels.sum()
    return {"ece": float(np.abs(probability - lakes).sum() / total) if total else None}
