"""The ground around one lake: a DEM on a square of 30 m pixels, in metres, with the lake in its middle."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from datasets_def.elevation import Dem, Floats, Mask, Spacing, slope
from datasets_def.grid import Grid
from datasets_def.reproject import to_crs
from glofgeo.inventory.zonal import cells_within, local_crs, middle_of

# The published criteria were made with DEMs of 30 m (ASTER GDEM); finer ones are averaged.
PIXEL_M = 30.0
# The path of a flood is followed for 15 km.
PATH_M = 15_000.0
_AROUND_M = PATH_M + 1500.0


@dataclass(frozen=True)
class Ground:
    """The ground around one lake.

    Attributes:
        height: `(H, W)` float32, metres; NaN in voids.
        grid: its pixels, 30 m, in a CRS around the lake.
        outline: the lake in that CRS.
        level_m: height of the lake's surface at the DEM's time: the median within the outline; NaN in a void.
        uneven_m: interquartile range of the heights within the outline.
    """

    height: Floats
    grid: Grid
    outline: BaseGeometry
    level_m: float
    uneven_m: float

    @cached_property
    def lake(self) -> Mask:
        """`(H, W)`, true on the lake: where it holds a pixel's centre, and at least one pixel."""
        inside = geometry_mask([self.outline], self.height.shape, self.grid.transform, invert=True)
        if not inside.any():
            point = shapely.point_on_surface(self.outline)
            col, row = ~self.grid.transform * (point.x, point.y)
            inside[int(row), int(col)] = True
        return inside

    def places(
        self, rows: npt.NDArray[np.integer], cols: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Where the centres of pixels are, x and y in the CRS of the grid."""
        corner = self.grid.transform
        return corner.c + (cols + 0.5) * PIXEL_M, corner.f - (rows + 0.5) * PIXEL_M

    @cached_property
    def slope(self) -> Floats:
        """`(H, W)` float32, degrees, by Horn's formula."""
        return slope(self.height, Spacing(PIXEL_M, PIXEL_M))

    def within(self, reach_m: float) -> "Ground":
        """Gives the part that reaches only so far beyond the lake."""
        half = len(self.height) // 2
        cut = max(0, half - math.ceil((max(map(abs, self.outline.bounds)) + reach_m) / PIXEL_M))
        side = 2 * (half - cut)
        grid = self.grid.window(Window(cut, cut, side, side))
        return replace(self, height=self.height[cut : cut + side, cut : cut + side], grid=grid)

    def distance(self, shape: BaseGeometry, reach_m: float) -> npt.NDArray[np.float64]:
        """Measures how far the centres of pixels are from a shape.

        Args:
            shape: in the CRS of the grid.
            reach_m: only as far as this matters.

        Returns:
            `(H, W)` float64, metres, 0 within it; infinite where it is farther than `reach_m`, or a little less.
        """
        metres = np.full(self.height.shape, np.inf)
        left, bottom, right, top = shape.bounds
        window = self.grid.intersect((left - reach_m, bottom - reach_m, right + reach_m, top + reach_m))
        rows, cols = window.toslices()
        if not (window.width and window.height):
            return metres
        places = self.places(*np.mgrid[rows, cols])
        shapely.prepare(shape)
        found = np.asarray(shapely.distance(shape, shapely.points(np.stack(places, axis=-1))))
        metres[rows, cols] = np.where(found <= reach_m, found, np.inf)
        return metres


def local_outline(lake: BaseGeometry) -> tuple[BaseGeometry, Grid]:
    """Brings a lake to a CRS around it, and gives the grid of the ground there.

    Args:
        lake: polygon in EPSG:4326.

    Returns:
        The polygon, and a grid of 30 m pixels that reaches 16.5 km beyond it.
    """
    west, _, east, _ = lake.bounds
    across = east - west > 180
    middle = middle_of(gpd.GeoSeries([lake])) if across else (lake.centroid.x, lake.centroid.y)
    crs = local_crs(*middle)
    outline = to_crs(gpd.GeoSeries([lake], crs="EPSG:4326"), crs).iloc[0]
    half = math.ceil((max(map(abs, outline.bounds)) + _AROUND_M) / PIXEL_M)
    side = half * PIXEL_M
    return outline, Grid((2 * half, 2 * half), Affine(PIXEL_M, 0, -side, 0, -PIXEL_M, side), crs)


def read_ground(lake: BaseGeometry, dem: Dem, then: BaseGeometry | None = None) -> Ground:
    """Reads the ground around a lake.

    Args:
        lake: polygon in EPSG:4326.
        dem: the DEM.
        then: the lake at the time of the DEM, in EPSG:4326; by default the same.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    outline, grid = local_outline(lake)
    return ground_of(dem.on(grid), grid, outline, then)


def ground_of(height: Floats, grid: Grid, outline: BaseGeometry, then: BaseGeometry | None = None) -> Ground:
    """Finds the level of a lake in a DEM.

    Args:
        height: `(H, W)` float32, metres.
        grid: of 30 m pixels, in metres.
        outline: the lake, in the CRS of the grid.
        then: the lake at the time of the DEM, in EPSG:4326; by default the same.
    """
    level = gpd.GeoSeries([outline], crs=grid.crs)
    if then is not None:
        level = to_crs(gpd.GeoSeries([then], crs="EPSG:4326"), grid.crs)
    (cells,) = cells_within(height, grid, level)
    return Ground(height, grid, outline, cells.quantile(0.5), cells.quantile(0.75) - cells.quantile(0.25))
