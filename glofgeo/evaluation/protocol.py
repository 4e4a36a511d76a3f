"""The protocol: which pixels and which lakes are compared, and in what order."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from geopandas import GeoDataFrame
from rasterio.windows import Window

from datasets_def.vectors import read_polygons
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.baselines import NDWI_BANDS, ndwi, why_no_ndwi
from glofgeo.evaluation.blocks import Blocks, Counts, cut_blocks
from glofgeo.evaluation.boundary import HALO, mark_shores
from glofgeo.evaluation.calibration import PERCENTS, calibrate, count_percents
from glofgeo.evaluation.lakes import countable, outline_lakes
from glofgeo.evaluation.pixels import STRIP_ROWS, Mask, Polygons, mark_pixels
from glofgeo.evaluation.prediction import Prediction, open_prediction
from glofgeo.evaluation.score import PIXEL_SUMS, score
from glofgeo.evaluation.scorecard import Scorecard

if TYPE_CHECKING:
    from datasets_def.scene import Scene


@dataclass(frozen=True)
class _Ground:
    """What one pass over the pixels gives: the lakes of each method and what is usable, `(rows, cols)` each."""

    usable: Mask
    inside: int
    masks: dict[str, Mask]


def evaluate(
    prediction: Path,
    lakes: Path,
    *,
    scene: "Scene | None" = None,
    aoi: GeoDataFrame | None = None,
    threshold: float = 0.5,
    ndwi_threshold: float | None = None,
) -> Scorecard:
    """Compares a prediction with true lakes, pixel by pixel and lake by lake.

    Only usable pixels count: inside the area of interest and observed, that is, not 255 in the prediction and valid in
    the scene. Figures are pooled over pixels, never averaged over windows or lakes. Lakes are matched as
    `glofgeo.evaluation.lakes` says.

    Args:
        prediction: `probability.tif`, `mask.tif` or a lake layer; see `open_prediction` for the grid of the latter.
        lakes: layer of true lakes, any CRS.
        scene: what was mapped: gives validity and the NDWI column.
        aoi: polygons, any CRS; everything outside is left out.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        ndwi_threshold: another NDWI, -1 to 1, above which a third column calls a pixel lake; needs a scene. Chosen on
            the ground it is judged on, it flatters NDWI.

    Raises:
        GlofgeoError: If a file is missing, unreadable, without CRS or of the wrong kind, the prediction is not on the
            scene's grid, or truth or area of interest lie off the grid. No true lake inside the area of interest is
            an answer, not an error.
    """
    if not 0 < threshold <= 1:
        raise GlofgeoError(f"threshold {threshold:g}: must be above 0 and at most 1")
    if ndwi_threshold is not None and (scene is None or not -1 < ndwi_threshold < 1):
        raise GlofgeoError(f"NDWI threshold {ndwi_threshold:g}: must be between -1 and 1, with a scene to take it from")
    truth = read_polygons(lakes, "true lakes")
    judged = open_prediction(prediction, truth, scene, aoi, threshold)
    grid = judged.grid
    true_lakes = grid.bring(truth)
    area = None if aoi is None else grid.bring(aoi, clip=True)
    if area is not None and area.size == 0:
        raise GlofgeoError(f"{prediction}: lies outside the area of interest; give another --aoi or leave it out")
    # A grid drawn around the area of interest may well hold no lake; one that was mapped comes with the wrong truth.
    if true_lakes.size == 0 and (aoi is None or judged.raster is not None or scene is not None):
        raise GlofgeoError(f"{lakes}: no lake lies on the grid of {prediction.name}; give the lakes of that place")

    absent = None if scene is None else why_no_ndwi(scene)
    cuts = {"ndwi": 0.0} | ({} if ndwi_threshold is None else {"ndwi_at": ndwi_threshold})
    ground = _look(judged, area, scene, {} if scene is None or absent else cuts)
    blocks = cut_blocks(grid)
    sums, histogram = _count(ground, judged, true_lakes, blocks)
    seen, large = countable(true_lakes, ground.usable, grid)
    scores = {}
    for method, mask in ground.masks.items():
        layer = judged.lakes if method == "model" else None
        predicted = outline_lakes(mask, grid.transform) if layer is None else layer
        scores[method] = score(sums[method], predicted, true_lakes, seen & large, ground.usable, blocks)
    return Scorecard(
        prediction=prediction.name,
        truth=lakes.name,
        scene=None if scene is None else scene.id,
        grid=judged.grid_of,
        crs=grid.crs.to_string(),
        threshold=threshold if judged.probability else None,
        aoi_share=ground.inside / ground.usable.size,
        observed_share=int(np.count_nonzero(ground.usable)) / ground.inside if ground.inside else None,
        true_lakes=len(true_lakes),
        not_observed=int(np.count_nonzero(~seen)),
        too_small=int(np.count_nonzero(seen & ~large)),
        model=scores["model"],
        ndwi=scores.get("ndwi"),
        ndwi_threshold=ndwi_threshold,
        ndwi_at=scores.get("ndwi_at"),
        calibration=None if histogram is None else calibrate(histogram),
        blocks=int(np.count_nonzero(sums["model"].any(axis=1))),
        notes=() if scene is None or absent is None else (f"no NDWI: {absent.replace(str(scene.path), scene.id)}",),
    )


def _look(judged: Prediction, area: Polygons | None, scene: "Scene | None", cuts: dict[str, float]) -> _Ground:
    """Reads the grid strip by strip; what stays is one byte a pixel and mask.

    Args:
        judged: the prediction.
        area: polygons outside which nothing counts.
        scene: what was mapped.
        cuts: NDWI above which a pixel is lake, for each baseline.
    """
    grid = judged.grid
    usable, inside = np.zeros(grid.shape, np.bool_), 0
    masks = {method: np.zeros(grid.shape, np.bool_) for method in ("model", *cuts)}
    for rows in grid.strips(STRIP_ROWS):
        masks["model"][rows], observed = judged.strip(rows)
        top, left = judged.offset
        window = Window(left, top + rows.start, grid.shape[1], rows.stop - rows.start)
        if scene is not None:
            observed = observed & scene.valid(window)
        covered = np.ones_like(observed) if area is None else grid.burn(area, rows)
        inside += int(np.count_nonzero(covered))
        usable[rows] = covered & observed
        if scene is not None and cuts:
            index = ndwi(*scene.read(window, NDWI_BANDS))
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
