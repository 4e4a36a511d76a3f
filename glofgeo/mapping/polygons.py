"""From lakes to smooth outlines that follow the probability; arrays in, geometry out, no files."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from contourpy import FillType, LineType, SerialContourGenerator, ZInterp
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.windows import Window
from scipy.ndimage import maximum_filter

from glofgeo.mapping.components import Lakes
from glofgeo.mapping.confidence import confidence, pixels_at
from glofgeo.percent import NOT_OBSERVED, percent_level

# Width in pixels of the ring in which observed pixels are counted; also the margin of the crop a lake is drawn on.
_RING = 3

# Rows of the scene read at once for all lakes within them. Lakes more than half as high are read by themselves.
_BAND_ROWS = 512

# Pixels of such a lake drawn at once, to bound memory: drawing takes some 70 bytes a pixel.
_BLOCK_PIXELS = 2_000_000

# Share of the second derivative along the shore by which the probability is corrected, see `_straightened`.
_BEND = 0.22

# Raster in pixels to which cut outlines are rounded (1 cm at 10 m). Cutting leaves points so close to other lines that
# the outline would cross itself once its coordinates are those of the CRS, with their fewer digits.
_GRID = 2**-10

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)

# As `contourpy.contour_generator` makes it by default, which however takes longer than it takes to draw a small lake.
_contour_generator: Any = partial(
    SerialContourGenerator,
    corner_mask=False,
    line_type=LineType.Separate,
    fill_type=FillType.ChunkCombinedOffsetOffset,
    quad_as_tri=False,
    z_interp=ZInterp.Linear,
)

Read = Callable[[Window], NDArray[np.uint8]]


def lake_polygons(read: Read, lakes: Lakes, transform: Affine, crs: Any, *, threshold: float = 0.5) -> gpd.GeoDataFrame:
    """Draws one outline for each lake.

    Outlines follow the line `probability == threshold` between pixel centres (marching squares), and therefore cut
    pixels instead of stepping around them; where the shore bends they are moved by a small part of a pixel, so that
    areas are neither too small nor too large on average (`_straightened` says how). Where a lake meets pixels that
    were not observed, or the border of the scene, the outline runs along the pixel edge. Islands are holes.

    Args:
        read: answers a window within the scene with its probability as `LakeRuns` was given it, `(rows, columns)`
            uint8 in percent 0-100, 255 = not observed.
        lakes: as `LakeRuns` found them with the same threshold.
        transform: from (column, row) to the coordinates of `crs`.
        crs: coordinate reference system of the scene.
        threshold: probability (0-1) of the shore.

    Returns:
        One row for each lake in the order of its first pixel (row by row), geometry MultiPolygon in `crs`, with
        `n_px` (pixels), `prob_mean` and `prob_p10` (mean and 10th percentile of the probability over its pixels, 0-1),
        `valid_frac` (share of observed pixels in the ring of 3 pixels around it; outside the scene nothing is
        observed), `touches_edge` (true where the lake meets the border or pixels that were not observed, so that its
        area is a lower bound), and `n_px_30`, `n_px_70` (its pixels if 0.3 or 0.7 were the threshold, in the ring too).
    """
    types = {"n_px": "int32", "n_px_30": "int32", "n_px_70": "int32", "touches_edge": "bool"}
    types |= dict.fromkeys(("prob_mean", "prob_p10", "valid_frac"), "float64")
    level = percent_level(threshold)
    rows: list[dict[str, Any]] = []
    outlines: list[shapely.MultiPolygon] = []
    for lake, blocks in zip(lakes.each(), _blocks(read, lakes), strict=True):
        histogram, beside, ring, hidden = np.zeros(101, np.int64), np.zeros(101, np.int64), 0, 0
        pieces, touches_edge = [], False
        for block in blocks:
            around = block.own(block.around(_RING))
            percent, wet, hid = block.own(block.percent), block.own(block.lake), block.own(block.unobserved)
            ring += int(np.count_nonzero(around))
            hidden += int(np.count_nonzero(around & hid))
            histogram += np.bincount(percent[wet], minlength=101)
            beside += np.bincount(percent[around & ~hid & ~block.own(block.other)], minlength=101)
            pieces.append(_outline(block, level))
            touches_edge |= block.meets_unobserved
        outline: shapely.Geometry = shapely.union_all(pieces) if len(pieces) > 1 else pieces[0]
        if touches_edge:
            outline = _with_pixels(outline, lake.start + 0.5, lake.row + 0.5)
        outlines.append(shapely.MultiPolygon(shapely.get_parts(outline).tolist()))
        counts = {f"n_px_{cut}": pixels_at(cut, level, histogram, beside) for cut in (30, 70)}
        rows.append(confidence(histogram) | counts | {"valid_frac": 1 - hidden / ring, "touches_edge": touches_edge})
    matrix, origin = np.array(transform).reshape(3, 3)[:2, :2], np.array([transform.c, transform.f])
    geometry = shapely.transform(np.array(outlines, dtype=object), lambda xy: xy @ matrix.T + origin)
    return gpd.GeoDataFrame(rows, columns=list(types), geometry=geometry, crs=crs).astype(types)


@dataclass(frozen=True)
class _Block:
    """Some rows of one lake, all of them as a rule, with a margin; arrays are `(h, w)`.

    Attributes:
        top: row of the scene of the first pixel.
        left: its column.
        rows: the rows that the block stands for; the others are margin.
        percent: probability in percent.
        lake: pixels of this lake.
        other: pixels of other lakes.
    """

    top: int
    left: int
    rows: slice
    percent: NDArray[np.uint8]
    lake: NDArray[np.bool_]
    other: NDArray[np.bool_]

    @cached_property
    def unobserved(self) -> NDArray[np.bool_]:
        return self.percent == NOT_OBSERVED

    @cached_property
    def meets_unobserved(self) -> bool:
        return bool(self.unobserved.any() and (self.unobserved & self.around(1)).any())

    def around(self, width: int) -> NDArray[np.bool_]:
        """The ring of pixels around the lake."""
        return maximum_filter(self.lake, size=2 * width + 1) & ~self.lake

    def own(self, image: NDArray[Any]) -> NDArray[Any]:
        return image[self.rows]


def _blocks(read: Read, lakes: Lakes) -> Iterator[Iterator[_Block]]:
    """Yields the blocks of each lake in turn.

    Low lakes are cut from bands of rows that are read once, since a scene may have tens of thousands of them. Lakes
    come in the order of their first rows, so that bands only ever move on.
    """
    height, width = lakes.shape
    boxes = lakes.boxes() + np.array([-_RING, -_RING, _RING, _RING])
    band = None
    for number, (top, left, bottom, right) in enumerate(boxes.tolist()):
        if bottom - top > _BAND_ROWS // 2:
            yield _high_lake(read, lakes, number, (top, left, bottom, right))
            continue
        if band is None or bottom > band.top + len(band.percent):
            rows = min(_BAND_ROWS, height + _RING - top)
            band = _Canvas.read(read, lakes, top, -_RING, (rows, width + 2 * _RING))
        yield iter([band.cut(number, slice(top, bottom), slice(left, right), slice(top, bottom))])


def _high_lake(read: Read, lakes: Lakes, number: int, box: tuple[int, int, int, int]) -> Iterator[_Block]:
    top, left, bottom, right = box
    step = max(_BLOCK_PIXELS // (right - left), 1)
    # The last block is never a single row, for there is nothing to draw between pixel centres within one row.
    for first in range(top, bottom - 1, step):
        last = first + step if first + step < bottom - 1 else bottom
        rows = slice(max(first - _RING, top), min(last + 1 + _RING, bottom))
        canvas = _Canvas.read(read, lakes, rows.start, left, (rows.stop - rows.start, right - left))
        yield canvas.cut(number, rows, slice(left, right), slice(first, last))


@dataclass(frozen=True)
class _Canvas:
    """A part of the scene, which may reach beyond it, from which lakes are cut; `number` is as `Lakes.number`."""

    top: int
    left: int
    percent: NDArray[np.uint8]
    number: NDArray[np.int32]

    @classmethod
    def read(cls, read: Read, lakes: Lakes, top: int, left: int, shape: tuple[int, int]) -> "_Canvas":
        """What lies outside the scene was not observed."""
        percent = np.full(shape, NOT_OBSERVED, dtype=np.uint8)
        y, x = max(top, 0), max(left, 0)
        height, width = min(top + shape[0], lakes.shape[0]) - y, min(left + shape[1], lakes.shape[1]) - x
        percent[y - top :, x - left :][:height, :width] = read(Window(x, y, width, height))
        return cls(top, left, percent, lakes.number(top, left, shape))

    def cut(self, number: int, rows: slice, columns: slice, own: slice) -> _Block:
        """The block of one lake; rows and columns are those of the scene."""
        part = (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )
        found = self.number[part]
        lake = found == number + 1
        own = slice(own.start - rows.start, own.stop - rows.start)
        return _Block(rows.start, columns.start, own, self.percent[part], lake, (found > 0) & ~lake)


def _outline(block: _Block, level: float) -> shapely.MultiPolygon:
    """Contours one block, from the centres of its first row to those of the row below; coordinates (column, row)."""
    field = _field(block, level)[block.rows.start : block.rows.stop + 1]
    y, x = np.indices(field.shape, dtype=np.float64)
    x += block.left + 0.5
    y += block.top + block.rows.start + 0.5
    (points,), (rings,), (shells,) = _contour_generator(x, y, field, None).filled(level, math.inf)
    if points is None:
        return shapely.MultiPolygon()
    parts = (rings, shells, np.array([0, len(shells) - 1]))
    outline = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, points, parts)[0]
    if block.meets_unobserved:
        return shapely.intersection(outline, _reach(block), grid_size=_GRID)
    return outline


def _field(block: _Block, level: float) -> NDArray[np.float32]:
    """The probability in percent as one lake sees it: above `level` exactly on its own pixels.

    Half a percent keeps every pixel off the level itself: no contour then passes through a pixel centre, and the
    outline is a simple curve. Filled holes are lifted, and dropped specks lowered, to the side the mask puts them on.

    Pixels that were not observed continue the field, so that the outline meets their edge head-on: each takes the
    largest value among the observed pixels beside it, or else at its corners.
    """

    def on_its_side(value: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(block.lake, np.maximum(value, level + 0.5), np.minimum(value, level - 0.5))

    field = on_its_side(block.percent.astype(np.float32))
    field[block.other] = 0
    unobserved = block.unobserved
    if not unobserved.any():
        return on_its_side(_straightened(field))
    near = maximum_filter(unobserved, size=3)
    field = np.where(near, field, on_its_side(_straightened(field)))
    field[unobserved] = -np.inf
    beside = maximum_filter(field, footprint=_CROSS)
    around = maximum_filter(field, size=3)
    return np.where(unobserved, np.where(np.isfinite(beside), beside, np.maximum(around, 0)), field)


def _straightened(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corrects the probability for the bend of the shore, so that the contour encloses the right area on average.

    Of a shore of curvature k (1/pixel), the contour runs inside by 0.15 k pixels: a pixel half covered has its centre
    k L^2 / 24 inside the shore, of which it holds a length L (0.053 k on average over all directions); chords of
    length l between the crossings lie l^3 / 12 k inside their arcs (0.080 k on average over the shore's length); the
    rest comes of interpolating a step of finite width linearly. Since k turns once around in all, each closed shore
    would lose 0.93 pixels, whatever its size and form. To second order, k is minus the second derivative of the
    probability along its contour over its gradient: subtracting a share of that derivative moves the contour in
    proportion to k. It vanishes along straight shores, and across a shore nothing is sharpened. How large the share
    must be with these stencils (Sobel's, and those of the same smoothing for the second derivatives) was found on
    discs of 3 to 300 pixels radius drawn by coverage (benchmarks/circles.py).
    """
    above, here, below = field[:-2], field[1:-1], field[2:]
    sums, steps, bends = above + 2 * here + below, below - above, above - 2 * here + below
    x = (sums[:, 2:] - sums[:, :-2]) / 8
    y = (steps[:, :-2] + 2 * steps[:, 1:-1] + steps[:, 2:]) / 8
    xx = (sums[:, 2:] - 2 * sums[:, 1:-1] + sums[:, :-2]) / 4
    yy = (bends[:, :-2] + 2 * bends[:, 1:-1] + bends[:, 2:]) / 4
    xy = (steps[:, 2:] - steps[:, :-2]) / 4
    slope = x * x + y * y
    along = xx * y * y - 2 * xy * x * y + yy * x * x
    corrected = field.copy()
    corrected[1:-1, 1:-1] -= _BEND * np.divide(along, slope, out=np.zeros_like(slope), where=slope > 0)
    return corrected


def _reach(block: _Block) -> shapely.Geometry:
    """Where a lake's outline may run: on its pixels and half a pixel around them, as far as that was observed.

    On observed ground no contour leaves this area anyway; it only takes back what lies in or behind pixels that were
    not observed. The areas of two lakes never overlap, since no two pixels of theirs touch.
    """
    halves = maximum_filter(block.lake.repeat(2, axis=0).repeat(2, axis=1), size=3)
    halves &= ~block.unobserved.repeat(2, axis=0).repeat(2, axis=1)
    found = shapes(
        halves.astype(np.uint8), mask=halves, transform=Affine.translation(block.left, block.top) * Affine.scale(0.5)
    )
    return shapely.union_all([shapely.geometry.shape(geometry) for geometry, _ in found])


def _with_pixels(outline: shapely.Geometry, x: NDArray[np.floating], y: NDArray[np.floating]) -> shapely.Geometry:
    """The parts of an outline that hold pixels of the lake, given the centres of the first pixels of its runs.

    What falls away are lines where two areas only touch, and land left over across the corner of a pixel.
    """
    parts = shapely.get_parts(outline)
    pixels = shapely.points(np.stack([x, y], axis=1))
    holds = shapely.STRtree(np.asarray(pixels)).query(parts, predicate="contains")[0]
    return shapely.multipolygons(parts[np.unique(holds)])
