"""Which basin and which country each lake lies in, by layers of their polygons."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.polygons import read_polygons
from datasets_def.reproject import to_crs, to_degrees
from glofgeo.errors import GlofgeoError

# Columns that name them, in the order in which they are believed: plain words, then those of HydroBASINS, and those of
# Natural Earth, GADM and geoBoundaries.
_NAMES = {
    "basin": ("basin", "basin_name", "sub_basin", "subbasin", "m_basin", "hybas_id"),
    "country": ("country", "country_name", "admin", "name_0", "shapegroup"),
}


def read_regions(paths: Sequence[str | Path]) -> gpd.GeoDataFrame:
    """Reads layers of basins, of countries, or of both.

    Args:
        paths: GeoPackages, GeoJSONs or Shapefiles, in any CRS.

    Returns:
        All polygons in EPSG:4326 with `basin`, `country` or both, whatever the layers name; "" where one does not.

    Raises:
        GlofgeoError: If a layer cannot be read, has no polygons, or has no column that names a basin or country.
    """
    layers = []
    for path in paths:
        frame = read_polygons(path, "basins or countries")
        known = {str(column).lower(): column for column in reversed(frame.columns)}
        found = {what: next((known[name] for name in names if name in known), None) for what, names in _NAMES.items()}
        columns = {what: _texts(frame[column]) for what, column in found.items() if column is not None}
        if not columns:
            raise GlofgeoError(
                f"{path}: no column names basins or countries", "call it basin or country", argument="regions"
            )
        layers.append(gpd.GeoDataFrame(columns, geometry=to_degrees(frame.geometry).to_numpy(), crs="EPSG:4326"))
    regions = pd.concat(layers, ignore_index=True)
    names = [what for what in _NAMES if what in regions]
    return gpd.GeoDataFrame(regions[names].fillna(""), geometry=regions.geometry.to_numpy(), crs="EPSG:4326")


def add_regions(lakes: gpd.GeoDataFrame, regions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Adds `basin` and `country` to lakes, or that of the two which the regions name.

    A lake lies where a point within it does; it may reach into another basin or country.

    Args:
        lakes: outlines in any CRS.
        regions: as `read_regions` gives them; where polygons overlap, the first that has a name holds.

    Returns:
        The lakes; "" for those that lie in no region.
    """
    points = gpd.GeoSeries(shapely.point_on_surface(lakes.geometry.to_numpy()), crs=lakes.crs)
    lake, region = shapely.STRtree(regions.geometry.to_numpy()).query(
        to_crs(points, regions.crs).to_numpy(), predicate="intersects"
    )
    order = np.lexsort((region, lake))
    columns = {}
    for what in regions.columns.drop("geometry"):
        hits = pd.Series(regions[what].to_numpy()[region[order]], index=lake[order])
        hits = hits[hits != ""]
        columns[what] = hits[~hits.index.duplicated()].reindex(range(len(lakes)), fill_value="").to_numpy()
    return lakes.assign(**columns)


def _texts(values: "pd.Series[str]") -> "pd.Series[str]":
    return values.map(lambda value: "" if pd.isna(value) else str(value).strip()).astype(str)
