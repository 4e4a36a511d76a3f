"""Lines of `bundled.py` over many small places: the water chips, and synthetic worlds never trained on."""

from pathlib import Path

import geopandas as gpd
from crossval import join_places
from judge_maps import Place, Verdict, pool, sum_groups, tally
from judge_table import Row, calibration_row, score_row

from datasets_def.scene import open_scene
from datasets_def.synthetic.worlds import KINDS, write_world
from glofgeo.evaluation.lakes import IOU_LEVELS
from glofgeo.evaluation.score import lake_figure
from glofgeo.inventory.attributes import SIZE_CLASSES
from glofgeo.models import Predictor

# Seeds from here on are never trained on, and nothing was chosen by these worlds.
FIRST_SEED = 960_000
WORLD_SIDE = 504
SMALL = "0.005-0.02"


def chips(data: Path, models: dict[str, Predictor], out: Path, fold: Path | None) -> list[Row]:
    """Judges real inland water at 30 m, pooled over areas, whose chips overlap.

    Args:
        data: the folder of real data.
        models: by name.
        out: folder for the maps.
        fold: layer of chips with a column `split`; only its `test` chips are judged. Without, all are.
    """
    folder = data / "water_chips"
    known = gpd.read_file(folder / "chips.gpkg")
    known["area"], _ = join_places(known, folder / "images")
    if fold is not None:
        told = gpd.read_file(fold)
        known = known[known["chip"].isin(told.loc[told["split"] == "test", "chip"])]
    places = [
        # Their numbers carry no offset, and do not say so.
        Place(open_scene(folder / "images" / f"chip_{chip:03d}.tif", offset=0), folder / "water.gpkg", str(area))
        for chip, area in zip(known["chip"], known["area"], strict=True)
    ]
    areas = sum_groups(places, [tally(place, models, out) for place in places])
    verdicts = pool(areas)
    return [
        score_row(verdicts, "iou", f"IoU, {len(places)} chips of {len(areas)} areas"),
        score_row(verdicts, "precision", "precision of area"),
        score_row(verdicts, "recall", "recall of area"),
        calibration_row(verdicts),
    ]


def worlds(models: dict[str, Predictor], out: Path, count: int) -> list[Row]:
    """Judges synthetic worlds, each kind alone and all together; intervals come from drawing worlds.

    Args:
        models: by name.
        out: folder for the worlds and maps.
        count: worlds of each kind.
    """
    tallies, rows = [], []
    for kind in KINDS:
        places = []
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            path, lakes = write_world(out / kind / str(seed), kind, seed, size=WORLD_SIDE)
            places.append(Place(open_scene(path), lakes, path.stem))
        of_kind = [tally(place, models, out / kind / "maps") for place in places]
        rows += _world_rows(kind, pool(of_kind))
        tallies += of_kind
    return _world_rows("**all**", pool(tallies), wanted=True) + rows


def _world_rows(kind: str, verdicts: dict[str, Verdict], *, wanted: bool = False) -> list[Row]:
    noticed, drawn = (lake_figure(iou, SMALL, "f1") for iou in IOU_LEVELS)
    iou, f1, false, ece = (">= 0.80", ">= 0.75", "<= 10", "<= 0.02") if wanted else ("",) * 4
    return [
        score_row(verdicts, "iou", f"{kind}: IoU", iou),
        score_row(verdicts, drawn, f"{kind}: F1 of lakes of {SMALL} km² at IoU 0.5", f1),
        score_row(verdicts, noticed, f"{kind}: the same at IoU 0.1"),
        score_row(verdicts, "false_per_100_km2", f"{kind}: false lakes on 100 km²", false, digits=1),
        calibration_row(verdicts, f"{kind}: ECE", ece),
        *_sizes(verdicts, kind if wanted else ""),
    ]


def _sizes(verdicts: dict[str, Verdict], kind: str) -> list[Row]:
    """Tells the share of the lakes of each size class that are found; nothing without a kind."""
    sizes = SIZE_CLASSES if kind else ()
    recall = [lake_figure(IOU_LEVELS[-1], size, "recall") for size in sizes]
    told = [f"{kind}: recall of lakes of {size} km² at IoU 0.5" for size in sizes]
    return [score_row(verdicts, name, words) for name, words in zip(recall, told, strict=True)]
