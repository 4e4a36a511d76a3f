"""The verbs; parses and delegates.

Nothing heavy is imported before a verb runs, so that `--help` and usage errors answer at once.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from cyclopts import App, Parameter

from glofgeo.change_command import change
from glofgeo.config import MapConfig, TrainConfig
from glofgeo.data_folder import dem_of
from glofgeo.environment import forget_foreign_data
from glofgeo.errors import GlofgeoError, NoScenesError
from glofgeo.fetch_command import fetch, with_fetch_line
from glofgeo.flags import Device, Devices, Offset, Strategy, UsageError, apply_preset, require_path, shown_default
from glofgeo.hazard_command import hazard
from glofgeo.help_groups import LOGGING, MAIN, OPTIMISER
from glofgeo.map_command import map_
from glofgeo.messages import print_description, print_failure, print_verification
from glofgeo.terminal import say, show_warning
from glofgeo.version import __version__

app = App(
    name="glofgeo",
    version=__version__,
    help="Maps glacial lakes from Sentinel-2 imagery, to monitor the hazard of outburst floods (GLOFs).",
    help_format="markdown",
    group_parameters=MAIN,
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), show_default=shown_default, consume_multiple=True),
)
app.command(change)
app.command(fetch)
app.command(map_, name="map")
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
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
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
        dem: elevation model, one or several tiles or their folder, for a model that reads slope or shadow; by default
            data/dem.tif.
        resume: folder of an interrupted run, to be continued with its own settings, area, scenes, lakes and DEM.
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
            aoi, scenes=scenes, lakes=lakes, out=out, config=settings, offset=offset, dem=dem, resume=resume,
            compare=compare, device=device, devices=devices, strategy=strategy, wandb=wandb, progress=True,
        )  # fmt: skip
    except NoScenesError as error:
        if aoi is None:  # a resumed run has had its scenes
            raise
        raise with_fetch_line(error, aoi, lakes, scenes) from None
    except KeyboardInterrupt as stopped:
        if getattr(stopped, "resumable", False):
            say(f"Continue with: glofgeo train --resume {quote(str(stopped.folder))}")  # type: ignore[attr-defined]
        raise
    if trained.scorecard:
        say(f"{trained.folder / 'scorecard.md'}: results on held-out areas")
        say(f"Best lake IoU {trained.iou:.3f} on the validation area: {trained.best}")
        if trained.worse:
            say("Map with the model that it started from, which is better here; name it with --checkpoint.")
        else:
            say(f"Map with it: glofgeo map --checkpoint {quote(str(trained.best))} --scene SCENE")


@app.command
def evaluate(  # noqa: PLR0913
    *,
    lakes: Path,
    prediction: Path | None = None,
    checkpoint: Path | None = None,
    scene: Path | None = None,
    aoi: str | None = None,
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    ndwi_threshold: float | None = None,
    json: Path | None = None,
    out: Path | None = None,
    offset: Offset = None,
    any_resolution: bool = False,
    device: Device = "auto",
) -> None:
    """Compares a map with reference lakes; if the scene is given, also compares NDWI > 0 with them.

    Args:
        lakes: reference lakes: polygons, complete within the compared area.
        prediction: map to evaluate: lakes.gpkg, mask.tif or probability.tif; by default the scene is mapped first.
        scene: scene that the map was made from.
        checkpoint: model to map the scene with, as for map; not with --prediction.
        aoi: compare only within this area of interest.
        dem: elevation model, for a model that reads slope or shadow; by default data/dem.tif.
        ndwi_threshold: also compare NDWI above this threshold (-1 to 1); needs the scene.
        out: folder for scorecard.json, scorecard.md and scorecard.png.
        json: JSON file for the figures.
        any_resolution: also map a scene whose pixels are more than a quarter larger or smaller than in the scenes the
            model was trained on.
        device: where to compute.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
    """
    if prediction is None and scene is None:
        raise UsageError("evaluate needs --prediction FILE, or --scene SCENE to map first.")
    if prediction and checkpoint:
        raise UsageError("--prediction is a map already, and --checkpoint would make another: give one of them.")
    require_path("--lakes", lakes)
    require_path("--prediction", prediction)
    require_path("--scene", scene)
    from glofgeo.models.predictor import load_model

    model = load_model(checkpoint) if prediction is None else None
    from datasets_def.aoi import read_aoi
    from glofgeo.evaluation import evaluate as compare
    from glofgeo.evaluation import open_judged, print_scorecard, require_place, write_scorecard

    require_place(json, folder=out)
    area = read_aoi(aoi) if aoi else None
    with tempfile.TemporaryDirectory() as folder:
        if prediction is None:
            from glofgeo.mapping.scene import map_scene

            map_scene(
                str(scene), model, out=folder, aoi=area, device=device, offset=offset, progress=True,
                dem=dem or dem_of(model.bands if model else ()), settings=MapConfig(any_resolution=any_resolution),
            )  # fmt: skip
            (prediction,) = Path(folder).glob("*/mask.tif")
        opened = open_judged(scene, offset) if scene else None
        card = compare(prediction, lakes, scene=opened, aoi=area, ndwi_threshold=ndwi_threshold)
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
    lakes: Path | None = None,
    format: Literal["onnx", "mlm", "fgb", "pmtiles", "geoparquet"] = "onnx",
    out: Path | None = None,
    scene: Path | None = None,
    offset: Offset = None,
) -> None:
    """Exports a trained model or a lake layer for other programs.

    Args:
        checkpoint: model to export, .safetensors or bundled; by default as for map.
        lakes: lake layer to export: a lakes.gpkg that glofgeo wrote.
        format: of a model: onnx, for the QGIS plugin Deepness and ONNX Runtime, or mlm, a STAC item that describes it;
            of a lake layer: fgb (FlatGeobuf), pmtiles (vector tiles) or geoparquet.
        out: output folder; by default the folder of what is exported, or the current folder for bundled.
        scene: also write the bands of this scene as the single layer that Deepness needs.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
    """
    from glofgeo.export import LAYER_FORMATS, export_lakes, export_model
    from glofgeo.models.predictor import find_model

    if (format in LAYER_FORMATS) != (lakes is not None):
        raise UsageError(
            f"--format {format} exports a lake layer: give --lakes FILE."
            if lakes is None
            else f"--format {format} exports a model; for a lake layer, give one of {', '.join(LAYER_FORMATS)}."
        )
    require_path("--lakes", lakes)
    if lakes:
        say(f"{export_lakes(lakes, format, out)}: the lakes of {lakes}")
        return
    source = find_model(checkpoint)
    require_path("--scene", scene)
    require_path("--checkpoint", source)
    path, stack = export_model(source, format, out, scene, offset)
    if stack:
        say(f"{stack}: the layer to give Deepness in QGIS")
    say(f"{path}: {'describes the model' if format == 'mlm' else 'the model, for Deepness and ONNX Runtime'}")


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
    # What GDAL says in its own threads; what matters is told as an error.
    os.environ.setdefault("CPL_LOG", os.devnull)
    forget_foreign_data()
    tokens = [token for token in sys.argv[1:] if token != "--debug"]
    warnings.showwarning = show_warning
    try:
        apply_preset(app, tokens)
        app(tokens, exit_on_error=False, print_error=False)
    except (Exception, KeyboardInterrupt) as error:
        verbs = [name for name in app if not name.startswith("-")]
        print_failure(error, tokens[0] if tokens else "", verbs)
