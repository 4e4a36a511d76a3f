"""The verbs; parses and delegates.

Nothing heavy is imported before a verb runs, so that `--help` and usage errors answer at once.
"""

import errno
import os
import sys
import warnings
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict
from cyclopts.validators import Number

from glofgeo import __version__
from glofgeo.config import MapConfig, TrainConfig
from glofgeo.environment import forget_foreign_data
from glofgeo.errors import GlofgeoError
from glofgeo.presets import load_preset
from glofgeo.terminal import fail, say, show_warning, told

Device = Literal["auto", "cpu", "cuda", "mps"]
Offset = Annotated[float | None, Parameter(validator=Number(gte=-10000, lte=10000))]

# A disk that takes nothing more is no fault of glofgeo, whoever writes.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

# What to do after Ctrl-C; `train` says it itself, with its folder.
_GO_ON = {"map": "; scenes that are done stay, and the same command goes on with the others"}


class _UsageError(GlofgeoError):
    """Flags that do not make a command together."""


app = App(
    name="glofgeo",
    version=__version__,
    help="Maps glacial lakes from Sentinel-2, so that outburst floods can be watched.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=()),
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
    devices: int = 1,
    strategy: str = "auto",
    wandb: str | None = None,
    settings: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),  # noqa: B008 (frozen)
) -> None:
    """Learns lakes from scenes and lake polygons.

    Args:
        aoi: area of interest: a polygon file, or the name of a ready-made one (himalaya, khumbu, …).
        scenes: folder of scenes, or one scene; by default data/scenes.
        lakes: polygons of the lakes, complete within the area of interest; by default data/lakes.gpkg.
        out: folder of this run; by default runs/<date>-<time>.
        config: large (the default), small, chips, demo, or a YAML file; flags override it.
        offset: DN to add in scenes that do not tell: -1000 for baseline 04.00 and later, else 0.
        resume: folder of a run to continue with its own settings, area, scenes and lakes.
        baseline: unet trains a U-Net from scratch on the same windows for the same time, and scores it beside.
        device: where to compute.
        devices: how many GPUs or processes, as Lightning has it.
        strategy: how these share the work, as Lightning has it (ddp, fsdp, …).
        wandb: project of Weights & Biases to log to.
        settings: everything else.
    """
    from datasets_def.aoi import find_aoi, read_aoi

    name = aoi
    if resume:
        from glofgeo.resume import remembered

        if inputs := remembered(resume, settings, {"--out": out, "--config": config, "--offset": offset}):
            aoi, scenes, lakes = aoi or inputs.aoi, scenes or Path(inputs.scenes), lakes or Path(inputs.lakes)
            offset, name = inputs.offset, inputs.aoi_name
    if aoi is None or name is None:
        raise _UsageError("train needs --aoi AREA, or --resume RUN.")
    scenes, lakes = scenes or Path("data/scenes"), lakes or Path("data/lakes.gpkg")
    area, path = read_aoi(aoi), find_aoi(aoi)
    _require("--scenes", scenes)
    _require("--lakes", lakes)

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
    settings: Annotated[MapConfig, Parameter(name="*")] = MapConfig(),  # noqa: B008 (frozen)
) -> None:
    """Maps the lakes of scenes: rasters, a lake layer and a picture, ready for QGIS.

    Args:
        scene: .SAFE folders, zipped ones, band-described GeoTIFFs, folders of these, or @list.txt with one a line.
        checkpoint: model to use, .safetensors or an exported .onnx; by default the newest runs/*/best.safetensors.
        aoi: map only within this area of interest.
        out: folder; each scene gets a folder of its own in it, and several get lakes.gpkg with the lakes of all.
        offset: DN to add in scenes that do not tell: -1000 for baseline 04.00 and later, else 0.
        device: where to compute.
        overwrite: map again what the same model has mapped with the same settings.
        settings: how to map.
    """
    if not scene:
        raise _UsageError("--scene names no scene: give one path or more.")
    from datasets_def.aoi import read_aoi
    from glofgeo.mapping.batch import list_scenes, map_scenes, summary
    from glofgeo.models.header import read_header

    paths = list_scenes(scene)
    area = read_aoi(aoi) if aoi else None
    model = checkpoint or _newest_checkpoint()
    report = map_scenes(
        paths, model, read_header(model), out, aoi=area, settings=settings, device=device, overwrite=overwrite,
        offset=offset,
    )  # fmt: skip
    for folder in report.kept:
        say(f"{folder / 'lakes.gpkg'}: {summary(folder)} (mapped before; --overwrite maps it again)")
    for folder in report.mapped:
        say(f"{folder / 'lakes.gpkg'}: {summary(folder)}")
    if report.combined:
        say(f"{report.combined}: the lakes of all {len(report.mapped + report.kept)} scenes in one layer")
    for path in report.outside:
        say(f"{path}: lies off the area of interest")
    if report.mapped:
        say("Drag lakes.gpkg into QGIS, over mask.tif and probability.tif beside it.")
    if report.failed:
        _report_failures(report.failed, len(paths))


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
    """Compares a map with known lakes; with a scene, NDWI > 0 stands beside it.

    Args:
        lakes: polygons of the true lakes.
        prediction: lakes.gpkg, mask.tif or probability.tif; without it, the scene is mapped first.
        checkpoint: model that maps the scene; by default the newest runs/*/best.safetensors.
        scene: the scene that the prediction shows.
        aoi: compare only within this area of interest.
        ndwi_threshold: with a scene, NDWI above this stands beside it too.
        json: write the figures to this file too.
        out: write scorecard.json, .md and .png into this folder.
        offset: DN to add in a scene that does not tell: -1000 for baseline 04.00 and later, else 0.
        device: where to compute.
    """
    if prediction is None and scene is None:
        raise _UsageError("evaluate needs --prediction FILE, or --scene SCENE to map first.")
    _require("--lakes", lakes)
    _require("--prediction", prediction)
    _require("--scene", scene)
    if prediction is None:
        from glofgeo.models.header import read_header

        checkpoint = checkpoint or _newest_checkpoint()
        read_header(checkpoint)
    import tempfile

    from datasets_def.aoi import read_aoi
    from datasets_def.scene import open_scene
    from glofgeo.evaluation import evaluate as compare
    from glofgeo.evaluation import print_scorecard, require_place, write_scorecard

    require_place(json, folder=out)
    area = read_aoi(aoi) if aoi else None
    with tempfile.TemporaryDirectory() as folder:
        if prediction is None:
            from glofgeo.mapping.scene import load_model, map_scene

            assert checkpoint is not None
            model, header = load_model(checkpoint)
            whole = open_scene(str(scene), model.config.bands, offset=offset)
            mapped = map_scene(whole, model, Path(folder), checkpoint=header, aoi=area, device=device)
            prediction = mapped / "mask.tif"
        opened = open_scene(scene, ("B03", "B08"), offset=offset) if scene else None
        card = compare(prediction, lakes, scene=opened, aoi=area, ndwi_threshold=ndwi_threshold)
    print_scorecard(card)
    if json:
        write_scorecard(card, json)
    if out:
        write_scorecard(card, folder=out)


@app.command
def demo(*, out: Path = Path("demo")) -> None:
    """Trains, maps and evaluates on synthetic scenes: no data, no network, a few minutes.

    Args:
        out: folder for everything it makes.
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
    """Writes a trained model for other programs: the QGIS plugin Deepness, ONNX Runtime.

    Args:
        checkpoint: model to export; by default the newest runs/*/best.safetensors.
        format: onnx, one file.
        out: folder; by default the checkpoint's.
        scene: also write this scene as the single layer that Deepness wants.
        offset: DN to add in a scene that does not tell: -1000 for baseline 04.00 and later, else 0.
    """
    source = checkpoint or _newest_checkpoint()
    _require("--scene", scene)
    _require("--checkpoint", source)

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
    """Tells what a checkpoint or a scene is.

    Args:
        path: a .safetensors checkpoint, an exported .onnx, or a scene.
        offset: DN to add in a scene that does not tell: -1000 for baseline 04.00 and later, else 0.
        verify: read a product through and name each file that is damaged or missing.
    """
    if verify:
        _verify(path)
    if path.suffix in (".safetensors", ".onnx", ".pt", ".pth", ".ckpt"):
        from glofgeo.models.header import read_header

        read_header(path)
        from glofgeo.mapping.scene import load_model
        from glofgeo.models.checkpoint import describe_header

        told = describe_header(load_model(path)[1])
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


def _report_failures(failed: dict[str, Exception], scenes: int) -> None:
    """Ends with the only scene's own error, or with a line for each of several and status 1."""
    if scenes == 1:
        raise next(iter(failed.values()))
    for path, error in failed.items():
        if "--debug" in sys.argv:
            import traceback

            traceback.print_exception(error)
        ours = "" if isinstance(error, GlofgeoError) else f" ({type(error).__name__}: a fault of glofgeo)"
        say(f"glofgeo: {path}: {told(error)}{ours}", file=sys.stderr)
    fail(1, f"{len(failed)} of {scenes} scenes failed; the others are done")


def _require(name: str, path: Path | None) -> None:
    """Tells a mistyped path before anything slow is imported."""
    if path is not None and not path.exists():
        raise GlofgeoError(f"{name} {path}: no such file or folder; check the path")


def _newest_checkpoint() -> Path:
    found = sorted(Path("runs").glob("*/best.safetensors"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise GlofgeoError("no checkpoint in runs/*/best.safetensors: train one, or give --checkpoint FILE")
    return found[-1]


def _verbs() -> str:
    return ", ".join(name for name in app if not name.startswith("-"))


def _apply_preset(tokens: list[str]) -> None:
    """Makes the settings that `--config` (or a resumed run's config.yaml) names the defaults of `train`."""
    if tokens[:1] != ["train"] or "--help" in tokens:
        return
    run = _value_of("--resume", tokens)
    if run is None:
        values = load_preset(_value_of("--config", tokens) or "large")
    else:
        from glofgeo.resume import config_of, run_folder

        values = asdict(config_of(run_folder(Path(run))))
    app["train"].config = [Dict(values, use_commands_as_keys=False)]


def _value_of(name: str, tokens: list[str]) -> str | None:
    following = (value for token, value in pairwise(tokens) if token == name)
    return next(following, None) or next((t.split("=", 1)[1] for t in tokens if t.startswith(f"{name}=")), None)


def main() -> None:
    """Runs a verb; exits with 2 for a wrong input, 1 for a fault of glofgeo, 130 for Ctrl-C."""
    # Torch's threads would else spin while they wait, on cores that decode imagery. It is read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    forget_foreign_data()
    tokens = [token for token in sys.argv[1:] if token != "--debug"]
    warnings.showwarning = show_warning
    try:
        _apply_preset(tokens)
        app(tokens, exit_on_error=False, print_error=False)
    except (CycloptsError, _UsageError) as error:
        verb = f" {tokens[0]}" if tokens and tokens[0] in app else ""
        fail(2, f"{error} Verbs: {_verbs()}. `glofgeo{verb} --help` tells more.")
    except GlofgeoError as error:
        fail(2, told(error))
    except KeyboardInterrupt:
        fail(130, "stopped" + _GO_ON.get(tokens[0], ""))
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            fail(2, f"{error.filename or 'the disk'}: {error.strerror}; make room, or name another place with --out")
        fail(1, f"{type(error).__name__}: {error} (a fault of glofgeo; --debug shows where)")
