"""The area that scenes are fetched for, and the lakes in it, in degrees."""

from pathlib import Path

from geopandas import GeoDataFrame, GeoSeries

from datasets_def.polygons import read_polygons
from datasets_def.reproject import to_degrees
from glofgeo.errors import GlofgeoError


def area_of(aoi: GeoDataFrame) -> GeoSeries:
    """Gives polygons of any CRS in WGS 84, within 180 degrees."""
    return to_degrees(aoi.geometry)


def lakes_in(path: Path, area: GeoSeries) -> GeoSeries:
    """Reads the lakes that touch the area.

    Args:
        path: layer of polygons.
        area: WGS 84.

    Raises:
        GlofgeoError: If the layer cannot be read, or none of its lakes lies in the area.
    """
    lakes = to_degrees(read_polygons(path).geometry)
    inside = lakes[lakes.intersects(area.union_all())]
    if inside.empty:
        raise GlofgeoError(f"{path}: has no lake in the area of interest", "check the area", argument="aoi")
    return inside
