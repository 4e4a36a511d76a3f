"""The protocol: which pixels and which lakes are compared, and in what order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from geopandas import GeoDataFrame
from rasterio.windows import Window

from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.polygons import read_polygons
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.blocks import Blocks, Counts, choose_blocks, cut_blocks, join_blocks
from glofgeo.evaluation.boundary import HALO, mark_shores
from glofgeo.evaluation.calibration import PERCENTS, calibrate, count_percents
from glofgeo.evaluation.lakes import countable, outline_lakes
from glofgeo.evaluation.ndwi import why_no_ndwi
from glofgeo.evaluation.pixels import STRIP_ROWS, Mask, PixelCounts, Polygons, mark_pixels
from glofgeo.evaluation.prediction import Prediction, open_prediction
from glofgeo.evaluation.score import PIXEL_SUMS, block_counts, pixel_counts, score
from glofgeo.evaluation.scorecard import Scorecard

if TYPE_CHECKING:
    from datasets_def.scene import Scene


@dataclass(frozen=True)
class Case:
    """One map to be judged.

    Attributes:
        prediction: `probability.tif`, `mask.tif` or a lake layer; see `open_prediction` for the grid of the latter.
        scene: what was mapped: gives validity and the NDWI columns.
        aoi: polygons, any CRS; everything outside is left out.
        unet: `mask.tif` or `probability.tif` of a baseline network on the grid of `prediction`.
    """

    prediction: Path
    scene: "Scene | None" = None
    aoi: GeoDataFrame | None = None
    unet: Path | None = None


@dataclass(frozen=True)
class _Ground:
    """What one pass over the pixels gives: the lakes of each method and what is usable, `(rows, cols)` each."""

    usable: Mask
    inside: int
    masks: dict[str, Mask]


@dataclass(frozen=True)
class _Evidence:
    """What a case adds to a scorecard.

    Attributes:
        judged: the prediction and its grid.
        pixels: of the grid, of those inside the area of interest, and of those that are usable.
        lakes: true lakes that touch the grid, those of them not observed, and those too small.
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


def evaluate(
    prediction: Path,
    lakes: Path,
    *,
    scene: "Scene | None" = None,
    aoi: GeoDataFrame | None = None,
    threshold: float = 0.5,
    ndwi_threshold: float | None = None,
) -> Scorecard:
    """Compares one prediction with true lakes; `evaluate_all` tells how and what can go wrong.

    Args:
        prediction: `probability.tif`, `mask.tif` or a lake layer.
        lakes: layer of true lakes, any CRS.
        scene: what was mapped: gives validity and the NDWI column.
        aoi: polygons, any CRS; everything outside is left out.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        ndwi_threshold: another NDWI, -1 to 1, above which a third column calls a pixel lake; needs a scene. Chosen on
            the ground it is judged on, it flatters NDWI.
    """
    case = Case(prediction, scene, aoi)
    return evaluate_all([case], lakes, threshold=threshold, ndwi_threshold=ndwi_threshold)


def evaluate_all(
    cases: Sequence[Case],
    lakes: Path,
    *,
    threshold: float = 0.5,
    ndwi_threshold: float | None = None,
    ndwi_origin: str = "given",
    notes: tuple[str, ...] = (),
) -> Scorecard:
    """Compares maps with true lakes, pixel by pixel and lake by lake.

    Only usable pixels count: inside the area of interest and observed, that is, not 255 in the prediction and valid in
    the scene. Figures are pooled over the pixels of all maps, never averaged over maps, windows or lakes; ground that
    two maps show counts twice. Lakes are matched as `glofgeo.evaluation.lakes` says.

    Args:
        cases: what to judge, at least one.
        lakes: layer of true lakes, any CRS.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        ndwi_threshold: another NDWI, -1 to 1, above which a further column calls a pixel lake; needs scenes.
        ndwi_origin: where that comes from, in a word or two.
        notes: what a reader must know besides.

    Raises:
        GlofgeoError: If a file is missing, unreadable, without CRS or of the wrong kind, a prediction is not on its
            scene's grid, or truth or area of interest lie off the grids. No true lake inside the area of interest is
            an answer, not an error.
    """
    if not 0 < threshold <= 1:
        raise GlofgeoError(f"threshold {threshold:g}: must be above 0 and at most 1")
    if ndwi_threshold is not None and (any(case.scene is None for case in cases) or not -1 < ndwi_threshold < 1):
        raise GlofgeoError(f"NDWI threshold {ndwi_threshold:g}: must be between -1 and 1, with a scene to take it from")
    truth = read_polygons(lakes, "true lakes")
    cuts = {"ndwi": 0.0} | ({} if ndwi_threshold is None else {"ndwi_at": ndwi_threshold})
    found = [_judge(case, truth, threshold, cuts) for case in cases]
    _refuse_foreign_truth(cases, found, lakes)
    common = set.intersection(*(set(one.counts) for one in found))
    counts = {method: [one.counts[method] for one in found] for method in ("model", "unet", *cuts) if method in common}
    shapes = [one.shape for one in found]
    joined = choose_blocks(list(counts.values()), shapes)

    def stack(several: Sequence[Counts]) -> Counts:
        """Blocks of several grids, which are joined within each."""
        parts = [join_blocks(part, shape, joined.times) for part, shape in zip(several, shapes, strict=True)]
        return np.concatenate(parts)

    stacked = {method: stack(several) for method, several in counts.items()}
    scores = {method: score(blocks, joined) for method, blocks in stacked.items()}
    pixels, inside, usable = (sum(several) for several in zip(*(one.pixels for one in found), strict=True))
    true_lakes, not_observed, too_small = (sum(several) for several in zip(*(one.lakes for one in found), strict=True))
    histograms = [one.histogram for one in found if one.histogram is not None]
    single, first = len(cases) == 1, found[0].judged
    absent = dict.fromkeys(f"no NDWI: {one.absent}" for one in found if one.absent)
    return Scorecard(
        prediction=first.path.name if single else f"{len(cases)} maps",
        truth=lakes.name,
        scene=None if cases[0].scene is None or not single else cases[0].scene.id,
        grid=", ".join(dict.fromkeys(one.judged.grid_of for one in found)),
        crs=", ".join(dict.fromkeys(one.judged.grid.crs.to_string() for one in found)),
        threshold=threshold if first.probability else None,
        aoi_share=inside / pixels,
        observed_share=usable / inside if inside else None,
        true_lakes=true_lakes,
        not_observed=not_observed,
        too_small=too_small,
        model=scores["model"],
        ndwi=scores.get("ndwi"),
        ndwi_threshold=ndwi_threshold,
        ndwi_origin=ndwi_origin,
        ndwi_at=scores.get("ndwi_at"),
        unet=scores.get("unet"),
        calibration=calibrate(stack(histograms), joined) if len(histograms) == len(cases) else None,
        blocks=int(np.count_nonzero(stacked["model"][:, :PIXEL_SUMS].any(axis=1))),
        block_km=joined.side_km,
        neighbours=joined.correlation,
        by_scene={} if single else _by_scene(cases, counts),
        notes=(*absent, *notes),
    )


def _by_scene(cases: Sequence[Case], counts: dict[str, list[Counts]]) -> dict[str, dict[str, PixelCounts]]:
    names = [case.scene.id if case.scene else case.prediction.parent.name for case in cases]
    pooled: dict[str, dict[str, PixelCounts]] = {name: {} for name in names}
    for method, several in counts.items():
        for name, part in zip(names, several, strict=True):
            pooled[name][method] = pooled[name].get(method, PixelCounts()) + pixel_counts(part)
    return pooled


def _judge(case: Case, truth: GeoDataFrame, threshold: float, cuts: dict[str, float]) -> _Evidence:
    judged = open_prediction(case.prediction, truth, case.scene, case.aoi, threshold)
    rival = None if case.unet is None else open_prediction(case.unet, truth, case.scene, case.aoi, threshold)
    grid = judged.grid
    if rival is not None and rival.grid != grid:
        raise GlofgeoError(f"{case.unet}: is not on the grid of {case.prediction}; map both from the same scene")
    true_lakes = grid.bring(truth)
    area = None if case.aoi is None else grid.bring(case.aoi, clip=True)
    if area is not None and area.size == 0:
        raise GlofgeoError(f"{case.prediction}: lies outside the area of interest; give another --aoi or leave it out")
    absent = None if case.scene is None else why_no_ndwi(case.scene)
    if absent is not None and case.scene is not None:
        absent = absent.replace(str(case.scene.path), case.scene.id)
    ground = _look(judged, rival, area, case.scene, {} if case.scene is None or absent else cuts)
    blocks = cut_blocks(grid)
    sums, histogram = _count(ground, judged, true_lakes, blocks)
    seen, large = countable(true_lakes, ground.usable, grid)
    counts = {}
    for method, mask in ground.masks.items():
        layer = judged.lakes if method == "model" else None
        predicted = outline_lakes(mask, grid.transform) if layer is None else layer
        counts[method] = block_counts(sums[method], predicted, true_lakes, seen & large, ground.usable, blocks)
    return _Evidence(
        judged=judged,
        pixels=(ground.usable.size, ground.inside, int(np.count_nonzero(ground.usable))),
        lakes=(len(true_lakes), int(np.count_nonzero(~seen)), int(np.count_nonzero(seen & ~large))),
        shape=blocks.shape,
        counts=counts,
        histogram=histogram,
        absent=absent,
    )


def _refuse_foreign_truth(cases: Sequence[Case], found: Sequence[_Evidence], lakes: Path) -> None:
    """Stops where no map shows a lake: only a grid drawn around an area of interest may well hold none."""
    mapped = [
        case.aoi is None or one.judged.raster is not None or case.scene is not None
        for case, one in zip(cases, found, strict=True)
    ]
    if any(mapped) and not any(one.lakes[0] for one in found):
        where = cases[0].prediction.name if len(cases) == 1 else f"the {len(cases)} maps"
        raise GlofgeoError(f"{lakes}: no lake lies on the grid of {where}; give the lakes of that place")


def _look(
    judged: Prediction,
    rival: Prediction | None,
    area: Polygons | None,
    scene: "Scene | None",
    cuts: dict[str, float],
) -> _Ground:
    """Reads the grid strip by strip; what stays is one byte a pixel and mask.

    Args:
        judged: the prediction.
        rival: that of a baseline network on the same grid.
        area: polygons outside which nothing counts.
        scene: what was mapped.
        cuts: NDWI above which a pixel is lake, for each baseline.
    """
    grid = judged.grid
    usable, inside = np.zeros(grid.shape, np.bool_), 0
    methods = ("model", *(() if rival is None else ("unet",)), *cuts)
    masks = {method: np.zeros(grid.shape, np.bool_) for method in methods}
    for rows in grid.strips(STRIP_ROWS):
        masks["model"][rows], observed = judged.strip(rows)
        if rival is not None:
            masks["unet"][rows], seen = rival.strip(rows)
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
        covered = np.ones_like(observed) if area is None else grid.burn(area, rows)
        inside += int(np.count_nonzero(covered))
        usable[rows] = covered & observed
        if image is not None:
            index = ndwi(*image)
            for method, cut in cuts.items():
                masks[method][rows] = index > cut
        for mask in masks.values():
            mask[rows] &= observed
    return _Ground(usable, inside, masks)


def _count(
    ground: _Ground, judged: Prediction, true_lakes: Polygons, blocks: Blocks
) -> tuple[dict[str, npt.NDArray[np.int64]], Counts | None]:
    """Counts pixels and shores by block and method, `(blocks, 8)` each, and the histogram `count_percents` tells of."""
    grid = judged.grid
    count = blocks.shape[0] * blocks.shape[1]
    sums = {method: np.zeros((count, PIXEL_SUMS), np.int64) for method in ground.masks}
    histogram = np.zeros((count, 2, PERCENTS)) if judged.probability else None
    for rows in grid.strips(STRIP_ROWS):
        wide = slice(max(rows.start - HALO, 0), min(rows.stop + HALO, grid.shape[0]))
        own = slice(rows.start - wide.start, rows.stop - wide.start)
        truth, usable = grid.burn(true_lakes, wide), ground.usable[wide]
        for method, mask in ground.masks.items():
            shores = (shore[own] for shore in mark_shores(mask[wide], truth, usable))
            marks = (*mark_pixels(mask[rows], truth[own], usable[own]), *shores)
            sums[method] += np.column_stack([blocks.sums(mark, rows) for mark in marks])
        if histogram is not None:
            histogram += count_percents(judged.percent(rows), truth[own], usable[own], blocks, rows)
    return sums, histogram
