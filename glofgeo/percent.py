"""The one code of all rasters: probability in percent, and 255 where nothing was observed."""

import math

import numpy as np
import numpy.typing as npt

# In every mask, probability raster and training target: not observed, or not to be judged.
NOT_OBSERVED = 255


def percent_level(threshold: float) -> float:
    """Gives a threshold (0-1) on the scale of the raster; rounded, for 0.07 * 100 is 7.000000000000001."""
    return round(threshold * 100, 6)


def percent_cut(threshold: float) -> int:
    """Gives the first whole percentage that reaches a threshold (0-1)."""
    return math.ceil(percent_level(threshold))


def is_lake(percent: npt.NDArray[np.uint8], cut: int) -> npt.NDArray[np.bool_]:
    """Tells where the probability is at least `cut` percent and was observed."""
    # One comparison, since bytes below zero wrap.
    return percent - np.uint8(cut) <= 100 - cut


def percent_steps(temperature: float) -> npt.NDArray[np.float32]:
    """Gives the probabilities at which the calibrated one, sigmoid(logit / T), rounds to 1, 2, ... 100 percent.

    Half a percent at either end keeps the model's own 0 and 100; a probability of 0.5 stays what it is.

    Args:
        temperature: T, above 0.

    Returns:
        float32 `(100,)`, ascending.
    """
    # Slow to import.
    from scipy.special import expit, logit

    steps: npt.NDArray[np.float32] = expit(temperature * logit((np.arange(100) + 0.5) / 100)).astype(np.float32)
    return steps


def to_percent(
    probability: npt.NDArray[np.float32], steps: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.uint8]:
    """Rounds probabilities to whole percent.

    Args:
        probability: 0-1, any shape.
        steps: `percent_steps` of the model's temperature; None stands for a temperature of 1.

    Returns:
        uint8 0-100, same shape.
    """
    if steps is None:
        scaled = probability * 100
        scaled += 0.5
        return scaled.astype(np.uint8)
    return np.searchsorted(steps, probability, side="right").astype(np.uint8)
