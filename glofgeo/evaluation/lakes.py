"""Lakes: which are found, which are missed, which are not there.

The rule, for a given IoU t (0.1: was the lake noticed; 0.5: was it drawn):

- A true lake is found if its IoU with the union of all predicted lakes that overlap it is at least t, else missed.
- A predicted lake is false unless its own IoU with the union of all true lakes that overlap it is at least t, or it
  overlaps a lake that was found. So neither a lake drawn in pieces nor two lakes drawn as one are punished twice.
- A lake of which less than half lies on usable pixels (observed, inside the area of interest) is not counted, nor is
  one smaller than 5 pixels; a predicted lake that overlaps such a true lake is not false.

Sizes and overlaps are those of whole polygons.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import rasterize, shapes, sieve

from glofgeo.evaluation.pixels import Grid, Mask, Polygons

IOU_LEVELS = (0.1, 0.5)
MIN_SHARE = 0.5
# Minimum mapping unit of glacial-lake inventories: Lesi et al. 2022, ESSD 14:5489 (500 m2 on Sentinel-2).
MIN_PIXELS = 5


@dataclass(frozen=True)
class LakeCounts:
    """Lakes found, missed and false at one IoU."""

    iou: float
    found: int
    missed: int
    false: int


def outline_lakes(mask: Mask, transform: Affine) -> Polygons:
    """Turns a mask into lake polygons.

    Args:
        mask: `(rows, cols)`, True = lake.
        transform: pixel corner to CRS.

    Returns:
        One polygon for each 8-connected component of at least `MIN_PIXELS` pixels, `(N,)`.
    """
    image = mask.astype(np.uint8)
    # A threshold on snow leaves specks by the hundred thousand: they go before they become objects.
    image &= sieve(image, MIN_PIXELS, connectivity=8)
    found = shapes(image, mask=image.view(np.bool_), connectivity=8, transform=transform)
    polygons = np.array([shapely.geometry.shape(geometry) for geometry, _ in found], dtype=object)
    # Outlines of pixels that meet at a corner touch themselves but never cross, so that buffer(0) keeps their area; it
    # takes a seventh of make_valid's time on the thousands of holes that a threshold leaves in one object.
    crooked = ~shapely.is_valid(polygons)
    polygons[crooked] = shapely.buffer(polygons[crooked], 0)
    return polygons


def countable(lakes: Polygons, usable: Mask, grid: Grid) -> tuple[Mask, Mask]:
    """Tells which lakes can be judged.

    Args:
        lakes: polygons in the grid's CRS, `(N,)`.
        usable: `(rows, cols)` of the grid, observed and inside the area of interest.
        grid: where these pixels lie.

    Returns:
        Two masks `(N,)`: at least half of it on usable pixels; large enough.
    """
    seen = np.array([_usable_share(lake, usable, grid) >= MIN_SHARE for lake in lakes], np.bool_)
    # A lake of exactly the minimum must not fall to rounding.
    large = shapely.area(lakes) >= MIN_PIXELS * grid.pixel_area * (1 - 1e-6)
    return seen, np.asarray(large, np.bool_)


def match_lakes(truth: Polygons, predicted: Polygons, counted: Mask, iou: float) -> LakeCounts:
    """Matches lakes by overlap.

    Args:
        truth: true lakes, `(N,)`.
        predicted: predicted lakes that can be judged, `(M,)`, same CRS.
        counted: which true lakes can be judged, `(N,)`.
        iou: from which a lake counts as found.
    """
    true, guess = shapely.STRtree(predicted).query(truth, predicate="intersects")
    overlaps = shapely.area(shapely.intersection(truth[true], predicted[guess])) > 0
    true, guess = true[overlaps], guess[overlaps]
    found = _union_iou(truth, predicted, true, guess) >= iou
    drawn = _union_iou(predicted, truth, guess, true) >= iou
    excused = np.zeros(len(predicted), np.bool_)
    excused[guess[(found | ~counted)[true]]] = True
    return LakeCounts(
        iou=iou,
        found=int(np.count_nonzero(found & counted)),
        missed=int(np.count_nonzero(~found & counted)),
        false=int(np.count_nonzero(~drawn & ~excused)),
    )


def _union_iou(
    lakes: Polygons, others: Polygons, index: npt.NDArray[np.intp], other: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """IoU of each lake with the union of the others that overlap it; (index, other) lists the overlaps."""
    iou = np.zeros(len(lakes))
    order = np.argsort(index, kind="stable")
    touched, starts = np.unique(index[order], return_index=True)
    for lake, partners in zip(touched, np.split(other[order], starts[1:]), strict=False):
        union = shapely.union_all(others[partners])
        common = shapely.area(shapely.intersection(lakes[lake], union))
        iou[lake] = common / (shapely.area(lakes[lake]) + shapely.area(union) - common)
    return iou


def _usable_share(lake: shapely.Polygon, usable: Mask, grid: Grid) -> float:
    """Share of the pixels a lake touches that are usable; those off the grid are not."""
    west, south, east, north = shapely.bounds(lake)
    corners = [~grid.transform * corner for corner in ((west, south), (west, north), (east, south), (east, north))]
    left, top = (int(np.floor(min(c[axis] for c in corners))) for axis in (0, 1))
    right, bottom = (int(np.ceil(max(c[axis] for c in corners))) for axis in (0, 1))
    shape = (max(bottom - top, 1), max(right - left, 1))
    rows, cols = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    part = usable[rows, cols]
    if part.shape == shape and part.all():
        return 1.0
    transform = grid.transform * Affine.translation(left, top)
    touched = rasterize([lake], shape, transform=transform, all_touched=True, dtype="uint8").astype(np.bool_)
    on_grid = touched[rows.start - top :, cols.start - left :][: part.shape[0], : part.shape[1]]
    return int(np.count_nonzero(on_grid & part)) / max(int(np.count_nonzero(touched)), 1)
