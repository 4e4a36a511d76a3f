"""From lake probability to clean masks and smooth lake outlines; arrays in, geometry out, no files.

Connected pixels are found on row runs instead of a label image: a scene has a hundred million pixels but only some
ten thousand runs of lake, so that memory and time follow the lakes, not the scene.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.ndimage import maximum_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.affinity import affine_transform

from glofgeo.config import NOT_OBSERVED

# Width in pixels of the ring in which observed pixels are counted; also the margin of the crop a lake is drawn on.
_RING = 3

# Rows contoured or searched for runs at a time, to bound memory: contourpy takes 24 bytes a pixel.
_BLOCK_ROWS = 1024

# Raster in pixels to which cut outlines are rounded (1 cm at 10 m). Cutting leaves points so close to other lines that
# the outline would cross itself once its coordinates are those of the CRS, with their fewer digits.
_GRID = 2**-10

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)


def clean_mask(probability: NDArray[np.uint8], *, threshold: float = 0.5, min_pixels: int = 1) -> NDArray[np.uint8]:
    """Decides for each pixel between lake and land, and drops what is too small to be either.

    Lakes (8-connected) of fewer than `min_pixels` pixels become land; then land (4-connected) of fewer than
    `min_pixels` pixels that lake encloses on all sides becomes lake. Land beside pixels that were not observed, or at
    the border of the scene, is not known to be enclosed and stays.

    Args:
        probability: `(H, W)`, lake probability in percent 0-100, 255 = not observed.
        threshold: probability (0-1) from which on a pixel is lake.
        min_pixels: size in pixels of the smallest lake, and of the smallest island.

    Returns:
        `(H, W)`: 0 land, 1 lake, 255 = not observed, the latter exactly where `probability` has it.
    """
    mask = (probability >= _percent(threshold)).astype(np.uint8)
    mask[probability == NOT_OBSERVED] = NOT_OBSERVED

    lakes = _label_runs(mask == 1, diagonal=True)
    mask.ravel()[lakes.pixels(lakes.sizes() < min_pixels)[0]] = 0

    dry = _label_runs(mask != 1, diagonal=False)
    height, width = mask.shape
    at_border = (dry.row == 0) | (dry.row == height - 1) | (dry.start == 0) | (dry.stop == width)
    enclosed = dry.sizes() < min_pixels
    enclosed[dry.label[at_border]] = False
    pixels, group = dry.pixels(enclosed)
    enclosed[group[mask.ravel()[pixels] == NOT_OBSERVED]] = False
    mask.ravel()[pixels[enclosed[group]]] = 1
    return mask


def lake_polygons(
    probability: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    transform: Affine,
    crs: Any,
    *,
    threshold: float = 0.5,
) -> gpd.GeoDataFrame:
    """Draws one outline for each lake of a cleaned mask.

    Outlines follow the line `probability == threshold`, interpolated linearly between pixel centres (marching
    squares), and therefore cut pixels instead of stepping around them. Where a lake meets pixels that were not
    observed, or the border of the scene, the outline runs along the pixel edge. Islands are holes.

    Args:
        probability: `(H, W)`, lake probability in percent 0-100, 255 = not observed.
        mask: `(H, W)` as `clean_mask` makes it with the same threshold; each 8-connected group of ones is a lake.
        transform: from (column, row) to the coordinates of `crs`.
        crs: coordinate reference system of the scene.
        threshold: probability (0-1) of the shore.

    Returns:
        One row for each lake in the order of its first pixel (row by row), geometry MultiPolygon in `crs`, with
        `n_px` (pixels), `prob_mean` and `prob_p10` (mean and 10th percentile of the probability over its pixels, 0-1),
        `valid_frac` (share of observed pixels in the ring of 3 pixels around it; outside the scene nothing is
        observed), and `touches_edge` (true where the lake meets the border or pixels that were not observed, so
        that its area is a lower bound).
    """
    types = {"n_px": "int32", "prob_mean": "float64", "prob_p10": "float64", "valid_frac": "float64"}
    types["touches_edge"] = "bool"
    rows: list[dict[str, Any]] = []
    outlines: list[shapely.MultiPolygon] = []
    for top, left, lake in _crops(_label_runs(mask == 1, diagonal=True)):
        percent = _window(probability, top, left, lake.shape)
        other = (_window(mask, top, left, lake.shape) == 1) & ~lake
        unobserved = percent == NOT_OBSERVED
        ring = maximum_filter(lake, size=2 * _RING + 1) & ~lake
        inside = percent[lake]
        rows.append(
            {
                "n_px": inside.size,
                "prob_mean": float(inside.mean()) / 100,
                "prob_p10": float(np.percentile(inside, 10)) / 100,
                "valid_frac": 1 - float(unobserved[ring].mean()),
                "touches_edge": bool((maximum_filter(lake, size=3) & unobserved).any()),
            }
        )
        outline = _outline(percent, lake, other, unobserved, _percent(threshold))
        outlines.append(affine_transform(outline, (transform * Affine.translation(left, top)).to_shapely()))
    return gpd.GeoDataFrame(rows, columns=list(types), geometry=outlines, crs=crs).astype(types)


def _percent(threshold: float) -> float:
    """The threshold on the scale of the raster; rounded, for 0.07 * 100 is 7.000000000000001."""
    return round(threshold * 100, 6)


def _outline(
    percent: NDArray[np.uint8],
    lake: NDArray[np.bool_],
    other: NDArray[np.bool_],
    unobserved: NDArray[np.bool_],
    level: float,
) -> shapely.MultiPolygon:
    """Contours one lake of a crop; coordinates are (column, row) with pixel edges at whole numbers."""
    pieces: list[shapely.Polygon] = []
    for top in range(0, lake.shape[0] - 1, _BLOCK_ROWS):
        # One row more on each side than is contoured, for the neighbours of pixels that were not observed.
        rows = slice(max(top - 1, 0), top + _BLOCK_ROWS + 2)
        field = _field(percent[rows], lake[rows], other[rows], unobserved[rows], level)
        generator = contour_generator(z=field[top - rows.start :][: _BLOCK_ROWS + 1], fill_type=FillType.OuterOffset)
        for points, offsets in zip(*generator.filled(level, math.inf), strict=True):
            centres = points + np.array([0.5, top + 0.5])
            shell, *holes = (centres[a:b] for a, b in pairwise(offsets))
            pieces.append(shapely.Polygon(shell, holes))
    outline = shapely.union_all(pieces) if lake.shape[0] - 1 > _BLOCK_ROWS else shapely.MultiPolygon(pieces)

    if (maximum_filter(lake, size=3) & unobserved).any():
        outline = shapely.intersection(outline, _reach(lake, unobserved), grid_size=_GRID)
        # Lines where two areas only touch fall away, and so does land left over across the corner of a pixel.
        return shapely.MultiPolygon([part for part in shapely.get_parts(outline) if _holds_pixel(part, lake)])
    return shapely.MultiPolygon(shapely.get_parts(outline).tolist())


def _field(
    percent: NDArray[np.uint8],
    lake: NDArray[np.bool_],
    other: NDArray[np.bool_],
    unobserved: NDArray[np.bool_],
    level: float,
) -> NDArray[np.float32]:
    """The probability in percent as one lake sees it: above `level` exactly on its own pixels.

    Half a percent keeps every pixel off the level itself: no contour then passes through a pixel centre, and the
    outline is a simple curve. Filled holes are lifted, and dropped specks lowered, to the side the mask puts them on.

    Pixels that were not observed continue the field, so that the outline meets their edge head-on: each takes the
    largest value among the observed pixels beside it, or else at its corners.
    """
    value = percent.astype(np.float32)
    field = np.where(lake, np.maximum(value, level + 0.5), np.minimum(value, level - 0.5))
    field[other] = 0
    if unobserved.any():
        field[unobserved] = -1
        beside = maximum_filter(field, footprint=_CROSS)
        around = maximum_filter(field, size=3)
        field = np.where(unobserved, np.where(beside >= 0, beside, np.maximum(around, 0)), field)
    return field


def _reach(lake: NDArray[np.bool_], unobserved: NDArray[np.bool_]) -> shapely.Geometry:
    """Where a lake's outline may run: on its pixels and half a pixel around them, as far as that was observed.

    On observed ground no contour leaves this area anyway; it only takes back what lies in or behind pixels that were
    not observed. The areas of two lakes never overlap, since no two pixels of theirs touch.
    """
    halves = maximum_filter(lake.repeat(2, axis=0).repeat(2, axis=1), size=3)
    halves &= ~unobserved.repeat(2, axis=0).repeat(2, axis=1)
    found = shapes(halves.astype(np.uint8), mask=halves, transform=Affine.scale(0.5))
    return shapely.union_all([shapely.geometry.shape(geometry) for geometry, _ in found])


def _holds_pixel(part: shapely.Polygon, lake: NDArray[np.bool_]) -> bool:
    """Whether the centre of a pixel of the lake lies in the part."""
    left, top, right, bottom = (int(v) for v in part.bounds)
    shapely.prepare(part)
    for row in range(top, bottom + 1):
        columns = np.flatnonzero(lake[row, left : right + 1]) + left
        if shapely.contains_xy(part, columns + 0.5, row + 0.5).any():
            return True
    return False


@dataclass(frozen=True)
class _Runs:
    """Runs of set pixels within rows, in reading order, each with the number of the connected group it belongs to.

    Attributes:
        shape: (rows, columns) of the image.
        row: row of each run.
        start: its first column.
        stop: the column after its last.
        label: its group, 0-based, in the order of the groups' first pixels.
    """

    shape: tuple[int, int]
    row: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    label: NDArray[np.intp]

    def sizes(self) -> NDArray[np.intp]:
        """Pixels in each group."""
        return np.bincount(self.label, weights=self.stop - self.start).astype(np.intp)

    def pixels(self, groups: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Flat indices into the image of the pixels of the chosen groups, and the group of each."""
        chosen = groups[self.label]
        lengths = (self.stop - self.start)[chosen]
        first = self.row[chosen] * self.shape[1] + self.start[chosen]
        before = np.cumsum(lengths) - lengths
        flat = np.arange(lengths.sum()) + np.repeat(first - before, lengths)
        return flat, np.repeat(self.label[chosen], lengths)


def _label_runs(image: NDArray[np.bool_], *, diagonal: bool) -> _Runs:
    """Finds the runs of an image `(H, W)` and joins them to groups: 8-connected if `diagonal`, else 4-connected."""
    height, width = image.shape
    # Positions count width + 1 columns a row, so that a run's stop never equals the next row's first start.
    line = width + 1
    starts, stops = [], []
    for top in range(0, height, _BLOCK_ROWS):
        padded = np.pad(image[top : top + _BLOCK_ROWS].view(np.int8), ((0, 0), (1, 1)))
        step = np.diff(padded, axis=1)
        starts.append(np.flatnonzero(step == 1) + top * line)
        stops.append(np.flatnonzero(step == -1) + top * line)
    start, stop = np.concatenate(starts), np.concatenate(stops)

    # A run touches those of the row above that stop after its start and start before its stop (diagonally: at it).
    reach = 0 if diagonal else 1
    first = np.searchsorted(stop, start - line + reach, side="left")
    last = np.searchsorted(start, stop - line - reach, side="right")
    count = np.maximum(last - first, 0)
    below = np.repeat(np.arange(start.size), count)
    above = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
    links = coo_array((np.ones(below.size, dtype=bool), (below, above)), shape=(start.size, start.size))
    label = connected_components(links, directed=False)[1] if start.size else np.zeros(0, dtype=np.int32)
    return _Runs((height, width), start // line, start % line, stop % line, label.astype(np.intp))


def _crops(runs: _Runs) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Yields each group as (top, left, pixels), a crop with a margin that may lie outside the image."""
    order = np.argsort(runs.label, kind="stable")
    ends = np.cumsum(np.bincount(runs.label)) if order.size else np.zeros(0, dtype=np.intp)
    for begin, end in zip(np.append(0, ends), ends, strict=False):
        row, start, stop = (values[order[begin:end]] for values in (runs.row, runs.start, runs.stop))
        top, left = int(row[0]) - _RING, int(start.min()) - _RING
        step = np.zeros((int(row[-1]) - top + 1 + _RING, int(stop.max()) - left + 1 + _RING), dtype=np.int8)
        step[row - top, start - left] = 1
        step[row - top, stop - left] = -1
        yield top, left, np.cumsum(step, axis=1, dtype=np.int8).astype(bool)


def _window(image: NDArray[np.uint8], top: int, left: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A copy of the image's window at (top, left); what lies outside the image was not observed."""
    crop = np.full(shape, NOT_OBSERVED, dtype=np.uint8)
    y, x = max(top, 0), max(left, 0)
    inside = image[y : top + shape[0], x : left + shape[1]]
    crop[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] = inside
    return crop
