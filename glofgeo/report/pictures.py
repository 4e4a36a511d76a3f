"""Pictures cut out of scenes, small enough that hundreds of them stand in a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window
from shapely.affinity import affine_transform

from datasets_def.reproject import to_crs
from datasets_def.scene import Scene
from glofgeo.errors import GlofgeoError
from glofgeo.report.figures import path_of

RGB = ("B04", "B03", "B02")

# Side of a picture in pixels, and the quality of its JPEG: 5 to 8 kB.
_SIDE, _QUALITY = 150, 80
# What a picture shows is this much wider than the lake, and no less than this many metres.
_AROUND, _LEAST_M = 1.5, 400.0
# A picture of which less was observed shows nothing.
_LEAST_SEEN = 0.5
_DEGREE_M = 111_195.0


@dataclass(frozen=True)
class Frame:
    """A square on the ground.

    Attributes:
        lon: of its centre, degrees.
        lat: of its centre, degrees.
        side_m: in metres.
    """

    lon: float
    lat: float
    side_m: float


def frame_around(outlines: Sequence[Any]) -> Frame:
    """Gives a frame with room around all of some outlines in EPSG:4326."""
    west, south, east, north = shapely.total_bounds(outlines)
    lon, lat = (west + east) / 2, (south + north) / 2
    across = max((east - west) * np.cos(np.radians(lat)), north - south) * _DEGREE_M
    return Frame(float(lon), float(lat), max(_AROUND * float(across), _LEAST_M))


def draw_picture(scenes: Sequence[Scene], frame: Frame, outline: Any) -> str:
    """Draws the ground as that of some scenes shows it that shows most of it, with an outline on top, as SVG.

    Args:
        scenes: opened with the bands of `RGB`.
        frame: the ground; black where the scene ends.
        outline: in EPSG:4326; None where there is none.

    Returns:
        "" where no scene shows half of it, or it cannot be read.
    """
    windows = [_window(scene, frame) for scene in scenes]
    try:
        seen = [_seen(scene, window) for scene, window in zip(scenes, windows, strict=True)]
        if max(seen, default=0.0) < _LEAST_SEEN:
            return ""
        scene, window = scenes[best := int(np.argmax(seen))], windows[best]
        picture = Image.fromarray(_read(scene, window))
    except GlofgeoError:
        return ""
    side = window.width
    if side > _SIDE:
        picture = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    drawn = f'<image href="{data_uri(picture)}" width="{_SIDE}" height="{_SIDE}"/>'
    if outline is not None:
        (shape,) = to_crs(gpd.GeoSeries([outline], crs="EPSG:4326"), scene.crs)
        to_picture = Affine.scale(_SIDE / side) * ~scene.grid.window(window).transform
        drawn += f'<path class="lake" d="{path_of(affine_transform(shape, to_picture.to_shapely()))}"/>'
    return f'<svg class="seen" viewBox="0 0 {_SIDE} {_SIDE}">{drawn}</svg>'


def _window(scene: Scene, frame: Frame) -> Window:
    """The frame in pixels of a scene; it may reach beyond."""
    (place,) = to_crs(gpd.GeoSeries([shapely.Point(frame.lon, frame.lat)], crs="EPSG:4326"), scene.crs)
    if place.is_empty:
        return Window(0, 0, 0, 0)
    side = max(round(frame.side_m / scene.grid.pixel_side), 1)
    col, row = ~scene.transform * (place.x, place.y)
    return Window(round(col - side / 2), round(row - side / 2), side, side)


def _seen(scene: Scene, window: Window) -> float:
    """The share of a window that was observed, 0-1."""
    part = scene.grid.clip(window)
    inside = part.width * part.height
    return float(scene.valid(part).sum() / (window.width * window.height)) if inside else 0.0


def _read(scene: Scene, window: Window) -> NDArray[np.uint8]:
    """The true colour of a window, `(H, W, 3)`."""
    part = scene.grid.clip(window)
    picture = np.zeros((window.height, window.width, 3), np.uint8)
    top, left = part.row_off - window.row_off, part.col_off - window.col_off
    picture[top : top + part.height, left : left + part.width] = true_colour(scene.read(part, RGB))
    return picture


def data_uri(picture: Image.Image) -> str:
    """Gives a picture as a JPEG within its own address."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def true_colour(reflectance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Stretches red, green and blue to a picture that shows dark valleys beside sunlit snow.

    All three share one stretch, which keeps hues. White is the 98th percentile, but no less than 0.25 and no more
    than 0.9, so that neither a scene without snow nor one full of it is bleached; a gamma of 0.6 lifts the shadow.

    Args:
        reflectance: `(3, H, W)` red, green, blue surface reflectance (1.0 = 100 %); not-a-number where unknown.

    Returns:
        `(H, W, 3)` uint8; black where any band is not a number.
    """
    known = np.isfinite(reflectance).all(axis=0)
    low, high = np.percentile(reflectance[:, known], (1, 98)) if known.any() else (0.0, 1.0)
    low, high = float(np.clip(low, 0, 0.05)), float(np.clip(high, 0.25, 0.9))
    scaled = np.clip((np.where(known, reflectance, low) - low) / (high - low), 0, 1) ** 0.6
    return np.rint(np.moveaxis(scaled, 0, -1) * 255).astype(np.uint8)
