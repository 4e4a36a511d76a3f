"""Lakes: which are found, which are missed, which are not there.

The rule, for a given IoU t (0.1: was the lake noticed; 0.5: was it drawn):

- A reference lake is found if its IoU with the union of all predicted lakes that overlap it is at least t, else missed.
- A predicted lake is false unless its own IoU with the union of all reference lakes that overlap it is at least t, or
  it overlaps a lake that was found. So neither a lake drawn in pieces nor two lakes drawn as one are punished twice.
- A lake of which less than half lies on usable pixels (observed, inside the area of interest) is not counted, nor is
  one smaller than 5 pixels; a predicted lake that overlaps such a reference lake is not false.
- A predicted lake is right if it overlaps a counted lake and is not false on its own account: that lake was found, or
  the IoU above is reached. Precision is the share of right among right and false; recall that of found among counted.
- By size, precision and recall speak of the same lakes: a predicted lake that is right belongs to the class of the
  reference lake it shows (to each, if it shows several), whatever its own size. Only false ones, which show none, go by
  their own.

Sizes and overlaps are those of whole polygons.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import rasterize, shapes, sieve
from rasterio.windows import Window, from_bounds

from datasets_def.grid import Grid
from glofgeo.evaluation.pixels import Mask, Polygons, harmonic_mean, pixel_areas, ratio, unit_area
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2

IOU_LEVELS = (0.1, 0.5)
MIN_SHARE = 0.5
# Minimum mapping unit of glacial-lake inventories: Lesi et al. 2022, ESSD 14:5489 (500 m2 on Sentinel-2).
MIN_PIXELS = 5

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class LakeCounts:
    """Lakes at one IoU.

    Attributes:
        iou: from which a lake counts as found.
        found: reference lakes that are.
        missed: reference lakes that are not.
        false: predicted lakes where there is none, or none like it.
        right: predicted lakes that are neither false nor of a lake that is not counted.
    """

    iou: float
    found: int
    missed: int
    false: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the judged predicted lakes that is right; None if there is none."""
        return ratio(self.right, self.right + self.false)

    @property
    def recall(self) -> float | None:
        """Share of the counted reference lakes that is found; None if there is none."""
        return ratio(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both."""
        return harmonic_mean(self.precision, self.recall)


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
    large = shapely.area(lakes) >= MIN_PIXELS * unit_area(grid) * (1 - 1e-6)
    return seen, np.asarray(large, np.bool_)


@dataclass(frozen=True)
class Overlaps:
    """Which reference and predicted lakes overlap, and how well.

    Attributes:
        reference: number of the reference lake of each overlap, `(K,)`.
        predicted: number of the predicted one, `(K,)`.
        reference_iou: of each reference lake with the union of the predicted lakes that overlap it, `(N,)`; 0 where
            none does.
        predicted_iou: of each predicted lake with the union of the reference lakes, `(M,)`.
    """

    reference: Indices
    predicted: Indices
    reference_iou: npt.NDArray[np.float64]
    predicted_iou: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """What became of each lake at one IoU.

    Attributes:
        found: of the reference lakes, `(N,)`, whether they can be judged or not.
        right: of the predicted lakes, `(M,)`.
        false: likewise; neither of the two if nothing can be said, because it shows a lake that is not counted.
        shown: of the overlaps, `(K,)`: those of a right lake with the counted ones it shows, which are the found ones
            where it overlaps any.
    """

    found: Mask
    right: Mask
    false: Mask
    shown: Mask


def overlap_lakes(reference: Polygons, predicted: Polygons) -> Overlaps:
    """Finds the overlaps of reference lakes `(N,)` and predicted ones `(M,)` of the same CRS, with a spatial index."""
    real, drawn = shapely.STRtree(predicted).query(reference, predicate="intersects")
    common = shapely.area(shapely.intersection(reference[real], predicted[drawn]))
    real, drawn, common = real[common > 0], drawn[common > 0], common[common > 0]
    return Overlaps(
        real,
        drawn,
        _union_iou(reference, predicted, real, drawn, common),
        _union_iou(predicted, reference, drawn, real, common),
    )


def judge_lakes(overlaps: Overlaps, counted: Mask, iou: float) -> Verdicts:
    """Tells found, right and false lakes.

    Args:
        overlaps: of reference lakes with predicted lakes that can be judged.
        counted: which reference lakes can be judged, `(N,)`.
        iou: from which a lake counts as found.
    """
    found, drawn = overlaps.reference_iou >= iou, overlaps.predicted_iou >= iou

    def over(lakes: Mask) -> Mask:
        """Which predicted lakes overlap one of these reference lakes."""
        them = np.zeros(len(drawn), np.bool_)
        them[overlaps.predicted[lakes[overlaps.reference]]] = True
        return them

    over_found = over(found & counted)
    right = over_found | (drawn & over(counted))
    shown = counted[overlaps.reference] & right[overlaps.predicted]
    shown &= found[overlaps.reference] | ~over_found[overlaps.predicted]
    return Verdicts(found, right, ~drawn & ~over(found | ~counted), shown)


def match_lakes(reference: Polygons, predicted: Polygons, counted: Mask, iou: float) -> LakeCounts:
    """Matches lakes by overlap.

    Args:
        reference: reference lakes, `(N,)`.
        predicted: predicted lakes that can be judged, `(M,)`, same CRS.
        counted: which reference lakes can be judged, `(N,)`.
        iou: from which a lake counts as found.
    """
    verdicts = judge_lakes(overlap_lakes(reference, predicted), counted, iou)
    return LakeCounts(
        iou=iou,
        found=int(np.count_nonzero(verdicts.found & counted)),
        missed=int(np.count_nonzero(~verdicts.found & counted)),
        false=int(np.count_nonzero(verdicts.false)),
        right=int(np.count_nonzero(verdicts.right)),
    )


def size_class(lakes: Polygons, grid: Grid) -> Indices:
    """Numbers of the size classes of lakes in the grid's CRS, `(N,)`; a lake of just a bound is in the upper class."""
    centres = shapely.centroid(lakes)
    pixels = shapely.area(lakes) / unit_area(grid)
    return np.digitize(
        pixels * pixel_areas(grid, shapely.get_x(centres), shapely.get_y(centres)) / 1e6, SIZE_BOUNDS_KM2
    )


def _union_iou(
    lakes: Polygons, others: Polygons, index: Indices, other: Indices, common: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """IoU of each lake with the union of the others that overlap it; (index, other) lists the overlaps."""
    iou = np.zeros(len(lakes))
    partners = np.bincount(index, minlength=len(lakes))
    alone = partners[index] == 1
    both = shapely.area(lakes[index[alone]]) + shapely.area(others[other[alone]])
    iou[index[alone]] = common[alone] / (both - common[alone])
    index, other = index[~alone], other[~alone]
    order = np.argsort(index, kind="stable")
    touched, starts = np.unique(index[order], return_index=True)
    for lake, several in zip(touched, np.split(other[order], starts[1:]), strict=False):
        union = shapely.union_all(others[several])
        shared = shapely.area(shapely.intersection(lakes[lake], union))
        iou[lake] = shared / (shapely.area(lakes[lake]) + shapely.area(union) - shared)
    return iou


def _usable_share(lake: shapely.Polygon, usable: Mask, grid: Grid) -> float:
    """Share of a lake that is usable: by the pixels it touches on the grid, and by area of what lies off it."""
    window = from_bounds(*shapely.bounds(lake), grid.transform)
    (top, left), (bottom, right) = (
        (int(corner(window.row_off + rows)), int(corner(window.col_off + cols)))
        for corner, rows, cols in ((np.floor, 0, 0), (np.ceil, window.height, window.width))
    )
    rows, cols = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
    part = usable[rows, cols]
    if not part.size:
        return 0.0
    whole = part.shape == (max(bottom - top, 1), max(right - left, 1))
    if whole and part.all():
        return 1.0
    # Only what is on the grid becomes pixels: a sea, or all lakes of a range in one feature, would fill the memory.
    transform = grid.window(Window(cols.start, rows.start, part.shape[1], part.shape[0])).transform
    touched = rasterize([lake], part.shape, transform=transform, all_touched=True, dtype="uint8").astype(np.bool_)
    share = int(np.count_nonzero(touched & part)) / max(int(np.count_nonzero(touched)), 1)
    if whole:
        return share
    return float(share * shapely.area(shapely.intersection(lake, shapely.box(*grid.bounds))) / shapely.area(lake))
