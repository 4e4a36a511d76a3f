"""The verb `train`: a run, and how good its model is on the areas that were held out."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datasets_def.bands import TERRAIN, require_dem
from glofgeo.config import MapConfig, TrainConfig
from glofgeo.data_folder import LAKES, SCENES, dem_of
from glofgeo.errors import GlofgeoError, NoScenesError
from glofgeo.models.bundled import is_bundled, require_network
from glofgeo.presets import load_preset
from glofgeo.resume import Inputs, config_of, inputs_of, require_same, run_folder
from glofgeo.settings import from_dict

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from shapely.geometry.base import BaseGeometry

    from datasets_def import Scene
    from datasets_def.elevation import Dem
    from glofgeo.evaluation import Scorecard
    from glofgeo.models import ComparisonUnet, Header, Predictor
    from glofgeo.training import RunOptions, Sources, Trained
    from glofgeo.training.audit import Audit


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        best: its best checkpoint, to be given to `map_scene` or `load_model`.
        iou: lake IoU of that checkpoint on the validation area, 0-1.
        scorecard: how good it is on the areas that were held out; None in all but the first of several processes.
    """

    best: Path
    iou: float
    scorecard: "Scorecard | None"

    @property
    def worse(self) -> bool:
        """Whether the model that training started from does better on the areas that were held out."""
        began = self.scorecard.start_iou if self.scorecard else None
        return self.scorecard is not None and began is not None and began > (self.scorecard.model.pixels.iou or 0)

    @property
    def folder(self) -> Path:
        """Where the run is: checkpoints, figures, curves, examples, scorecard."""
        return self.best.parent


def train(  # noqa: PLR0913
    aoi: "str | Path | GeoDataFrame | None" = None,
    *,
    scenes: str | Path | None = None,
    lakes: str | Path | None = None,
    out: str | Path | None = None,
    config: TrainConfig | str | None = None,
    offset: float | None = None,
    dem: Sequence[str | Path] = (),
    resume: str | Path | None = None,
    compare: Literal["unet"] | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    devices: int = 1,
    strategy: str = "auto",
    wandb: str | None = None,
    progress: bool = False,
) -> TrainedRun:
    """Learns lakes from scenes and lake polygons, and scores what was learned.

    Scored is the split `test`, or `val` where there is none, on the maps that `map_scene` would make of it.

    Args:
        aoi: area of interest: a polygon file, the name of a ready-made one (`himalaya`, `khumbu`, …), or polygons in
            any CRS; columns `split` and `place` are heeded.
        scenes: folder of scenes, or one scene; by default `data/scenes`.
        lakes: polygons of the reference lakes, complete within the area; by default `data/lakes.gpkg`.
        out: folder of this run, new or empty; by default `runs/<date>-<time>`.
        config: settings, the name of a preset (`large`, the default, `small`, `chips`, `bundled`, `demo`, `finetune`),
            or a YAML file.
        offset: DN to add in scenes that do not state theirs: -1000 for processing baseline 04.00 and later, else 0.
        dem: tiles of an elevation model, or folders of them, for a model that reads slope or shadow; by default
            `data/dem.tif`.
        resume: folder of a run, or its `last.ckpt`, to continue with its own settings, area, scenes, lakes and DEM;
            these four are given only if they have moved or if the area was no file.
        compare: `unet` also trains a U-Net from scratch on the same windows for the same time, and scores it, too.
        device: where to compute.
        devices: how many GPUs or processes, as Lightning has it.
        strategy: how these share the work, as Lightning has it.
        wandb: project of Weights & Biases to log to.
        progress: print what the run is doing and how good it is, with a bar in a terminal.

    Raises:
        GlofgeoError: If the input cannot be trained on, or the run folder cannot be used.
        KeyboardInterrupt: After Ctrl-C, once the run folder is in order (`glofgeo.training.TrainingStopped`).
    """
    # Wrong input is told before anything slow is imported.
    settings, folder = _settings(config), None if out is None else Path(out)
    inputs = None
    if resume is None and settings and is_bundled(settings.weights):
        require_network(settings.model)
    if resume is not None:
        require_same(Path(resume), settings, folder, offset)
        inputs = inputs_of(run_folder(Path(resume)))
    bands = (config_of(run_folder(Path(resume))) if resume else settings or TrainConfig()).model.bands
    relief = _dem(bands, dem or (inputs.dem if inputs else ()) or dem_of(bands))
    sources = _sources(aoi, scenes, lakes, offset, inputs, relief)

    from glofgeo.training import RunOptions, train_model

    options = RunOptions(device=device, devices=devices, strategy=strategy, wandb=wandb, progress=progress)
    trained = train_model(
        sources,
        settings or TrainConfig(),
        folder,
        resume=Path(resume) if resume else None,
        compare=compare,
        options=options,
    )
    return TrainedRun(trained.best, trained.iou, score(trained, options) if _is_first_process() else None)


def _is_first_process() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0"


def _settings(config: TrainConfig | str | None) -> TrainConfig | None:
    return from_dict(TrainConfig, load_preset(config), config) if isinstance(config, str) else config


def _sources(
    aoi: "str | Path | GeoDataFrame | None",
    scenes: str | Path | None,
    lakes: str | Path | None,
    offset: float | None,
    inputs: Inputs | None,
    dem: "Dem | None",
) -> "Sources":
    """Finds what to learn from: what is given, else what the run remembers, else the default."""
    if aoi is None and inputs is None:
        raise GlofgeoError("there is no area of interest", "name one, or a run to resume", argument="aoi")
    from datasets_def.aoi import find_aoi, read_aoi

    place = inputs.aoi if aoi is None and inputs else aoi
    is_file = isinstance(place, str | Path)
    area = read_aoi(str(place)) if is_file else place
    scenes = Path(scenes or (inputs.scenes if inputs else SCENES))
    lakes = Path(lakes or (inputs.lakes if inputs else LAKES))
    for argument, path, error in (("scenes", scenes, NoScenesError), ("lakes", lakes, GlofgeoError)):
        if not path.exists():
            raise error(f"{path}: no such file or folder", "check the path", argument=argument)

    from glofgeo.training.sources import Sources

    name = inputs.aoi_name if inputs else str(aoi) if is_file else "area of interest"
    offset = inputs.offset if inputs else offset
    return Sources(area, name, scenes, lakes, offset, dem, find_aoi(str(place)) if is_file else None)


def _dem(bands: Sequence[str], paths: Sequence[str | Path]) -> "Dem | None":
    """Opens the DEM that a model's bands need.

    Raises:
        GlofgeoError: If there is none, it cannot be read, or none of the bands needs it.
    """
    require_dem(bands, paths)
    if not paths:
        return None
    if TERRAIN.keys().isdisjoint(bands):
        raise GlofgeoError(
            f"the model reads {', '.join(bands)}, which need no DEM",
            f"leave it out, or add {' and '.join(TERRAIN)} to the bands",
            argument="model.bands",
        )
    from datasets_def.elevation import open_dem

    return open_dem(paths)


def score(trained: "Trained", options: "RunOptions") -> "Scorecard":
    """Scores the best checkpoint of a run, and what it is compared with, into the run's folder.

    Args:
        trained: what training left.
        options: where to compute, and whether to show progress.

    Raises:
        GlofgeoError: If a scene cannot be read, or the folder cannot be written.
    """
    from datasets_def.polygons import read_polygons, without_rejected
    from glofgeo.evaluation import Case, evaluate_all, print_scorecard, tune_ndwi, write_scorecard
    from glofgeo.models import load_model
    from glofgeo.training.start import whole_start

    survey, folder = trained.data.survey, trained.best.parent
    split = "test" if survey.of("test") else "val"
    areas = survey.of(split)
    model = load_model(trained.best)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".score-") as maps:
        mapped = _map_areas(areas, model, Path(maps) / "model", options)
        rivals: list[Path | None] = [None] * len(areas)
        if trained.unet is not None:
            rivals = [*_map_areas(areas, _uncalibrated(trained.unet, model.card), Path(maps) / "unet", options)]
        cases = [
            Case(own / "probability.tif", scene, _frame(scene, region), other and other / "probability.tif")
            for (scene, region), own, other in zip(areas, mapped, rivals, strict=True)
        ]
        lakes, start = survey.sources.lakes, whole_start(model.card.config)
        began = None
        if start is not None:
            first = _map_areas(areas, load_model(start), Path(maps) / "start", options)
            began = evaluate_all(
                [Case(one / "mask.tif", case.scene, case.aoi) for one, case in zip(first, cases, strict=True)], lakes
            ).model.pixels.iou
        cut = tune_ndwi(trained.data.decoded("train"), without_rejected(read_polygons(lakes, "lakes")))
        notes = _notes(split, survey.audit)
        card = evaluate_all(cases, lakes, ndwi_threshold=cut, ndwi_origin="best on train", notes=notes)
    told = _than_before(began, card.model.pixels.iou)
    card = dataclasses.replace(card, notes=card.notes + told, start_iou=began)
    write_scorecard(card, folder=folder)
    if options.progress:
        print_scorecard(card)
    return card


def _than_before(began: float | None, now: float | None) -> tuple[str, ...]:
    """Tells how good the model was that training started from, if it was a whole one."""
    if began is None or now is None:
        return ()
    said = ": training has made it worse, and that model is the one to map with" if now < began else ""
    return (f"the model that it started from has a lake IoU of {began:.3f} here{said}",)


def _uncalibrated(network: "ComparisonUnet", card: "Header") -> "Predictor":
    """Makes a Predictor of a network that learned what the model of a card did, without that model's temperature."""
    from glofgeo.models import torch_predictor

    own = torch_predictor(network).sha256
    return torch_predictor(network, dataclasses.replace(card, sha256=own, temperature=1.0))


def _frame(scene: "Scene", region: "BaseGeometry") -> "GeoDataFrame":
    from geopandas import GeoDataFrame

    return GeoDataFrame(geometry=[region], crs=scene.crs)


def _map_areas(
    areas: "Sequence[tuple[Scene, BaseGeometry]]", model: "Predictor", out: Path, options: "RunOptions"
) -> list[Path]:
    """Maps the area of each scene into a folder of its own, which it returns in order."""
    from glofgeo.inference.batches import make_batcher
    from glofgeo.mapping.job import plan_scene
    from glofgeo.mapping.progress import windows_progress
    from glofgeo.mapping.scene import run_job

    settings = MapConfig()
    jobs = [plan_scene(scene, model, settings, _frame(scene, region)) for scene, region in areas]
    batcher = make_batcher(model, settings, options.device)
    with windows_progress(sum(job.windows for job in jobs), shown=options.progress) as (name, advance):
        folders = []
        for number, job in enumerate(jobs):
            name(job.scene.id)
            # Two scenes may have one name, as after another processing.
            folders.append(run_job(job, batcher, out / str(number), advance))
    return folders


def _notes(split: str, audit: "Audit") -> tuple[str, ...]:
    notes = [f"scored on the split `{split}`"]
    if split == "val":
        notes = ["scored on the validation split, which also chose the epoch and the temperature: this flatters"]
    share = audit.scene_overlap.get(split)
    if share:
        notes.append(f"{share:.0%} of its windows come from scenes that are also used for training")
    return (*notes, *(f"LEAK, allowed: {text}" for text in audit.violations))
