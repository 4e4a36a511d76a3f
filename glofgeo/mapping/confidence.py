"""What the counts of each percent of probability say of a lake."""

import math

import numpy as np
from numpy.typing import NDArray


def confidence(histogram: NDArray[np.int64]) -> dict[str, float]:
    """Mean and 10th percentile (linear between the pixels beside it, as numpy has it) from counts of each percent."""
    pixels = int(histogram.sum())
    at, share = divmod(0.1 * (pixels - 1), 1)
    low, high = np.searchsorted(np.cumsum(histogram), (at, min(at + 1, pixels - 1)), side="right")
    mean = float(histogram @ np.arange(101)) / pixels
    return {"n_px": pixels, "prob_mean": mean / 100, "prob_p10": float(low + share * (high - low)) / 100}


def pixels_at(cut: int, level: float, lake: NDArray[np.int64], beside: NDArray[np.int64]) -> int:
    """Pixels at another threshold, from counts of each percent; those beside it that `level` makes lake are others."""
    return int(lake[cut:].sum() if cut >= level else lake.sum() + beside[cut : math.ceil(level)].sum())
