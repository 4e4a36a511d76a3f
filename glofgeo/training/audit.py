"""Checks a split for leaks, independently of how it was made."""

from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from geopandas import GeoDataFrame

from glofgeo.training.geodesy import area_km2, least_distance
from glofgeo.training.splits import Split, leak


@dataclass(frozen=True)
class SplitSize:
    """How much there is in one split: geodesic area in km2, and number of lakes."""

    area_km2: float
    lakes: int


@dataclass(frozen=True)
class Audit:
    """What was checked of a split, and what was found.

    Attributes:
        how: how the area of interest was divided, in words.
        splits: size of each, by name.
        distance_m: least geodesic distance of each pair of splits, as `train-val`.
        lakes_left_out: lakes that cross a boundary between splits.
        violations: leaks that were allowed, in words.
        scene_overlap: for val and test, the share of the windows that lie in scenes also used for training, 0-1.
        damaged: scenes that were left out, and why, by file name.
        lakes_undated: lakes left out because the layer has no date for them.
    """

    how: str
    splits: dict[str, SplitSize]
    distance_m: dict[str, float]
    lakes_left_out: int
    violations: tuple[str, ...] = ()
    scene_overlap: dict[str, float] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    lakes_undated: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Gives plain JSON values, for `split.json`."""
        return asdict(self) | {"violations": [*self.violations]}


def audit(split: Split, lakes: GeoDataFrame, *, allow_leaks: bool = False) -> Audit:
    """Checks a split for leaks, independently of how it was made.

    Args:
        split: what to check.
        lakes: polygons, EPSG:4326.
        allow_leaks: name leaks instead of stopping.

    Returns:
        What the geometry tells; what only scenes and dates tell keeps its default.

    Raises:
        GlofgeoError: If two splits overlap or a lake is in two of them, and leaks are not allowed.
    """
    areas = split.areas
    lakes_of = {name: set(lakes.sindex.query(area, predicate="intersects").tolist()) for name, area in areas.items()}
    distances, leaks = {}, []
    for a, b in combinations(areas, 2):
        if (areas[a] & areas[b]).area > 0:
            leaks.append(f"{a} and {b} areas overlap")
        if both := lakes_of[a] & lakes_of[b]:
            leaks.append(f"{len(both)} lakes are both in {a} and in {b} (first: row {min(both)})")
        distances[f"{a}-{b}"] = round(least_distance(areas[a], areas[b]), 1)
    if leaks and not allow_leaks:
        raise leak(leaks[0])
    return Audit(
        how=split.how,
        splits={name: SplitSize(round(area_km2(area), 3), len(lakes_of[name])) for name, area in areas.items()},
        distance_m=distances,
        lakes_left_out=split.lakes_left_out,
        violations=(*split.violations, *leaks),
    )
