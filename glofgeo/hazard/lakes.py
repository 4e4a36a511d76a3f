"""Assesses all lakes of a layer, anyone's: their names, dates, dams, and outlines at the time of the DEM."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
import shapely
from pyproj import Geod
from rasterio.env import Env
from shapely.geometry.base import BaseGeometry

from datasets_def.dates import COLUMNS as DATE_COLUMNS
from datasets_def.dates import day_in
from datasets_def.elevation import Dem
from datasets_def.polygons import read_polygons, without_rejected
from datasets_def.reproject import to_degrees
from glofgeo.errors import GlofgeoError
from glofgeo.hazard.assess import Sheet, assess_lake
from glofgeo.hazard.kept import KeptSheets
from glofgeo.inventory import lake_ids
from glofgeo.inventory.attributes import name_suffix

_NAMES = ("lake_id", "glims_id", "gl_id", "lakedb_id", "id")
_DAMS = ("dam_type", "type")

# The ground around a lake is held at once. The longest lakes of mountains are some 150 km long; what is longer is many
# lakes in one feature.
_LONGEST_M = 200_000.0

# The years in which the elevation models that one can download were sensed, by the names of their tiles.
_DEM_YEARS = (
    (re.compile(r"copernicus_dsm", re.IGNORECASE), "2011-2015 (Copernicus GLO)"),
    (re.compile(r"^[ns]\d\d[ew]\d{3}.*(1arc|3arc|\.hgt)", re.IGNORECASE), "2000 (SRTM)"),
    (re.compile(r"^alpsmlc30", re.IGNORECASE), "2006-2011 (AW3D30)"),
    (re.compile(r"^astgtm", re.IGNORECASE), "2000-2013 (ASTER GDEM)"),
)


@dataclass(frozen=True)
class LakeLayer:
    """The lakes to assess.

    Attributes:
        names: one each, unique.
        outlines: in EPSG:4326.
        dates: as the layer has them; empty where it has none.
        dams: types of dams as the layer has them; empty where it has none.
    """

    names: list[str]
    outlines: gpd.GeoSeries
    dates: list[str]
    dams: list[str]


def read_lakes(path: Path) -> LakeLayer:
    """Reads a layer of lakes: glofgeo's own, ICIMOD's, or any other.

    Names and dates are taken from the columns that hold them in these; lakes that share a name, or a name and a date,
    get a letter, and lakes without one are named after their place. Lakes that an analyst has rejected are left out.

    Raises:
        GlofgeoError: If the layer cannot be read or has no polygons, or a feature of it is no single lake.
    """
    frame = without_rejected(read_polygons(path, "lakes"))
    if frame.empty:
        raise GlofgeoError(f"{path}: all of its lakes are rejected", "review it in QGIS")
    outlines = to_degrees(frame.geometry)
    columns = {str(name).lower(): name for name in frame.columns}

    def texts(wanted: tuple[str, ...]) -> list[str]:
        name = next((columns[each] for each in wanted if each in columns), None)
        return [""] * len(frame) if name is None else ["" if pd.isna(v) else str(v) for v in frame[name]]

    dates = [day_in(text) for text in texts(DATE_COLUMNS)]
    names = unique_names(texts(_NAMES), dates, frame.geometry)
    _require_single(path, names, outlines)
    return LakeLayer(names, outlines, dates, texts(_DAMS))


def unique_names(names: Sequence[str], dates: Sequence[str], outlines: gpd.GeoSeries) -> list[str]:
    """Names lakes so that no two of a date are called the same; one without a name is named after its place.

    Args:
        names: as a layer has them; may be empty.
        dates: of each.
        outlines: of each, in the CRS of the layer.
    """
    found = [name or place for name, place in zip(names, lake_ids(gpd.GeoDataFrame(geometry=outlines)), strict=True)]
    own, seen = {*zip(found, dates, strict=True)}, set()
    numbers: dict[tuple[str, str], Iterator[int]] = defaultdict(lambda: count(1))
    for i, (name, date) in enumerate(zip(found, dates, strict=True)):
        if (name, date) in seen:
            letters = (name + name_suffix(number) for number in numbers[name, date])
            found[i] = next(free for free in letters if (free, date) not in own)
        seen.add((name, date))
        own.add((found[i], date))
    return found


def too_long(outlines: gpd.GeoSeries) -> npt.NDArray[np.float64]:
    """How long features are that are too long for one lake, in metres; 0 for all others.

    Args:
        outlines: in EPSG:4326, `(N,)`.
    """
    west, south, east, north = outlines.bounds.to_numpy().T
    metres = np.asarray(Geod(ellps="WGS84").inv(west, south, east, north)[2])
    return np.where(metres > _LONGEST_M, metres, 0.0)


def _require_single(path: Path, names: list[str], outlines: gpd.GeoSeries) -> None:
    metres = too_long(outlines)
    for i in np.flatnonzero(metres)[:1]:
        raise GlofgeoError(
            f"{path}: {names[i]} reaches over {metres[i] / 1000:.0f} km and is no single lake",
            "give a layer that has a feature for each lake (Multipart to singleparts in QGIS)",
        )


def assess_lakes(
    lakes: LakeLayer,
    dem: Dem,
    glaciers: gpd.GeoDataFrame,
    then: gpd.GeoSeries | None = None,
    advance: Callable[[int], None] | None = None,
    kept: KeptSheets | None = None,
) -> list[Sheet]:
    """Assesses lakes one after the other, but for those of which a sheet is kept.

    Args:
        lakes: the layer.
        dem: the DEM.
        glaciers: as `read_glaciers` gives them.
        then: outlines at the time of the DEM, in EPSG:4326; a lake's own is that which it shares most area with.
        advance: receives the number of lakes done since the last call.
        kept: sheets of the same inputs from a run that was interrupted; each new one is added.

    Raises:
        GlofgeoError: If no lake lies on the DEM, or it cannot be read.
    """
    before = _outlines_then(lakes.outlines, then)
    sheets = kept.read() if kept else {}
    with Env(GDAL_CACHEMAX=256):
        for number, (outline, old, dam) in enumerate(zip(lakes.outlines, before, lakes.dams, strict=True)):
            if number in sheets:
                continue
            sheet = sheets[number] = assess_lake(outline, dem, glaciers, old, dam)
            if then is not None and old is None:
                sheet.notes.append("no outline of the DEM's time meets it: its level is taken from the one of today")
            if kept:
                kept.add(number, sheet)
            if advance:
                advance(1)
    ordered = [sheets[number] for number in range(len(lakes.names))]
    if all(np.isnan(sheet.values["level_m"]) for sheet in ordered):  # type: ignore[arg-type]
        if kept:
            kept.remove()
        raise GlofgeoError(f"{dem.files[0]}: the DEM covers none of the lakes", "check both in QGIS", argument="dem")
    return ordered


def dem_date(dem: Dem, given: str | None = None) -> str:
    """Tells when a DEM was sensed, as given, by the names of its tiles, or by those that it was made of."""
    if given:
        return given
    names = [name for path in dem.files for name in (path.name, _source(path))]
    known = {years for name in names for pattern, years in _DEM_YEARS if pattern.search(name)}
    return ", ".join(sorted(known)) or "unknown"


def ground_facts(dem: Dem, date: str, then: str, glaciers: str) -> dict[str, str]:
    """What all sheets rest on besides the lakes, in words.

    Args:
        dem: the DEM.
        date: when it was sensed, as `dem_date` tells.
        then: the layer of lakes at that time; may be empty.
        glaciers: the layer of glaciers.
    """
    return {
        "DEM": ", ".join(path.name for path in dem.files),
        "DEM pixel": f"{dem.pixel_m:.0f} m",
        "DEM date": date,
        "lakes at the DEM's date": then or "not given; today's outlines are taken",
        "glaciers": glaciers,
    }


def _source(path: Path) -> str:
    """What a DEM says of its tiles, as the one does that `glofgeo.fetch` writes."""
    with rasterio.open(path) as opened:
        return str(opened.tags().get("SOURCE", ""))


def _outlines_then(now: gpd.GeoSeries, then: gpd.GeoSeries | None) -> list[BaseGeometry | None]:
    if then is None or not len(then):
        return [None] * len(now)
    shapes: npt.NDArray[np.object_] = np.array(then.array, dtype=object)
    tree = shapely.STRtree(shapes)
    found: list[BaseGeometry | None] = []
    for outline in now:
        hits = tree.query(outline, predicate="intersects")
        shared = shapely.area(shapely.intersection(shapes[hits], outline))
        found.append(shapes[hits[shared.argmax()]] if len(hits) else None)
    return found
