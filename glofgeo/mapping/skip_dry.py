"""Which windows can be left out because nothing in them could be water."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datasets_def.indices import ndwi

# Generous on purpose: turbid lakes reach an NDWI of about -0.2, and ice-covered or sunlit ones a B08 of 0.2 and more,
# but then B03 is at least as bright.
_NDWI = -0.2
_DARK_B08 = 0.12


def may_hold_water(reflectance: npt.NDArray[np.float32], bands: Sequence[str]) -> bool:
    """Tells whether any pixel of a window could be water: NDWI above -0.2, or B08 below 0.12.

    Args:
        reflectance: float32 `(C, H, W)`, surface reflectance.
        bands: names of its channels, B03 and B08 among them.
    """
    green, infrared = reflectance[bands.index("B03")], reflectance[bands.index("B08")]
    return bool(((ndwi(green, infrared) > _NDWI) | (infrared < _DARK_B08)).any())
