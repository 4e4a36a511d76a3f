"""Spectral indices."""

import numpy as np
import numpy.typing as npt

NDWI_BANDS = ("B03", "B08")


def ndwi(green: npt.NDArray[np.float32], near_infrared: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Normalised difference water index, (green - NIR) / (green + NIR).

    Source: McFeeters 1996, Int. J. Remote Sensing 17:1425; water is where it is above 0.

    Args:
        green: reflectance of B03, 1.0 = 100 %.
        near_infrared: reflectance of B08, same shape.

    Returns:
        The index, -1 to 1 for positive reflectance and beyond where one of the two is negative; NaN, which is above no
        threshold, where they do not sum to more than 0.
    """
    total = green + near_infrared
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, (green - near_infrared) / total, np.float32(np.nan))
