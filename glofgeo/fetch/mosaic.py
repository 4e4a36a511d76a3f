"""Joins the tiles of an elevation model around an area into one Cloud-Optimized GeoTIFF."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from datasets_def.atomic import written_beside
from datasets_def.elevation import Dem, open_dem
from datasets_def.grid import Bounds, Grid
from glofgeo.fetch.writing import read_through

NODATA = -9999.0

# Rows and columns that are joined at once, in whole blocks of the files: 16 MB of heights.
_SIDE = 2048
_BLOCK = 512


def mosaic_grid(tiles: Sequence[Grid], bounds: Bounds) -> Grid:
    """Gives the grid of the finest tile, of the pixels that touch bounds.

    Tiles north of 50 degrees are coarser from west to east than those south of it.

    Args:
        tiles: grids in EPSG:4326.
        bounds: west, south, east and north in degrees.
    """
    finest = min(tiles, key=lambda grid: grid.transform.a)
    step = finest.transform
    west, south, east, north = bounds
    (left, top), (right, bottom) = ~step * (west, north), ~step * (east, south)
    # As in `Grid.intersect`, but beyond the edges of the tile.
    col, row = np.floor(np.add((left, top), 1e-3)).astype(int)
    cols, rows = np.ceil(np.subtract((right, bottom), 1e-3)).astype(int) - (col, row)
    return Grid((int(rows), int(cols)), step * Affine.translation(int(col), int(row)), finest.crs)


def open_tiles(paths: Sequence[Path], beyond: bool) -> Dem:
    """Opens tiles.

    Args:
        paths: GeoTIFFs in EPSG:4326.
        beyond: those of western longitudes lie beyond 180 degrees, as with an area across the antimeridian.
    """
    tiles = open_dem(paths).tiles
    return Dem(tuple((path, _turned(grid) if beyond and grid.bounds[2] <= 0 else grid) for path, grid in tiles))


def windows(grid: Grid) -> Iterator[Window]:
    """Gives the windows in which a mosaic is made."""
    rows, cols = grid.shape
    for row in range(0, rows, _SIDE):
        for col in range(0, cols, _SIDE):
            yield Window.from_slices((row, min(row + _SIDE, rows)), (col, min(col + _SIDE, cols)))


def write_mosaic(
    dem: Dem, grid: Grid, path: Path, working: Path, tags: dict[str, str], done: Callable[[int], None]
) -> None:
    """Writes heights as a COG, float32 metres, a window at a time; voids and what no tile covers are nodata.

    Args:
        dem: the tiles; those coarser than the grid are interpolated bilinearly, and others kept as they are.
        grid: of the COG.
        path: of the COG.
        working: where to write the heights first, not compressed.
        tags: of the COG.
        done: is called with 1 for each window.
    """
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": NODATA, "crs": grid.crs}
    profile |= {"height": grid.shape[0], "width": grid.shape[1], "transform": grid.transform, "BIGTIFF": "IF_SAFER"}
    # Where there is no tile, nothing is stored.
    profile |= {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "SPARSE_OK": True}
    working.unlink(missing_ok=True)  # GDAL stumbles over one that a killed process left
    with rasterio.open(working, "w", **profile) as target:
        target.update_tags(**tags)
        for window in windows(grid):
            height = dem.on(grid.window(window))
            if not np.isnan(height).all():
                target.write(np.where(np.isnan(height), np.float32(NODATA), height), 1, window=window)
            done(1)
    with written_beside(path) as part:
        copy_raster(
            working, part, driver="COG", compress="DEFLATE", predictor="YES", blocksize=_BLOCK,
            overview_resampling="AVERAGE", bigtiff="IF_SAFER",
        )  # fmt: skip
        read_through(part)


def _turned(grid: Grid) -> Grid:
    return replace(grid, transform=Affine.translation(360, 0) * grid.transform)
