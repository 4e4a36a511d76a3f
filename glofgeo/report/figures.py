"""Drawings, as SVG that stands in the page: the map, outlines before and after, areas over time."""

from collections.abc import Collection, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.affinity import affine_transform

# Orange under blue: told apart by any two kinds of cones.
_WAS, _IS = "#e69f00", "#0b6fa4"

_MAP_WIDTH = 1000
_BOX = 150
_CHART = (300, 150)
# Coordinates in units of a drawing; a tenth is less than a pixel of any screen.
_DIGITS = 1
# Outlines with more points than this are thinned: they are drawn two centimetres wide.
_MOST_POINTS = 200


def draw_map(
    points: Any, classes: Sequence[str], areas_m2: Any, told: Sequence[str], below: Collection[str] = ()
) -> str:
    """Draws lakes as discs where they are, coloured by class; what a disc tells is in its `data-t`.

    Args:
        points: longitude and latitude, `(N, 2)`.
        classes: of each lake, as `figure_styles` has colours for.
        areas_m2: of each lake.
        told: a line about each lake.
        below: classes that are drawn before all others.
    """
    if not len(points):
        return "<p>No lakes.</p>"
    longitude = np.unwrap(points[:, 0], period=360)
    aspect = np.cos(np.radians(points[:, 1].mean()))
    west, south = longitude.min(), points[:, 1].min()
    width = max((longitude.max() - west) * aspect, points[:, 1].max() - south, 0.02)
    scale = (_MAP_WIDTH - 60) / width
    height = (points[:, 1].max() - south) * scale + 60
    x = 30 + (longitude - west) * aspect * scale
    y = height - 30 - (points[:, 1] - south) * scale
    radius = np.clip(np.sqrt(areas_m2 / 1e6) * 6, 2.5, 14)
    lines = _graticule((west, south, width / aspect, width), (30, height - 30), (aspect * scale, scale), height)
    order = np.lexsort((-radius, np.isin(classes, list(below)) * -1))
    discs = "".join(
        f'<circle cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="{radius[i]:.1f}" class="{classes[i]}" data-t="{escape(told[i])}"/>'
        for i in order
    )
    return f'<svg class="map" viewBox="0 0 {_MAP_WIDTH} {height:.0f}" role="img">{lines}{discs}</svg>'


def _graticule(extent: Any, corner: Any, scale: Any, height: float) -> str:
    """Lines of longitude and latitude at round numbers, some three to eight of either."""
    west, south, wide, high = extent
    drawn = ""
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60) if wide / step <= 8)
    digits = max(-int(np.floor(np.log10(step))), 0)
    for value in np.arange(np.ceil(west / step), (west + wide) / step) * step:
        x = corner[0] + (value - west) * scale[0]
        drawn += f'<line x1="{x:.0f}" x2="{x:.0f}" y1="0" y2="{height:.0f}"/>'
        drawn += f'<text x="{x + 3:.0f}" y="{height - 6:.0f}">{(value + 180) % 360 - 180:.{digits}f}°</text>'
    for value in np.arange(np.ceil(south / step), (south + high) / step) * step:
        y = corner[1] - (value - south) * scale[1]
        if y > 0:
            drawn += f'<line x1="0" x2="{_MAP_WIDTH}" y1="{y:.0f}" y2="{y:.0f}"/>'
            drawn += f'<text x="3" y="{y - 3:.0f}">{value:.{digits}f}°</text>'
    return f'<g class="grid">{drawn}</g>'


def draw_outlines(before: Any, after: Any) -> str:
    """Draws an outline of the earlier date (orange, dashed) under one of the later date (blue); either may be None."""
    there = [shape for shape in (before, after) if shape is not None and not shape.is_empty]
    if not there:
        return ""
    left, bottom, right, top = shapely.total_bounds(there)
    scale = (_BOX - 10) / max(right - left, top - bottom, 1.0)
    drawn = ""
    for shape, kind in ((before, "was"), (after, "is")):
        if shape is not None and not shape.is_empty:
            drawn += f'<path class="{kind}" d="{_path(shape, left, top, scale)}"/>'
    # A bar of a round length, about a third of the drawing.
    metres = _round_length(_BOX / 3 / scale)
    bar = f'<line class="bar" x1="5" x2="{5 + metres * scale:.1f}" y1="{_BOX + 6}" y2="{_BOX + 6}"/>'
    label = f'<text x="{9 + metres * scale:.1f}" y="{_BOX + 10}">{metres:g} m</text>'
    return f'<svg class="shape" viewBox="0 0 {_BOX} {_BOX + 14}">{drawn}{bar}{label}</svg>'


def _path(shape: Any, left: float, top: float, scale: float) -> str:
    return path_of(affine_transform(shape, [scale, 0, 0, -scale, 5 - left * scale, 5 + top * scale]))


def path_of(shape: Any) -> str:
    """Words an outline in units of its drawing, x to the right and y downwards, as the path of an SVG."""
    if shapely.get_num_coordinates(shape) > _MOST_POINTS:
        shape = shapely.simplify(shape, 0.3)
    rings = (shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(shape)))
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring) + "Z" for ring in rings)


def _round_length(metres: float) -> float:
    power = 10 ** np.floor(np.log10(max(metres, 1)))
    return float(max(step * power for step in (1, 2, 5) if step * power <= max(metres, 1)))


def draw_series(rows: pd.DataFrame) -> str:
    """Draws the area of a lake over time with one sigma; what does not count for a trend is hollow.

    Args:
        rows: of one lake, as `lake_series` gives them.
    """
    rows = rows[rows["date"].notna() & (rows["state"] != "not_observed")]
    if len(rows) < 2:
        return ""
    wide, high = _CHART
    years = 1970 + rows["date"].astype("datetime64[ms, UTC]").astype("int64").to_numpy() / (365.25 * 86400e3)
    area, sigma = rows["area_m2"].to_numpy() / 1e6, rows["sigma_m2"].to_numpy() / 1e6
    observed = rows["observed"].to_numpy(float)
    most = max((area + sigma).max(), 1e-6) * 1.05
    x = 40 + (years - years.min()) / max(np.ptp(years), 0.1) * (wide - 60)
    y = high - 20 - area / most * (high - 30)
    error = sigma / most * (high - 30)
    drawn = f'<line x1="36" x2="{wide}" y1="{high - 20}" y2="{high - 20}"/>'
    drawn += f'<text x="2" y="14">{most / 1.05:.2g} km²</text><text x="20" y="{high - 20}">0</text>'
    for i, (state, used) in enumerate(zip(rows["state"], rows["used"], strict=True)):
        told = f"{rows['date'].iat[i]:%Y-%m-%d} ({rows['season'].iat[i]}): {area[i]:.4f} ± {sigma[i]:.4f} km²"
        seen = float(observed[i])
        told += "" if np.isnan(seen) else f", {seen:.0%} seen"
        drawn += f'<line x1="{x[i]:.1f}" x2="{x[i]:.1f}" y1="{y[i] - error[i]:.1f}" y2="{y[i] + error[i]:.1f}"/>'
        drawn += (
            f'<circle cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="4" class="{"used" if used else "unused"}" '
            f'data-t="{escape(told + (", " + state.replace("_", " ") if state != "seen" else ""))}"/>'
        )
    for i in {0, len(x) - 1}:
        year = f"{rows['date'].iat[i]:%Y}"
        drawn += f'<text x="{min(x[i] - 12, wide - 30):.0f}" y="{high - 5}">{year}</text>'
    return f'<svg class="series" viewBox="0 0 {wide} {high}">{drawn}</svg>'


def figure_styles(colours: dict[str, str]) -> str:
    """The CSS of all drawings; colours are those of a map's discs, by their class."""
    discs = "".join(f"circle.{name},i.{name}{{fill:{colour};background:{colour}}}" for name, colour in colours.items())
    return (
        "svg{display:block;max-width:100%;height:auto;overflow:visible}"
        "svg.map{width:100%;background:#eef1f4;border-radius:6px}.grid line{stroke:#cfd6dd}"
        ".grid text,svg text{font:11px sans-serif;fill:#556}"
        "circle{stroke:#334;stroke-width:.5}circle.sel{stroke:#000;stroke-width:3}"
        f"{discs}svg.shape,svg.seen{{width:150px;max-width:none}}svg.series{{width:300px}}"
        "svg.seen image{image-rendering:pixelated}path.lake{fill:none;stroke:#19f0ff;stroke-width:1}"
        f"path.was{{fill:none;stroke:{_WAS};stroke-width:2;stroke-dasharray:5 3}}"
        f"path.is{{fill:#40aaff44;stroke:{_IS};stroke-width:1.5}}"
        ".bar,svg.series line{stroke:#556;stroke-width:1.5}circle.used{fill:#0b6fa4}circle.unused{fill:#fff}"
    )
