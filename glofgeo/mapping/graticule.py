"""Longitudes and latitudes along the edges of a grid."""

import math

import numpy as np
import numpy.typing as npt
from pyproj import Transformer
from rasterio.transform import xy as pixel_to_xy

from datasets_def.grid import Grid

# Edges bend in other CRSs: so many points follow them.
_POINTS = 65
_STEPS = [digit * 10.0**power for power in range(-7, 2) for digit in (1, 2, 5)]

Ticks = list[tuple[float, str]]


def edge_ticks(grid: Grid, most: tuple[int, int]) -> tuple[Ticks, Ticks]:
    """Finds round longitudes along the lower edge of a grid and round latitudes along its left one.

    Args:
        grid: in any CRS; around a pole, where an edge may meet a meridian twice, it may get no ticks.
        most: how many longitudes and latitudes there is room for.

    Returns:
        Column and text of each longitude, row and text of each latitude, in order.
    """
    rows, cols = grid.shape
    along = np.linspace(0, 1, _POINTS)
    below = _ticks(along * cols, _degrees(grid, np.full(_POINTS, rows), along * cols)[0], "EW", most[0])
    beside = _ticks(along * rows, _degrees(grid, along * rows, np.zeros(_POINTS))[1], "NS", most[1])
    return below, beside


def _degrees(
    grid: Grid, rows: npt.NDArray[np.float64], cols: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = pixel_to_xy(grid.transform, rows, cols, offset="ul")
    longitude, latitude = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.unwrap(np.asarray(longitude), period=360), np.asarray(latitude)


def _ticks(places: npt.NDArray[np.float64], degrees: npt.NDArray[np.float64], signs: str, most: int) -> Ticks:
    if not np.isfinite(degrees).all():
        return []
    if degrees[0] > degrees[-1]:
        places, degrees = places[::-1], degrees[::-1]
    if not (np.diff(degrees) > 0).all():
        return []
    for step in _STEPS:
        first, last = np.ceil(degrees[0] / step), np.floor(degrees[-1] / step)
        if last - first < most:
            values = np.arange(first, last + 1) * step
            found = zip(np.interp(values, degrees, places).tolist(), values.tolist(), strict=True)
            decimals = max(0, -math.floor(math.log10(step)))
            return sorted((place, _told(value, signs, decimals)) for place, value in found)
    return []


def _told(degrees: float, signs: str, decimals: int) -> str:
    """Writes an angle such as 86.9° E; longitudes beyond 180 degrees go on at the other side."""
    within = (degrees + 180) % 360 - 180 if signs == "EW" else degrees
    return f"{abs(within):.{decimals}f}° {signs[within < 0]}"
