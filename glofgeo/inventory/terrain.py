"""What a DEM tells of each lake: height, how level it is, slope, and cast shadow."""

import math

import geopandas as gpd
import numpy as np
from rasterio.windows import Window

from datasets_def.elevation import Dem, cast_shadow, slope, spacing
from datasets_def.grid import Grid
from glofgeo.inventory.zonal import cells_within

# Mountains this far from a scene's border still throw their shadow into it; with the sun 30 degrees high, those that
# stand 3500 m above it.
_SURROUNDINGS_M = 6000.0

# The terrain of a scene is held at once, as some six arrays of this many pixels at most: 17 million of them are a whole
# product at 30 m, with its surroundings.
_MOST_PIXELS = 17_000_000


def add_terrain(lakes: gpd.GeoDataFrame, dem: Dem, grid: Grid, sun: tuple[float, float] | None) -> gpd.GeoDataFrame:
    """Adds `elev_m`, `elev_iqr`, `mean_slope` and `shadow_frac` to lakes of one scene.

    The DEM is warped to the scene's CRS, with pixels as large as its own but no finer than the scene's.

    Args:
        lakes: outlines in the scene's CRS.
        dem: the DEM.
        grid: the scene's.
        sun: zenith and azimuth of the sun at the scene's time, degrees; None where unknown.

    Returns:
        The lakes with median elevation and its interquartile range in metres, mean slope in degrees (of the DEM, by
        Horn's formula), and the share of the area in cast shadow (0-1); NaN where the DEM has a void or, of the
        shadow, the sun is unknown.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    terrain = _terrain_grid(grid, dem.pixel_m)
    height = dem.on(terrain)
    pixel = spacing(terrain)
    outlines = gpd.GeoSeries(lakes.geometry)
    heights = cells_within(height, terrain, outlines)
    columns = {
        "elev_m": [cells.quantile(0.5) for cells in heights],
        "elev_iqr": [cells.quantile(0.75) - cells.quantile(0.25) for cells in heights],
        "mean_slope": [cells.mean for cells in cells_within(slope(height, pixel), terrain, outlines)],
        "shadow_frac": [np.nan] * len(lakes),
    }
    if sun is not None:
        shadow = cast_shadow(height, pixel, *sun).astype(np.float32)
        shadow[np.isnan(height)] = np.nan
        columns["shadow_frac"] = [cells.mean for cells in cells_within(shadow, terrain, outlines)]
    return lakes.assign(**{name: np.array(values, np.float64) for name, values in columns.items()})


def _terrain_grid(grid: Grid, dem_m: float) -> Grid:
    """The scene's grid made coarser, and wider on all sides by what may throw a shadow into it."""
    side = grid.pixel_side
    factor = max(1, round(dem_m / side))
    rows, cols = (n * side + 2 * _SURROUNDINGS_M for n in grid.shape)
    factor = max(factor, math.ceil(math.sqrt(rows * cols / _MOST_PIXELS) / side))
    coarse = grid.coarser(factor)
    margin = math.ceil(_SURROUNDINGS_M / (side * factor))
    return coarse.window(Window(-margin, -margin, coarse.shape[1] + 2 * margin, coarse.shape[0] + 2 * margin))
