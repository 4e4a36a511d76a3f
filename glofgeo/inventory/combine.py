"""The lake layers of many scenes as one, in which no lake is counted twice."""

from collections.abc import Iterator, Sequence
from itertools import count
from string import ascii_lowercase
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import to_degrees
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import COLUMNS, FURTHER_COLUMNS, columns_of, name_suffix
from glofgeo.inventory.overlaps import Outlines, Overlaps, find_overlaps, groups_of, neighbours
from glofgeo.inventory.unions import measured, union

# Two outlines show the same lake where they share more than this part of the smaller one. A pixel of disagreement
# between two grids leaves more than that of the smallest lakes, and gives less to neighbours that merely touch.
_SAME_LAKE = 0.1

# Two outlines show the same lake, and one of them can stand for both, from this part on.
_HALF = 0.5

_WGS84 = "EPSG:4326"


def common_crs(known: Sequence[Any]) -> Any:
    """Gives the CRS of a combined layer: that of all layers, or EPSG:4326 if they differ or there are none."""
    return known[0] if known and all(crs == known[0] for crs in known) else _WGS84


def combine_lakes(layers: list[gpd.GeoDataFrame], crs: Any = None) -> gpd.GeoDataFrame:
    """Combines the lake layers of scenes; a lake that several scenes of one date show occurs once.

    Scenes of one UTC day are of one date; a scene of unknown time is a date of its own. Lakes of different dates are
    different observations and all stay. Within a date every spot is given to one lake, and none twice:

    1. An outline is whole if it touches neither its scene's border nor unobserved pixels, unless another scene has an
       outline over half of it or more, of which its own scene shows less than half: then it is a bay of that. The
       whole outlines take their area one after the other: the greatest `valid_frac` first, then the most pixels,
       then the first scene by name. One that finds half of its area taken is another view of what took it, and goes;
       the others stay, without what was taken.
    2. The same holds for what is left of partial outlines. Those of different scenes that overlap by more than a tenth
       of the smaller one then become one lake, their union; the largest union takes its area first.

    So a whole outline stays with more than half of its area, or half of its area or more lies in whole outlines
    that stay, or it is a bay. What is cut off a lake but nowhere wider than a pixel is dropped: scenes differ by that
    much along a shore.

    A union's `scene_id` and `proc_baseline` list those of its parts, `acq_datetime` and `prob_p10` are the least,
    `valid_frac` is the greatest, `prob_mean` is weighted by area, and `touches_edge` is true if it is for one part.
    Area and perimeter of unions, and of lakes that lost a part, are measured anew; `n_px` is the area times the parts'
    pixels per area, `area_unc_m2` the perimeter times the parts' uncertainty per length of shore, which is the same
    formula with the same pixel. Further columns stay if all layers have them, see `union`.

    Args:
        layers: one for each scene, as `describe_lakes` gives them, possibly without lakes.
        crs: of the result; by default that of the layers, or EPSG:4326 if they differ.

    Returns:
        The columns of `COLUMNS`, the further ones, and the geometry, MultiPolygon. Sorted by date and `lake_id`, which
        is unique within a date: of lakes that share a name the largest keeps it, the next ones get the next free
        letter. The order of the layers does not matter.

    Raises:
        GlofgeoError: If a layer lacks a column or a CRS, or a scene occurs in two layers.
    """
    _check(layers)
    crs = crs or common_crs([layer.crs for layer in layers])
    agree = all(layer.crs == crs for layer in layers)
    filled = sorted((layer for layer in layers if len(layer)), key=lambda layer: min(layer["scene_id"]))
    if not filled:
        return gpd.GeoDataFrame(columns=[*COLUMNS, "geometry"], geometry="geometry", crs=crs).astype(COLUMNS)
    missing = [name for name in FURTHER_COLUMNS if any(name not in layer for layer in filled)]
    plain = [_plain(layer.drop(columns=missing, errors="ignore"), crs) for layer in filled]
    lakes = pd.concat([layer.assign(layer=i) for i, layer in enumerate(plain)], ignore_index=True)
    dates = [of_date.reset_index(drop=True) for _, of_date in lakes.groupby(date_of(lakes))]
    return pd.concat([_combine_date(of_date, agree) for of_date in dates], ignore_index=True)


def _check(layers: list[gpd.GeoDataFrame]) -> None:
    scenes: set[str] = set()
    for layer in layers:
        missing = [name for name in COLUMNS if name not in layer.columns]
        if missing or layer.crs is None:
            lacking = ", ".join(missing) or "a coordinate reference system"
            raise GlofgeoError(f"a lake layer lacks {lacking}", "combine layers that glofgeo wrote")
        own = {scene for name in layer["scene_id"].unique() for scene in name.split(" + ")}
        if own & scenes:
            raise GlofgeoError(f"scene {min(own & scenes)} occurs in two lake layers", "combine each scene once")
        scenes |= own


def _plain(layer: gpd.GeoDataFrame, crs: Any) -> gpd.GeoDataFrame:
    """The layer as it was before it went to a file: the geometry has another name there, unknown times no time zone."""
    instant = pd.to_datetime(layer["acq_datetime"], utc=True)
    kinds = columns_of(layer)
    columns = layer[[*kinds]].assign(acq_datetime=instant).astype(kinds)
    return gpd.GeoDataFrame(columns, geometry=_brought(layer.geometry, crs).array, crs=crs)


def _brought(outlines: gpd.GeoSeries, crs: Any) -> gpd.GeoSeries:
    """Brings outlines to EPSG:4326, those across 180 degrees cut there, unless the combined layer has their own CRS."""
    if outlines.crs == crs:
        return outlines
    return to_degrees(outlines).map(lambda lake: shapely.multipolygons(shapely.get_parts(lake)))


def date_of(lakes: pd.DataFrame) -> pd.Series:
    """Names the date of each lake, so that names sort by date and unknown dates come last, one for each scene."""
    instant = lakes["acq_datetime"]
    return instant.dt.strftime("%Y-%m-%d").where(instant.notna(), "unknown " + lakes["scene_id"])


def _combine_date(lakes: gpd.GeoDataFrame, agree: bool) -> gpd.GeoDataFrame:
    """Combines the lakes of one date; `layer` tells where each comes from, `agree` that their CRS is the layers'."""
    planar = lakes.geometry if agree else _project(lakes.geometry)
    outlines = _repaired(planar.to_numpy())
    layer = lakes["layer"].to_numpy()
    overlaps = find_overlaps(outlines, layer)
    whole = ~lakes["touches_edge"].to_numpy() & ~_is_bay(overlaps, outlines, layer)
    pixel = np.sqrt(shapely.area(outlines) / lakes["n_px"].clip(lower=1).to_numpy())
    best_first = np.lexsort((-lakes["n_px"].to_numpy(), -lakes["valid_frac"].to_numpy(), ~whole))
    first_partial = int(np.count_nonzero(whole))
    near = neighbours(overlaps, len(outlines))
    kept = _give_out(best_first[:first_partial].tolist(), outlines, near, pixel)
    partial = best_first[first_partial:].tolist()
    rests = {i: rest for i in partial if (rest := _rest(outlines[i], near[i], kept, pixel[i])) is not None}
    stay = [i for i, rest in kept.items() if rest is outlines[i]]
    changed = [union(lakes.iloc[[i]], rest) for i, rest in kept.items() if rest is not outlines[i]]
    for group, outline in _join(rests, layer, pixel):
        if len(group) == 1 and outline is outlines[group[0]]:
            stay += group
        else:
            changed.append(union(lakes.iloc[group], outline))
    found = [lakes.iloc[sorted(stay)]]
    if changed:
        joined = measured(gpd.GeoDataFrame(changed, crs=planar.crs))
        found.append(joined.set_geometry(_brought(joined.geometry, lakes.crs)))
    kinds = columns_of(lakes)
    return _named(pd.concat([part[[*kinds, "geometry"]].astype(kinds) for part in found], ignore_index=True))


def _project(outlines: gpd.GeoSeries) -> gpd.GeoSeries:
    """Brings outlines to an equal-area plane around the first of them, which has no seam at 180 degrees."""
    longitude, latitude = shapely.get_coordinates(outlines.iloc[0])[0]
    return outlines.to_crs(f"+proj=laea +lon_0={longitude} +lat_0={latitude} +datum=WGS84 +units=m")


def _repaired(outlines: Outlines) -> Outlines:
    """Makes outlines valid, which overlays need: they may cross themselves by a rounding since they were projected."""
    broken = ~shapely.is_valid(outlines)
    repaired = outlines.copy()
    repaired[broken] = shapely.make_valid(outlines[broken], method="structure", keep_collapsed=False)
    return repaired


def _is_bay(overlaps: Overlaps, outlines: Outlines, layer: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tells which outlines lie by half or more in one of another scene that their own shows less than half of."""
    area = shapely.area(outlines)
    inner = np.concatenate([overlaps.first, overlaps.second])
    outer = np.concatenate([overlaps.second, overlaps.first])
    common = np.concatenate([overlaps.common, overlaps.common])
    # What each scene shows of each outline of the others.
    scene_and_outer = layer[inner] * len(outlines) + outer
    _, number = np.unique(scene_and_outer, return_inverse=True)
    shown = np.bincount(number, common)[number] if len(inner) else common
    bay = np.zeros(len(outlines), np.bool_)
    bay[inner[(common >= _HALF * area[inner]) & (shown < _HALF * area[outer])]] = True
    return bay


def _give_out(
    order: Sequence[int], outlines: Outlines, near: list[list[int]], pixel: npt.NDArray[np.float64]
) -> dict[int, BaseGeometry]:
    """Gives area to outlines in this order; what those get that get more than half of theirs."""
    kept: dict[int, BaseGeometry] = {}
    for i in order:
        rest = _rest(outlines[i], near[i], kept, pixel[i])
        if rest is not None:
            kept[i] = rest
    return kept


def _rest(outline: BaseGeometry, near: list[int], kept: dict[int, BaseGeometry], pixel: float) -> BaseGeometry | None:
    """What the kept neighbours leave of an outline: itself if they touch none of it, None if half of it or less."""
    takers = [kept[other] for other in near if other in kept]
    if not takers:
        return outline
    area = outline.area
    if any(taker.intersection(outline).area >= _HALF * area for taker in takers):
        return None
    rest = outline.difference(shapely.union_all(takers))
    return _without_ribbons(rest, pixel) if rest.area > _HALF * area else None


def _without_ribbons(rest: BaseGeometry, pixel: float) -> BaseGeometry:
    """Drops the parts that are nowhere wider than a pixel, unless all are."""
    parts = shapely.get_parts(rest)
    solid = ~shapely.is_empty(shapely.buffer(parts, -pixel / 2))
    return shapely.MultiPolygon(list(parts[solid] if solid.any() else parts))


def _join(
    rests: dict[int, BaseGeometry], layer: npt.NDArray[np.int64], pixel: npt.NDArray[np.float64]
) -> Iterator[tuple[list[int], BaseGeometry]]:
    """Joins what is left of partial outlines to lakes: the outlines of each, and what it is left with."""
    number = sorted(rests)
    outlines = np.array([rests[i] for i in number], dtype=object)
    overlaps = find_overlaps(outlines, layer[number])
    area = shapely.area(outlines)
    same = overlaps.common > _SAME_LAKE * np.minimum(area[overlaps.first], area[overlaps.second])
    groups = list(groups_of(neighbours(overlaps.take(same), len(outlines))))
    unions = np.array(
        [outlines[group[0]] if len(group) == 1 else shapely.union_all(outlines[group]) for group in groups],
        dtype=object,
    )
    side = np.array([pixel[number[group[0]]] for group in groups])
    # A lake of one scene is not held against the others of that scene.
    of_scene = [layer[number[group[0]]] if len(group) == 1 else -1 - i for i, group in enumerate(groups)]
    between = find_overlaps(unions, np.array(of_scene, dtype=np.int64))
    order = np.argsort(-shapely.area(unions), kind="stable").tolist()
    for i, rest in _give_out(order, unions, neighbours(between, len(unions)), side).items():
        yield [number[member] for member in groups[i]], rest


def _named(lakes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Makes names unique, the largest lake first to choose, and sorts by them."""
    ranked = lakes.assign(smallness=-lakes["area_m2"]).sort_values(["smallness", "scene_id"], kind="stable")
    names = ranked["lake_id"].tolist()
    taken = set(names)
    used: set[str] = set()
    for i, name in enumerate(names):
        if name in used:
            place = name.rstrip(ascii_lowercase)
            name = next(free for free in (place + name_suffix(number) for number in count(1)) if free not in taken)
            taken.add(name)
        used.add(name)
        names[i] = name
    return ranked.drop(columns="smallness").assign(lake_id=names).sort_values("lake_id", ignore_index=True)
