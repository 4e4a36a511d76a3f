"""The protocol: which pixels and which lakes are compared, and in what order."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from geopandas import GeoDataFrame
from rasterio.windows import Window

from datasets_def.vectors import read_polygons
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.baselines import NDWI_BANDS, ndwi, why_no_ndwi
from glofgeo.evaluation.lakes import IOU_LEVELS, countable, match_lakes, outline_lakes
from glofgeo.evaluation.pixels import STRIP_ROWS, Grid, Mask, PixelCounts, Polygons, count_pixels
from glofgeo.evaluation.prediction import Prediction, open_prediction
from glofgeo.evaluation.scorecard import Score, Scorecard

if TYPE_CHECKING:
    from datasets_def.scene import Scene


@dataclass(frozen=True)
class _Walk:
    """What one pass over the pixels gives: counts, and the masks the lakes are judged by, `(rows, cols)` each."""

    model: PixelCounts
    water: PixelCounts
    inside: int
    usable: Mask
    model_mask: Mask | None
    water_mask: Mask | None


def evaluate(
    prediction: Path,
    lakes: Path,
    *,
    scene: "Scene | None" = None,
    aoi: GeoDataFrame | None = None,
    threshold: float = 0.5,
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

    Raises:
        GlofgeoError: If a file is missing, unreadable, without CRS or of the wrong kind, the prediction is not on the
            scene's grid, or truth or area of interest lie off the grid. No true lake inside the area of interest is
            an answer, not an error.
    """
    if not 0 < threshold <= 1:
        raise GlofgeoError(f"threshold {threshold:g}: must be above 0 and at most 1")
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
    walk = _walk(judged, true_lakes, area, scene, with_ndwi=scene is not None and absent is None)
    seen, large = countable(true_lakes, walk.usable, grid)
    predicted = outline_lakes(walk.model_mask, grid.transform) if walk.model_mask is not None else judged.lakes
    assert predicted is not None  # a prediction is a raster or a layer
    model = _score(walk.model, predicted, true_lakes, seen & large, walk.usable, grid)
    water = None
    if walk.water_mask is not None:
        outlined = outline_lakes(walk.water_mask, grid.transform)
        water = _score(walk.water, outlined, true_lakes, seen & large, walk.usable, grid)
    return Scorecard(
        prediction=prediction.name,
        truth=lakes.name,
        scene=None if scene is None else scene.id,
        grid=judged.grid_of,
        crs=grid.crs.to_string(),
        threshold=threshold if judged.probability else None,
        aoi_share=walk.inside / walk.usable.size,
        observed_share=int(np.count_nonzero(walk.usable)) / walk.inside if walk.inside else None,
        true_lakes=len(true_lakes),
        not_observed=int(np.count_nonzero(~seen)),
        too_small=int(np.count_nonzero(seen & ~large)),
        model=model,
        ndwi=water,
        notes=() if scene is None or absent is None else (f"no NDWI: {absent.replace(str(scene.path), scene.id)}",),
    )


def _walk(
    judged: Prediction,
    true_lakes: Polygons,
    area: Polygons | None,
    scene: "Scene | None",
    *,
    with_ndwi: bool,
) -> _Walk:
    """Goes over the grid strip by strip; what stays is one byte a pixel and mask."""
    grid = judged.grid
    usable = np.zeros(grid.shape, np.bool_)
    model_mask = np.zeros(grid.shape, np.bool_) if judged.lakes is None else None
    water_mask = np.zeros(grid.shape, np.bool_) if with_ndwi else None
    model, water, inside = PixelCounts(), PixelCounts(), 0
    for rows in grid.strips(STRIP_ROWS):
        truth = grid.burn(true_lakes, rows)
        lake, observed = judged.strip(rows)
        top, left = judged.offset
        window = Window(left, top + rows.start, grid.shape[1], rows.stop - rows.start)
        if scene is not None:
            observed = observed & scene.valid(window)
        covered = np.ones_like(truth) if area is None else grid.burn(area, rows)
        inside += int(np.count_nonzero(covered))
        usable[rows] = covered & observed
        model += count_pixels(lake, truth, usable[rows])
        if model_mask is not None:
            model_mask[rows] = lake & observed
        if scene is not None and water_mask is not None:
            green, near_infrared = scene.read(window, NDWI_BANDS)
            wet = ndwi(green, near_infrared) > 0
            water += count_pixels(wet, truth, usable[rows])
            water_mask[rows] = wet & observed
    return _Walk(model, water, inside, usable, model_mask, water_mask)


def _score(pixels: PixelCounts, predicted: Polygons, truth: Polygons, counted: Mask, usable: Mask, grid: Grid) -> Score:
    seen, large = countable(predicted, usable, grid)
    judged = predicted[seen & large]
    return Score(pixels, tuple(match_lakes(truth, judged, counted, iou) for iou in IOU_LEVELS))
