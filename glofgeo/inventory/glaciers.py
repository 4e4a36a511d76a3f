"""Glacier outlines, and what they tell of each lake: the nearest glacier, contact with ice, and the type of lake."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from datasets_def.grid import Bounds
from datasets_def.polygons import read_polygons
from datasets_def.reproject import to_crs, to_degrees
from glofgeo.inventory.zonal import local_crs, middle_of

# Lakes of up to this distance from a glacier are glacial lakes: Wang et al. 2020, ESSD 12:2169.
FARTHEST_M = 10_000.0
# Two pixels: an outline is known no better.
_TOUCH_PIXELS = 2.0
# Part of a lake from which on it lies fully on a glacier.
_FULLY = 0.99
# Fronts retreat by many pixels in so many years: a lake within older outlines may lie before the glacier by now.
_FRESH_YEARS = 10

_ID_COLUMNS = ("rgi_id", "rgiid", "glims_id", "glac_id")
_DATE_COLUMNS = ("src_date", "bgndate", "year", "date")


def read_glaciers(path: str | Path) -> gpd.GeoDataFrame:
    """Reads glacier outlines: RGI 6 or 7, GLIMS, or any layer of polygons.

    Args:
        path: GeoPackage, GeoJSON or Shapefile.

    Returns:
        One row a glacier in EPSG:4326 with `rgi_id` (of the layer, or the number of its row) and `year` (of the
        outline; NaN where the layer does not tell).

    Raises:
        GlofgeoError: If the layer is missing, cannot be read or has no polygons.
    """
    frame = read_polygons(path, "glaciers")
    known = {str(name).lower(): name for name in frame.columns}
    name = next((known[column] for column in _ID_COLUMNS if column in known), None)
    date = next((known[column] for column in _DATE_COLUMNS if column in known), None)
    number = (np.arange(len(frame)) + 1).astype(str)
    return gpd.GeoDataFrame(
        {
            "rgi_id": number if name is None else frame[name].astype(str).to_numpy(),
            "year": _years([None] * len(frame) if date is None else frame[date]),
        },
        geometry=to_degrees(frame.geometry).to_numpy(),
        crs="EPSG:4326",
    )


def add_glaciers(
    lakes: gpd.GeoDataFrame, glaciers: gpd.GeoDataFrame, pixel_m: float, acquired: datetime | None
) -> gpd.GeoDataFrame:
    """Adds `rgi_id`, `dist_glacier_m`, `ice_contact`, `lake_type` and `lake_type_conf` to lakes of one scene.

    Types: `supraglacial`, a lake wholly on a glacier; `ice-contact`, within two pixels of one; `unconnected`, within
    10 km (Wang et al. 2020, ESSD 12:2169); else `non-glacial`. Confidence is `low` where the first two rest on outlines
    that are more than 10 years older or younger than the scene, or of unknown year: fronts move.

    Args:
        lakes: outlines in any CRS, no farther apart than a scene is wide.
        glaciers: as `read_glaciers` gives them.
        pixel_m: side of the scene's pixels in metres.
        acquired: the scene's time; None where unknown.

    Returns:
        The lakes with the nearest glacier's name (None beyond 10 km), the distance to it in metres (0 where they
        overlap, NaN beyond 10 km) and the share of the shore that lies within two pixels of ice (0-1).
    """
    shapes, near = _nearby(lakes.geometry, glaciers)
    touch = _TOUCH_PIXELS * pixel_m
    tree = shapely.STRtree(near.geometry.to_numpy())
    nearest, distance = np.full(len(lakes), -1), np.full(len(lakes), np.nan)
    if len(near) and len(lakes):
        (which, found), metres = tree.query_nearest(
            shapes, max_distance=FARTHEST_M, return_distance=True, all_matches=False
        )
        nearest[which], distance[which] = found, metres
    contact, covered = np.zeros(len(lakes)), np.zeros(len(lakes))
    for i in np.flatnonzero(distance <= touch):
        frame = shapely.box(*(np.array(shapes[i].bounds) + touch * 2 * np.array([-1, -1, 1, 1])))
        ice = shapely.union_all(shapely.intersection(near.geometry.to_numpy()[tree.query(frame)], frame))
        shore = shapely.boundary(shapes[i])
        contact[i] = shapely.length(shapely.intersection(shore, shapely.buffer(ice, touch))) / shapely.length(shore)
        covered[i] = shapely.area(shapely.intersection(shapes[i], ice)) / shapely.area(shapes[i])
    names = np.append(near["rgi_id"].to_numpy(dtype=object), [None])
    age = np.abs(np.append(near["year"].to_numpy(), np.nan)[nearest] - (acquired.year if acquired else np.nan))
    kinds = np.select(
        [covered >= _FULLY, distance <= touch, distance <= FARTHEST_M],
        ["supraglacial", "ice-contact", "unconnected"],
        "non-glacial",
    )
    doubtful = (distance <= touch) & ~(age <= _FRESH_YEARS)
    return lakes.assign(
        rgi_id=names[nearest], dist_glacier_m=distance, ice_contact=contact, lake_type=kinds,
        lake_type_conf=np.where(doubtful, "low", "high"),
    )  # fmt: skip


def glaciers_around(bounds: Bounds, glaciers: gpd.GeoDataFrame, reach_m: float, crs: Any) -> gpd.GeoDataFrame:
    """Gives the glaciers near a box.

    Args:
        bounds: west, south, east and north in degrees.
        glaciers: as `read_glaciers` gives them.
        reach_m: how far around.
        crs: to bring them to.
    """
    west, south, east, north = bounds
    high = reach_m / 110_000
    wide = high / max(np.cos(np.radians(max(abs(south), abs(north)) + high)), 0.01)
    frame = shapely.box(west - wide, south - high, east + wide, north + high)
    near = glaciers.iloc[np.sort(glaciers.sindex.query(frame, predicate="intersects"))]
    return near.set_geometry(to_crs(near.geometry, crs))


def _nearby(outlines: gpd.GeoSeries, glaciers: gpd.GeoDataFrame) -> tuple[npt.NDArray[np.object_], gpd.GeoDataFrame]:
    """Brings outlines `(N,)`, and the glaciers within 10 km of the box around them, to a CRS in metres."""
    if not len(outlines):
        return np.zeros(0, dtype=object), glaciers.iloc[:0]
    degrees = to_degrees(outlines)
    crs = local_crs(*middle_of(degrees))
    shapes = np.array(to_crs(degrees, crs).array, dtype=object)
    return shapes, glaciers_around(tuple(degrees.total_bounds), glaciers, FARTHEST_M, crs)


def _years(dates: Iterable[Any]) -> npt.NDArray[np.float64]:
    """The year with which each date begins; RGI 6 writes 20020710, and -9999999 where it knows none."""
    found = [re.match(r"(?:19|20)\d\d", str(date)) for date in dates]
    return np.array([float(year[0]) if year else np.nan for year in found])
