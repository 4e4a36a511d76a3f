"""The columns of a sheet: what each indicator is, how it is computed, and who says so."""

from dataclasses import dataclass

from glofgeo.hazard.indicators import DEPTHS, DISCHARGES, LAKE_KM2, PFV_UNCERTAINTY, VOLUMES, Formula

_FUJITA = "Fujita et al. 2013, Natural Hazards and Earth System Sciences 13, 1827-1839"
_ROUNCE = "Rounce et al. 2016, Hydrology and Earth System Sciences 20, 3455-3475, and the code of Rounce et al. 2017"
_HERE = "geometry; no threshold is implied"


@dataclass(frozen=True)
class Indicator:
    """One line of a sheet.

    Attributes:
        key: column of the layer.
        name: in words.
        unit: of the value.
        method: how it is computed.
        source: who published it.
        evidence: V, read in the source; S, in code of others; C, computed here.
        takes: the range of what it is computed from, in words; beyond it nothing is given.
        digits: decimals that are shown.
    """

    key: str
    name: str
    unit: str
    method: str
    source: str
    evidence: str
    takes: str = ""
    digits: int = 1


def _of(formula: Formula, argument: str, digits: int = 1) -> Indicator:
    low, high = formula.takes
    return Indicator(
        formula.key, formula.name, formula.unit, f"{formula.text}; made for {formula.made_for}", formula.source,
        formula.evidence, f"{argument} from {low:g} to {high:g}", digits,
    )  # fmt: skip


_AREA = "area (km2)"
_LAKES = f"{_AREA} from {LAKE_KM2[0]:g} to {LAKE_KM2[1]:g}"

INDICATORS = (
    Indicator("area_km2", "lake area", "km2", "geodesic area of the outline", _HERE, "C", digits=3),
    Indicator("level_m", "lake level", "m", "median of the DEM within the outline at its time", _HERE, "C", digits=0),
    Indicator("uneven_m", "unevenness", "m", "interquartile range of the DEM within the outline", _HERE, "C"),
    *(_of(formula, _AREA, 2) for formula in VOLUMES),
    Indicator("vol_low_mm3", "least volume", "10^6 m3", "least of the five volumes", _HERE, "C", _LAKES, 2),
    Indicator("vol_high_mm3", "greatest volume", "10^6 m3", "greatest of the five volumes", _HERE, "C", _LAKES, 2),
    *(_of(formula, _AREA) for formula in DEPTHS),
    Indicator(
        "sla_deg", "steepest lakefront", "°",
        "greatest angle down from the nearest shore to ground 100 to 1000 m away", _FUJITA, "V",
    ),
    Indicator(
        "hp_m", "potential lowering Hp", "m", "(z_lake - z) - d tan 10° where that angle is greatest; 0 up to 10°",
        _FUJITA, "V",
    ),
    Indicator("steep_km2", "steep lakefront area", "km2", "seen over 10° down", _FUJITA, "V", digits=3),
    Indicator(
        "pfv_mm3", "potential flood volume", "10^6 m3", f"min(Hp, 55 A^0.25) A; known to {PFV_UNCERTAINTY:.0%}",
        _FUJITA,
        "S, C", _LAKES, 2,
    ),
    *(_of(formula, "potential flood volume (10^6 m3)", 0) for formula in DISCHARGES),
    Indicator(
        "q_ice_low_m3s", "peak discharge through a tunnel, Walder & Costa", "m3/s", "46 V^0.66 of the least volume",
        "Walder & Costa 1996", "S", "dams of ice only", 0,
    ),
    Indicator(
        "q_ice_high_m3s", "peak discharge without a tunnel, Walder & Costa", "m3/s",
        "1100 V^0.44 of the greatest volume", "Walder & Costa 1996", "S", "dams of ice only", 0,
    ),
    Indicator(
        "avalanche_deg", "steepest way of an avalanche", "°",
        "mean slope of the way of water from ice of 45-60° (over 10^5 m3 at 50 m depth) to the shore", _ROUNCE, "V",
    ),
    Indicator(
        "avalanche_depth_m", "avalanche reaches it from a depth of", "m",
        "least of 10, 30, 50 m whose V needs no steeper way: tan a = 1.111 - 0.118 log10 V, at least 17°; else 0",
        _ROUNCE, "V", digits=0,
    ),
    Indicator(
        "rockfall_deg", "steepest way of a rockfall", "°",
        "mean slope of the way of water from ice-free ground of 30° or more to the shore", _ROUNCE, "S",
    ),
    Indicator("dist_glacier_m", "distance to the nearest glacier", "m", "0 where they meet", _HERE, "C", "10 km", 0),
    Indicator("glacier_slope_deg", "slope of the glacier", "°", "mean within 500 m of its nearest point", _HERE, "C"),
    Indicator("slope_250_deg", "slope within 250 m", "°", "mean outside the lake, Horn's formula", _HERE, "C"),
    Indicator("catchment_km2", "catchment", "km2", "all that drains into the lake, and itself", _HERE, "C", digits=2),
    Indicator("glacier_km2", "glacier in the catchment", "km2", "part of it within the outlines", _HERE, "C", digits=2),
    Indicator("downstream_deg", "downstream slope", "°", "fall over the first 1000 m of the path", _HERE, "C"),
    Indicator("path_km", "path of a flood", "km", "from the outlet, at most 15 km", _HERE, "C"),
    Indicator("path_drop_m", "fall along the path", "m", "from the lake's level to its end", _HERE, "C", digits=0),
)  # fmt: skip
