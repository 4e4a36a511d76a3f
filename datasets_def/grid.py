"""Grid: where the pixels of a raster lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from affine import Affine
from geopandas import GeoSeries
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from datasets_def.errors import GlofgeoError
from datasets_def.reproject import WGS84, to_degrees

# A bound this close to a pixel's edge, in pixels, lies on it.
_ROUNDING = 1e-3

# Rows of one read: the block height of 10 m JPEG 2000 files, so that every block is decoded once.
READ_ROWS = 1024

_ELLIPSOID = Geod(ellps="WGS84")

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """A north-up grid of pixels.

    Attributes:
        shape: (rows, cols).
        transform: from (column, row), pixel corners, to the coordinates of `crs`.
        crs: of the grid.
    """

    shape: tuple[int, int]
    transform: Affine
    crs: CRS

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right and top in its CRS."""
        rows, cols = self.shape
        (left, top), (right, bottom) = self.transform * (0, 0), self.transform * (cols, rows)
        return left, bottom, right, top

    @property
    def outline(self) -> shapely.Polygon:
        """What it covers, in its CRS."""
        return shapely.box(*self.bounds)

    @property
    def footprint(self) -> shapely.geometry.base.BaseGeometry:
        """What it covers, in EPSG:4326 and within 180 degrees."""
        return to_degrees(GeoSeries([self.outline], crs=self.crs)).iloc[0]

    @property
    def pixel_area(self) -> float:
        """Geodesic area (WGS 84) of the pixel in the middle, square metres.

        Its sides in the CRS say little: they can be degrees, and in Web Mercator a metre at 60 degrees north is half a
        metre on the ground.

        Raises:
            GlofgeoError: If the CRS has no longitudes and latitudes there.
        """
        area = abs(_ELLIPSOID.polygon_area_perimeter(*self._pixel_corners())[0])
        if not (math.isfinite(area) and area > 0):
            raise GlofgeoError("the middle of the grid does not lie on the Earth", "check its CRS and corner in QGIS")
        return float(area)

    @property
    def oblongness(self) -> float:
        """How many times as long as wide the pixel in the middle is on the ground, 1 or more; see `pixel_area`."""
        lon, lat = self._pixel_corners()
        wide, high, *_ = _ELLIPSOID.line_lengths(lon, lat)
        return float(max(wide, high) / min(wide, high))

    def _pixel_corners(self) -> tuple[list[float], list[float]]:
        """Longitudes and latitudes of the corners of the pixel in the middle, clockwise."""
        row, col = (side // 2 for side in self.shape)
        corners = [self.transform * (col + dx, row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
        try:
            project = Transformer.from_crs(self.crs.to_wkt(), WGS84, always_xy=True)
            lon, lat = project.transform([x for x, _ in corners], [y for _, y in corners], errcheck=True)
        except ProjError as error:
            reason = str(error).splitlines()[0]
            raise GlofgeoError(f"the grid does not lie on the Earth in its CRS ({reason})") from None
        return lon, lat

    @property
    def pixel_side(self) -> float:
        """Side in metres of a square as large as the pixel in the middle."""
        return math.sqrt(self.pixel_area)

    def coarser(self, factor: int) -> "Grid":
        """Gives the grid of pixels `factor` times as large, from the same corner; it may reach beyond this one."""
        rows, cols = (-(-side // factor) for side in self.shape)
        return Grid((rows, cols), self.transform * Affine.scale(factor), self.crs)

    def apart(self, other: "Grid") -> tuple[float, float]:
        """Compares where another grid's pixels lie.

        Returns:
            The distance between the first corners and the difference between the pixels' sides, both along the worse
            axis and in pixels of this grid; infinite for another CRS.
        """
        if self.crs != other.crs:
            return math.inf, math.inf
        here, there = self.transform, other.transform
        shift = max(abs(there.c - here.c), abs(there.f - here.f))
        scale = max(abs(there.a - here.a), abs(there.b), abs(there.d), abs(there.e - here.e))
        return shift / here.a, scale / here.a

    def window(self, window: Window) -> "Grid":
        """Gives the grid of a window, which may reach beyond the edges of this grid."""
        shape = (int(window.height), int(window.width))
        return Grid(shape, window_transform(window, self.transform), self.crs)

    def intersect(self, bounds: Bounds, margin: int = 0) -> Window:
        """Gives the window of all pixels that overlap bounds by more than a thousandth of a pixel.

        Args:
            bounds: left, bottom, right and top in its CRS.
            margin: pixels to add on each side, as far as the grid goes.

        Returns:
            A window of the grid, empty where the bounds lie off it.
        """
        left, bottom, right, top = bounds
        (col0, row0), (col1, row1) = ~self.transform * (left, top), ~self.transform * (right, bottom)
        rows, cols = (
            (max(math.floor(first + _ROUNDING) - margin, 0), min(math.ceil(last - _ROUNDING) + margin, side))
            for first, last, side in ((row0, row1, self.shape[0]), (col0, col1, self.shape[1]))
        )
        return Window.from_slices((rows[0], max(rows)), (cols[0], max(cols)))

    def nearest(self, bounds: Bounds) -> Window:
        """Gives the window whose edges lie nearest to bounds; it may reach beyond the grid.

        Args:
            bounds: left, bottom, right and top in its CRS.
        """
        left, bottom, right, top = bounds
        (col0, row0), (col1, row1) = ~self.transform * (left, top), ~self.transform * (right, bottom)
        row, col = round(row0), round(col0)
        return Window(col, row, round(col1 - col0), round(row1 - row0))

    def clip(self, window: Window) -> Window:
        """Gives the part of a window that lies on the grid; empty where none does."""
        (top, bottom), (left, right) = window.toranges()
        rows, cols = self.shape
        top, left = min(max(top, 0), rows), min(max(left, 0), cols)
        bottom, right = max(min(bottom, rows), top), max(min(right, cols), left)
        return Window(left, top, right - left, bottom - top)

    def strips(self, height: int = READ_ROWS) -> Iterator[Window]:
        """Gives windows of `height` rows that cover the grid from top to bottom; the last may have fewer."""
        rows, cols = self.shape
        return (Window(0, top, cols, min(height, rows - top)) for top in range(0, rows, height))
