"""What is odd about a lake layer, named by row, and what is made of it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Geod

from glofgeo.change.layer_dates import is_scene_name, is_year_alone

# More than this share of a layer's rows: it is a habit of the layer, told once.
_HABIT = 0.5

# Longitude and latitude in thousandths of a degree: GL086925E27898N.
_GLIMS = re.compile(r"GL(\d{6})([EW])(\d{5})([NS])[a-z]*")
# Further than this from its outline, an ID names another place; lakes are up to a few kilometres long.
_FAR_M = 1000.0
# A stored area is wrong from this factor on, if it is not just rounded.
_AREA_FACTOR = 1.1
_AREA_ROUNDING_KM2 = 0.0006
# Inventories take scenes of the years around their own.
_YEARS_OFF = 2.0
_YEAR_DAYS = 365.25

# Outlines that share more than this of the smaller one are drawn twice, and are no neighbours.
_OVERLAP = 0.01

_CHUNK = 10_000

_GLOBE = Geod(ellps="WGS84")

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Issue:
    """Something odd about a row of a layer.

    Attributes:
        layer: name of the layer.
        row: number of the feature in its file, from 1; 0 for the whole layer.
        lake_id: as the layer has it.
        issue: what is odd.
        value: the value it is about.
        consequence: what is made of it.
    """

    layer: str
    row: int
    lake_id: str
    issue: str
    value: str
    consequence: str


def find_duplicates(outlines: Any) -> npt.NDArray[np.int64]:
    """Gives for each outline the position of an earlier one that is the same, -1 where there is none."""
    area = shapely.area(outlines)
    twin = np.full(len(outlines), -1, np.int64)
    # Only outlines of one area can be the same; to write out all of them would take as much memory again.
    alike = np.flatnonzero(pd.Series(np.round(area, 3)).duplicated(keep=False))
    code = pd.factorize(shapely.to_wkb(shapely.normalize(outlines[alike])))[0]
    first = alike[np.unique(code, return_index=True)[1][code]] if len(code) else alike
    twin[alike] = np.where(first < alike, first, -1)
    return twin


def find_overlaps(outlines: Any) -> npt.NDArray[np.int64]:
    """Gives for each outline the position of the first earlier one that covers ground of it, -1 where there is none."""
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    first, second = first[first < second], second[first < second]
    area, other = shapely.area(outlines), np.full(len(outlines), len(outlines), np.int64)
    for one, two in zip(*(np.array_split(side, len(first) // _CHUNK + 1) for side in (first, second)), strict=True):
        common = shapely.area(shapely.intersection(outlines[one], outlines[two]))
        twice = common > _OVERLAP * np.minimum(area[one], area[two])
        np.minimum.at(other, two[twice], one[twice])
    return np.where(other < len(outlines), other, -1)


def find_oddities(
    frame: gpd.GeoDataFrame,
    lakes: gpd.GeoDataFrame,
    degrees: gpd.GeoSeries,
    name: str,
    *,
    scenes: "pd.Series[Any]",
    nominal: pd.Timestamp,
    twins: npt.NDArray[np.int64],
) -> list[Issue]:
    """Names what is odd about a layer.

    Args:
        frame: as it was read, with `file_row`, `mended` and `flattened`.
        lakes: the same rows with the columns of `LakeLayer.lakes`.
        degrees: the same outlines in EPSG:4326.
        name: of the layer.
        scenes: names of the scenes that the rows come from.
        nominal: the date that the layer stands for.
        twins: as `find_duplicates` gives them.
    """
    known = {str(column).lower(): str(column) for column in reversed(frame.columns)}
    numbers, ids = lakes["row"].tolist(), lakes["lake_id"].tolist()
    issues: list[Issue] = []

    def note(where: Bools, issue: str, values: Any, consequence: str) -> None:
        rows = np.flatnonzero(where)
        if len(rows) > max(_HABIT * len(frame), 1):
            issues.append(Issue(name, 0, "", f"{issue} ({len(rows)} of {len(frame)} rows)", "", consequence))
            return
        column = pd.Series(values, index=range(len(frame)) if np.isscalar(values) else None).to_numpy()
        for i in rows:
            value = "" if pd.isna(column[i]) else str(column[i])
            issues.append(Issue(name, numbers[i], ids[i], issue, value, consequence))

    note(frame["flattened"].to_numpy(bool), "outline has heights", "", "heights are left out")
    note(~in_chunks(_runs_left, degrees.to_numpy()), "outline runs clockwise", "", "turned round")
    note(frame["mended"].to_numpy(bool), "outline crosses itself", "", "mended")
    holes = in_chunks(_holes, degrees.to_numpy())
    note(holes > 0, "outline has islands", holes, "islands are not counted as lake")
    note(twins >= 0, "same outline as another row", lakes["row"].to_numpy()[twins], "left out")
    others = find_overlaps(lakes.geometry.to_numpy())
    note((others >= 0) & (twins < 0), "outline overlaps another row", lakes["row"].to_numpy()[others], "counted twice")
    for values in (
        _dates_of(lakes, scenes, nominal),
        _names_of(lakes, degrees),
        _measures(frame, lakes, degrees, known),
    ):
        for where, issue, value, consequence in values:
            note(where, issue, value, consequence)
    regions = frame[known["region"]].astype(str) if "region" in known else pd.Series("", frame.index)
    dated = regions.str.contains(r"_(?:19|20)\d\d$").to_numpy(bool)
    note(dated, "name of the region carries a year", regions, "the year is left out")
    return issues


Finding = tuple[Bools, str, Any, str]


def in_chunks(measure: Callable[[Any], Any], outlines: Any) -> Any:
    """Measures outlines some at a time, since what is made of them on the way takes as much memory as they do."""
    starts = range(0, max(len(outlines), 1), _CHUNK)
    return np.concatenate([measure(outlines[start : start + _CHUNK]) for start in starts])


def _runs_left(outlines: Any) -> Bools:
    return shapely.is_ccw(shapely.get_exterior_ring(shapely.get_geometry(outlines, 0)))


def _holes(outlines: Any) -> npt.NDArray[np.int64]:
    parts, of_part = shapely.get_parts(outlines, return_index=True)
    return np.bincount(of_part, shapely.get_num_interior_rings(parts), len(outlines)).astype(np.int64)


def _dates_of(lakes: gpd.GeoDataFrame, scenes: "pd.Series[Any]", nominal: pd.Timestamp) -> Iterator[Finding]:
    dates = lakes["date"]
    named = np.array([isinstance(text, str) for text in scenes], bool)
    odd = named & ~np.array([isinstance(text, str) and is_scene_name(text) for text in scenes], bool)
    read = dates.dt.strftime("%Y-%m-%d").fillna("no date")
    told = scenes.fillna("").astype(str) + " -> " + read
    if named.any():
        yield odd, "name of the scene is not as its agency writes it", told, "read as shown"
        yield ~named, "no scene", "", "no date but the layer's"
    yield dates.isna().to_numpy(), "no date can be read", scenes.fillna("").astype(str), "no rate is given"
    alone = is_year_alone(dates).to_numpy(bool)
    yield alone, "of its date only the year can be read", read, "the middle of the year stands for it"
    off = (dates - nominal).dt.total_seconds().abs() / 86400 / _YEAR_DAYS
    yield (
        (off > _YEARS_OFF).to_numpy(),
        "date is more than two years off the layer's",
        read,
        "kept: its own date counts",
    )


def _names_of(lakes: gpd.GeoDataFrame, degrees: gpd.GeoSeries) -> Iterator[Finding]:
    names = lakes["lake_id"]
    yield (
        (names.duplicated(keep=False) & (names != "")).to_numpy(),
        "ID occurs more than once",
        names,
        "told by outline",
    )
    glims = names.str.startswith("GL").to_numpy(bool)
    places = [_place(name) for name in names]
    whole = np.array([place is not None for place in places], bool)
    yield glims & ~whole, "ID is malformed", names, "kept as it is"
    metres = np.zeros(len(names))
    if whole.any():
        metres[whole] = _metres_off(degrees.to_numpy()[whole], np.array([place for place in places if place]))
    told = [f"{name}: {distance / 1000:.1f} km" for name, distance in zip(names, metres, strict=True)]
    yield metres > _FAR_M, "ID names a place far from the outline", told, "kept as it is; told by outline"


def _measures(
    frame: gpd.GeoDataFrame, lakes: gpd.GeoDataFrame, degrees: gpd.GeoSeries, known: dict[str, str]
) -> Iterator[Finding]:
    if "area" in known:
        stored = pd.to_numeric(frame[known["area"]], errors="coerce").to_numpy(float)
        measured = lakes["area_m2"].to_numpy() / 1e6
        # Some inventories store m2.
        factors = (stored / np.maximum(measured, 1e-9))[np.isfinite(stored)]
        stored = stored / 1e6 if len(factors) and np.median(factors) > 1e3 else stored
        ratio = np.maximum(stored, measured) / np.maximum(np.minimum(stored, measured), 1e-9)
        wrong = (ratio > _AREA_FACTOR) & (np.abs(stored - measured) > _AREA_ROUNDING_KM2)
        told = [f"{one:g} km2, outline {other:.4f} km2" for one, other in zip(stored, measured, strict=True)]
        yield wrong, "stored area is not that of the outline", told, "the outline is measured"
    if {"latitude", "longitude"} <= known.keys():
        columns = (pd.to_numeric(frame[known[name]], errors="coerce") for name in ("longitude", "latitude"))
        place = np.column_stack([column.to_numpy(float) for column in columns])
        # Degrees and minutes in words, and places that are not told, are no points to look at.
        outside = np.isfinite(place).all(axis=1) & ~shapely.intersects_xy(degrees.to_numpy(), place[:, 0], place[:, 1])
        told = [f"{longitude:g}, {latitude:g}" for longitude, latitude in place]
        yield outside, "label point lies outside the outline", told, "the outline counts"
    height = next((known[one] for one in ("altitude", "elevation", "elev") if one in known), None)
    if height:
        zero = pd.to_numeric(frame[height], errors="coerce").to_numpy(float) == 0
        yield zero, "elevation is 0", "0", "taken as unknown"


def _place(name: str) -> tuple[float, float] | None:
    """Longitude and latitude in a GLIMS ID."""
    match = _GLIMS.fullmatch(name)
    if match is None:
        return None
    east, north = int(match[1]) / 1000, int(match[3]) / 1000
    return (-east if match[2] == "W" else east), (-north if match[4] == "S" else north)


def _metres_off(outlines: Any, place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance of points to outlines, both in degrees; 0 within."""
    points = shapely.points(place)
    ends = shapely.get_coordinates(shapely.shortest_line(outlines, points)).reshape(-1, 4)
    return np.asarray(_GLOBE.inv(ends[:, 0], ends[:, 1], ends[:, 2], ends[:, 3])[2])
