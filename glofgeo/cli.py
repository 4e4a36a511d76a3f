"""The verbs; parses and delegates.

Nothing heavy is imported before a verb runs, so that `--help` and usage errors answer at once.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from glofgeo.config import MapConfig, TrainConfig
from glofgeo.environment import forget_foreign_data
from glofgeo.errors import GlofgeoError
from glofgeo.flags import Device, Devices, Offset, Strategy, UsageError, apply_preset, require_path, shown_default
from glofgeo.hazard_command import hazard
from glofgeo.help_groups import HARDWARE, LOGGING, MAIN, OPTIMISER
from glofgeo.messages import (
    print_description,
    print_failure,
    print_model,
    print_outcome,
    print_success,
    print_verification,
)
from glofgeo.terminal import fail, say, show_warning
from glofgeo.version import __version__

app = App(
    name="glofgeo",
    version=__version__,
    help="Maps glacial lakes from Sentinel-2 imagery, to monitor the hazard of outburst floods (GLOFs).",
    help_format="markdown",
    group_parameters=MAIN,
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), show_default=shown_default),
)

app.command(hazard)


@app.command
def train(  # noqa: PLR0913
    *,
    aoi: str | None = None,
    scenes: Path | None = None,
    lakes: Path | None = None,
    out: Path | None = None,
    config: str | None = None,
    offset: Offset = None,
    resume: Path | None = None,
    compare: Literal["unet"] | None = None,
    device: Device = "auto",
    devices: Devices = 1,
    strategy: Strategy = "auto",
    wandb: Annotated[str | None, Parameter(group=LOGGING)] = None,
    settings: Annotated[TrainConfig, Parameter(name="*", group=OPTIMISER)] = TrainConfig(),  # noqa: B008 (frozen)
) -> None:
    """Trains a model on Sentinel-2 scenes and lake polygons.

    Args:
        aoi: area of interest: a polygon file, or the name of a ready-made area (himalaya, khumbu, …).
            Required unless a run is resumed.
        scenes: folder of scenes, or one scene; by default data/scenes.
        lakes: lake polygons, complete within the area of interest; by default data/lakes.gpkg.
        out: folder for this run; by default runs/DATE-TIME.
        config: settings to start from: large (default), small, chips, bundled, demo, finetune (default with
            --weights bundled), or a YAML file; flags override them.
        resume: folder of an interrupted run, to be continued with its own settings, area, scenes and lakes.
        compare: also train a U-Net from scratch on the same crops for the same time, and score it alongside.
        device: where to compute.
        offset: DN offset of scenes that do not state theirs: -1000 from processing baseline 04.00 on, otherwise 0.
        devices: number of GPUs or processes, as in Lightning.
        strategy: how they share the work, as in Lightning (ddp, fsdp, …).
        wandb: Weights & Biases project to log to.
        settings: all other settings.
    """
    if aoi is None and resume is None:
        raise UsageError("train needs --aoi AREA, or --resume RUN.")
    if resume and config:
        raise GlofgeoError("a resumed run keeps its settings", "leave it out, or start a new run", argument="config")
    from glofgeo.train_and_score import train as run

    try:
        trained = run(
            aoi, scenes=scenes, lakes=lakes, out=out, config=settings, offset=offset, resume=resume, compare=compare,
            device=device, devices=devices, strategy=strategy, wandb=wandb, progress=True,
        )  # fmt: skip
    except KeyboardInterrupt as stopped:
        if getattr(stopped, "resumable", False):
            say(f"Continue with: glofgeo train --resume {stopped.folder}")  # type: ignore[attr-defined]
        raise
    if trained.scorecard:
        say(f"{trained.folder / 'scorecard.md'}: results on held-out areas")
        say(f"Best lake IoU {trained.iou:.3f} on the validation area: {trained.best}")
        say(f"Map with it: glofgeo map --checkpoint {trained.best} --scene SCENE")


@app.command(name="map")
def map_(  # noqa: PLR0913
    *,
    scene: Annotated[list[str], Parameter(consume_multiple=True)],
    checkpoint: Path | None = None,
    aoi: str | None = None,
    out: Path = Path("maps"),
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    glaciers: Path | None = None,
    offset: Offset = None,
    device: Device = "auto",
    overwrite: bool = False,
    settings: Annotated[MapConfig, Parameter(name="*", group=HARDWARE)] = MapConfig(),  # noqa: B008 (frozen)
) -> None:
    """Maps the lakes in Sentinel-2 scenes: lake polygons, rasters and an overview picture, ready for QGIS.

    Args:
        scene: products (.SAFE, zipped), GeoTIFFs with named bands, folders of these, or @list.txt with one path a line.
        checkpoint: model, .safetensors, .onnx or bundled (the model that comes with glofgeo); by default the newest
            runs/*/best.safetensors, or else bundled.
        aoi: map only this area of interest: a polygon file, or the name of a ready-made area.
        out: output folder. Each scene gets its own folder in it; several scenes also get one combined lakes.gpkg.
        dem: elevation model, one or several tiles or their folder: adds elevation, slope and cast shadow of each lake.
        glaciers: glacier outlines, such as RGI: adds the nearest glacier, the distance to it and the type of each lake.
        device: where to compute.
        overwrite: map scenes again that this model has already mapped with these settings.
        offset: DN offset of scenes that do not state theirs: -1000 from processing baseline 04.00 on, otherwise 0.
        settings: all other settings.
    """
    if not scene:
        raise UsageError("--scene names no scene: give one path or more.")
    from datasets_def.aoi import read_aoi
    from glofgeo.mapping.batch import list_scenes, map_scenes
    from glofgeo.mapping.surroundings import read_surroundings
    from glofgeo.models.predictor import load_model

    paths, area = list_scenes(scene), read_aoi(aoi) if aoi else None
    model = load_model(checkpoint)
    report = map_scenes(
        paths, model, out=out, aoi=area, settings=settings, device=device, overwrite=overwrite, offset=offset,
        progress=True, surroundings=read_surroundings(dem, glaciers),
        tell=print_outcome if len(paths) > 1 else print_success,
    )  # fmt: skip
    if report.combined:
        say(f"{report.combined}: the lakes of all {len(report.mapped + report.kept)} scenes in one layer")
    if report.mapped or report.kept:
        print_model(model)
    if report.mapped:
        say("Drag layers.qlr from the same folder into QGIS: lakes, mask and probability, named after scene and date.")
    if report.failed:
        if len(paths) == 1:
            raise next(iter(report.failed.values()))
        fail(1, f"{len(report.failed)} of {len(paths)} scenes failed; the others are finished")


@app.command
def evaluate(  # noqa: PLR0913
    *,
    lakes: Path,
    prediction: Path | None = None,
    checkpoint: Path | None = None,
    scene: Path | None = None,
    aoi: str | None = None,
    ndwi_threshold: float | None = None,
    json: Path | None = None,
    out: Path | None = None,
    offset: Offset = None,
    device: Device = "auto",
) -> None:
    """Compares a map with reference lakes; if the scene is given, also compares NDWI > 0 with them.

    Args:
        lakes: reference lakes: polygons, complete within the compared area.
        prediction: map to evaluate: lakes.gpkg, mask.tif or probability.tif; by default the scene is mapped first.
        scene: scene that the map was made from.
        checkpoint: model to map the scene with, as for map.
        aoi: compare only within this area of interest.
        ndwi_threshold: also compare NDWI above this threshold (-1 to 1); needs the scene.
        out: folder for scorecard.json, scorecard.md and scorecard.png.
        json: JSON file for the figures.
        device: where to compute.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
    """
    if prediction is None and scene is None:
        raise UsageError("evaluate needs --prediction FILE, or --scene SCENE to map first.")
    require_path("--lakes", lakes)
    require_path("--prediction", prediction)
    require_path("--scene", scene)
    from glofgeo.models.predictor import load_model

    model = load_model(checkpoint) if prediction is None else None
    from datasets_def.aoi import read_aoi
    from datasets_def.scene import open_scene
    from glofgeo.evaluation import evaluate as compare
    from glofgeo.evaluation import print_scorecard, require_place, write_scorecard

    require_place(json, folder=out)
    area = read_aoi(aoi) if aoi else None
    with tempfile.TemporaryDirectory() as folder:
        if prediction is None:
            from glofgeo.mapping.scene import map_scene

            map_scene(str(scene), model, out=folder, aoi=area, device=device, offset=offset, progress=True)
            (prediction,) = Path(folder).glob("*/mask.tif")
        opened = open_scene(scene, ("B03", "B08"), offset=offset) if scene else None
        card = compare(prediction, lakes, scene=opened, aoi=area, ndwi_threshold=ndwi_threshold)
    if model:
        print_model(model)
    print_scorecard(card)
    if json:
        write_scorecard(card, json)
    if out:
        write_scorecard(card, folder=out)


@app.command
def demo(*, out: Path = Path("demo")) -> None:
    """Trains, maps and evaluates on synthetic scenes in a few minutes; needs no data and no network.

    Args:
        out: output folder.
    """
    from glofgeo.demo import run

    run(out)


@app.command
def export(
    *,
    checkpoint: Path | None = None,
    format: Literal["onnx"] = "onnx",
    out: Path | None = None,
    scene: Path | None = None,
    offset: Offset = None,
) -> None:
    """Exports a trained model as ONNX, for the QGIS plugin Deepness and for ONNX Runtime.

    Args:
        checkpoint: model to export, .safetensors or bundled; by default as for map.
        format: onnx, one file.
        out: output folder; by default the folder of the checkpoint, or the current folder for bundled.
        scene: also write the bands of this scene as the single layer that Deepness needs.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
    """
    from glofgeo.models.bundled import BUNDLED, bundled_model
    from glofgeo.models.predictor import find_model

    source = find_model(checkpoint)
    require_path("--scene", scene)
    require_path("--checkpoint", source)

    from datasets_def.scene import open_scene
    from glofgeo.mapping.deepness_layer import write_stack
    from glofgeo.models import export_onnx, load_checkpoint
    from glofgeo.models.onnx import require_replaceable

    loaded = load_checkpoint(source)
    bands = loaded.config.model.bands
    # The bundled model lies within the installation, which is no place to write.
    place = Path(BUNDLED) if source == bundled_model() else source
    folder = out or place.parent
    path = folder / f"{place.stem}.{format}"
    require_replaceable(path)
    if scene:
        say(
            f"{write_stack(open_scene(scene, bands, offset=offset), folder, bands)}: the layer to give Deepness in QGIS"
        )
    export_onnx(loaded, path)
    say(f"{path}: the model, for Deepness and ONNX Runtime")


@app.command
def info(path: Path, /, *, offset: Offset = None, verify: bool = False) -> None:
    """Describes a checkpoint or a scene.

    Args:
        path: a model (.safetensors, .onnx, or bundled, which comes with glofgeo) or a scene.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
        verify: read a whole product and name every damaged or missing file.
    """
    if verify:
        print_verification(path)
    print_description(path, offset)


def main() -> None:
    """Runs a verb; exits with 2 for wrong input, 1 for a bug in glofgeo, 130 for Ctrl-C."""
    # Otherwise torch's threads spin while they wait, on cores that decode imagery. Torch reads it when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    forget_foreign_data()
    tokens = [token for token in sys.argv[1:] if token != "--debug"]
    warnings.showwarning = show_warning
    try:
        apply_preset(app, tokens)
        app(tokens, exit_on_error=False, print_error=False)
    except (Exception, KeyboardInterrupt) as error:
        verbs = [name for name in app if not name.startswith("-")]
        print_failure(error, tokens[0] if tokens else "", verbs)
