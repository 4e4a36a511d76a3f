"""Reprojects polygons: curved edges, the antimeridian, the poles, and areas far larger than a scene.

Everything passes through longitude and latitude, within 180 degrees: what crosses the antimeridian is cut there into
parts on both sides (RFC 7946, section 3.1.9), and what holds a pole has an edge along 90 degrees.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from geopandas import GeoSeries
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from datasets_def.errors import GlofgeoError

Shapes = npt.NDArray[np.object_]

WGS84 = "EPSG:4326"

# An edge is straight in its own CRS and curved in another: points this far apart (1 km) keep it within centimetres.
_SEGMENT_DEG = 0.01
_SEGMENT_M = 1000.0

# A grid's surroundings are known from this many points a side, and this share wider than they say.
_POINTS = 64
_MARGIN = 0.02

# Projected there and back, 180 degrees is missed by less than this.
_ROUNDING_DEG = 1e-9
# Around a pole, areas are joined along this meridian: any on which no pixel's centre lies.
_SEAM = -170.317
# All that lies along 90 degrees is the pole.
_POLE_DEG = 90 - _ROUNDING_DEG
# A grid around a pole sees all longitudes; so many edges a turn keep a parallel within a hundredth of its pixels.
_MOST_SEGMENTS = 2000


def to_degrees(polygons: GeoSeries) -> GeoSeries:
    """Reprojects polygons from any CRS to EPSG:4326, within 180 degrees.

    Args:
        polygons: Polygons and MultiPolygons; longitudes may lie beyond 180, as in 170 to 190.

    Returns:
        Valid ones, with vertices at every kilometre of an edge that is straight in a projected CRS, which is coarse
        only within a kilometre of a pole.

    Raises:
        GlofgeoError: If a coordinate lies off the Earth.
    """
    crs = CRS.from_user_input(polygons.crs)
    shapes = np.array(polygons.array, dtype=object)
    if crs.is_projected:
        shapes = shapely.segmentize(shapes, _SEGMENT_M / crs.axis_info[0].unit_conversion_factor)
    if not crs.equals(WGS84, ignore_axis_order=True):
        shapes = _transform(shapes, crs, CRS.from_user_input(WGS84))
        if not np.isfinite(shapely.get_coordinates(shapes)).all():
            raise GlofgeoError(f"a polygon lies outside the area that {crs.name} can represent", "check its CRS")
        west, _, east, _ = shapely.bounds(shapes).T
        for i in np.flatnonzero(east - west > 180):
            shapes[i] = _mend(shapes[i])
    west, _, east, _ = shapely.bounds(shapes).T
    for i in np.flatnonzero((west < -180) | (east > 180)):
        shapes[i] = wrap(shapes[i])
    return GeoSeries(_valid(shapes), index=polygons.index, crs=WGS84)


def wrap(geometry: BaseGeometry) -> BaseGeometry:
    """Cuts polygons of any longitudes at 180 degrees and brings the parts within."""
    if geometry is None or geometry.is_empty:
        return geometry
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    if west > -180 - _ROUNDING_DEG and east < 180 + _ROUNDING_DEG:
        return shapely.transform(geometry, lambda xy: np.clip(xy, -180, 180))
    turns = range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360))
    cut = [shapely.intersection(geometry, shapely.box(360 * k - 180, -90, 360 * k + 180, 90)) for k in turns]
    parts = [_turn(piece, -360.0 * k) for piece, k in zip(cut, turns, strict=True)]
    return shapely.union_all(polygons_of(np.array(parts, dtype=object)))


def to_crs(polygons: GeoSeries, crs: Any) -> GeoSeries:
    """Reprojects whole polygons; edges are densified, so that they stay where they are on the Earth.

    Returns:
        Valid polygons with the same index; those that the CRS cannot show are empty.
    """
    target = CRS.from_user_input(crs)
    if target == CRS.from_user_input(polygons.crs):
        return polygons
    return GeoSeries(_from_degrees(np.array(to_degrees(polygons).array), target), index=polygons.index, crs=crs)


def areas_on_grid(areas: GeoSeries, crs: Any, outline: BaseGeometry) -> Shapes:
    """Reprojects areas of any size to a grid, and clips them to it.

    Args:
        areas: polygons in any CRS, such as half a continent.
        crs: of the grid.
        outline: of the grid, in its CRS.

    Returns:
        Polygons in the grid's CRS, `(N,)`; none where the areas lie off the grid.

    Raises:
        GlofgeoError: If an area or the grid lies off the Earth.
    """
    target = CRS.from_user_input(crs)
    if target.is_projected and target == CRS.from_user_input(areas.crs):
        brought = _valid(areas.array)
    else:
        shapes = np.array(to_degrees(areas).array)
        west, south, east, north = neighbourhood(target, outline)
        near = []
        # Within 180 degrees, what lies east of the antimeridian is a turn away from a grid that crosses it.
        for turn in (-360.0, 0.0, 360.0):
            frame = shapely.box(west - turn, south, east - turn, north)
            cut = shapely.intersection(shapes[shapely.intersects(shapes, frame)], frame)
            near += [_turn(piece, turn) for piece in cut]
        brought = _from_degrees(polygons_of(shapely.union_all(near)), target)
    return polygons_of(shapely.intersection(brought, outline))


def lakes_on_grid(lakes: GeoSeries, crs: Any, outline: BaseGeometry) -> Shapes:
    """Reprojects lakes to a grid, without clipping them.

    Args:
        lakes: polygons in any CRS.
        crs: of the grid.
        outline: of the grid, in its CRS.

    Returns:
        Those that touch the grid, in its CRS, `(N,)`; one of several parts is a MultiPolygon.

    Raises:
        GlofgeoError: If a lake or the grid lies off the Earth.
    """
    target = CRS.from_user_input(crs)
    if target.is_projected and target == CRS.from_user_input(lakes.crs):
        whole = _valid(lakes.array)
    else:
        west, south, east, north = neighbourhood(target, outline)
        parts, owner = shapely.get_parts(np.array(to_degrees(lakes).array), return_index=True)
        bounds = shapely.bounds(parts)
        turns = np.round(((west + east) - (bounds[:, 0] + bounds[:, 2])) / 720) * 360
        for i in np.flatnonzero(turns):
            parts[i] = _turn(parts[i], turns[i])
        near = np.unique(owner[shapely.intersects(parts, shapely.box(west, south, east, north))])
        features = [shapely.union_all(parts[owner == lake]) for lake in near]
        whole = _from_degrees(np.array(features, dtype=object), target)
    return whole[shapely.intersects(whole, outline)]


def neighbourhood(crs: Any, outline: BaseGeometry) -> tuple[float, float, float, float]:
    """Gives a box of longitude and latitude that encloses a grid with a margin.

    Args:
        crs: of the grid.
        outline: of the grid, in its CRS.

    Returns:
        (west, south, east, north) in degrees; west is within 180 unless the grid itself counts otherwise, east may lie
        beyond. Around a pole, a whole turn and up to 90 degrees.

    Raises:
        GlofgeoError: If the grid lies off the Earth.
    """
    crs = CRS.from_user_input(crs)
    x0, y0, x1, y1 = outline.bounds
    side = max(x1 - x0, y1 - y0)
    if crs.is_geographic:
        west, south, east, north = x0, y0, x1, y1
    else:
        box = shapely.box(x0, y0, x1, y1).buffer(_MARGIN * side, join_style="mitre")
        ring = shapely.segmentize(box.exterior, side / _POINTS)
        lon, lat = shapely.get_coordinates(_transform(np.array([ring]), crs, CRS.from_user_input(WGS84))).T
        if not np.isfinite([lon, lat]).all():
            raise GlofgeoError(f"the grid at ({x0:.0f}, {y0:.0f}) lies outside the area that {crs.name} can represent")
        lon = np.unwrap(lon, period=360)
        west, south, east, north = lon.min(), lat.min(), lon.max(), lat.max()
        if abs(lon[-1] - lon[0]) > 180:
            return (_SEAM, -90, _SEAM + 360, north) if lat.mean() < 0 else (_SEAM, south, _SEAM + 360, 90)
        turn = 360 * math.floor((west + 180) / 360)
        west, east = west - turn, east - turn
    margin = _MARGIN * max(east - west, north - south) + _SEGMENT_DEG
    return west - margin, max(south - margin, -90), east + margin, min(north + margin, 90)


def polygons_of(shapes: Shapes | BaseGeometry) -> Shapes:
    """Gives the polygons with an area of any geometries, nested ones too, one by one."""
    parts = simple_parts(shapes)
    return parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 0)]


def simple_parts(shapes: Shapes | BaseGeometry) -> Shapes:
    """Takes collections apart, nested ones too, into points, lines and polygons."""
    parts = np.atleast_1d(np.asarray(shapes, dtype=object))
    parts = parts[~shapely.is_missing(parts)]
    while (shapely.get_type_id(parts) > 3).any():
        parts = shapely.get_parts(parts)
    return parts


def _from_degrees(shapes: Shapes, target: CRS) -> Shapes:
    """Brings polygons from EPSG:4326 to a CRS; parts that it cannot show are left out."""
    if target.equals(WGS84, ignore_axis_order=True):
        return shapes
    if target.is_geographic:
        return _valid(_transform(shapes, CRS.from_user_input(WGS84), target))
    west, _, east, _ = shapely.bounds(shapes).T
    bent = shapely.segmentize(shapes, np.fmax(_SEGMENT_DEG, (east - west) / _MOST_SEGMENTS))
    there = _transform(bent, CRS.from_user_input(WGS84), target)
    for i in np.flatnonzero(~np.isfinite(shapely.bounds(there)).all(axis=1) & ~shapely.is_empty(there)):
        parts = shapely.get_parts(there[i])
        there[i] = shapely.multipolygons([part for part in parts if np.isfinite(part.bounds).all()])
    return _valid(there)


def _transform(shapes: Shapes, source: CRS, target: CRS) -> Shapes:
    """Transforms vertices; longitudes stay on the turn that they were on."""
    project = Transformer.from_crs(source, target, always_xy=True).transform

    def move(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # At a pole one longitude is as good as another; with the same one, the same point comes out.
        longitude = np.where(
            (source.is_geographic and target.is_projected) & (np.abs(xy[:, 1]) > _POLE_DEG), 0, xy[:, 0]
        )
        there = np.column_stack(project(longitude, xy[:, 1]))
        if source.is_geographic and target.is_geographic:
            there[:, 0] += 360 * np.round((xy[:, 0] - there[:, 0]) / 360)
        return there

    return np.asarray(shapely.transform(shapes, move), dtype=object)


def _mend(shape: BaseGeometry) -> BaseGeometry:
    """Puts polygons together again whose longitudes jump from 180 to -180."""
    parts = []
    for polygon in shapely.get_parts(shape):
        holes = shapely.union_all([wrap(_disc(ring)) for ring in polygon.interiors])
        parts.append(wrap(_disc(polygon.exterior)) - holes)
    return shapely.union_all(parts)


def _disc(ring: BaseGeometry) -> BaseGeometry:
    """What a ring encloses, with longitudes that go on beyond 180; a ring around a pole is closed along 90 degrees."""
    lon, lat = shapely.get_coordinates(ring).T
    lon = np.unwrap(lon, period=360)
    if abs(lon[-1] - lon[0]) > 180:
        pole = math.copysign(90.0, lat.mean())
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    return shapely.make_valid(shapely.Polygon(np.column_stack([lon, lat])))


def _turn(shape: BaseGeometry, turn: float) -> BaseGeometry:
    return shapely.transform(shape, lambda xy: xy + np.array([turn, 0.0])) if turn else shape


def _valid(shapes: Any) -> Shapes:
    """Repairs what does not enclose an area plainly; keeps the polygons of what that gives."""
    shapes = np.array(shapes, dtype=object)
    for i in np.flatnonzero(~(shapely.is_valid(shapes) | shapely.is_missing(shapes))):
        shapes[i] = shapely.union_all(polygons_of(shapely.make_valid(shapes[i])))
    return shapes
