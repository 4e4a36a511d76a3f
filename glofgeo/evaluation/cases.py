"""The protocol: which maps are judged with which reference lakes, and how their figures are pooled."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from geopandas import GeoDataFrame

from datasets_def.aoi import read_aoi
from datasets_def.dates import require_one_date
from datasets_def.polygons import read_polygons, without_rejected
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.blocks import Counts, Joined, choose_blocks, join_blocks
from glofgeo.evaluation.calibration import calibrate
from glofgeo.evaluation.evidence import Case, Evidence, gather
from glofgeo.evaluation.maker import models_of, require_same_date, was_trained_on
from glofgeo.evaluation.ndwi import open_judged
from glofgeo.evaluation.pixels import PixelCounts
from glofgeo.evaluation.score import PIXEL_SUMS, Score, pixel_counts, score
from glofgeo.evaluation.scorecard import Scorecard

if TYPE_CHECKING:
    from datasets_def.scene import Scene

# A box around one lake is up to two thirds lake.
_MOST_LAKE = 0.8
_MOST_PARTS = 10


def evaluate(
    prediction: str | Path,
    lakes: str | Path,
    *,
    scene: "str | Path | Scene | None" = None,
    aoi: str | Path | GeoDataFrame | None = None,
    threshold: float = 0.5,
    ndwi_threshold: float | None = None,
) -> Scorecard:
    """Compares one map with reference lakes; `evaluate_all` tells how and what can go wrong.

    Args:
        prediction: `probability.tif`, `mask.tif` or a lake layer.
        lakes: layer of reference lakes, any CRS.
        scene: what was mapped: gives validity and the NDWI column.
        aoi: polygons, a file of them, or the name of a ready-made area, any CRS; everything outside is left out.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        ndwi_threshold: another NDWI, -1 to 1, above which a third column calls a pixel lake; needs a scene. Chosen on
            the area it is judged on, it flatters NDWI.
    """
    if isinstance(scene, str | Path):
        scene = open_judged(scene)
    area = read_aoi(aoi) if isinstance(aoi, str | Path) else aoi
    case = Case(Path(prediction), scene, area)
    seen = "the model was trained on this scene, which flatters it wherever it learned"
    notes = (seen,) if was_trained_on(case.prediction) else ()
    return evaluate_all([case], lakes, threshold=threshold, ndwi_threshold=ndwi_threshold, notes=notes)


def evaluate_all(
    cases: Sequence[Case],
    lakes: str | Path,
    *,
    threshold: float = 0.5,
    ndwi_threshold: float | None = None,
    ndwi_origin: str = "given",
    notes: tuple[str, ...] = (),
) -> Scorecard:
    """Compares maps with reference lakes, pixel by pixel and lake by lake.

    Only usable pixels count: inside the area of interest and observed, that is, not 255 in the prediction and valid in
    the scene. Figures are pooled over the pixels of all maps, never averaged over maps, windows or lakes; an area that
    two maps show counts twice. Lakes are matched as `glofgeo.evaluation.lakes` says.

    Args:
        cases: what to judge, at least one.
        lakes: layer of reference lakes, any CRS.
        threshold: lake probability from which on a pixel is lake, 0-1; for probability rasters only.
        ndwi_threshold: another NDWI, -1 to 1, above which a further column calls a pixel lake; needs scenes.
        ndwi_origin: where that comes from, in a word or two.
        notes: what a reader must know besides.

    Raises:
        GlofgeoError: If a file is missing, unreadable, without CRS, of the wrong kind or of several dates, a
            prediction is not on its scene's grid, or reference lakes or area of interest lie off the grids. No
            reference lake inside the area of interest is an answer, not an error.
    """
    if not 0 < threshold <= 1:
        raise GlofgeoError(f"threshold {threshold:g}: must be above 0 and at most 1")
    if ndwi_threshold is not None and (any(case.scene is None for case in cases) or not -1 < ndwi_threshold < 1):
        raise GlofgeoError(f"NDWI threshold {ndwi_threshold:g}: must be between -1 and 1, with a scene to take it from")
    reference = without_rejected(read_polygons(lakes, "reference lakes"))
    require_one_date(reference, str(lakes))
    for case in cases:
        if case.scene is not None:
            require_same_date(case.prediction, case.scene)
    cuts = {"ndwi": 0.0} | ({} if ndwi_threshold is None else {"ndwi_at": ndwi_threshold})
    found = [gather(case, reference, threshold, cuts) for case in cases]
    _refuse_foreign_lakes(cases, found, lakes)
    common = set.intersection(*(set(one.counts) for one in found))
    counts = {method: [one.counts[method] for one in found] for method in ("model", "unet", *cuts) if method in common}
    shapes = [one.shape for one in found]
    joined = choose_blocks(list(counts.values()), shapes)
    stacked = {method: _stack(several, shapes, joined) for method, several in counts.items()}
    scores = {method: score(blocks, joined) for method, blocks in stacked.items()}
    pixels, inside, usable = (sum(several) for several in zip(*(one.pixels for one in found), strict=True))
    touching, not_observed, too_small = (sum(several) for several in zip(*(one.lakes for one in found), strict=True))
    histograms = [one.histogram for one in found if one.histogram is not None]
    single, first = len(cases) == 1, found[0].judged
    absent = dict.fromkeys(f"no NDWI: {one.absent}" for one in found if one.absent)
    return Scorecard(
        prediction=first.path.name if single else f"{len(cases)} maps",
        reference=Path(lakes).name,
        scene=None if cases[0].scene is None or not single else cases[0].scene.id,
        grid=", ".join(dict.fromkeys(one.judged.grid_of for one in found)),
        crs=", ".join(dict.fromkeys(one.judged.grid.crs.to_string() for one in found)),
        threshold=threshold if first.probability else None,
        aoi_share=inside / pixels,
        observed_share=usable / inside if inside and _tells_observed(cases, found) else None,
        reference_lakes=touching,
        not_observed=not_observed,
        too_small=too_small,
        model=scores["model"],
        ndwi=scores.get("ndwi"),
        ndwi_threshold=ndwi_threshold,
        ndwi_origin=ndwi_origin,
        ndwi_at=scores.get("ndwi_at"),
        unet=scores.get("unet"),
        calibration=calibrate(_stack(histograms, shapes, joined), joined) if len(histograms) == len(cases) else None,
        blocks=int(np.count_nonzero(stacked["model"][:, :PIXEL_SUMS].any(axis=1))),
        block_km=joined.side_km,
        neighbours=joined.correlation,
        by_scene={} if single else _by_scene(cases, counts),
        models=models_of(case.prediction for case in cases),
        notes=(*absent, *_cautions(cases, found, scores["model"]), *_scattered(reference), *notes),
    )


def _cautions(cases: Sequence[Case], found: Sequence[Evidence], model: Score) -> list[str]:
    """What makes figures better or worse than the map is."""
    told = []
    if not _tells_observed(cases, found):
        told.append("nothing tells what was observed: lakes below cloud count as missed")
    pixels = model.pixels
    lake, compared = pixels.tp + pixels.fn, pixels.tp + pixels.fp + pixels.fn + pixels.tn
    if lake > _MOST_LAKE * compared > 0:
        told.append(f"reference lakes fill {lake / compared:.0%} of what is compared: are they the area of interest?")
    return told


def _scattered(reference: GeoDataFrame) -> list[str]:
    """What makes one lake of many: a layer that was dissolved."""
    many = int(np.count_nonzero(shapely.get_num_geometries(reference.geometry.array) > _MOST_PARTS))
    return [f"{many} reference lakes have more than {_MOST_PARTS} parts: lakes of their own?"] if many else []


def _tells_observed(cases: Sequence[Case], found: Sequence[Evidence]) -> bool:
    return all(case.scene or one.judged.raster for case, one in zip(cases, found, strict=True))


def _stack(several: Sequence[Counts], shapes: Sequence[tuple[int, int]], joined: Joined) -> Counts:
    """Blocks of several grids, which are joined within each."""
    return np.concatenate([join_blocks(one, shape, joined.times) for one, shape in zip(several, shapes, strict=True)])


def _by_scene(cases: Sequence[Case], counts: dict[str, list[Counts]]) -> dict[str, dict[str, PixelCounts]]:
    names = [case.scene.id if case.scene else case.prediction.parent.name for case in cases]
    pooled: dict[str, dict[str, PixelCounts]] = {name: {} for name in names}
    for method, several in counts.items():
        for name, one in zip(names, several, strict=True):
            pooled[name][method] = pooled[name].get(method, PixelCounts()) + pixel_counts(one)
    return pooled


def _refuse_foreign_lakes(cases: Sequence[Case], found: Sequence[Evidence], lakes: str | Path) -> None:
    """Stops where no map shows a lake: only a grid drawn around an area of interest may well hold none."""
    mapped = [
        case.aoi is None or one.judged.raster is not None or case.scene is not None
        for case, one in zip(cases, found, strict=True)
    ]
    if any(mapped) and not any(one.lakes[0] for one in found):
        where = cases[0].prediction.name if len(cases) == 1 else f"the {len(cases)} maps"
        raise GlofgeoError(f"{lakes}: no lake lies on the grid of {where}", "give the lakes of that area")
