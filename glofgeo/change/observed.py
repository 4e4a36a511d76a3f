"""Which share of a lake's ground was seen, by the masks that maps come with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.windows import Window

from datasets_def.grid import Grid
from datasets_def.reproject import to_crs
from glofgeo.change.read_layer import PLANE
from glofgeo.errors import GlofgeoError
from glofgeo.percent import NOT_OBSERVED


def observed_shares(outlines: Any, masks: Sequence[Path]) -> npt.NDArray[np.float64]:
    """Gives the share of each outline's pixels that one of the masks shows as observed.

    Args:
        outlines: polygons on `PLANE`, `(N,)`.
        masks: rasters in which 255 means "not observed"; outside all of them nothing was.

    Returns:
        0-1, `(N,)`; NaN if there is no mask, since nobody tells then.

    Raises:
        GlofgeoError: If a mask cannot be read.
    """
    if not masks:
        return np.full(len(outlines), np.nan)
    best = np.zeros(len(outlines))
    for path in masks:
        try:
            with rasterio.open(path) as raster:
                grid = Grid(raster.shape, raster.transform, raster.crs)
                there = to_crs(gpd.GeoSeries(outlines, crs=PLANE), raster.crs).to_numpy()
                near = shapely.intersects(there, shapely.box(*grid.bounds)) & ~shapely.is_empty(there)
                for i in np.flatnonzero(near):
                    best[i] = max(best[i], _share(there[i], raster, grid))
        except (RasterioError, OSError) as error:
            raise GlofgeoError(f"{path}: cannot be read as a mask ({error})") from None
    return best


def _share(outline: Any, raster: Any, grid: Grid) -> float:
    """The share of an outline's pixels that were observed; pixels beyond the raster were not."""
    west, south, east, north = outline.bounds
    (left, right), (top, bottom) = np.sort([~grid.transform * (x, y) for x, y in ((west, north), (east, south))], 0).T
    first = np.floor([top, left]).astype(int)
    last = np.ceil([bottom, right]).astype(int)
    window = Window(first[1], first[0], max(last[1] - first[1], 1), max(last[0] - first[0], 1))
    values = raster.read(1, window=window, boundless=True, fill_value=NOT_OBSERVED)
    inside = geometry_mask(
        [outline], values.shape, rasterio.windows.transform(window, grid.transform), all_touched=True, invert=True
    )
    return float((values[inside] != NOT_OBSERVED).mean()) if inside.any() else 0.0
