"""A picture of the map, to look at before opening QGIS: true colour, lake outlines, scale bar, title."""

from io import BytesIO
from math import floor, log10
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from PIL import Image
from pyproj import Geod, Transformer
from rasterio.transform import xy as pixel_to_xy
from shapely.affinity import affine_transform

_DPI = 100
# Inches: longer side of the map, and what surrounds it.
_LONG_SIDE, _MARGIN, _HEAD = 8.0, 0.12, 0.72

_LAKE = "#19f0ff"
_LAKE_CASING = "#06304a"
_GREY = (0.66, 0.66, 0.68, 0.9)
_HATCH = "#75757d"


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


def write_overview(
    path: Path,
    rgb: NDArray[np.uint8],
    lakes: gpd.GeoDataFrame,
    transform: Affine,
    crs: Any,
    title: str,
    not_observed: NDArray[np.bool_],
    note: str = "",
) -> None:
    """Draws the map of one scene, under 1000 px on its longer side, all or nothing.

    Args:
        path: PNG to write; one that exists is replaced.
        rgb: `(H, W, 3)` true colour, already reduced to about the size of the picture.
        lakes: polygons in `crs` with `area_m2`.
        transform: from (column, row) of `rgb` to the coordinates of `crs`.
        crs: of the scene, projected or geographic.
        title: first line, such as scene and date; count and total area of the lakes follow below it.
        not_observed: `(H, W)`, true under cloud and outside the swath; drawn grey and hatched.
        note: what a reader must know, for the second line.
    """
    height, width = rgb.shape[:2]
    metres_across, metres_down = _pixel_size(transform, crs, (height, width))
    aspect = metres_down / metres_across
    scale = _LONG_SIDE / max(width, height * aspect)
    page_width = width * scale + 2 * _MARGIN
    page_height = height * aspect * scale + _MARGIN + _HEAD

    figure = Figure(figsize=(page_width, page_height), dpi=_DPI, facecolor="white")
    axes = figure.add_axes(
        (
            _MARGIN / page_width,
            _MARGIN / page_height,
            width * scale / page_width,
            height * aspect * scale / page_height,
        )
    )
    axes.imshow(rgb, extent=(0, width, height, 0), aspect=aspect, interpolation="bilinear")
    _draw_not_observed(axes, not_observed)
    _draw_lakes(axes, lakes, transform)
    _draw_scale_bar(axes, (height, width), metres_across)
    _draw_legend(axes, bool(not_observed.any()))
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])

    # The longest lines are shrunk to the width of the page: a bold letter is about 0.65 of its size wide.
    room = (page_width - 2 * _MARGIN) * 72 / 0.65
    left = _MARGIN / page_width
    # A name may hold what Matplotlib takes for a formula.
    head = figure.text(left, 1 - 0.14 / page_height, title, fontweight="bold", va="top", parse_math=False)
    head.set_fontsize(min(12.0, room / max(len(title), 1)))
    count = f"{len(lakes)} lake" + ("" if len(lakes) == 1 else "s")
    summary = f"{count}, {float(lakes['area_m2'].sum()) / 1e6:.3g} km² in all"
    summary += f"; {note}" if note else ""
    size = min(10.0, room / len(summary))
    colour = "#a3271b" if note else "#333333"
    figure.text(left, 1 - 0.42 / page_height, summary, fontsize=size, va="top", color=colour, parse_math=False)
    _save(figure, path)


def _pixel_size(transform: Affine, crs: Any, shape: tuple[int, int]) -> tuple[float, float]:
    """Ground width and height in metres of the pixel in the middle of the grid."""
    row, column = shape[0] / 2, shape[1] / 2
    columns = np.array([column - 0.5, column + 0.5, column, column])
    rows = np.array([row, row, row - 0.5, row + 0.5])
    x, y = pixel_to_xy(transform, rows, columns, offset="ul")
    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    geod = Geod(ellps="WGS84")
    _, _, metres = geod.inv(longitude[::2], latitude[::2], longitude[1::2], latitude[1::2])
    return float(metres[0]), float(metres[1])


def _draw_not_observed(axes: Axes, not_observed: NDArray[np.bool_]) -> None:
    height, width = not_observed.shape
    veil = np.zeros((height, width, 4))
    veil[not_observed] = _GREY
    axes.imshow(veil, extent=(0, width, height, 0), aspect=axes.get_aspect(), interpolation="nearest")
    if not_observed.any():
        # The frame of zeros closes the contour along the border of the picture.
        framed = np.pad(not_observed.astype(np.float32), 1)
        x, y = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
        hatch = axes.contourf(x, y, framed, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatch.set(edgecolor=_HATCH, linewidth=0)


def _draw_lakes(axes: Axes, lakes: gpd.GeoDataFrame, transform: Affine) -> None:
    lines = shapely.get_parts(shapely.boundary(lakes.geometry.to_numpy()))
    to_pixels = (~transform).to_shapely()
    shores = [shapely.get_coordinates(affine_transform(line, to_pixels)) for line in lines]
    axes.add_collection(LineCollection(shores, colors=_LAKE_CASING, linewidths=1.7, alpha=0.55), autolim=False)
    axes.add_collection(LineCollection(shores, colors=_LAKE, linewidths=0.8), autolim=False)


def _draw_scale_bar(axes: Axes, shape: tuple[int, int], metres_across: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten, at most a quarter of the picture long."""
    height, width = shape
    longest = width * metres_across / 4
    decade = 10 ** floor(log10(longest))
    metres = max(step * decade for step in (1, 2, 5) if step * decade <= longest)
    length, x, y = metres / metres_across, 0.03 * width, 0.965 * height
    thick = 0.008 * height
    plate = Rectangle((x - 0.015 * width, y - 0.05 * height), length + 0.03 * width, 0.07 * height)
    plate.set(facecolor="white", alpha=0.8, edgecolor="none")
    axes.add_patch(plate)
    axes.add_patch(Rectangle((x, y - thick), length / 2, thick, facecolor="black", edgecolor="black", linewidth=0.8))
    half = Rectangle((x + length / 2, y - thick), length / 2, thick)
    half.set(facecolor="white", edgecolor="black", linewidth=0.8)
    axes.add_patch(half)
    label = f"{metres / 1000:g} km"
    axes.text(x + length / 2, y - 1.8 * thick, label, ha="center", va="bottom", fontsize=9, color="black")


def _draw_legend(axes: Axes, with_hidden: bool) -> None:
    handles: list[Any] = [Line2D([], [], color=_LAKE, linewidth=1.6, label="lake")]
    if with_hidden:
        handles.append(Patch(facecolor=_GREY, edgecolor=_HATCH, hatch="////", linewidth=0, label="not observed"))
    axes.legend(handles=handles, loc="lower right", fontsize=9, framealpha=0.8, facecolor="#c9cfd6", edgecolor="none")


def _save(figure: Figure, path: Path) -> None:
    """Writes the picture with 256 colours: a third of the size of true colour, and hardly to be told from it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    # Thin lines are too few pixels to be given a colour of their own by the count, so that the lake's is set.
    colours = picture.quantize(255, method=Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours[: 255 * 3] + [round(255 * value) for value in to_rgb(_LAKE)])
    buffer = BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(buffer.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
