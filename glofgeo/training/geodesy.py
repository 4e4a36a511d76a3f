"""Areas, distances and buffers in metres, of geometries in EPSG:4326."""

from collections.abc import Iterator

import pyproj
import shapely
from geopandas import GeoSeries
from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import WGS84, to_degrees

_GEOD = pyproj.Geod(ellps="WGS84")
# An edge that is straight in degrees is curved on the ground: by a few metres between points this far apart.
_SEGMENT_DEG = 0.05


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
