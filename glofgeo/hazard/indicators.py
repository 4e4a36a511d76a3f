"""Published formulas for volume, depth and peak discharge, each with its source and the range it is given for.

Evidence: V, read in the source; S, in public code of others only; C, computed from data at hand. Formulas that none of
these supports are left out: Wang 2012, Zhang 2023, Walder & O'Connor, and the terrain-based volume of Qi 2025.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

# The ranges that the authors give were not found in the sources at hand. A formula is therefore applied to what there
# are data of: lakes as large as those of Fischer et al. 2021 (The Cryosphere 15, 4145), and floods whose volume and
# peak discharge are both recorded in HMAGLOFDB, without those from ice dams.
LAKE_KM2 = (0.005, 5.7)
FLOOD_MM3 = (0.026, 19.0)

# Potential flood volumes are known to about this share: Fujita et al. 2013, Natural Hazards and Earth System Sciences
# 13, 1827-1839.
PFV_UNCERTAINTY = 0.26


@dataclass(frozen=True)
class Formula:
    """A published relation.

    Attributes:
        key: column of the layer.
        name: what it gives, and by whom.
        text: the formula.
        unit: of the result.
        evidence: V, S or C, see the module.
        source: the publication.
        made_for: what it was made from, in words.
        takes: least and greatest value it is applied to, in the unit of its argument.
        of: the relation itself, of the lake's area in km2, or of the flood's volume in 10^6 m3.
    """

    key: str
    name: str
    text: str
    unit: str
    evidence: str
    source: str
    made_for: str
    takes: tuple[float, float]
    of: Callable[[float], float]

    def value(self, argument: float) -> float:
        """Applies it; NaN where the argument lies outside its range."""
        low, high = self.takes
        return float(self.of(argument)) if low <= argument <= high else math.nan


def fujita_depth(area_km2: float) -> float:
    """Mean depth in metres of a lake, Fujita et al. 2013."""
    return 55.0 * area_km2**0.25


VOLUMES = (
    Formula(
        "vol_huggel_mm3", "volume, Huggel 2002", "V = 0.104 A^1.42 (m2, m3)", "10^6 m3", "S",
        "Huggel et al. 2002, Canadian Geotechnical Journal 39, 316-330", "alpine moraine-dammed and ice-dammed lakes",
        LAKE_KM2, lambda area: 0.104 * (area * 1e6) ** 1.42 / 1e6,
    ),
    Formula(
        "vol_cook_mm3", "volume, Cook & Quincey 2015", "V = 0.1697 A^1.3778 (m2, m3)", "10^6 m3", "V",
        "Cook & Quincey 2015, Earth Surface Dynamics 3, 559-575", "glacial lakes worldwide; area and depth, r2 = 0.38",
        LAKE_KM2, lambda area: 0.1697 * (area * 1e6) ** 1.3778 / 1e6,
    ),
    Formula(
        "vol_sakai_mm3", "volume, Sakai 2012", "V = 43.24 A^1.5307 (km2, 10^6 m3)", "10^6 m3", "V",
        "Sakai 2012", "17 Himalayan lakes",
        LAKE_KM2, lambda area: 43.24 * area**1.5307,
    ),
    Formula(
        "vol_fujita_mm3", "volume, Fujita 2013", "V = 55 A^1.25 (km2, 10^6 m3)", "10^6 m3", "S, C",
        "Fujita et al. 2013, Natural Hazards and Earth System Sciences 13, 1827-1839",
        "Himalayan moraine-dammed lakes; gives the depths of the paper's five lakes",
        LAKE_KM2, lambda area: area * fujita_depth(area),
    ),
    Formula(
        "vol_evans_mm3", "volume, Evans 1986", "V = 0.035 A^1.5 (m2, m3)", "10^6 m3", "S",
        "Evans 1986", "as public code applies it",
        LAKE_KM2, lambda area: 0.035 * (area * 1e6) ** 1.5 / 1e6,
    ),
)  # fmt: skip

DEPTHS = (
    Formula(
        "depth_cook_m", "mean depth, Cook & Quincey 2015", "D = 0.1697 A^0.3778 (m2, m)", "m", "V",
        "Cook & Quincey 2015, Earth Surface Dynamics 3, 559-575", "glacial lakes worldwide",
        LAKE_KM2, lambda area: 0.1697 * (area * 1e6) ** 0.3778,
    ),
    Formula(
        "depth_fujita_m", "mean depth, Fujita 2013", "D = 55 A^0.25 (km2, m)", "m", "S, C",
        "Fujita et al. 2013, Natural Hazards and Earth System Sciences 13, 1827-1839", "Himalayan moraine-dammed lakes",
        LAKE_KM2, fujita_depth,
    ),
    Formula(
        "depth_max_sakai_m", "greatest depth, Sakai 2012", "D = 95.665 A^0.489 (km2, m)", "m", "V",
        "Sakai 2012", "17 Himalayan lakes",
        LAKE_KM2, lambda area: 95.665 * area**0.489,
    ),
)  # fmt: skip

# Of the volume that may flow out, in 10^6 m3. On Lemthang Tsho's flood of 2015 (0.37) these give 213 to 643 m3/s, where
# 1253 to 1562 are published: they may be too low by a factor of five.
DISCHARGES = (
    Formula(
        "q_huggel_m3s", "peak discharge, Huggel 2002", "Q = 0.00077 V^1.017 (m3, m3/s)", "m3/s", "S",
        "Huggel et al. 2002, Canadian Geotechnical Journal 39, 316-330", "as public code applies it",
        FLOOD_MM3, lambda volume: 0.00077 * (volume * 1e6) ** 1.017,
    ),
    Formula(
        "q_popov_m3s", "peak discharge, Popov", "Q = 0.0048 V^0.896 (m3, m3/s)", "m3/s", "S",
        "Popov", "as public code applies it",
        FLOOD_MM3, lambda volume: 0.0048 * (volume * 1e6) ** 0.896,
    ),
    Formula(
        "q_evans_m3s", "peak discharge, Evans 1986", "Q = 0.72 V^0.53 (m3, m3/s)", "m3/s", "S",
        "Evans 1986", "as public code applies it",
        FLOOD_MM3, lambda volume: 0.72 * (volume * 1e6) ** 0.53,
    ),
)  # fmt: skip


def potential_flood_volume(area_km2: float, lowering_m: float) -> float:
    """Gives the potential flood volume in 10^6 m3, PFV = min(Hp, Dm) A: Fujita et al. 2013.

    Args:
        area_km2: of the lake.
        lowering_m: Hp, by how much the lake can fall until no front before it is steeper than 10 degrees.

    Returns:
        0 without a steep front; NaN where the mean depth is not known (area out of range) or the lowering is.
    """
    low, high = LAKE_KM2
    if math.isnan(lowering_m) or not low <= area_km2 <= high:
        return math.nan
    return min(lowering_m, fujita_depth(area_km2)) * area_km2


def ice_dam_discharge(volume_mm3: float, *, tunnel: bool) -> float:
    """Gives the peak discharge in m3/s of an ice-dammed lake: Walder & Costa 1996 (S).

    46 V^0.66 through a tunnel, 1100 V^0.44 otherwise.

    Args:
        volume_mm3: that flows out, 10^6 m3.
        tunnel: whether the water leaves through a tunnel under the ice.
    """
    return 46 * volume_mm3**0.66 if tunnel else 1100 * volume_mm3**0.44
