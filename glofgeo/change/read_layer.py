"""Reads a lake layer, ours or anybody's, as what a comparison needs of it; what is odd about it is named by row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod

from datasets_def.polygons import plain_polygons, read_polygons, without_rejected
from datasets_def.reproject import to_crs, to_degrees
from glofgeo.change.layer_dates import DATE_COLUMNS, SCENE_COLUMNS, day_of, given_day
from glofgeo.change.oddities import Issue, find_duplicates, find_oddities, in_chunks
from glofgeo.change.significance import area_sigma

# The world on an equal-area plane (that of EASE-Grid 2.0): areas in it are those on the WGS 84 ellipsoid but for edges
# that are straight here and geodesic there, a matter of centimetres on edges of 100 m.
PLANE = "EPSG:6933"
_GLOBE = Geod(ellps="WGS84")

# Columns of the inventories that are met with, in the order in which they are believed: glofgeo's own, ICIMOD's (2011
# and 2020), and spellings of those of the Tibetan Plateau and of High Mountain Asia.
_ID_COLUMNS = ("lake_id", "glims_id", "gl_id", "glake_id", "glakeid", "gl_code", "lake_code", "code", "id")
_TYPE_COLUMNS = ("lake_type", "type", "gl_type", "lake_types", "class")
_ELEVATION_COLUMNS = ("elev_m", "altitude", "elevation", "elev", "gl_elev")
_DISTANCE_COLUMNS = ("dist_glacier_m",)
_COUNTRY_COLUMNS = ("country", "country_name")
_SENSOR_COLUMNS = ("sensor", "satellite", "platform")
_BASIN_COLUMNS = ("basin", "m_basin", "sub_basin", "subbasin", "subregion", "region")

# Side of the pixels in which a foreign layer was drawn, where nothing tells: Landsat's, as of all regional inventories
# before Sentinel-2.
LANDSAT_PIXEL_M = 30.0
_SENTINEL_PIXEL_M = 10.0
_SENTINEL = r"S2|Sentinel[-_ ]?2"

# Heights and distances beyond these are numbers for "unknown": 0 and -9999 in inventories of mountains.
_HIGHEST_M, _FARTHEST_M = 9000.0, 1e6

# Areas are kept as multiples of 2^-10 m2, so that sums of them are exact, in whatever order.
_AREA_STEP = 1024.0


@dataclass(frozen=True, eq=False)
class LakeLayer:
    """The lakes of one layer.

    Attributes:
        name: of the layer, for tables and messages.
        lakes: a row a lake, the geometry on `PLANE`; `row` (number of the feature in its file, from 1), `lake_id`,
            `date` (UTC, NaT where unknown), `pixel_m`, `area_m2`, `perim_m` (geodesic), `sigma_m2` (one standard
            deviation of the area), `cut` (its outline is that of the scene or of a cloud in part), `lake_type`,
            `elev_m`, `dist_glacier_m`, `basin`, `country`.
        issues: what is odd about it.
        masks: rasters that tell what was observed (255: not); none where nobody tells.
        day: the date that stands for lakes that have none, and for a layer without lakes; NaT where nobody tells.
        knows_clouds: whether the masks tell of clouds, too; else a lake that is gone may lie below one.
    """

    name: str
    lakes: gpd.GeoDataFrame
    issues: tuple[Issue, ...] = ()
    masks: tuple[Path, ...] = ()
    day: Any = pd.NaT
    knows_clouds: bool = True

    @property
    def middle(self) -> pd.Timestamp:
        """Median date of its lakes, or the layer's own where none has one."""
        middle = self.lakes["date"].median()
        return self.day if pd.isna(middle) else middle


def read_layer(path: str | Path, date: str | None = None, *, masks: Sequence[Path] = ()) -> LakeLayer:
    """Reads a lake layer.

    Args:
        path: GeoPackage, GeoJSON or Shapefile, in any CRS. `mask.tif` beside it, as `map` writes it, tells what was
            observed.
        date: year or day of lakes that have none of their own.
        masks: rasters that tell what was observed, instead of the one beside the layer.

    Raises:
        GlofgeoError: If it cannot be read, has no polygons, or `date` is none.
    """
    path = Path(path)
    frame = without_rejected(read_polygons(path, numbered=True, empty_ok=True))
    beside = path.with_name("mask.tif")
    layer = layer_of(frame, _name(path), date, masks=masks or ((beside,) if beside.is_file() else ()))
    return layer if knows_clouds(path.with_name("run.json")) else without_clouds(layer)


def knows_clouds(record: Path) -> bool:
    """Whether a map knew where clouds are, by its `run.json`; if that says nothing, it did."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return not isinstance(told, dict) or told.get("cloud_mask") is not False


def without_clouds(layer: LakeLayer) -> LakeLayer:
    """Gives a layer whose masks tell nothing of clouds."""
    issue = Issue(layer.name, 0, "", "clouds were not masked", "", "a lake below cloud counts as shrunk or vanished")
    return replace(layer, knows_clouds=False, issues=(*layer.issues, issue))


def layer_of(frame: gpd.GeoDataFrame, name: str, date: str | None = None, *, masks: Sequence[Path] = ()) -> LakeLayer:
    """Gives a layer that is in memory already the columns of a comparison; see `read_layer`.

    Raises:
        GlofgeoError: If it has no CRS, no polygons or coordinates off the Earth, or `date` is none.
    """
    given: Any = pd.NaT if date is None else given_day(date)
    if "file_row" not in frame.columns:
        frame = plain_polygons(frame, name, empty_ok=True, numbered=True)
    known = {str(column).lower(): str(column) for column in reversed(frame.columns)}
    degrees = to_degrees(frame.geometry)
    plane = gpd.GeoSeries(in_chunks(_on_plane, degrees.to_numpy()), degrees.index, PLANE)
    area, perimeter = measure(degrees, plane)
    scenes, dates = _dates(frame, known)
    pixel = _pixels(frame, known, scenes)
    lakes = gpd.GeoDataFrame(
        {
            "row": frame["file_row"].to_numpy(np.int64),
            "lake_id": _texts(_column(frame, known, _ID_COLUMNS)),
            "date": dates.fillna(given),
            "pixel_m": pixel,
            "area_m2": area,
            "perim_m": perimeter,
            "sigma_m2": area_sigma(perimeter, pixel),
            "cut": _column(frame, known, ("touches_edge",)).map(_is_true).astype(bool),
            "lake_type": _texts(_column(frame, known, _TYPE_COLUMNS)),
            "elev_m": _numbers(_column(frame, known, _ELEVATION_COLUMNS)).where(lambda m: (m > 0) & (m < _HIGHEST_M)),
            "dist_glacier_m": _numbers(_column(frame, known, _DISTANCE_COLUMNS)).where(
                lambda m: (m >= 0) & (m < _FARTHEST_M)
            ),
            "basin": _texts(_column(frame, known, _BASIN_COLUMNS)).str.replace(r"_(19|20)\d\d$", "", regex=True),
            "country": _texts(_column(frame, known, _COUNTRY_COLUMNS)),
        },
        geometry=plane.array,
        crs=PLANE,
    )
    if pd.isna(nominal := given):
        nominal = day_of(name) or lakes["date"].median()
    twins = find_duplicates(plane.to_numpy())
    issues = find_oddities(frame, lakes, degrees, name, scenes=scenes, nominal=nominal, twins=twins)
    # The name of a file may tell when it was made: it only dates a layer in which no lake could tell.
    day = (day_of(name) or pd.NaT) if pd.isna(given) and lakes.empty else given
    return LakeLayer(name, lakes[twins < 0].reset_index(drop=True), tuple(issues), tuple(masks), day)


def _on_plane(degrees: Any) -> Any:
    return to_crs(gpd.GeoSeries(degrees, crs="EPSG:4326"), PLANE).to_numpy()


def measure(degrees: gpd.GeoSeries, plane: gpd.GeoSeries) -> tuple[Any, Any]:
    """Gives areas (m2) and lengths of all shores (m) on the ellipsoid, of polygons in degrees and on `PLANE`."""
    area = np.round(shapely.area(plane.to_numpy()) * _AREA_STEP) / _AREA_STEP
    return area, in_chunks(_perimeters, degrees.to_numpy())


def _perimeters(degrees: Any) -> Any:
    rings, of_ring = _rings(degrees)
    xy, of_point = shapely.get_coordinates(rings, return_index=True)
    if not len(xy):
        return np.zeros(len(degrees))
    same = of_point[1:] == of_point[:-1]
    # The edge along which a lake across 180 degrees is cut is no shore.
    same &= ~((np.abs(xy[1:, 0]) == 180) & (np.abs(xy[:-1, 0]) == 180))
    length = _GLOBE.inv(xy[:-1, 0], xy[:-1, 1], xy[1:, 0], xy[1:, 1])[2]
    return np.bincount(of_ring[of_point[1:]], np.where(same, length, 0.0), len(degrees))


def _rings(polygons: Any) -> tuple[Any, Any]:
    parts, of_part = shapely.get_parts(polygons, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    return rings, of_part[of_ring]


def _column(frame: gpd.GeoDataFrame, known: dict[str, str], wanted: Sequence[str]) -> "pd.Series[Any]":
    """The first of these columns that the layer has, in any case; nothing but missing values if it has none."""
    column = next((known[name] for name in wanted if name in known), None)
    return pd.Series(None, frame.index, dtype=object) if column is None else frame[column]


def _texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.map(lambda value: "" if pd.isna(value) else str(value).strip()).astype(str)


def _is_true(value: Any) -> bool:
    """Reads a truth value, which Shapefiles and tables hold as a number or a text."""
    return not pd.isna(value) and str(value).strip().lower() in ("true", "1", "1.0", "yes", "t", "y")


def _numbers(values: "pd.Series[Any]") -> "pd.Series[float]":
    return pd.to_numeric(values, errors="coerce").astype(float)


def _dates(frame: gpd.GeoDataFrame, known: dict[str, str]) -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    """The names of scenes, and the dates: of the first column of dates that has one, else those in the names."""
    scenes = _column(frame, known, SCENE_COLUMNS)
    dates = pd.Series(pd.NaT, frame.index, dtype="datetime64[ms, UTC]")
    for values in (*(frame[known[name]] for name in DATE_COLUMNS if name in known), scenes):
        values = values[dates.isna()]
        found = {value: day_of(value) for value in values.dropna().unique()}
        days = values.map(lambda value, found=found: pd.NaT if pd.isna(value) else found[value] or pd.NaT)
        dates = dates.fillna(pd.to_datetime(days, utc=True).astype(dates.dtype))
    return scenes, dates


def _pixels(frame: gpd.GeoDataFrame, known: dict[str, str], scenes: "pd.Series[Any]") -> Any:
    """Side of the pixels: from area and number of pixels in our own layers, else by the satellite of the scene."""
    if {"area_m2", "n_px"} <= known.keys():
        side = np.sqrt(frame[known["area_m2"]] / frame[known["n_px"]].clip(lower=1))
        return np.full(len(frame), side.median() if len(side) else _SENTINEL_PIXEL_M)
    sensors = _column(frame, known, _SENSOR_COLUMNS)
    sentinel = np.zeros(len(frame), bool)
    for names in (scenes, sensors):
        sentinel |= _texts(names).str.match(_SENTINEL, case=False).to_numpy(bool)
    return np.where(sentinel, _SENTINEL_PIXEL_M, LANDSAT_PIXEL_M)


def _name(path: Path) -> str:
    """The file's name, and the scene's folder before it where every layer is called the same."""
    return f"{path.parent.name}/{path.name}" if path.stem == "lakes" and path.parent.name else path.name
