"""Judges a finished training run: maps the ground that was held out, with the mapper itself, and scores the maps."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geopandas import GeoDataFrame
from shapely.geometry.base import BaseGeometry

from datasets_def.polygons import read_polygons
from datasets_def.scene import Scene
from glofgeo.config import MapConfig
from glofgeo.evaluation import Case, Scorecard, evaluate_all, print_scorecard, tune_ndwi, write_scorecard
from glofgeo.inference.batches import make_batcher
from glofgeo.mapping.job import plan_scene
from glofgeo.mapping.progress import windows_progress
from glofgeo.mapping.scene import run_job
from glofgeo.models import Predictor, load_model, torch_predictor
from glofgeo.training import Trained

Ground = Sequence[tuple[Scene, BaseGeometry]]


def judge(run: Trained, lakes: Path, *, device: str = "auto") -> Scorecard:
    """Scores the best checkpoint of a run, and the baselines beside it, into the run's folder.

    Judged is the ground of the part `test`, or that of `val` where there is none, over all scenes that show it. The
    maps are those that `glofgeo map` would make of it.

    Args:
        run: what training left.
        lakes: layer of lake polygons.
        device: where to compute.

    Raises:
        GlofgeoError: If a scene cannot be read, or the folder cannot be written.
    """
    predictors = {"model": load_model(run.best)}
    part = "test" if run.data.ground("test") else "val"
    ground = run.data.ground(part)
    if run.unet is not None:
        trained = predictors["model"].card
        own = torch_predictor(run.unet).sha256
        predictors["unet"] = torch_predictor(run.unet, dataclasses.replace(trained, sha256=own, temperature=1.0))
    with tempfile.TemporaryDirectory(dir=run.best.parent, prefix=".judge-") as folder:
        maps = {
            name: _map_ground(ground, predictor, Path(folder) / name, device) for name, predictor in predictors.items()
        }
        unets = maps.get("unet", [None] * len(ground))
        cases = [
            Case(folder_of / "probability.tif", scene, _frame(scene, region), unet and unet / "probability.tif")
            for (scene, region), folder_of, unet in zip(ground, maps["model"], unets, strict=True)
        ]
        cut = tune_ndwi(run.data.decoded("train"), read_polygons(lakes, "true lakes"))
        notes = _notes(part, run.data.audit)
        card = evaluate_all(cases, lakes, ndwi_threshold=cut, ndwi_origin="best on train", notes=notes)
    write_scorecard(card, folder=run.best.parent)
    print_scorecard(card)
    return card


def _frame(scene: Scene, region: BaseGeometry) -> GeoDataFrame:
    return GeoDataFrame(geometry=[region], crs=scene.crs)


def _map_ground(ground: Ground, predictor: Predictor, out: Path, device: str) -> list[Path]:
    """Maps each scene's ground into a folder of its own, which it returns in order."""
    settings = MapConfig()
    jobs = [plan_scene(scene, predictor, settings, _frame(scene, region)) for scene, region in ground]
    batcher = make_batcher(predictor, settings, device)
    with windows_progress(sum(job.windows for job in jobs)) as (name, advance):
        folders = []
        for number, job in enumerate(jobs):
            name(job.scene.id)
            # Two scenes may have one name, as after another processing.
            folders.append(run_job(job, batcher, out / str(number), advance))
    return folders


def _notes(part: str, audit: dict[str, Any]) -> tuple[str, ...]:
    notes = [f"judged on the ground of the part `{part}`"]
    if part == "val":
        notes = ["judged on the validation ground, which also chose the epoch and the temperature: this flatters"]
    share = audit["scene_overlap"].get(part)
    if share:
        notes.append(f"{share:.0%} of its windows lie in scenes that training saw too")
    return (*notes, *(f"LEAK, let through with --allow-leaks: {text}" for text in audit["violations"]))
