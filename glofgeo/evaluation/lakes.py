"""Lakes: which are found, which are missed, which are not there.

The rule, for a given IoU t (0.1: was the lake noticed; 0.5: was it drawn):

- A true lake is found if its IoU with the union of all predicted lakes that overlap it is at least t, else missed.
- A predicted lake is false unless its own IoU with the union of all true lakes that overlap it is at least t, or it
  overlaps a lake that was found. So neither a lake drawn in pieces nor two lakes drawn as one are punished twice.
- A lake of which less than half lies on usable pixels (observed, inside the area of interest) is not counted, nor is
  one smaller than 5 pixels; a predicted lake that overlaps such a true lake is not false.
- A predicted lake is right if it overlaps a counted lake and is not false on its own account: that lake was found, or
  the IoU above is reached. Precision is the share of right among right and false; recall that of found among counted.

Sizes and overlaps are those of whole polygons.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import rasterize, shapes, sieve

from glofgeo.evaluation.pixels import Grid, Mask, Polygons, harmonic_mean, ratio
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2

IOU_LEVELS = (0.1, 0.5)
MIN_SHARE = 0.5
# Minimum mapping unit of glacial-lake inventories: Lesi et al. 2022, ESSD 14:5489 (500 m2 on Sentinel-2).
MIN_PIXELS = 5
SIZE_CLASSES = ("< 0.005", "0.005-0.02", "0.02-0.1", "0.1-1", "> 1")

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class LakeCounts:
    """Lakes at one IoU.

    Attributes:
        iou: from which a lake counts as found.
        found: true lakes that are.
        missed: true lakes that are not.
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
        """Share of the counted true lakes that is found; None if there is none."""
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
    large = shapely.area(lakes) >= MIN_PIXELS * grid.pixel_area * (1 - 1e-6)
    return seen, np.asarray(large, np.bool_)


@dataclass(frozen=True)
class Overlaps:
    """Which true and predicted lakes overlap, and how well.

    Attributes:
        true: number of the true lake of each overlap, `(K,)`.
        guess: number of the predicted one, `(K,)`.
        true_iou: of each true lake with the union of the predicted lakes that overlap it, `(N,)`; 0 where none does.
        guess_iou: of each predicted lake with the union of the true ones, `(M,)`.
    """

    true: Indices
    guess: Indices
    true_iou: npt.NDArray[np.float64]
    guess_iou: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdicts:
    """What became of each lake at one IoU.

    Attributes:
        found: of the true lakes, `(N,)`, whether they can be judged or not.
        right: of the predicted lakes, `(M,)`.
        false: likewise; neither of the two if nothing can be said, because it shows a lake that is not counted.
    """

    found: Mask
    right: Mask
    false: Mask


def overlap_lakes(truth: Polygons, predicted: Polygons) -> Overlaps:
    """Finds the overlaps of true lakes `(N,)` and predicted ones `(M,)` of the same CRS, with a spatial index."""
    true, guess = shapely.STRtree(predicted).query(truth, predicate="intersects")
    common = shapely.area(shapely.intersection(truth[true], predicted[guess]))
    true, guess, common = true[common > 0], guess[common > 0], common[common > 0]
    return Overlaps(
        true,
        guess,
        _union_iou(truth, predicted, true, guess, common),
        _union_iou(predicted, truth, guess, true, common),
    )


def judge_lakes(overlaps: Overlaps, counted: Mask, iou: float) -> Verdicts:
    """Tells found, right and false lakes.

    Args:
        overlaps: of true lakes with predicted lakes that can be judged.
        counted: which true lakes can be judged, `(N,)`.
        iou: from which a lake counts as found.
    """
    found, drawn = overlaps.true_iou >= iou, overlaps.guess_iou >= iou
    shows = {}
    for name, lakes in (("excuse", found | ~counted), ("found", found & counted), ("counted", counted)):
        shows[name] = np.zeros(len(drawn), np.bool_)
        shows[name][overlaps.guess[lakes[overlaps.true]]] = True
    return Verdicts(found, shows["found"] | (drawn & shows["counted"]), ~drawn & ~shows["excuse"])


def match_lakes(truth: Polygons, predicted: Polygons, counted: Mask, iou: float) -> LakeCounts:
    """Matches lakes by overlap.

    Args:
        truth: true lakes, `(N,)`.
        predicted: predicted lakes that can be judged, `(M,)`, same CRS.
        counted: which true lakes can be judged, `(N,)`.
        iou: from which a lake counts as found.
    """
    verdicts = judge_lakes(overlap_lakes(truth, predicted), counted, iou)
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
    ground = grid.pixel_ground(shapely.get_x(centres), shapely.get_y(centres)) / grid.pixel_area
    return np.digitize(shapely.area(lakes) * ground / 1e6, SIZE_BOUNDS_KM2)


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
