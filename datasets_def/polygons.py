"""Reads polygon layers: lakes and areas of interest."""

import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from geopandas import GeoDataFrame
from pyogrio.errors import DataLayerError, DataSourceError
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from datasets_def.errors import GlofgeoError, GlofgeoWarning
from datasets_def.reproject import polygons_of, simple_parts, wrap

# Of a file with several layers, those of these names are meant; of lakes, `lakes`.
_LAYERS = {
    "areas of interest": ("aoi", "area", "areas"),
    "basins or countries": ("regions",),
    "glaciers": ("glaciers",),
}
_DEGREES = (360, 90)
# Written by hand or cut out of a larger file, a layer can miss the range by rounding.
_DEGREE_TOLERANCE = 1e-6
# Metres: more than twice around the Earth.
_FARTHEST = 1e8


def read_polygons(
    path: str | Path, what: str = "lakes", layer: str | None = None, *, empty_ok: bool = False, numbered: bool = False
) -> GeoDataFrame:
    """Reads the polygons of a layer file: GeoPackage, GeoJSON, Shapefile, or whatever else GDAL reads.

    Args:
        path: the file.
        what: what the polygons stand for, in the plural, for messages.
        layer: of a file that has several; by default the one named after what it holds (`lakes`, `aoi`).
        empty_ok: a layer without any feature is an answer too (a map that found no lake), not a mistake.
        numbered: also tell where each polygon comes from, in three columns: `file_row`, the number of its feature from
            1, `mended`, whether it had to be made valid, and `flattened`, whether it had heights.

    Returns:
        Valid, two-dimensional, non-empty Polygons and MultiPolygons with their attributes, in the file's CRS. What is
        no polygon is left out, with a warning if a whole feature is. Longitudes from -360 to 360 are brought within
        180 degrees; what crosses these is cut there. The index counts from 0.

    Raises:
        GlofgeoError: If there is no such file or layer, several layers may be meant, or it cannot be read, has no CRS,
            or has no polygons, or has coordinates off the Earth.
    """
    path = Path(path)
    if not path.exists():
        raise GlofgeoError(f"{path}: no such file", f"name a layer of {what} (GeoPackage, GeoJSON or Shapefile)")
    if not (path.is_file() or path.is_dir()):
        raise GlofgeoError(f"{path}: is not a file", f"name a layer of {what} (GeoPackage, GeoJSON or Shapefile)")
    frame = _read(path, what, layer)
    if not isinstance(frame, GeoDataFrame):
        raise GlofgeoError(f"{path}: has no geometries", "give a layer of polygons")
    return plain_polygons(frame, str(path), what, empty_ok=empty_ok, numbered=numbered)


def plain_polygons(
    frame: GeoDataFrame, name: str, what: str = "lakes", *, empty_ok: bool = False, numbered: bool = False
) -> GeoDataFrame:
    """Does for a layer in memory what `read_polygons` does for one in a file; `name` is for messages."""
    if frame.crs is None:
        raise GlofgeoError(f"{name}: has no CRS", "assign the one it was drawn in, for example with ogr2ogr -a_srs")
    shapes = shapely.force_2d(np.array(frame.geometry.array, dtype=object))
    _refuse_off_earth(shapes, frame, name)
    areas = np.array([_polygonal(shape) for shape in shapes], dtype=object)
    if frame.crs.is_geographic:
        areas = np.array([wrap(area) for area in areas], dtype=object)
    kept = ~shapely.is_empty(areas)
    if not kept.any() and not (empty_ok and frame.empty):
        raise GlofgeoError(f"{name}: {_what_it_holds(shapes)}", f"give a layer of {what}")
    if not kept.all():
        message = f"{name}: {np.count_nonzero(~kept)} of {len(kept)} features have no polygon and are left out"
        warnings.warn(message, GlofgeoWarning, stacklevel=1)
    if numbered:
        had_z = shapely.has_z(np.array(frame.geometry.array, dtype=object))
        frame = frame.assign(file_row=np.arange(1, len(frame) + 1), mended=~shapely.is_valid(shapes), flattened=had_z)
    return frame.set_geometry(areas, crs=frame.crs)[kept].reset_index(drop=True)


def without_rejected(lakes: GeoDataFrame) -> GeoDataFrame:
    """Leaves out what an analyst has found to be no lake: `reject` in the column `review` of an inventory."""
    if "review" not in lakes.columns:
        return lakes
    return lakes[~is_reviewed(lakes, "reject")].reset_index(drop=True)


def is_reviewed(lakes: GeoDataFrame, answer: str) -> "pd.Series[bool]":
    """Which lakes of an inventory have this answer in `review`; typed by hand, it may be capitalised or padded."""
    return lakes["review"].map(lambda value: isinstance(value, str) and value.strip().casefold() == answer).astype(bool)


def _read(path: Path, what: str, layer: str | None) -> Any:
    """Reads a layer, whatever the encoding of its texts."""
    try:
        name = _choose_layer(path, what, layer)
        try:
            return gpd.read_file(path, layer=name, engine="pyogrio")
        except UnicodeDecodeError:
            # A shapefile whose `.cpg` is wrong: every byte is a letter in Latin-1, and the polygons are what matters.
            return gpd.read_file(path, layer=name, engine="pyogrio", encoding="ISO-8859-1")
    except ShapelyError as error:
        reason = str(error).splitlines()[0]
        hint = "mend it with Fix geometries of QGIS and save it as polygons"
        raise GlofgeoError(f"{path}: has a geometry that cannot be read ({reason})", hint) from None
    except (DataSourceError, DataLayerError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].partition("; It might help")[0]
        hint = f"give the layer of {what} that is in this folder" if path.is_dir() else ""
        raise GlofgeoError(f"{path}: cannot be read as a layer of {what} ({reason})", hint) from None


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
        held = ", ".join(sorted({str(kind) for _, kind in layers if kind is not None})) or "columns without a geometry"
        raise GlofgeoError(f"{path}: has no polygons but {held}", f"give a layer of {what}")
    own = _LAYERS.get(what, ("lakes",))
    named = [name for name in able if name.casefold() in own]
    if not named and len(able) > 1:
        raise GlofgeoError(
            f"{path}: has several layers of polygons ({', '.join(able)})",
            f"name the one that holds the {what} {own[0]}, or save it as a file of its own",
        )
    return (named or able)[0]


def _polygonal(geometry: BaseGeometry | None) -> BaseGeometry:
    """Gives the valid polygonal part of a geometry, also of one within another, empty if it has none."""
    if geometry is None or geometry.is_empty:
        return shapely.Polygon()
    if geometry.is_valid and geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    # One by one: repaired together, what two of them share would count as a hole.
    return shapely.union_all(polygons_of(shapely.make_valid(simple_parts(geometry))))


def _what_it_holds(shapes: Any) -> str:
    if not len(shapes):
        return "is empty"
    kinds = sorted({shape.geom_type for shape in shapes if shape is not None and not shape.is_empty})
    if not kinds:
        return "has features but no polygons"
    if all("Polygon" in kind for kind in kinds):
        return "has no polygons with an area"
    return f"has no polygons but {' and '.join(kinds)}"


def _refuse_off_earth(shapes: Any, frame: GeoDataFrame, name: str) -> None:
    """Refuses coordinates outside the Earth, also metres in a GeoJSON without `crs`, which is in degrees (RFC 7946)."""
    xy, row = shapely.get_coordinates(shapes, return_index=True)
    wrong = ~np.isfinite(xy).all(axis=1)
    if wrong.any():
        number = row[wrong.argmax()] + 1
        raise GlofgeoError(
            f"{name}: feature {number} of {len(shapes)} has a coordinate that is not a number", "redraw it"
        )
    if not (frame.crs.is_geographic or frame.crs.is_projected):
        raise GlofgeoError(f"{name}: its CRS ({frame.crs.name}) is not tied to the Earth", "save it in EPSG:4326")
    axis = frame.crs.axis_info[0]
    if frame.crs.is_geographic and axis.unit_name != "degree":
        raise GlofgeoError(f"{name}: its CRS counts in {axis.unit_name}, not in degrees", "save it in EPSG:4326")
    far = np.array(_DEGREES) + _DEGREE_TOLERANCE
    if not frame.crs.is_geographic:
        far = np.array([_FARTHEST, _FARTHEST]) / axis.unit_conversion_factor
    wrong = (np.abs(xy) > far).any(axis=1)
    # No layer of metres lies in so small a place around the origin: these are degrees.
    if wrong.any() or (not frame.crs.is_geographic and len(xy) and (np.abs(xy) <= _DEGREES).all()):
        x, y = xy[wrong.argmax()]
        unit = "degrees" if frame.crs.is_geographic else f"coordinates of {frame.crs.name}"
        raise GlofgeoError(
            f"{name}: has no CRS of its own or a wrong one: coordinates such as {x:.6g}, {y:.6g} cannot be {unit}",
            "save it with the CRS it was drawn in",
        )
