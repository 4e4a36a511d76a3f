"""The colour of lakes, from their optics: what is dissolved, what floats, and how deep the bottom lies.

Reflectance of deep water after Lee et al. (1999, Applied Optics 38:3831): below the surface `0.084 u + 0.17 u^2` with
`u = bb / (a + bb)`, through the surface `0.52 r / (1 - 1.7 r)`, times pi. Absorption of pure water after Pope & Fry
(1997, Applied Optics 36:8710) and, in the near infrared, Kou et al. (1993, Applied Optics 32:3531).
"""

from dataclasses import dataclass

import numpy as np

from datasets_def.synthetic.worlds.materials import BANDS_UM, Spectrum

PURE_A = np.array([0.019, 0.062, 0.43, 3.1])
PURE_BB = np.array([0.0016, 0.0009, 0.0005, 0.0002])
"""Absorption and backscattering of pure water in B02, B03, B04 and B08, per metre."""
PIGMENT = np.array([0.030, 0.009, 0.016, 0.0])
"""Absorption of phytoplankton, m2 per mg of chlorophyll a."""


@dataclass(frozen=True)
class Water:
    """One lake's water, all `(4,)` in B02, B03, B04 and B08.

    Attributes:
        deep: reflectance over a bottom out of sight, 1.0 = 100 %.
        murk: how fast the bottom fades, per metre of depth, there and back.
    """

    deep: Spectrum
    murk: Spectrum


def draw_water(rng: np.random.Generator, clear: float, brown: float = 0.4) -> Water:
    """Draws a lake's water.

    Args:
        rng: randomness.
        clear: from 0, milk or mud, to 1, a tarn; most lakes of a world lie near its own value.
        brown: how likely bogs stain it, 0-1.
    """
    # Suspended matter from 0.1 to 400 g/m3. Glacier flour is bright and grey, river and mine mud brown.
    clear = float(np.clip(clear + rng.normal(0, 0.22), -0.05, 1.1))
    matter = 10 ** (2.6 - 3.6 * clear + rng.normal(0, 0.25))
    scatter = matter * 10 ** rng.uniform(-2.2, -1.8) * (BANDS_UM / 0.55) ** -rng.uniform(0, 1.0)
    # What floats absorbs too: blue most, and all bands alike. The latter bounds how bright mud is (Nechad et al. 2010,
    # Remote Sens. Environ. 114:854, find 0.17 in red and 0.21 in near infrared).
    stain = matter * 10 ** rng.uniform(-2.1, -1.1) * np.exp(-rng.uniform(4, 13) * (BANDS_UM - 0.443))
    stain = stain * rng.random() + scatter.mean() * 10 ** rng.uniform(-0.8, 0.25)
    # Brown water of bogs: dissolved matter, more of it where little else floats.
    humus = 10 ** (rng.uniform(-2, 1.1) if rng.random() < brown else rng.uniform(-2, -0.5))
    stained = humus * np.exp(-14 * (BANDS_UM - 0.443))
    algae = 10 ** rng.uniform(0.5, 2.3) if rng.random() < 0.12 else 10 ** rng.uniform(-1, 0.6)
    absorbed = PURE_A + stain + stained + PIGMENT * algae**0.8
    scattered = PURE_BB + scatter + 0.0006 * algae**0.8
    share = scattered / (absorbed + scattered)
    below = 0.084 * share + 0.17 * share**2
    deep = np.pi * 0.52 * below / (1 - 1.7 * below)
    # Sky and sun mirrored by the surface; scum of algae shines in the infrared.
    deep = deep + 10 ** rng.uniform(-2.7, -1.75) * (BANDS_UM / 0.49) ** -rng.uniform(0, 1.5)
    deep[3] += 0.0004 * algae * rng.random()
    return Water(np.clip(deep, 0.002, 0.45), 2 * (absorbed + scattered))
