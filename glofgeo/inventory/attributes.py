"""What each lake of the layer tells about itself: name, time, size and how sure that is."""

from datetime import UTC, datetime
from math import floor

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from pyproj import Geod

# Columns of the layer `lakes` in the order of its table, with their types; the geometry comes last.
COLUMNS = {
    "lake_id": "str",
    "scene_id": "str",
    "acq_datetime": "datetime64[ms, UTC]",
    "proc_baseline": "str",
    "area_m2": "float64",
    "perim_m": "float64",
    "area_unc_m2": "float64",
    "unc_method": "str",
    "prob_mean": "float64",
    "prob_p10": "float64",
    "n_px": "int32",
    "valid_frac": "float64",
    "touches_edge": "bool",
}

# Columns that a layer has only where a DEM, glacier outlines or regions were given, in their order after `COLUMNS`.
FURTHER_COLUMNS = {
    "elev_m": "float64",
    "elev_iqr": "float64",
    "mean_slope": "float64",
    "shadow_frac": "float64",
    "rgi_id": "str",
    "dist_glacier_m": "float64",
    "ice_contact": "float64",
    "lake_type": "str",
    "lake_type_conf": "str",
    "basin": "str",
    "country": "str",
    "area_lo_m2": "float64",
    "area_hi_m2": "float64",
    "qa_flag": "str",
}

# Size classes of lakes: upper bounds in km2 of all but the largest, and their names. A lake of just a bound is in the
# upper class. From 0.02 km2 on, ICIMOD's inventory of 2020 deems a lake large enough for a harmful outburst; the
# smallest lakes of Wang et al. 2020 (ESSD 12:2169) have 0.0054 km2.
SIZE_BOUNDS_KM2 = (0.005, 0.02, 0.1, 1.0)
SIZE_CLASSES = ("< 0.005", "0.005-0.02", "0.02-0.1", "0.1-1", "> 1")

# 1 sigma of an area outlined on pixels of side G with perimeter P: P / G pixels lie on the shore, and the area of
# 0.6872 of them (one sigma) is known to half a pixel, 0.6872 * G^2 / 2 each: Hanshaw & Bookhagen 2014,
# The Cryosphere 8, 359-376, doi:10.5194/tc-8-359-2014.
_SHORE_SIGMA = 0.6872 / 2
UNCERTAINTY_METHOD = "Hanshaw & Bookhagen 2014: 0.3436*P*G, 1 sigma"

_WGS84 = Geod(ellps="WGS84")


def describe_lakes(
    lakes: gpd.GeoDataFrame,
    transform: Affine,
    *,
    scene_id: str,
    acquired: datetime | None,
    baseline: str | None,
) -> gpd.GeoDataFrame:
    """Completes mapped outlines to the rows of an inventory.

    Area and perimeter are geodesic (WGS 84), whatever the layer's CRS; the perimeter counts island shores too. The
    uncertainty is one standard deviation and takes the perimeter of the smooth outline.

    Args:
        lakes: MultiPolygons with `n_px`, `prob_mean`, `prob_p10`, `valid_frac` and `touches_edge`, in a CRS.
        transform: of the grid they were mapped on, for the size of its pixels.
        scene_id: name of the scene.
        acquired: when it was sensed, UTC if it names no time zone; None where unknown.
        baseline: processing baseline as in the product, "05.10"; None where unknown.

    Returns:
        The same lakes in the same order with exactly the columns of `COLUMNS`, and their geometry. Areas are in m2,
        lengths in m. A frame without rows has the same columns and types.
    """
    on_globe = gpd.GeoSeries(lakes.geometry).to_crs("EPSG:4326")
    area, perimeter = geodesic_size(on_globe)
    # Side of a pixel on the ground, from the pixel's size in the units of the CRS (metres or degrees) and the local
    # scale of these units, which the lake itself shows.
    planar = shapely.area(lakes.geometry.to_numpy())
    pixel = np.sqrt(abs(transform.determinant) * area / planar)
    instant = pd.NaT if acquired is None else _utc(acquired)
    described = lakes.assign(
        lake_id=lake_ids(lakes),
        scene_id=scene_id,
        acq_datetime=pd.Series(instant, index=lakes.index, dtype=COLUMNS["acq_datetime"]),
        proc_baseline=baseline,
        area_m2=area,
        perim_m=perimeter,
        area_unc_m2=_SHORE_SIGMA * perimeter * pixel,
        unc_method=UNCERTAINTY_METHOD,
    )
    return described[[*COLUMNS, described.geometry.name]].astype(COLUMNS)


def columns_of(layer: gpd.GeoDataFrame) -> dict[str, str]:
    """The columns of a lake layer with their types: those of `COLUMNS`, and the further ones that it has."""
    return COLUMNS | {name: kind for name, kind in FURTHER_COLUMNS.items() if name in layer.columns}


def geodesic_size(polygons: gpd.GeoSeries) -> tuple[np.ndarray, np.ndarray]:
    """Area (m2) and length of all shores (m) on the WGS 84 ellipsoid, of polygons in EPSG:4326.

    A polygon across 180 degrees may be in one piece or cut there; the cut is no shore only if it is in one piece.
    """
    shapes = polygons.to_numpy().copy()
    west, _, east, _ = shapely.bounds(shapes).T
    for i in np.flatnonzero(east - west > 180):
        shapes[i] = shapely.union_all(shapely.get_parts(shapely.transform(shapes[i], _eastward)))
    # Geod subtracts holes only where they run against their shell.
    oriented = shapely.orient_polygons(shapes)
    area = [abs(_WGS84.geometry_area_perimeter(polygon)[0]) for polygon in oriented]
    perimeter = [_WGS84.geometry_length(shapely.boundary(polygon)) for polygon in oriented]
    return np.array(area, dtype=np.float64), np.array(perimeter, dtype=np.float64)


def _eastward(lonlat: np.ndarray) -> np.ndarray:
    """Longitudes from 0 to 360, so that a lake across 180 degrees hangs together."""
    return np.column_stack([lonlat[:, 0] % 360, lonlat[:, 1]])


def lake_ids(lakes: gpd.GeoDataFrame) -> list[str]:
    """Names lakes by where they are: `GL086925E27898N` is centred at 86.925 degrees east, 27.898 north.

    The convention of the inventories of the region: longitude and latitude in thousandths of a degree. Of lakes that
    share a name the largest keeps it, the next ones get the suffixes a, b, ..., z, aa, ab, ...
    """
    # The centre is found in the CRS of the layer: on a globe, a lake across 180 degrees has no plain centroid.
    points = gpd.GeoSeries(shapely.centroid(lakes.geometry.to_numpy()), crs=lakes.crs).to_crs("EPSG:4326")
    names = [_place_name(point.x, point.y) for point in points]
    taken: dict[str, int] = {}
    ids = [""] * len(names)
    for i in np.argsort(-shapely.area(lakes.geometry.to_numpy()), kind="stable"):
        number = taken.get(names[i], 0)
        taken[names[i]] = number + 1
        ids[i] = names[i] + name_suffix(number)
    return ids


def _place_name(longitude: float, latitude: float) -> str:
    east, north = floor(longitude * 1000 + 0.5), floor(latitude * 1000 + 0.5)
    return f"GL{abs(east):06d}{'W' if east < 0 else 'E'}{abs(north):05d}{'S' if north < 0 else 'N'}"


def name_suffix(number: int) -> str:
    """Nothing for 0, then a, b, ..., z, aa, ab, ..."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
