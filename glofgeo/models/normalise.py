"""From reflectance to the numbers that a network takes in."""

from torch import Tensor

# Reflectance that the noise over dark water amounts to, and the spread of the logarithms over land and water.
_DARK, _SPREAD = 0.01, 0.6


def normalise(reflectance: Tensor, mean: Tensor, std: Tensor, *, log: bool) -> Tensor:
    """Brings reflectance to about zero mean and unit spread, or takes its logarithms, which are about as large.

    Args:
        reflectance: `(B, C, H, W)`, 1.0 = 100 %.
        mean: of each band, `(1, C, 1, 1)`.
        std: likewise; logarithms do not use it.
        log: whether to take logarithms; an offset keeps sensor noise in deep water from counting.
    """
    if not log:
        return (reflectance - mean) / std
    return ((reflectance.clamp_min(0) + _DARK) / (mean + _DARK)).log() / _SPREAD
