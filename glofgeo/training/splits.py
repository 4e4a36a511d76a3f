"""Which ground trains and which validates: no place in two parts (pure geometry)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from geopandas import GeoDataFrame, GeoSeries
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import WGS84, polygons_of, to_degrees
from glofgeo.config import DataConfig
from glofgeo.errors import GlofgeoError

PARTS = ("train", "val", "test")

_GEOD = pyproj.Geod(ellps="WGS84")

# Hand-drawn neighbours overlap in slivers; more than this share of the smaller one is a mistake.
_SLIVER = 1e-3
# A lake taken out of a part leaves this much room in degrees (1 cm), so that rounding cannot make them touch again.
_CLEARANCE = 1e-7
# An edge that is straight in degrees is curved on the ground: by a few metres between points this far apart.
_SEGMENT_DEG = 0.05
# Blocks are halved this many times before an AOI counts as too small: from 0.25 degrees to about 400 m.
_HALVINGS = 6
# The buffer is at most this share of a block: 6 km fits 0.25 degrees (27 km) and shrinks with smaller blocks.
_BUFFER_SHARE = 0.25
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Split:
    """Ground dealt out to the parts.

    Attributes:
        parts: part name -> geometry, EPSG:4326; disjoint, without the lakes left out.
        how: how it was dealt out, in words.
        left_out: lakes that reach into two parts and so belong to neither.
        violations: what is wrong with it, in words; not empty only where leaks were allowed.
    """

    parts: dict[str, BaseGeometry]
    how: str
    left_out: int
    violations: tuple[str, ...] = ()


def split_aoi(
    aoi: GeoDataFrame,
    ground: BaseGeometry,
    lakes: GeoDataFrame,
    config: DataConfig,
    seed: int,
    *,
    allow_leaks: bool = False,
) -> Split:
    """Deals out the ground that an AOI and the scenes share.

    By the AOI's `split` column where it has one. Without it, or where nothing validates (no feature does, or no scene
    shows one that does), ground is dealt out in places
    (features with the same `place`, if there is such a column) or in blocks, with a buffer taken out of the training
    part; blocks and buffer shrink until both parts have a lake.

    Args:
        aoi: features, any CRS; `split` holds train, val or test.
        ground: what the scenes show, EPSG:4326.
        lakes: polygons, EPSG:4326.
        config: side of the blocks, buffer, share that validates.
        seed: of the dealing.
        allow_leaks: take a leaking `split` as it is given, and name its violations.

    Raises:
        GlofgeoError: If `split` is wrong, a place has two splits, parts overlap, or the ground is too small to split.
    """
    aoi = aoi.set_geometry(to_degrees(aoi.geometry))
    violations: tuple[str, ...] = ()
    if "split" in aoi:
        violations = _violations(aoi)
        if violations and not allow_leaks:
            raise GlofgeoError(f"leak: {violations[0]}; give each ground of its own, or go on with --allow-leaks")
        given = _given_parts(aoi, as_given=bool(violations))
        parts = {name: _areas(part & ground) for name, part in given.items()}
        how = "by the AOI's `split`"
    else:
        given = {"train": aoi.union_all()}
        parts = {"train": _areas(given["train"] & ground)}
        how = ""
    unseen = "val" in parts and parts["val"].is_empty
    if ("val" not in given or unseen) and not parts["train"].is_empty:
        train, val, dealt = _deal(aoi[aoi["split"] == "train"] if unseen else aoi, parts["train"], lakes, config, seed)
        dealt = f"no scene shows its val part, so its train part is dealt out {dealt}" if unseen else dealt
        parts |= {"train": train, "val": val}
        how = f"{how}; {dealt}".lstrip("; ")
    parts = {name: parts[name] for name in PARTS if name in parts and not parts[name].is_empty}
    lakes_of = {name: set(lakes.sindex.query(part, predicate="intersects")) for name, part in parts.items()}
    shared = sorted(set().union(*(lakes_of[a] & lakes_of[b] for a, b in combinations(parts, 2))))
    if shared and not violations:
        hole = shapely.buffer(lakes.geometry.iloc[shared].union_all(), _CLEARANCE)
        parts = {name: _areas(part - hole) for name, part in parts.items()}
    return Split(parts, how, 0 if violations else len(shared), violations)


def audit(split: Split, lakes: GeoDataFrame, *, allow_leaks: bool = False) -> dict[str, Any]:
    """Checks a split for leaks, independently of how it was made.

    Args:
        split: what to check.
        lakes: polygons, EPSG:4326.
        allow_leaks: name leaks instead of stopping.

    Returns:
        Plain values: `how`, `parts` (area in km2 and number of lakes of each), `distance_m` (least geodesic distance
        of each pair of parts), `lakes_left_out`, `violations` (in words).

    Raises:
        GlofgeoError: If two parts overlap or a lake is in two of them, and leaks are not allowed.
    """
    parts = split.parts
    lakes_of = {name: set(lakes.sindex.query(part, predicate="intersects").tolist()) for name, part in parts.items()}
    distances, leaks = {}, []
    for a, b in combinations(parts, 2):
        if (parts[a] & parts[b]).area > 0:
            leaks.append(f"{a} and {b} ground overlap")
        if both := lakes_of[a] & lakes_of[b]:
            leaks.append(f"{len(both)} lakes are both in {a} and in {b} ground (first: row {min(both)})")
        distances[f"{a}-{b}"] = round(least_distance(parts[a], parts[b]), 1)
    if leaks and not allow_leaks:
        raise GlofgeoError(f"leak: {leaks[0]}; give each AOI feature ground of its own, or go on with --allow-leaks")
    return {
        "how": split.how,
        "parts": {
            name: {"area_km2": round(area_km2(part), 3), "lakes": len(lakes_of[name])} for name, part in parts.items()
        },
        "distance_m": distances,
        "lakes_left_out": split.left_out,
        "violations": [*split.violations, *leaks],
    }


def area_km2(geometry: BaseGeometry) -> float:
    """Geodesic area of an EPSG:4326 geometry."""
    oriented = shapely.orient_polygons(geometry.segmentize(_SEGMENT_DEG))
    return abs(_GEOD.geometry_area_perimeter(oriented)[0]) / 1e6


def least_distance(a: BaseGeometry, b: BaseGeometry) -> float:
    """Least distance in metres of two EPSG:4326 geometries, exact to about 0.1 % where they are neighbours."""
    few, many = sorted((a, b), key=lambda g: len(shapely.get_parts(g)))
    others = GeoSeries([many.segmentize(_SEGMENT_DEG)], crs=WGS84)
    return float(min(local.distance(others.to_crs(local.crs)).min() for local in _locally(few)))


def grow(geometry: BaseGeometry, metres: float) -> BaseGeometry:
    """Buffers an EPSG:4326 geometry by metres."""
    return shapely.union_all([to_degrees(local.buffer(metres)).union_all() for local in _locally(geometry)])


def _locally(geometry: BaseGeometry) -> Iterator[GeoSeries]:
    """Gives each polygon in an equidistant projection around itself, where metres are metres."""
    for polygon in shapely.get_parts(geometry):
        x, y = polygon.centroid.coords[0]
        local = pyproj.CRS.from_dict({"proj": "aeqd", "lon_0": x, "lat_0": y, "datum": "WGS84"})
        yield GeoSeries([polygon.segmentize(_SEGMENT_DEG)], crs=WGS84).to_crs(local).make_valid()


def _violations(aoi: GeoDataFrame) -> tuple[str, ...]:
    """Names what leaks in a `split` as it is given."""
    found = []
    for row, value in aoi["split"].items():
        if value not in PARTS:
            raise GlofgeoError(f"AOI feature {row}: split is {value!r}; give every feature train, val or test")
    if "place" in aoi:
        splits = aoi.groupby("place")["split"].unique()
        torn = splits[splits.map(len) > 1]
        found += [f"AOI place {place} is both {' and '.join(both)}" for place, both in torn.items()]
    parts = {str(name): features.union_all() for name, features in aoi.geometry.groupby(aoi["split"])}
    for a, b in combinations(parts, 2):
        if (parts[a] & parts[b]).area > _SLIVER * min(parts[a].area, parts[b].area):
            found.append(f"AOI features of split {a} and {b} overlap")
    return tuple(found)


def _given_parts(aoi: GeoDataFrame, *, as_given: bool) -> dict[str, BaseGeometry]:
    parts = {str(name): features.union_all() for name, features in aoi.geometry.groupby(aoi["split"])}
    if "train" not in parts:
        raise GlofgeoError("no AOI feature has split train; mark at least one")
    if as_given:
        return parts
    # What slivers remain go to the part that judges, so that training cannot see it.
    taken: BaseGeometry = Polygon()
    for name in reversed(PARTS):
        if name in parts:
            parts[name], taken = parts[name] - taken, taken | parts[name]
    return parts


def _deal(
    aoi: GeoDataFrame, ground: BaseGeometry, lakes: GeoDataFrame, config: DataConfig, seed: int
) -> tuple[BaseGeometry, BaseGeometry, str]:
    """Deals ground out to train and val.

    Returns:
        Training ground, validation ground, and how, in words.
    """
    inside = lakes.geometry.iloc[lakes.sindex.query(ground, predicate="intersects")]
    points = gpd.points_from_xy(*shapely.get_coordinates(inside.representative_point()).T)
    sides = [config.block_deg / 2**k for k in range(_HALVINGS + 1)]
    places = "place" in aoi
    for side in sides[:1] if places else sides:
        buffer = config.buffer_m if places else min(config.buffer_m, _BUFFER_SHARE * side * _METRES_PER_DEGREE)
        units = _places(aoi, ground) if places else _blocks(ground, side)
        chosen = _choose(units, points, config.val_share, seed)
        if chosen is None:
            continue
        val = shapely.union_all(units[chosen])
        train = _areas(shapely.union_all(units[~chosen]) - grow(val, buffer))
        if shapely.intersects(train, points).any():
            kind = "places" if places else f"blocks of {side:g} degrees"
            shrunk = "" if side == sides[0] else f" (the ground is too small for {sides[0]:g} degrees)"
            return train, val, f"in {kind}, {buffer / 1000:.3g} km apart{shrunk}"
    raise GlofgeoError(
        "AOI and scenes share too little ground to train and validate on different places with lakes; "
        "give more scenes, or AOI features with `split` train and val"
    )


def _places(aoi: GeoDataFrame, ground: BaseGeometry) -> np.ndarray:
    units = [_areas(features.union_all() & ground) for _, features in aoi.geometry.groupby(aoi["place"])]
    return np.array([unit for unit in units if not unit.is_empty], dtype=object)


def _blocks(ground: BaseGeometry, side: float) -> np.ndarray:
    """Cuts ground into blocks of about `side` degrees that fill its bounds evenly."""
    west, south, east, north = ground.bounds
    xs = np.linspace(west, east, max(1, round((east - west) / side)) + 1)
    ys = np.linspace(south, north, max(1, round((north - south) / side)) + 1)
    # Of the columns, only those with ground: on both sides of 180 degrees, or of an ocean, most have none.
    bounds = shapely.bounds(shapely.get_parts(ground))
    occupied = ((xs[:-1, None] <= bounds[:, 2]) & (xs[1:, None] >= bounds[:, 0])).any(axis=1)
    left, right = xs[:-1][occupied], xs[1:][occupied]
    cells = shapely.box(left[:, None], ys[None, :-1], right[:, None], ys[None, 1:]).ravel()
    shapely.prepare(ground)
    cells = cells[shapely.intersects(ground, cells)]
    units = [_areas(cell) for cell in shapely.intersection(cells, ground)]
    return np.array([unit for unit in units if not unit.is_empty], dtype=object)


def _choose(units: np.ndarray, points: np.ndarray, share: float, seed: int) -> np.ndarray | None:
    """Chooses units that hold about `share` of ground and lakes together.

    Returns:
        bool `(units,)`; None if fewer than two units have a lake.
    """
    lakes = np.bincount(shapely.STRtree(units).query(points, predicate="intersects")[1], minlength=len(units))
    if (lakes > 0).sum() < 2:
        return None
    area = shapely.area(units)
    weight = (lakes / lakes.sum() + area / area.sum()) / 2
    chosen = np.zeros(len(units), dtype=bool)
    for i in np.random.default_rng(seed).permutation(len(units)):
        chosen[i] = weight[chosen].sum() < share and weight[chosen].sum() + weight[i] <= 1.5 * share
    if not lakes[chosen].any():
        with_lakes = np.where(lakes > 0, weight, np.inf)
        chosen[np.argmin(with_lakes)] = True
    return chosen


def _areas(geometry: BaseGeometry) -> BaseGeometry:
    """Keeps the polygons of what an overlay gave: neighbours also share lines and points."""
    return MultiPolygon(list(polygons_of(geometry)))
