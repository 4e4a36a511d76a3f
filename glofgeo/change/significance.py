"""How sure an area is, and what of a change stands out from that."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Half a pixel all along the shore as one standard deviation: sigma = P G / 2 (the code of Rounce et al. 2017).
# P is the perimeter as it is drawn. Along the edges of pixels it overstates a circle by 4 / pi, and sigma with it.
SIGMA_PER_SHORE = 0.5
SIGMA_FORMULA = "P G / 2: half a pixel all along the shore, as one standard deviation"

# |z| that pure chance exceeds in 5 % of cases.
SIGNIFICANT_Z = 1.96


def area_sigma(perimeter_m: Floats, pixel_m: Floats) -> Floats:
    """Gives one standard deviation of areas in m2, from their shores and the side of the pixels they come from."""
    return SIGMA_PER_SHORE * perimeter_m * pixel_m


def z_score(change: Floats, sigma_before: Floats, sigma_after: Floats) -> Floats:
    """Gives changes of area in standard deviations, both dates being independent; NaN where neither has an error."""
    sigma = np.hypot(sigma_before, sigma_after)
    return np.divide(change, sigma, out=np.full_like(sigma, np.nan), where=sigma > 0)


@dataclass(frozen=True)
class Total:
    """A sum of areas or of changes, with one standard deviation under two models of the errors.

    Attributes:
        value: the sum, in the unit of what was added.
        independent: sigma if the error of every lake is its own (in quadrature, as Wang et al. 2020 add them).
        correlated: sigma if all lakes err alike, as with a shift of threshold or a misregistered scene.
    """

    value: float
    independent: float
    correlated: float

    @classmethod
    def of(cls, values: Floats, sigmas: Floats) -> "Total":
        """Adds values up; in whatever order, the sum is the same."""
        return cls(math.fsum(values), math.sqrt(math.fsum(sigmas**2)), math.fsum(sigmas))


# What "significant" would mean under other readings of the same half pixel: the choice decides how much stands out.
READINGS: dict[str, Callable[[Floats, Floats, Floats], npt.NDArray[np.bool_]]] = {
    "half a pixel is 1 sigma (used here)": lambda change, before, after: (
        np.abs(change) > SIGNIFICANT_Z * np.hypot(before, after)
    ),
    "half a pixel is a hard bound": lambda change, before, after: np.abs(change) > np.hypot(before, after),
    "0.3436 P G is 1 sigma (Hanshaw & Bookhagen 2014)": lambda change, before, after: (
        np.abs(change) > SIGNIFICANT_Z * 0.3436 / SIGMA_PER_SHORE * np.hypot(before, after)
    ),
}
