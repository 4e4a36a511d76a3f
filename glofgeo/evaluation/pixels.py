"""Pixels: polygons on a grid, and what a prediction gets right there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from geopandas import GeoDataFrame
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.windows import Window

from datasets_def.grid import Grid
from datasets_def.reproject import areas_on_grid, lakes_on_grid

Mask = npt.NDArray[np.bool_]
Polygons = npt.NDArray[np.object_]

# WGS 84 / NSIDC EASE-Grid 2.0 Global.
_EQUAL_AREA = "EPSG:6933"
# Once around the Earth there, metres.
_AROUND = 2 * 17367530.445161377


def unit_area(grid: Grid) -> float:
    """Area of a pixel in squared units of the grid's CRS, in which overlays of polygons are measured."""
    return abs(grid.transform.determinant)


def pixel_areas(grid: Grid, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Area in square metres that a pixel covers at places of the grid's CRS.

    Measured in an equal-area projection, so that degrees and stretched projections give true areas.
    """
    project = Transformer.from_crs(grid.crs.to_wkt(), _EQUAL_AREA, always_xy=True).transform
    steps = ((0.0, 0.0), (grid.transform.a, grid.transform.d), (grid.transform.b, grid.transform.e))
    here, right, down = (np.stack(project(x + across, y + along)) for across, along in steps)
    (ax, ay), (bx, by) = right - here, down - here
    # Across 180 degrees the way around the Earth is no way at all.
    ax, bx = (across - _AROUND * np.round(across / _AROUND) for across in (ax, bx))
    return np.abs(ax * by - ay * bx)


def bring(frame: GeoDataFrame, grid: Grid, *, clip: bool = False) -> Polygons:
    """Brings polygons to a grid's CRS.

    Args:
        frame: polygons in any CRS.
        grid: where to.
        clip: cut them at the grid's edge. For areas of interest, which reach far beyond a UTM zone; lakes stay
            whole.

    Returns:
        Those that touch the grid, `(N,)`.

    Raises:
        GlofgeoError: If one lies off the Earth.
    """
    reproject = areas_on_grid if clip else lakes_on_grid
    return reproject(frame.geometry, grid.crs, grid.outline)


def burn(polygons: Polygons, grid: Grid) -> Mask:
    """Rasterises polygons in a grid's CRS: a pixel is inside if its centre is; bool `(rows, cols)`."""
    near = polygons[shapely.intersects(polygons, grid.outline)]
    if near.size == 0:
        return np.zeros(grid.shape, np.bool_)
    return rasterize(near, grid.shape, transform=grid.transform, dtype="uint8").astype(np.bool_)


def rows_of(grid: Grid, rows: slice) -> Grid:
    """Gives the grid of some of its rows."""
    return grid.window(Window(0, rows.start, grid.shape[1], rows.stop - rows.start))


def strips(grid: Grid, height: int) -> Iterator[slice]:
    """Gives the rows of strips of so many, top to bottom; the last may be lower."""
    return (window.toslices()[0] for window in grid.strips(height))


@dataclass(frozen=True)
class PixelCounts:
    """Confusion of a lake mask with the reference lakes, pooled over pixels.

    Attributes:
        tp: lake in both.
        fp: lake in the prediction only.
        fn: lake in the reference only.
        tn: lake in neither.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        """Pools the pixels of two strips."""
        return PixelCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def iou(self) -> float | None:
        """Intersection over union of the lake class; None if there is no lake in either."""
        return ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def dice(self) -> float | None:
        """Dice coefficient, which is F1, of the lake class; None if there is no lake in either."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """Share of the predicted lake pixels that are lake; None if none is predicted."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the reference lake pixels that are predicted; None if there is none."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def area_bias(self) -> float | None:
        """Predicted less reference lake area, as a share of the latter; None if there is none."""
        return ratio(self.fp - self.fn, self.tp + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of all pixels that are right; None if there is none. Flatters: nearly all pixels are land."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def mark_pixels(predicted: Mask, reference: Mask, usable: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """Marks the confusion over the usable pixels in the order of `PixelCounts`; all arguments have one shape."""
    lake, land = reference & usable, usable & ~reference
    return predicted & lake, predicted & land, lake & ~predicted, land & ~predicted


def count_pixels(predicted: Mask, reference: Mask, usable: Mask) -> PixelCounts:
    """Counts the confusion over the usable pixels; all arguments have one shape."""
    return PixelCounts(*(int(np.count_nonzero(mark)) for mark in mark_pixels(predicted, reference, usable)))


def ratio(part: float, whole: float) -> float | None:
    """Gives a share; None of nothing."""
    return part / whole if whole else None


def harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    """Gives F1: 0 as soon as one of the two is 0, else None if one is undefined."""
    if precision == 0 or recall == 0:
        return 0.0
    return None if precision is None or recall is None else 2 * precision * recall / (precision + recall)
