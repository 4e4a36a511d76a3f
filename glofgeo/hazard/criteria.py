"""Published criteria of lakes that may burst: whether each fires, and how well it told those that did from the others.

How well was measured on the 3,387 lakes of the Hindu Kush, Karakoram and Himalaya of Fischer et al. 2021 (The
Cryosphere 15, 4145; github.com/geveh/GLOFsusceptibility), 30 of which burst: `benchmarks/criteria_auc.py` gives these
figures. AUC is the chance that a lake that burst ranks above one that did not; 0.5 is no better than a coin. Lakes are
as large in these data as in 2005, after some of the floods.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AREA_AUC = 0.83


@dataclass(frozen=True)
class Criterion:
    """A published criterion.

    Attributes:
        key: short name.
        text: the criterion in words.
        source: who published it.
        column: of the indicators.
        above: fires at this value and above; None where it fires at `below` and below.
        below: fires at this value and below.
        auc: of the quantity alone on the lakes of Fischer et al. 2021; None where it is not among their data.
        fired: of the 30 lakes that burst, and of the 3,357 others, the share at which it fires; None as for `auc`.
        absent: whether it fires where there is no value because there is no such thing.
    """

    key: str
    text: str
    source: str
    column: str
    above: float | None = None
    below: float | None = None
    auc: float | None = None
    fired: tuple[float, float] | None = None
    absent: bool | None = None

    def fires(self, values: Mapping[str, Any]) -> bool | None:
        """Whether it fires for a lake with these indicators; None where the indicator is not known."""
        value = values.get(self.column)
        if value is None or math.isnan(value):
            return self.absent
        if self.below is not None:
            return bool(value <= self.below)
        return self.above is not None and bool(value >= self.above)


_LIST_2014 = "list of criteria of 2014, Hindawi 903709"
_FUJITA = "Fujita et al. 2013, NHESS 13, 1827"
_ROUNCE = "Rounce et al. 2016, HESS 20, 3455"
_FISCHER = "Fischer et al. 2021, TC 15, 4145"
_ICIMOD = "ICIMOD inventory of 2020"

CRITERIA = (
    Criterion("area_002", "area of 0.02 km2 or more", _ICIMOD, "area_km2", 0.02, auc=AREA_AUC, fired=(0.97, 0.67)),
    Criterion("area_02", "area over 0.2 km2", _LIST_2014, "area_km2", 0.2, auc=AREA_AUC, fired=(0.40, 0.08)),
    Criterion(
        "glacier_500", "less than 500 m from a glacier", _LIST_2014, "dist_glacier_m", below=500.0, auc=0.60,
        fired=(0.70, 0.56), absent=False,
    ),
    Criterion("glacier_slope", "glacier over 7 degrees", _LIST_2014, "glacier_slope_deg", above=7.0, absent=False),
    Criterion("downstream", "downstream slope over 20 degrees", _LIST_2014, "downstream_deg", above=20.0),
    Criterion("lakefront", "lakefront steeper than 10 degrees", _FUJITA, "sla_deg", above=10.0),
    Criterion("pfv", "potential flood volume of 10^7 m3 or more", _FUJITA, "pfv_mm3", above=10.0),
    Criterion("avalanche", "within reach of an avalanche of ice", _ROUNCE, "avalanche_depth_m", above=10.0),
    Criterion("rockfall", "within reach of a rockfall (20 degrees)", _ROUNCE, "rockfall_deg", above=20.0),
)  # fmt: skip

# Quantities without a published threshold: how each ranks the lakes that burst.
RANKINGS = (
    ("area_km2", "lake area", AREA_AUC),
    ("glacier_km2", "glacier area in the catchment", 0.80),
    ("catchment_km2", "catchment area", 0.78),
    ("dist_glacier_m", "nearness to a glacier", 0.60),
    ("slope_250_deg", "mean slope within 250 m", 0.55),
)
RANKINGS_SOURCE = _FISCHER

# Published criteria that a DEM of 30 m and outlines of one date do not suffice for.
NOT_COMPUTED = (
    "dammed by an end moraine", "dam top narrower than 60 m", "growth of more than 10 % in ten years",
)  # fmt: skip
