"""What the ground is made of: reflectance of its materials, and how much it varies from world to world.

Snow, ice and rock follow the labelled Sentinel-2 pixels of Aberle et al. (glacier-snow-cover-mapping, four glaciers of
the US, 2021), rock being brighter than those; `benchmarks/bundled_spectra.py` compares them. The others are round
figures in the usual order of brightness and colour of such ground.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Spectrum = NDArray[np.float64]

BANDS_UM = np.array([0.4927, 0.5598, 0.6646, 0.8328])
"""Central wavelengths of B02, B03, B04 and B08 (S2A), in micrometres."""


@dataclass(frozen=True)
class Material:
    """One kind of ground.

    Attributes:
        mean: reflectance in B02, B03, B04 and B08, 1.0 = 100 %.
        brightness: deviation of the logarithm of all bands together, from world to world.
        colour: the same of each band on its own.
        rough: deviation of the brightness from pixel to pixel, as a share.
    """

    mean: tuple[float, float, float, float]
    brightness: float
    colour: float
    rough: float


MATERIALS: dict[str, Material] = {
    "granite": Material((0.118, 0.138, 0.143, 0.165), 0.30, 0.08, 0.20),
    "schist": Material((0.075, 0.090, 0.098, 0.125), 0.30, 0.08, 0.18),
    "basalt": Material((0.042, 0.048, 0.053, 0.070), 0.25, 0.08, 0.18),
    "limestone": Material((0.190, 0.200, 0.220, 0.265), 0.25, 0.06, 0.20),
    "sandstone": Material((0.075, 0.110, 0.175, 0.235), 0.25, 0.10, 0.12),
    "scree": Material((0.140, 0.160, 0.185, 0.225), 0.30, 0.07, 0.08),
    "gravel": Material((0.160, 0.185, 0.205, 0.235), 0.25, 0.06, 0.07),
    "sand": Material((0.200, 0.240, 0.290, 0.350), 0.20, 0.06, 0.05),
    "salt": Material((0.400, 0.440, 0.460, 0.490), 0.25, 0.05, 0.05),
    "soil": Material((0.065, 0.090, 0.120, 0.190), 0.30, 0.10, 0.10),
    "mud": Material((0.085, 0.105, 0.125, 0.130), 0.30, 0.08, 0.06),
    "dry grass": Material((0.055, 0.082, 0.100, 0.220), 0.25, 0.10, 0.10),
    "meadow": Material((0.045, 0.075, 0.055, 0.360), 0.20, 0.12, 0.07),
    "conifer": Material((0.022, 0.036, 0.024, 0.160), 0.25, 0.12, 0.18),
    "leaf trees": Material((0.026, 0.050, 0.030, 0.330), 0.20, 0.12, 0.14),
    "dwarf pine": Material((0.035, 0.052, 0.045, 0.180), 0.20, 0.10, 0.15),
    "bog": Material((0.045, 0.060, 0.068, 0.160), 0.25, 0.12, 0.12),
    "ice": Material((0.350, 0.362, 0.345, 0.245), 0.36, 0.07, 0.09),
    "wet ice": Material((0.310, 0.325, 0.290, 0.195), 0.25, 0.06, 0.10),
    "slush": Material((0.420, 0.440, 0.390, 0.220), 0.25, 0.06, 0.06),
    "snow": Material((0.830, 0.850, 0.845, 0.720), 0.10, 0.02, 0.03),
    "old snow": Material((0.590, 0.630, 0.645, 0.580), 0.15, 0.04, 0.05),
    "lake ice": Material((0.500, 0.520, 0.505, 0.440), 0.35, 0.05, 0.05),
    "asphalt": Material((0.085, 0.095, 0.105, 0.135), 0.30, 0.06, 0.10),
    "roofs": Material((0.120, 0.130, 0.150, 0.200), 0.35, 0.12, 0.45),
    "fields": Material((0.050, 0.080, 0.080, 0.280), 0.30, 0.20, 0.04),
    "burnt": Material((0.035, 0.042, 0.050, 0.085), 0.25, 0.08, 0.15),
    "cloud": Material((0.800, 0.790, 0.785, 0.800), 0.08, 0.02, 0.03),
}


def draw_spectrum(rng: np.random.Generator, name: str) -> Spectrum:
    """Draws one world's reflectance of a material: `(4,)` in B02, B03, B04 and B08, 1.0 = 100 %."""
    material = MATERIALS[name]
    swing = material.brightness * rng.standard_normal() + material.colour * rng.standard_normal(4)
    return np.clip(np.array(material.mean) * np.exp(swing), 0.004, 1.05)
