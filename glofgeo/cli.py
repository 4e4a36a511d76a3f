"""The verbs; parses and delegates.

Nothing heavy is imported before a verb runs, so that `--help` and usage errors answer at once.
"""

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from glofgeo import __version__
from glofgeo.config import MapConfig, TrainConfig
from glofgeo.environment import forget_foreign_data
from glofgeo.errors import GlofgeoError
from glofgeo.flags import Device, Devices, Offset, Strategy, UsageError, apply_preset, require_path, shown_default
from glofgeo.help_groups import HARDWARE, LOGGING, MAIN, OPTIMISER
from glofgeo.terminal import fail, say, show_warning, told

if TYPE_CHECKING:
    from glofgeo.mapping.batch import Outcome

# A full or read-only disk is no bug in glofgeo, whoever writes.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

# What to do after Ctrl-C; `train` says it itself, with its folder.
_GO_ON = {"map": "; finished scenes are kept, run the same command again to map the others"}

app = App(
    name="glofgeo",
    version=__version__,
    help="Maps glacial lakes from Sentinel-2 imagery, to monitor the hazard of outburst floods (GLOFs).",
    help_format="markdown",
    group_parameters=MAIN,
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=(), show_default=shown_default),
)


@app.command
def train(
    *,
    aoi: str | None = None,
    scenes: Path | None = None,
    lakes: Path | None = None,
    out: Path | None = None,
    config: str | None = None,
    offset: Offset = None,
    resume: Path | None = None,
    baseline: Literal["unet"] | None = None,
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
        config: settings to start from: large (default), small, chips, demo, or a YAML file; flags override them.
        resume: folder of an interrupted run, to be continued with its own settings, area, scenes and lakes.
        baseline: also train a U-Net from scratch on the same crops for the same time, and score it alongside.
        device: where to compute.
        offset: DN offset of scenes that do not state theirs: -1000 from processing baseline 04.00 on, otherwise 0.
        devices: number of GPUs or processes, as in Lightning.
        strategy: how they share the work, as in Lightning (ddp, fsdp, …).
        wandb: Weights & Biases project to log to.
        settings: all other settings.
    """
    from datasets_def.polygons import find_aoi, read_aoi

    name = aoi
    if resume:
        from glofgeo.resume import remembered

        if inputs := remembered(resume, settings, {"--out": out, "--config": config, "--offset": offset}):
            aoi, scenes, lakes = aoi or inputs.aoi, scenes or Path(inputs.scenes), lakes or Path(inputs.lakes)
            offset, name = inputs.offset, inputs.aoi_name
    if aoi is None or name is None:
        raise UsageError("train needs --aoi AREA, or --resume RUN.")
    scenes, lakes = scenes or Path("data/scenes"), lakes or Path("data/lakes.gpkg")
    area, path = read_aoi(aoi), find_aoi(aoi)
    require_path("--scenes", scenes)
    require_path("--lakes", lakes)

    from glofgeo.score_run import judge
    from glofgeo.training.fit import train as run

    trained = run(
        aoi=area, aoi_name=name, aoi_path=path, scenes=scenes, lakes=lakes, offset=offset, out=out, config=settings,
        resume=resume, device=device, devices=devices, strategy=strategy, baseline=baseline, wandb=wandb,
    )  # fmt: skip
    # Of several processes, each for a GPU of its own, one judges.
    if os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":
        judge(trained, lakes, device=device)
        say(f"{trained.best.parent / 'scorecard.md'}: how good it is")


@app.command(name="map")
def map_(
    *,
    scene: Annotated[list[str], Parameter(consume_multiple=True)],
    checkpoint: Path | None = None,
    aoi: str | None = None,
    out: Path = Path("maps"),
    offset: Offset = None,
    device: Device = "auto",
    overwrite: bool = False,
    settings: Annotated[MapConfig, Parameter(name="*", group=HARDWARE)] = MapConfig(),  # noqa: B008 (frozen)
) -> None:
    """Maps the lakes in Sentinel-2 scenes: lake polygons, rasters and an overview picture, ready for QGIS.

    Args:
        scene: .SAFE folders, zipped products, GeoTIFFs with named bands, folders of these, or @list.txt with one path
            per line.
        checkpoint: model: .safetensors, or an exported .onnx; by default the newest runs/*/best.safetensors.
        aoi: map only this area of interest: a polygon file, or the name of a ready-made area.
        out: output folder. Each scene gets its own folder in it; several scenes also get one combined lakes.gpkg.
        device: where to compute.
        overwrite: map scenes again that this model has already mapped with these settings.
        offset: DN offset of scenes that do not state theirs: -1000 from processing baseline 04.00 on, otherwise 0.
        settings: all other settings.
    """
    if not scene:
        raise UsageError("--scene names no scene: give one path or more.")
    from datasets_def.polygons import read_aoi
    from glofgeo.mapping.batch import list_scenes, map_scenes
    from glofgeo.models.predictor import load_model

    paths = list_scenes(scene)
    area = read_aoi(aoi) if aoi else None
    model = load_model(checkpoint)
    report = map_scenes(
        paths, model, out=out, aoi=area, settings=settings, device=device, overwrite=overwrite, offset=offset,
        progress=True, tell=_tell_outcome if len(paths) > 1 else _tell_success,
    )  # fmt: skip
    if report.combined:
        say(f"{report.combined}: the lakes of all {len(report.mapped + report.kept)} scenes in one layer")
    if report.mapped or report.kept:
        say(f"Model: {model.name}, SHA-256 {model.sha256[:12]}…")
    if report.mapped:
        say("Drag layers.qlr beside it into QGIS: lakes, mask and probability, named after scene and date.")
    if len(paths) == 1 and report.failed:
        raise next(iter(report.failed.values()))
    if report.failed:
        fail(1, f"{len(report.failed)} of {len(paths)} scenes failed; the others are done")


@app.command
def evaluate(
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
        checkpoint: model to map the scene with; by default the newest runs/*/best.safetensors.
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
    import tempfile

    from datasets_def.polygons import read_aoi
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
        checkpoint: model to export; by default the newest runs/*/best.safetensors.
        format: onnx, one file.
        out: output folder; by default the folder of the checkpoint.
        scene: also write the bands of this scene as the single layer that Deepness needs.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
    """
    from glofgeo.models.predictor import newest_model

    source = checkpoint or newest_model()
    require_path("--scene", scene)
    require_path("--checkpoint", source)

    from datasets_def.scene import open_scene
    from glofgeo.mapping.deepness_layer import write_stack
    from glofgeo.models import export_onnx, load_checkpoint
    from glofgeo.models.onnx import require_replaceable

    loaded = load_checkpoint(source)
    bands = loaded.config.model.bands
    folder = out or source.parent
    path = folder / f"{source.stem}.{format}"
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
        path: a .safetensors checkpoint, an exported .onnx file, or a scene.
        offset: DN offset of a scene that does not state its own: -1000 from processing baseline 04.00 on, otherwise 0.
        verify: read a whole product and name every damaged or missing file.
    """
    if verify:
        _verify(path)
    if path.suffix in (".safetensors", ".onnx", ".pt", ".pth", ".ckpt"):
        from glofgeo.models.predictor import load_model

        model = load_model(path)
        from glofgeo.models.checkpoint import describe_header

        model.on()  # tells damage to its weights
        told = describe_header(model.card)
    else:
        from datasets_def.describe import describe_scene

        told = describe_scene(path, offset)
    for line in told.splitlines():
        say(line)


def _verify(path: Path) -> None:
    from datasets_def.verify import verify_product

    found = verify_product(path)
    for fault in found.faults:
        say(fault)
    told = f"{path}: {found.good} files are whole, {found.unknown} have no checksum"
    if found.faults:
        fail(2, f"{told}, {len(found.faults)} are damaged or missing; fetch the product again")
    say(told)


def _tell_outcome(outcome: "Outcome") -> None:
    """Says what became of a scene."""
    if outcome.error is None:
        return _tell_success(outcome)
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(outcome.error)
    ours = "" if isinstance(outcome.error, GlofgeoError) else f" ({type(outcome.error).__name__}: a bug in glofgeo)"
    say(f"glofgeo: {outcome.scene}: {told(outcome.error)}{ours}", file=sys.stderr)


def _tell_success(outcome: "Outcome") -> None:
    """Says what was found in a scene, if it did not fail."""
    from glofgeo.mapping.record import summary
    from glofgeo.mapping.scene_folder import read_record

    if outcome.state == "outside":
        say(f"{outcome.scene}: lies off the area of interest")
    elif outcome.folder:
        before = " (mapped before; --overwrite maps it again)" if outcome.state == "kept" else ""
        say(f"{outcome.folder / 'lakes.gpkg'}: {summary(read_record(outcome.folder))}{before}")


def _verbs() -> str:
    return ", ".join(name for name in app if not name.startswith("-"))


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
    except (CycloptsError, UsageError) as error:
        verb = f" {tokens[0]}" if tokens and tokens[0] in app else ""
        fail(2, f"{error} Verbs: {_verbs()}. See `glofgeo{verb} --help`.")
    except GlofgeoError as error:
        fail(2, told(error))
    except KeyboardInterrupt:
        fail(130, "stopped" + _GO_ON.get(tokens[0], ""))
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            place = error.filename or "the disk"
            fail(2, f"{place}: {error.strerror}; free some space, or choose another folder with --out")
        fail(1, f"{type(error).__name__}: {error} (a bug in glofgeo; --debug shows where)")
