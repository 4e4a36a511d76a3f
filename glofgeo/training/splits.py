"""Which areas train and which validate: no place in two splits (pure geometry)."""

from dataclasses import dataclass
from itertools import combinations

import geopandas as gpd
import numpy as np
import shapely
from geopandas import GeoDataFrame
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from datasets_def.aoi import SPLITS
from datasets_def.reproject import polygons_of, to_degrees
from glofgeo.config import DataConfig
from glofgeo.errors import GlofgeoError
from glofgeo.training.geodesy import grow

# Hand-drawn neighbours overlap in slivers; more than this share of the smaller one is a mistake.
_SLIVER = 1e-3
# A lake taken out of a split leaves this much room in degrees (1 cm), so that rounding cannot make them touch again.
_CLEARANCE = 1e-7
# Blocks are halved this many times before an AOI counts as too small: from 0.25 degrees to about 400 m.
_HALVINGS = 6
# The buffer is at most this share of a block: 6 km fits 0.25 degrees (27 km) and shrinks with smaller blocks.
_BUFFER_SHARE = 0.25
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Split:
    """An area of interest divided into splits.

    Attributes:
        areas: split name -> geometry, EPSG:4326; disjoint, without the lakes left out.
        how: how it was divided, in words.
        lakes_left_out: lakes that cross a boundary between splits and so belong to neither.
        violations: what is wrong with it, in words; not empty only where leaks were allowed.
    """

    areas: dict[str, BaseGeometry]
    how: str
    lakes_left_out: int
    violations: tuple[str, ...] = ()


def split_aoi(
    aoi: GeoDataFrame,
    covered: BaseGeometry,
    lakes: GeoDataFrame,
    config: DataConfig,
    seed: int,
    *,
    allow_leaks: bool = False,
) -> Split:
    """Divides the area that an AOI and the scenes share.

    By the AOI's `split` column where it has one. Without it, or where nothing validates (no feature does, or no scene
    shows one that does), it is divided into places (features with the same `place`, if there is such a column) or
    blocks, with a buffer taken out of the training split; blocks and buffer shrink until both splits have a lake.

    Args:
        aoi: features, any CRS; `split` holds train, val or test.
        covered: what the scenes show, EPSG:4326.
        lakes: polygons, EPSG:4326.
        config: side of the blocks, buffer, share that validates.
        seed: of the random choice.
        allow_leaks: take a leaking `split` as it is given, and name its violations.

    Raises:
        GlofgeoError: If `split` is wrong, a place has two splits, splits overlap, or the area is too small to divide.
    """
    aoi = aoi.set_geometry(to_degrees(aoi.geometry))
    violations: tuple[str, ...] = ()
    if "split" in aoi:
        violations = _violations(aoi)
        if violations and not allow_leaks:
            raise leak(violations[0])
        given = _given_areas(aoi, as_given=bool(violations))
        areas = {name: _polygons(area & covered) for name, area in given.items()}
        how = "by the AOI's `split`"
    else:
        given = {"train": aoi.union_all()}
        areas = {"train": _polygons(given["train"] & covered)}
        how = ""
    unseen = "val" in areas and areas["val"].is_empty
    if ("val" not in given or unseen) and not areas["train"].is_empty:
        train, val, found = _divide(
            aoi[aoi["split"] == "train"] if unseen else aoi, areas["train"], lakes, config, seed
        )
        found = f"no scene shows its val features, so its train features are divided {found}" if unseen else found
        areas |= {"train": train, "val": val}
        how = f"{how}; {found}".lstrip("; ")
    areas = {name: areas[name] for name in SPLITS if name in areas and not areas[name].is_empty}
    lakes_of = {name: set(lakes.sindex.query(area, predicate="intersects")) for name, area in areas.items()}
    shared = sorted(set().union(*(lakes_of[a] & lakes_of[b] for a, b in combinations(areas, 2))))
    if shared and not violations:
        hole = shapely.buffer(lakes.geometry.iloc[shared].union_all(), _CLEARANCE)
        areas = {name: _polygons(area - hole) for name, area in areas.items()}
    return Split(areas, how, 0 if violations else len(shared), violations)


def leak(text: str) -> GlofgeoError:
    """Words the refusal of a split that leaks."""
    return GlofgeoError(f"leak: {text}", "give each split an area of its own, or allow leaks", argument="allow_leaks")


def _violations(aoi: GeoDataFrame) -> tuple[str, ...]:
    """Names what leaks in a `split` as it is given."""
    found = []
    for row, value in aoi["split"].items():
        if value not in SPLITS:
            raise GlofgeoError(
                f"AOI feature {row}: split is {value!r}", "give every feature train, val or test", argument="aoi"
            )
    if "place" in aoi:
        splits = aoi.groupby("place")["split"].unique()
        torn = splits[splits.map(len) > 1]
        found += [f"AOI place {place} is both {' and '.join(both)}" for place, both in torn.items()]
    areas = {str(name): features.union_all() for name, features in aoi.geometry.groupby(aoi["split"])}
    for a, b in combinations(areas, 2):
        if (areas[a] & areas[b]).area > _SLIVER * min(areas[a].area, areas[b].area):
            found.append(f"AOI features of split {a} and {b} overlap")
    return tuple(found)


def _given_areas(aoi: GeoDataFrame, *, as_given: bool) -> dict[str, BaseGeometry]:
    areas = {str(name): features.union_all() for name, features in aoi.geometry.groupby(aoi["split"])}
    if "train" not in areas:
        raise GlofgeoError("no AOI feature has split train", "mark at least one", argument="aoi")
    if as_given:
        return areas
    # What slivers remain go to the split that judges, so that training cannot see it.
    taken: BaseGeometry = Polygon()
    for name in reversed(SPLITS):
        if name in areas:
            areas[name], taken = areas[name] - taken, taken | areas[name]
    return areas


def _divide(
    aoi: GeoDataFrame, area: BaseGeometry, lakes: GeoDataFrame, config: DataConfig, seed: int
) -> tuple[BaseGeometry, BaseGeometry, str]:
    """Divides an area into train and val.

    Returns:
        Training area, validation area, and how, in words.
    """
    inside = lakes.geometry.iloc[lakes.sindex.query(area, predicate="intersects")]
    points = gpd.points_from_xy(*shapely.get_coordinates(inside.representative_point()).T)
    sides = [config.block_deg / 2**k for k in range(_HALVINGS + 1)]
    places = "place" in aoi
    for side in sides[:1] if places else sides:
        buffer = config.buffer_m if places else min(config.buffer_m, _BUFFER_SHARE * side * _METRES_PER_DEGREE)
        units = _places(aoi, area) if places else _blocks(area, side)
        chosen = _choose(units, points, config.val_share, seed)
        if chosen is None:
            continue
        val = shapely.union_all(units[chosen])
        train = _polygons(shapely.union_all(units[~chosen]) - grow(val, buffer))
        if shapely.intersects(train, points).any():
            kind = "places" if places else f"blocks of {side:g} degrees"
            shrunk = "" if side == sides[0] else f" (the area is too small for {sides[0]:g} degrees)"
            return train, val, f"in {kind}, {buffer / 1000:.3g} km apart{shrunk}"
    raise GlofgeoError(
        "AOI and scenes share too small an area to train and validate on different places with lakes",
        "give more scenes, or AOI features with `split` train and val",
    )


def _places(aoi: GeoDataFrame, area: BaseGeometry) -> np.ndarray:
    units = [_polygons(features.union_all() & area) for _, features in aoi.geometry.groupby(aoi["place"])]
    return np.array([unit for unit in units if not unit.is_empty], dtype=object)


def _blocks(area: BaseGeometry, side: float) -> np.ndarray:
    """Cuts an area into blocks of about `side` degrees that fill its bounds evenly."""
    west, south, east, north = area.bounds
    xs = np.linspace(west, east, max(1, round((east - west) / side)) + 1)
    ys = np.linspace(south, north, max(1, round((north - south) / side)) + 1)
    # Of the columns, only those it reaches: on both sides of 180 degrees, or of an ocean, most have none.
    bounds = shapely.bounds(shapely.get_parts(area))
    occupied = ((xs[:-1, None] <= bounds[:, 2]) & (xs[1:, None] >= bounds[:, 0])).any(axis=1)
    left, right = xs[:-1][occupied], xs[1:][occupied]
    cells = shapely.box(left[:, None], ys[None, :-1], right[:, None], ys[None, 1:]).ravel()
    shapely.prepare(area)
    cells = cells[shapely.intersects(area, cells)]
    units = [_polygons(cell) for cell in shapely.intersection(cells, area)]
    return np.array([unit for unit in units if not unit.is_empty], dtype=object)


def _choose(units: np.ndarray, points: np.ndarray, share: float, seed: int) -> np.ndarray | None:
    """Chooses units that hold about `share` of area and lakes together.

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


def _polygons(geometry: BaseGeometry) -> BaseGeometry:
    """Keeps the polygons of what an overlay gave: neighbours also share lines and points."""
    return MultiPolygon(list(polygons_of(geometry)))
