"""Pixels: polygons on a grid, and what a prediction gets right there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from geopandas import GeoDataFrame
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.features import rasterize

from datasets_def.reproject import areas_on_grid, lakes_on_grid

Mask = npt.NDArray[np.bool_]
Polygons = npt.NDArray[np.object_]

# One row of Sentinel-2's 1024-pixel JPEG 2000 blocks: every block is decoded once.
STRIP_ROWS = 1024
# WGS 84 / NSIDC EASE-Grid 2.0 Global.
_EQUAL_AREA = "EPSG:6933"
# Once around the Earth there, metres.
_AROUND = 2 * 17367530.445161377


@dataclass(frozen=True)
class Grid:
    """Where pixels lie.

    Attributes:
        crs: of the coordinates below.
        transform: pixel corner to CRS.
        shape: (rows, cols).
    """

    crs: CRS
    transform: Affine
    shape: tuple[int, int]

    @property
    def outline(self) -> shapely.Polygon:
        """The ground it covers, in its CRS."""
        return self._ground(0, self.shape[0])

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in squared units of the CRS."""
        return abs(self.transform.determinant)

    def pixel_ground(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Ground that a pixel would cover at places of the grid's CRS, square metres.

        Measured in an equal-area projection, so that degrees and stretched projections give true areas.
        """
        project = Transformer.from_crs(self.crs.to_wkt(), _EQUAL_AREA, always_xy=True).transform
        steps = ((0.0, 0.0), (self.transform.a, self.transform.d), (self.transform.b, self.transform.e))
        here, right, down = (np.stack(project(x + across, y + along)) for across, along in steps)
        (ax, ay), (bx, by) = right - here, down - here
        # Across 180 degrees the way around the Earth is no way at all.
        ax, bx = (across - _AROUND * np.round(across / _AROUND) for across in (ax, bx))
        return np.abs(ax * by - ay * bx)

    def bring(self, frame: GeoDataFrame, *, clip: bool = False) -> Polygons:
        """Brings polygons to this grid's CRS.

        Args:
            frame: polygons in any CRS.
            clip: cut them at the grid's edge. For areas of interest, which reach far beyond a UTM zone; lakes stay
                whole.

        Returns:
            Those that touch the grid, `(N,)`.

        Raises:
            GlofgeoError: If one lies off the Earth.
        """
        bring = areas_on_grid if clip else lakes_on_grid
        return bring(frame.geometry, self.crs, self.outline)

    def strips(self, height: int) -> Iterator[slice]:
        """Cuts the rows into strips, top to bottom."""
        rows = self.shape[0]
        return (slice(top, min(top + height, rows)) for top in range(0, rows, height))

    def burn(self, polygons: Polygons, rows: slice) -> Mask:
        """Rasterises polygons on a strip: a pixel is inside if its centre is.

        Args:
            polygons: in this grid's CRS.
            rows: the strip.

        Returns:
            `(rows, cols)`.
        """
        shape = (rows.stop - rows.start, self.shape[1])
        near = polygons[shapely.intersects(polygons, self._ground(rows.start, rows.stop))]
        if near.size == 0:
            return np.zeros(shape, np.bool_)
        transform = self.transform * Affine.translation(0, rows.start)
        return rasterize(near, shape, transform=transform, dtype="uint8").astype(np.bool_)

    def _ground(self, top: int, bottom: int) -> shapely.Polygon:
        corners = [(0, top), (self.shape[1], top), (self.shape[1], bottom), (0, bottom)]
        return shapely.Polygon([self.transform * corner for corner in corners])


@dataclass(frozen=True)
class PixelCounts:
    """Confusion of a lake mask with the truth, pooled over pixels.

    Attributes:
        tp: lake in both.
        fp: lake in the prediction only.
        fn: lake in the truth only.
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
        """Share of the true lake pixels that are predicted; None if there is none."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def area_bias(self) -> float | None:
        """Predicted less true lake area, as a share of the true one; None if there is none."""
        return ratio(self.fp - self.fn, self.tp + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of all pixels that are right; None if there is none. Flatters: nearly all ground is land."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def mark_pixels(predicted: Mask, truth: Mask, usable: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """Marks the confusion over the usable pixels in the order of `PixelCounts`; all arguments have one shape."""
    lake, land = truth & usable, usable & ~truth
    return predicted & lake, predicted & land, lake & ~predicted, land & ~predicted


def count_pixels(predicted: Mask, truth: Mask, usable: Mask) -> PixelCounts:
    """Counts the confusion over the usable pixels; all arguments have one shape."""
    return PixelCounts(*(int(np.count_nonzero(mark)) for mark in mark_pixels(predicted, truth, usable)))


def ratio(part: float, whole: float) -> float | None:
    """Gives a share; None of nothing."""
    return part / whole if whole else None


def harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    """Gives F1: 0 as soon as one of the two is 0, else None if one is undefined."""
    if precision == 0 or recall == 0:
        return 0.0
    return None if precision is None or recall is None else 2 * precision * recall / (precision + recall)
