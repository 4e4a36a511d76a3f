"""Score: all figures of one method, from sums over blocks."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from glofgeo.evaluation.blocks import AS_CUT, Blocks, Counts, Interval, Joined, bootstrap
from glofgeo.evaluation.boundary import ShoreCounts
from glofgeo.evaluation.lakes import (
    IOU_LEVELS,
    LakeCounts,
    countable,
    judge_lakes,
    overlap_lakes,
    size_class,
)
from glofgeo.evaluation.pixels import Mask, PixelCounts, Polygons, ratio
from glofgeo.inventory.attributes import SIZE_CLASSES

FIGURES = ("iou", "dice", "precision", "recall", "accuracy", "area_bias")
LAKE_FIGURES = ("precision", "recall", "f1")
# Sums of a block: confusion and shores, then what is said of lakes.
PIXEL_SUMS = 8
# For each IoU, of all lakes and of those of each size: found, missed, false, right.
_LAKES = (len(IOU_LEVELS), 1 + len(SIZE_CLASSES), 4)
_FOUND, _MISSED, _FALSE, _RIGHT = range(4)


@dataclass(frozen=True)
class Score:
    """How one method did.

    Attributes:
        pixels: confusion over the usable pixels.
        shores: agreement of the shores over the usable pixels.
        lakes: found, missed, false and right lakes, one entry for each IoU.
        by_size: the same for each of `SIZE_CLASSES`, as `glofgeo.evaluation.lakes` tells; a predicted lake that shows
            several reference lakes may be right in several classes.
        stray: predicted lakes that overlap no reference lake.
        land_km2: usable area without lake.
        intervals: 95 % interval of each of `figures`, as `glofgeo.evaluation.blocks.bootstrap` says.
    """

    pixels: PixelCounts
    shores: ShoreCounts
    lakes: tuple[LakeCounts, ...]
    by_size: tuple[tuple[LakeCounts, ...], ...]
    stray: int
    land_km2: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def false_per_100_km2(self) -> float | None:
        """Lakes that overlap no reference lake, on 100 km2 of usable area without lake; None if there is none."""
        return ratio(100 * self.stray, self.land_km2)

    def figures(self) -> dict[str, float | None]:
        """Gives all figures by name, None where undefined."""
        found: dict[str, float | None] = {name: getattr(self.pixels, name) for name in FIGURES}
        found |= {"boundary_f1": self.shores.f1, "false_per_100_km2": self.false_per_100_km2}
        for level, classes in zip(self.lakes, self.by_size, strict=True):
            for where, counts in (("all", level), *zip(SIZE_CLASSES, classes, strict=True)):
                found |= {lake_figure(level.iou, where, name): getattr(counts, name) for name in LAKE_FIGURES}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Gives figures, intervals and counts as plain values; an undefined figure is None."""
        figures = self.figures()
        plain = (*FIGURES, "boundary_f1", "false_per_100_km2")
        return {name: figures[name] for name in plain} | {
            "intervals": {name: _plain(self.intervals.get(name)) for name in plain},
            "pixels": dataclasses.asdict(self.pixels),
            "shores": dataclasses.asdict(self.shores),
            "stray_lakes": self.stray,
            "land_km2": self.land_km2,
            "lakes": [
                dataclasses.asdict(level)
                | self._lake_figures(level.iou, "all")
                | {
                    "by_size_km2": {
                        where: dataclasses.asdict(counts) | self._lake_figures(level.iou, where)
                        for where, counts in zip(SIZE_CLASSES, classes, strict=True)
                    }
                }
                for level, classes in zip(self.lakes, self.by_size, strict=True)
            ],
        }

    def _lake_figures(self, iou: float, where: str) -> dict[str, Any]:
        figures, names = self.figures(), {name: lake_figure(iou, where, name) for name in LAKE_FIGURES}
        intervals = {name: _plain(self.intervals.get(key)) for name, key in names.items()}
        return {name: figures[key] for name, key in names.items()} | {"intervals": intervals}


def lake_figure(iou: float, where: str, name: str) -> str:
    """Gives the name of a lake figure among `Score.figures`; `where` is "all" or one of `SIZE_CLASSES`."""
    return f"lakes {iou:g} {where} {name}"


def block_counts(
    sums: npt.NDArray[np.int64], predicted: Polygons, reference: Polygons, counted: Mask, usable: Mask, blocks: Blocks
) -> Counts:
    """Counts all that a score is made of, block by block; counts of several grids may be stacked.

    Args:
        sums: of the pixels, `(blocks, 8)`: tp, fp, fn, tn, then those of `ShoreCounts` in its order.
        predicted: lakes in the grid's CRS, whether they can be judged or not.
        reference: likewise.
        counted: which reference lakes can be judged.
        usable: `(rows, cols)` of the grid.
        blocks: of the grid; a lake belongs to the one that holds its centroid.

    Returns:
        `(blocks, K)`.
    """
    seen, large = countable(predicted, usable, blocks.grid)
    judged = predicted[seen & large]
    land = (sums[:, 1] + sums[:, 3]) * blocks.pixel_areas() / 1e6
    return np.column_stack([sums, land, _lake_sums(judged, reference, counted, blocks)])


def score(counts: Counts, joined: Joined = AS_CUT) -> Score:
    """Scores one method from its `block_counts`, joined to larger blocks or not."""
    intervals = bootstrap(counts, lambda total: _from_sums(total).figures(), joined)
    return dataclasses.replace(_from_sums(counts.sum(axis=0)), intervals=intervals)


def pixel_counts(counts: Counts) -> PixelCounts:
    """Pools the pixels of `block_counts`."""
    return PixelCounts(*(round(value) for value in counts[:, :4].sum(axis=0).tolist()))


def _lake_sums(judged: Polygons, reference: Polygons, counted: Mask, blocks: Blocks) -> Counts:
    """Counts lakes by block: stray ones, then what `_LAKES` tells, `(blocks, 49)`."""
    overlaps = overlap_lakes(reference, judged)
    reference_home, home = blocks.home(reference), blocks.home(judged)
    reference_size, size = size_class(reference, blocks.grid), size_class(judged, blocks.grid)
    count = blocks.shape[0] * blocks.shape[1]
    stray = np.ones(len(judged), np.bool_)
    stray[overlaps.predicted] = False
    sums = np.zeros((count, *_LAKES))
    for level, iou in enumerate(IOU_LEVELS):
        verdicts = judge_lakes(overlaps, counted, iou)
        of_all, of_size = sums[:, level, 0], sums[:, level, 1:]
        for kind, which, place, bulk in (
            (_FOUND, verdicts.found & counted, reference_home, reference_size),
            (_MISSED, ~verdicts.found & counted, reference_home, reference_size),
            (_FALSE, verdicts.false, home, size),
        ):
            np.add.at(of_all[..., kind], place[which], 1)
            np.add.at(of_size[..., kind], (place[which], bulk[which]), 1)
        np.add.at(of_all[..., _RIGHT], home[verdicts.right], 1)
        shown = np.column_stack([overlaps.predicted, reference_size[overlaps.reference]])[verdicts.shown]
        lake, shown_size = np.unique(shown, axis=0).T
        np.add.at(of_size[..., _RIGHT], (home[lake], shown_size), 1)
    strays = np.bincount(home[stray], minlength=count)
    return np.column_stack([strays, sums.reshape(count, -1)])


def _from_sums(total: Counts) -> Score:
    """Reads the sums in the order `block_counts` stacks them."""
    tp, fp, fn, tn, *shores = (round(value) for value in total[:PIXEL_SUMS].tolist())
    land, stray = total[PIXEL_SUMS : PIXEL_SUMS + 2].tolist()
    lakes = total[PIXEL_SUMS + 2 :].reshape(_LAKES)
    return Score(
        PixelCounts(tp, fp, fn, tn),
        ShoreCounts(*shores),
        lakes=tuple(_lake_counts(iou, rows[0]) for iou, rows in zip(IOU_LEVELS, lakes, strict=True)),
        by_size=tuple(
            tuple(_lake_counts(iou, row) for row in rows[1:]) for iou, rows in zip(IOU_LEVELS, lakes, strict=True)
        ),
        stray=round(stray),
        land_km2=land,
    )


def _lake_counts(iou: float, row: Counts) -> LakeCounts:
    found, missed, false, right = (round(value) for value in row.tolist())
    return LakeCounts(iou, found, missed, false, right)


def _plain(interval: Interval) -> list[float] | None:
    return None if interval is None else list(interval)
