"""Polygon layers in: lakes and areas of interest."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from geopandas import GeoDataFrame
from pyogrio.errors import DataLayerError, DataSourceError
from shapely.geometry.base import BaseGeometry

from glofgeo.errors import GlofgeoError

SPLITS = ("train", "val", "test")

# Written by hand or cut out of a larger file, a layer can miss the range by rounding.
_DEGREE_TOLERANCE = 1e-6


def read_polygons(
    path: str | Path, what: str = "lakes", layer: str | None = None, *, empty_ok: bool = False
) -> GeoDataFrame:
    """Reads the polygons of a layer file: GeoPackage, GeoJSON, Shapefile, or whatever else GDAL reads.

    Args:
        path: the file.
        what: what the polygons stand for, in the plural, for messages.
        layer: of a file that has several; by default the one named `lakes`, else the first that holds polygons.
        empty_ok: a layer without any feature is an answer too (a map that found no lake), not a mistake.

    Returns:
        Valid, two-dimensional, non-empty Polygons and MultiPolygons with their attributes, in the file's CRS.
        Other geometries are left out. The index counts from 0.

    Raises:
        GlofgeoError: If there is no such file or layer, or it cannot be read, has no CRS, or has no polygons.
    """
    path = Path(path)
    if not path.exists():
        raise GlofgeoError(f"{path}: no such file; name a layer of {what} (GeoPackage, GeoJSON or Shapefile)")
    try:
        name = _choose_layer(path, what, layer)
        frame = gpd.read_file(path, layer=name, engine="pyogrio")
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise GlofgeoError(f"{path}: cannot be read as a layer of {what} ({reason})") from None
    if not isinstance(frame, GeoDataFrame):
        raise GlofgeoError(f"{path}: has no geometries; give a layer of polygons")
    if frame.crs is None:
        raise GlofgeoError(f"{path}: has no CRS; assign the one it was drawn in, for example with ogr2ogr -a_srs")
    polygons = frame.set_geometry(shapely.force_2d(frame.geometry.map(_polygonal, na_action="ignore").to_numpy()))
    polygons = polygons.set_crs(frame.crs)
    shapes = polygons.geometry.to_numpy()
    polygons = polygons[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))].reset_index(drop=True)
    if polygons.empty and not (empty_ok and frame.empty):
        raise GlofgeoError(f"{path}: {'is empty' if frame.empty else 'has no polygons'}; give a layer of {what}")
    _refuse_metres_as_degrees(polygons, path)
    return polygons


def find_aoi(name: str | Path) -> Path:
    """Finds an area of interest: as a path, then in `./aoi`, then among the ready-made ones that come with glofgeo.

    Args:
        name: a path or a bare name, with or without `.geojson`.

    Raises:
        GlofgeoError: If it is nowhere; the message lists the ready-made names.
    """
    ready = Path(__file__).resolve().parent.parent / "aoi"
    for folder in (Path(), Path("aoi"), ready):
        for candidate in (folder / name, folder / f"{name}.geojson"):
            if candidate.is_file():
                return candidate
    names = ", ".join(sorted(path.stem for path in ready.glob("*.geojson"))) or "none"
    raise GlofgeoError(f"{name}: no such area of interest; give a polygon file or a ready-made one ({names})")


def read_aoi(name: str | Path) -> GeoDataFrame:
    """Reads an area of interest by path or ready-made name.

    Returns:
        Polygons in the file's CRS with those of the columns `name`, `split` (each value train, val or test) and
        `place` that the file has.

    Raises:
        GlofgeoError: As `find_aoi` and `read_polygons`, or if `split` has another value.
    """
    path = find_aoi(name)
    aoi = read_polygons(path, "areas of interest")
    if "split" in aoi:
        wrong = sorted({str(split) for split in aoi["split"] if split not in SPLITS})
        if wrong:
            raise GlofgeoError(f"{path}: split is {', '.join(wrong)}; it must be {', '.join(SPLITS)} on every feature")
    return aoi[[column for column in ("name", "split", "place") if column in aoi] + [aoi.geometry.name]]


def _choose_layer(path: Path, what: str, layer: str | None) -> str:
    layers = pyogrio.list_layers(path)
    names = [str(name) for name in layers[:, 0]]
    if layer is not None:
        if layer not in names:
            raise GlofgeoError(f"{path}: has no layer {layer}; it has {', '.join(names) or 'none'}")
        return layer
    # A layer of mixed or undeclared geometry calls itself Unknown or GeometryCollection and may hold polygons.
    kinds = ("Polygon", "Surface", "Unknown", "GeometryCollection")
    able = [str(name) for name, kind in layers if kind is not None and any(k in str(kind) for k in kinds)]
    if not able:
        raise GlofgeoError(f"{path}: has no polygons; give a layer of {what}")
    return "lakes" if "lakes" in able else able[0]


def _polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Gives the valid polygonal part of a geometry, empty if it has none."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry)
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _refuse_metres_as_degrees(polygons: GeoDataFrame, path: Path) -> None:
    """GeoJSON without `crs` is read as longitude and latitude (RFC 7946), whatever its numbers are."""
    if polygons.empty or not polygons.crs.is_geographic:
        return
    west, south, east, north = polygons.total_bounds
    if np.abs([west, east]).max() > 180 + _DEGREE_TOLERANCE or np.abs([south, north]).max() > 90 + _DEGREE_TOLERANCE:
        raise GlofgeoError(
            f"{path}: has no CRS of its own and its coordinates (such as {west:.0f}, {south:.0f}) are no degrees; "
            "save it with the CRS it was drawn in"
        )
