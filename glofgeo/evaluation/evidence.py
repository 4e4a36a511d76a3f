"""Evidence: what one map adds to a scorecard, from one pass over its pixels and one over its lakes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from geopandas import GeoDataFrame
from rasterio.windows import Window

from datasets_def.grid import READ_ROWS
from datasets_def.indices import NDWI_BANDS, ndwi
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.blocks import Blocks, Counts, cut_blocks
from glofgeo.evaluation.boundary import HALO, mark_shores
from glofgeo.evaluation.calibration import PERCENTS, count_percents
from glofgeo.evaluation.lakes import countable, outline_lakes
from glofgeo.evaluation.ndwi import why_no_ndwi
from glofgeo.evaluation.pixels import Mask, Polygons, bring, burn, mark_pixels, rows_of, strips
from glofgeo.evaluation.prediction import Prediction, open_prediction
from glofgeo.evaluation.score import PIXEL_SUMS, block_counts

if TYPE_CHECKING:
    from datasets_def.scene import Scene


@dataclass(frozen=True)
class Case:
    """One map to be judged.

    Attributes:
        prediction: `probability.tif`, `mask.tif` or a lake layer; see `open_prediction` for the grid of the latter.
        scene: what was mapped: gives validity and the NDWI columns.
        aoi: polygons, any CRS; everything outside is left out.
        unet: `mask.tif` or `probability.tif` of a U-Net to compare with, on the grid of `prediction`.
    """

    prediction: Path
    scene: "Scene | None" = None
    aoi: GeoDataFrame | None = None
    unet: Path | None = None


@dataclass(frozen=True)
class Evidence:
    """What a case adds to a scorecard.

    Attributes:
        judged: the prediction and its grid.
        pixels: of the grid, of those inside the area of interest, and of those that are usable.
        lakes: reference lakes that touch the grid, those of them not observed, and those too small.
        shape: (rows, cols) of the blocks.
        counts: `block_counts` of each method.
        histogram: of the probabilities, as `count_percents` tells; None for masks and layers.
        absent: why there is no NDWI.
    """

    judged: Prediction
    pixels: tuple[int, int, int]
    lakes: tuple[int, int, int]
    shape: tuple[int, int]
    counts: dict[str, Counts]
    histogram: Counts | None
    absent: str | None


@dataclass(frozen=True)
class _Maps:
    """Which pixels are usable, how many lie inside the area of interest, and each method's lakes, `(rows, cols)`."""

    usable: Mask
    inside: int
    lakes: dict[str, Mask]


def gather(case: Case, reference: GeoDataFrame, threshold: float, cuts: dict[str, float]) -> Evidence:
    """Compares one map with reference lakes.

    Args:
        case: what to judge.
        reference: lakes, any CRS.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        cuts: NDWI above which a pixel is lake, by method.

    Raises:
        GlofgeoError: As `evaluate_all` tells.
    """
    judged = open_prediction(case.prediction, reference, case.scene, case.aoi, threshold)
    rival = None if case.unet is None else open_prediction(case.unet, reference, case.scene, case.aoi, threshold)
    grid = judged.grid
    if rival is not None and rival.grid != grid:
        raise GlofgeoError(f"{case.unet}: is not on the grid of {case.prediction}", "map both from the same scene")
    lakes = bring(reference, grid)
    area = None if case.aoi is None else bring(case.aoi, grid, clip=True)
    if area is not None and area.size == 0:
        raise GlofgeoError(
            f"{case.prediction}: lies outside the area of interest", "give another or leave it out", argument="aoi"
        )
    absent = None if case.scene is None else why_no_ndwi(case.scene)
    if absent is not None and case.scene is not None:
        absent = absent.replace(str(case.scene.path), case.scene.id)
    maps = _look(judged, rival, area, case.scene, {} if case.scene is None or absent else cuts)
    blocks = cut_blocks(grid)
    sums, histogram = _count(maps, judged, lakes, blocks)
    seen, large = countable(lakes, maps.usable, grid)
    counts = {}
    for method, mask in maps.lakes.items():
        layer = judged.lakes if method == "model" else None
        predicted = outline_lakes(mask, grid.transform) if layer is None else layer
        counts[method] = block_counts(sums[method], predicted, lakes, seen & large, maps.usable, blocks)
    return Evidence(
        judged=judged,
        pixels=(maps.usable.size, maps.inside, int(np.count_nonzero(maps.usable))),
        lakes=(len(lakes), int(np.count_nonzero(~seen)), int(np.count_nonzero(seen & ~large))),
        shape=blocks.shape,
        counts=counts,
        histogram=histogram,
        absent=absent,
    )


def _look(
    judged: Prediction,
    rival: Prediction | None,
    area: Polygons | None,
    scene: "Scene | None",
    cuts: dict[str, float],
) -> _Maps:
    """Reads the grid strip by strip; what stays is one byte a pixel and mask.

    Args:
        judged: the prediction.
        rival: that of a U-Net on the same grid.
        area: polygons outside which nothing counts.
        scene: what was mapped.
        cuts: NDWI above which a pixel is lake, by method.
    """
    grid = judged.grid
    usable, inside = np.zeros(grid.shape, np.bool_), 0
    methods = ("model", *(() if rival is None else ("unet",)), *cuts)
    lakes = {method: np.zeros(grid.shape, np.bool_) for method in methods}
    for rows in strips(grid, READ_ROWS):
        lakes["model"][rows], observed = judged.strip(rows)
        if rival is not None:
            lakes["unet"][rows], seen = rival.strip(rows)
            observed &= seen
        top, left = judged.offset
        window = Window(left, top + rows.start, grid.shape[1], rows.stop - rows.start)
        image = None
        if scene is not None and cuts:
            # What the scene classification shows may yet lack data in a band.
            image, valid = scene.load(window, NDWI_BANDS)
            observed = observed & valid
        elif scene is not None:
            observed = observed & scene.valid(window)
        covered = np.ones_like(observed) if area is None else burn(area, rows_of(grid, rows))
        inside += int(np.count_nonzero(covered))
        usable[rows] = covered & observed
        if image is not None:
            index = ndwi(*image)
            for method, cut in cuts.items():
                lakes[method][rows] = index > cut
        for mask in lakes.values():
            mask[rows] &= observed
    return _Maps(usable, inside, lakes)


def _count(
    maps: _Maps, judged: Prediction, reference: Polygons, blocks: Blocks
) -> tuple[dict[str, npt.NDArray[np.int64]], Counts | None]:
    """Counts pixels and shores by block and method, `(blocks, 8)` each, and the histogram `count_percents` tells of."""
    grid = judged.grid
    count = blocks.shape[0] * blocks.shape[1]
    sums = {method: np.zeros((count, PIXEL_SUMS), np.int64) for method in maps.lakes}
    histogram = np.zeros((count, 2, PERCENTS)) if judged.probability else None
    for rows in strips(grid, READ_ROWS):
        wide = slice(max(rows.start - HALO, 0), min(rows.stop + HALO, grid.shape[0]))
        own = slice(rows.start - wide.start, rows.stop - wide.start)
        real, usable = burn(reference, rows_of(grid, wide)), maps.usable[wide]
        for method, mask in maps.lakes.items():
            shores = (shore[own] for shore in mark_shores(mask[wide], real, usable))
            marks = (*mark_pixels(mask[rows], real[own], usable[own]), *shores)
            sums[method] += np.column_stack([blocks.sums(mark, rows) for mark in marks])
        if histogram is not None:
            histogram += count_percents(judged.percent(rows), real[own], usable[own], blocks, rows)
    return sums, histogram
