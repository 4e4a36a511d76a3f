"""Pixels: polygons on a grid, and what a prediction gets right there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from geopandas import GeoDataFrame
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.warp import transform_bounds

Mask = npt.NDArray[np.bool_]
Polygons = npt.NDArray[np.object_]

# One row of Sentinel-2's 1024-pixel JPEG 2000 blocks: every block is decoded once.
STRIP_ROWS = 1024


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

    def bring(self, frame: GeoDataFrame, *, clip: bool = False) -> Polygons:
        """Brings polygons to this grid's CRS.

        Args:
            frame: polygons in any CRS.
            clip: cut them near the grid's edge and bend their edges with the projection. For areas of interest: they
                reach far beyond a UTM zone, with edges of hundreds of kilometres. Lakes are small and stay whole.

        Returns:
            Those that touch the grid, `(N,)`.
        """
        west, south, east, north = transform_bounds(self.crs, frame.crs.to_wkt(), *self.outline.bounds)
        margin = 0.02 * max(east - west, north - south)
        near = shapely.box(west - margin, south - margin, east + margin, north + margin)
        series = frame.geometry[frame.geometry.intersects(near)]
        if clip:
            series = series.intersection(near).segmentize(margin)
        polygons = np.asarray(series.to_crs(self.crs).make_valid().array, dtype=object)
        return polygons[shapely.intersects(polygons, self.outline)]

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
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def dice(self) -> float | None:
        """Dice coefficient, which is F1, of the lake class; None if there is no lake in either."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """Share of the predicted lake pixels that are lake; None if none is predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the true lake pixels that are predicted; None if there is none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of all pixels that are right; None if there is none. Flatters: nearly all ground is land."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def count_pixels(predicted: Mask, truth: Mask, usable: Mask) -> PixelCounts:
    """Counts the confusion over the usable pixels; all arguments have one shape."""
    right, either = predicted & truth & usable, (predicted | truth) & usable
    tp = int(np.count_nonzero(right))
    return PixelCounts(
        tp=tp,
        fp=int(np.count_nonzero(predicted & usable)) - tp,
        fn=int(np.count_nonzero(truth & usable)) - tp,
        tn=int(np.count_nonzero(usable)) - int(np.count_nonzero(either)),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
