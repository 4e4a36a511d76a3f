"""A picture of the map, to look at before opening QGIS: true colour, lakes, scale, coordinates, date and sensor."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib_scalebar.scalebar import ScaleBar
from numpy.typing import NDArray
from PIL import Image
from pyproj import Geod, Transformer
from rasterio.transform import xy as pixel_to_xy
from shapely.affinity import affine_transform

from datasets_def.acquired import tells_hour
from datasets_def.atomic import written_beside
from datasets_def.grid import Grid
from datasets_def.scene import Scene
from glofgeo.mapping.graticule import edge_ticks
from glofgeo.report.glyphs import boxes_for_missing_glyphs

_DPI = 200
# Inches: longer side of the map, what surrounds it (left and below with coordinates), and the head, a line of a note.
_LONG_SIDE, _MARGIN, _LABELS, _HEAD, _NOTE = 8.0, 0.12, 0.3, 0.62, 0.2

_LAKE = "#19f0ff"
_LAKE_CASING = "#06304a"
_NOTE_COLOUR = "#a3271b"
_GREY = (0.66, 0.66, 0.68, 0.9)
_HATCH = "#75757d"
# The largest lakes are named: so many of them, in letters of so many points.
_NAMED, _NAME_SIZE = 8, 6.5


@dataclass(frozen=True)
class Backdrop:
    """What lakes are drawn on.

    Attributes:
        rgb: uint8 `(H, W, 3)` true colour, already reduced to about the size of the picture.
        not_observed: bool `(H, W)`, true under cloud and outside the swath; drawn grey and hatched.
        grid: of these pixels.
    """

    rgb: NDArray[np.uint8]
    not_observed: NDArray[np.bool_]
    grid: Grid


def caption(scene: Scene) -> str:
    """Tells what took a scene and when, such as "Sentinel-2A L2A, 15 October 2024, 04:57 UTC"."""
    unit = re.match(r"S2([A-Z])_", scene.id)
    sensor = " ".join(filter(None, (f"Sentinel-2{unit[1] if unit else ''}", scene.level)))
    moment = scene.datetime
    if moment is None:
        return f"{sensor}, date not known"
    return f"{sensor}, {moment.day} {moment:%B %Y}" + (f", {moment:%H:%M} UTC" if tells_hour(moment) else "")


def write_overview(
    path: Path, backdrop: Backdrop, lakes: gpd.GeoDataFrame, title: str, about: str = "", note: str = ""
) -> None:
    """Draws the map of one scene, some 1700 px on its longer side, all or nothing.

    Args:
        path: PNG to write; one that exists is replaced.
        backdrop: what lakes are drawn on.
        lakes: polygons in its CRS with `lake_id` and `area_m2`; the largest are named.
        title: first line, such as the scene.
        about: date and sensor; count and total area of the lakes follow.
        note: what a reader must know, in a line of its own.
    """
    height, width = backdrop.not_observed.shape
    metres_across, metres_down = _pixel_size(backdrop.grid)
    aspect = metres_down / metres_across
    scale = _LONG_SIDE / max(width, height * aspect)
    head = _HEAD + (_NOTE if note else 0)
    page_width = width * scale + _LABELS + _MARGIN
    page_height = height * aspect * scale + _LABELS + head

    figure = Figure(figsize=(page_width, page_height), dpi=_DPI, facecolor="none")
    axes = figure.add_axes(
        (
            _LABELS / page_width,
            _LABELS / page_height,
            width * scale / page_width,
            height * aspect * scale / page_height,
        )
    )
    axes.set(xlim=(0, width), ylim=(height, 0), facecolor="none")
    _draw_not_observed(axes, backdrop.not_observed)
    outlines = _in_pixels(lakes.geometry.to_numpy(), backdrop.grid)
    _draw_lakes(axes, outlines)
    _name_lakes(axes, lakes, outlines, 1 / scale / 72)
    bar = ScaleBar(
        metres_across, location="lower left", rotation="horizontal-only", box_alpha=0.8, border_pad=0.7,
        font_properties={"size": 9},
    )  # fmt: skip
    axes.add_artist(bar)
    _draw_legend(axes, bool(backdrop.not_observed.any()))
    _draw_coordinates(axes, backdrop.grid, (width * scale, height * aspect * scale))

    count = f"{len(lakes)} lake" + ("" if len(lakes) == 1 else "s")
    summary = f"{count}, {float(lakes['area_m2'].sum()) / 1e6:.3g} km² in all"
    lines = [(title, 12.0, "black", "bold"), (f"{about}: {summary}" if about else summary, 10.0, "#333333", "normal")]
    lines += [(note, 10.0, _NOTE_COLOUR, "normal")] if note else []
    # The longest lines are shrunk to the width of the page: a bold letter is about 0.65 of its size wide.
    room = (page_width - 2 * _MARGIN) * 72 / 0.65
    for number, (text, size, colour, weight) in enumerate(lines):
        y = 1 - (0.1 + 0.24 * number) / page_height
        # A name may hold what Matplotlib takes for a formula.
        written = figure.text(_MARGIN / page_width, y, text, color=colour, va="top", parse_math=False)
        written.set(fontsize=min(size, room / max(len(text), 1)), fontweight=weight)
    _save(figure, _page(figure, backdrop, (round(width * scale * _DPI), round(height * aspect * scale * _DPI))), path)


def _pixel_size(grid: Grid) -> tuple[float, float]:
    """Width and height in metres of the pixel in the middle of a grid."""
    row, column = grid.shape[0] / 2, grid.shape[1] / 2
    columns = np.array([column - 0.5, column + 0.5, column, column])
    rows = np.array([row, row, row - 0.5, row + 0.5])
    x, y = pixel_to_xy(grid.transform, rows, columns, offset="ul")
    longitude, latitude = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    geod = Geod(ellps="WGS84")
    _, _, metres = geod.inv(longitude[::2], latitude[::2], longitude[1::2], latitude[1::2])
    return float(metres[0]), float(metres[1])


def _in_pixels(outlines: NDArray[np.object_], grid: Grid) -> list[Any]:
    """Outlines in columns and rows of the picture."""
    to_pixels = (~grid.transform).to_shapely()
    return [affine_transform(outline, to_pixels) for outline in outlines]


def _page(figure: Figure, backdrop: Backdrop, size: tuple[int, int]) -> Image.Image:
    """A white page with the true colour where the axes lie, under a grey veil where nothing was observed.

    Not an image of Matplotlib's, which takes 250 MB to draw one.

    Args:
        figure: that will be drawn over it.
        backdrop: what lies below the lakes.
        size: (width, height) of the axes in pixels of the page.
    """
    *grey, alpha = _GREY
    rgb, hidden = backdrop.rgb.copy(), backdrop.not_observed
    rgb[hidden] = np.round((1 - alpha) * rgb[hidden] + alpha * 255 * np.array(grey))
    across, down = (int(side) for side in figure.bbox.size)
    margin = round(_LABELS * _DPI)
    page = Image.new("RGB", (across, down), "white")
    page.paste(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR), (margin, down - margin - size[1]))
    return page


def _draw_not_observed(axes: Axes, not_observed: NDArray[np.bool_]) -> None:
    height, width = not_observed.shape
    if not_observed.any():
        # The frame of zeros closes the contour along the border of the picture.
        framed = np.pad(not_observed.astype(np.float32), 1)
        x, y = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
        hatch = axes.contourf(x, y, framed, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatch.set(edgecolor=_HATCH, linewidth=0)


def _draw_lakes(axes: Axes, outlines: list[Any]) -> None:
    shores = [shapely.get_coordinates(line) for line in shapely.get_parts(shapely.boundary(outlines))]
    axes.add_collection(LineCollection(shores, colors=_LAKE_CASING, linewidths=1.5, alpha=0.55), autolim=False)
    axes.add_collection(LineCollection(shores, colors=_LAKE, linewidths=0.7), autolim=False)


def _name_lakes(axes: Axes, lakes: gpd.GeoDataFrame, outlines: list[Any], point: float) -> None:
    """Writes name and area beside the largest lakes, as long as no name covers another.

    Args:
        axes: of the map.
        lakes: with `lake_id` and `area_m2`.
        outlines: the same lakes in pixels.
        point: a typographic point in pixels across.
    """
    width = axes.get_xlim()[1]
    areas = lakes["area_m2"].to_numpy()
    taken: list[Any] = []
    for number in np.argsort(-areas, kind="stable")[:_NAMED]:
        text = f"{lakes['lake_id'].iloc[number]}\n{areas[number] / 1e6:.3g} km²"
        left, _, right, _ = outlines[number].bounds
        middle = outlines[number].representative_point().y
        wide, high = 0.62 * _NAME_SIZE * point * text.index("\n"), 1.5 * _NAME_SIZE * point
        fits = right + wide + 3 * point < width
        side, x, first = ("left", right + 2 * point, right) if fits else ("right", left - 2 * point, left - wide)
        box = shapely.box(first, middle - high, first + wide, middle + high)
        if any(box.intersects(other) for other in taken):
            continue
        taken.append(box)
        axes.text(
            x, middle, text, ha=side, va="center", fontsize=_NAME_SIZE, color="#00182f", parse_math=False,
            path_effects=[withStroke(linewidth=1.8, foreground="white")], linespacing=1.0, clip_on=True,
        )  # fmt: skip


def _draw_coordinates(axes: Axes, grid: Grid, inches: tuple[float, float]) -> None:
    """Longitude below the picture, latitude on its left; an inch or more to each."""
    below, beside = edge_ticks(grid, (max(1, int(inches[0] / 1.2)), max(1, int(inches[1] / 1.2))))
    axes.set_xticks(*_unzipped(below), fontsize=7)
    axes.set_yticks(*_unzipped(beside), fontsize=7, rotation=90, va="center")
    axes.tick_params(length=2.5, pad=2)


def _unzipped(ticks: list[tuple[float, str]]) -> Iterator[list[Any]]:
    return iter(([place for place, _ in ticks], [label for _, label in ticks]))


def _draw_legend(axes: Axes, with_hidden: bool) -> None:
    handles: list[Any] = [Line2D([], [], color=_LAKE, linewidth=1.6, label="lake")]
    if with_hidden:
        handles.append(Patch(facecolor=_GREY, edgecolor=_HATCH, hatch="////", linewidth=0, label="not observed"))
    axes.legend(handles=handles, loc="lower right", fontsize=9, framealpha=0.8, facecolor="#c9cfd6", edgecolor="none")


def _save(figure: Figure, page: Image.Image, path: Path) -> None:
    """Draws over the page, and writes the picture with 256 colours.

    They take a third of the room of true colour, and are hardly to be told from it.
    """
    canvas = FigureCanvasAgg(figure)
    with boxes_for_missing_glyphs():
        canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    picture = Image.composite(drawn.convert("RGB"), page, drawn.getchannel("A"))
    # Thin lines are too few pixels to be given a colour of their own by the count, so those of lakes and note are set.
    colours = picture.reduce(4).quantize(254, method=Image.Quantize.MEDIANCUT).getpalette() or []
    set_apart = [round(255 * value) for colour in (_LAKE, _NOTE_COLOUR) for value in to_rgb(colour)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours[: 254 * 3] + set_apart)
    buffer = BytesIO()
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(buffer, format="PNG")
    with written_beside(path) as part:
        part.write_bytes(buffer.getvalue())
