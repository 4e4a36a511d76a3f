"""The verb `train`: AOI, scenes and lakes in, a run folder with the best checkpoint out."""

import dataclasses
import json
import logging
import platform
import signal
import sys
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from geopandas import GeoDataFrame
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glofgeo import __version__
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.batches import choose_device
from glofgeo.inference.devices import computes_in_bfloat16
from glofgeo.models import ComparisonUnet, LakeSegmenter, LoadReport, build_model, load_pretrained
from glofgeo.resume import INPUTS, Inputs, config_of, run_folder
from glofgeo.terminal import one_line
from glofgeo.training.datamodule import LakeData
from glofgeo.training.ema import RunningMean
from glofgeo.training.journal import Journal, WholeFiles
from glofgeo.training.run_folder import free_folder, open_folder
from glofgeo.training.task import LakeTask
from glofgeo.training.unet import train_unet

# Decoded products are kept beside the run folders: a place that is ours to write, shared by all runs.
CACHE = ".glofgeo-cache"

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        best: path of `best.safetensors`.
        data: what it saw, set up.
        unet: the baseline network, if one was asked for.
    """

    best: Path
    data: LakeData
    unet: ComparisonUnet | None


def train(
    *,
    aoi: GeoDataFrame,
    aoi_name: str,
    scenes: Path,
    lakes: Path,
    out: Path | None,
    config: TrainConfig,
    resume: Path | None = None,
    device: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    baseline: Literal["unet"] | None = None,
    wandb: str | None = None,
    offset: float | None = None,
    aoi_path: Path | None = None,
) -> Trained:
    """Trains a lake segmenter.

    The run folder holds `config.yaml`, `split.json` (the leakage audit), `metrics.csv`, `curves.png`, `examples.png`,
    `tensorboard/`, `last.ckpt` (to resume from; written every epoch) and `best.safetensors` (of the epoch with the best
    lake IoU on the validation ground). Nothing is written there before data, split and weights are in order.

    Args:
        aoi: where to train and validate; any CRS; columns `split` and `place` are heeded.
        aoi_name: what to call it.
        scenes: folder of scenes, or one scene.
        lakes: layer of lake polygons.
        out: the run folder, new or empty; None takes `runs/<date>-<time>`, with `-2`, `-3`, … where that is taken.
        config: everything that decides the run.
        resume: a run folder, or its `last.ckpt`, to bring to its epoch count under its own `config.yaml`; then `out`
            and `config` are not used.
        device: `auto`, `cpu`, `cuda` or `mps`.
        devices: how many of these, as Lightning's own flag.
        strategy: how they share the work, as Lightning's own flag.
        baseline: `unet` trains a U-Net from scratch on the same windows for the same wall time besides.
        wandb: project of Weights & Biases to log to, besides TensorBoard.
        offset: of scenes that do not tell theirs, see `open_scene`.
        aoi_path: file of the area of interest, for the run to remember.

    Raises:
        GlofgeoError: If the input cannot be trained on, or the run folder cannot be used.
        KeyboardInterrupt: After Ctrl-C, once the run folder is in order.
    """
    _quieten()
    if devices < 1:
        raise GlofgeoError(f"--devices {devices}: give 1 or more")
    choose_device(device)
    _require_wandb(wandb)
    if resume is not None:
        out = run_folder(resume)
        config = config_of(out)
    else:
        numbered, out = out is None, free_folder(out)
    data = LakeData(
        aoi=aoi, aoi_name=aoi_name, scenes=scenes, lakes=lakes, cache=out.parent / CACHE, config=config, offset=offset
    )
    _print_audit(data.audit)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    going_on = resume is not None and (out / "last.ckpt").exists()
    if resume is not None and not going_on:
        _tell(f"{out}: no epoch was finished; the run starts from its beginning")
    described = data.audit | {"aoi": Path(aoi_name).name, "lakes": lakes.name, "scenes": data.scene_ids}
    if resume is not None and json.loads((out / "split.json").read_text()) != described:
        raise GlofgeoError(f"{out}: was trained on other ground (split.json); resume with the same AOI, scenes, lakes")
    # The trainer itself tells of a strategy that cannot be, which is to leave no folder.
    _trainer(out, config, Journal(out, {}), device, devices, strategy, None)
    model, config = (build_model(config.model), config) if going_on else _start(config)
    data.prepare_data()
    data.setup("fit")
    if resume is None:
        inputs = _inputs(aoi_path, aoi_name, scenes, lakes, offset) if aoi_path else None
        out = open_folder(out, config, described, inputs, numbered=numbered)
    journal = Journal(out, provenance=_provenance(described), pixel_m=data.pixel_m)
    trainer = _trainer(out, config, journal, device, devices, strategy, wandb)
    task = LakeTask(model, config, data.plans)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=out / "last.ckpt" if going_on else None, weights_only=True)
    except SystemExit:
        # Lightning ends Ctrl-C and termination with exit, and leaves further Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if (out / "last.ckpt").exists():
            given = "" if (out / INPUTS).exists() else f"--aoi {aoi_name} --scenes {scenes} --lakes {lakes} "
            _tell(f"Go on with: glofgeo train {given}--resume {out}")
        raise KeyboardInterrupt from None
    best = out / "best.safetensors"
    unet = None
    if trainer.is_global_zero:
        _tell(f"Best lake IoU {journal.best:.3f} on validation ground: {best}")
        _tell(f"Map with it: glofgeo map --checkpoint {best} --scene SCENE")
    if baseline and trainer.is_global_zero:
        unet = train_unet(data.train_dataloader(), config, journal.seconds, task.device)
    return Trained(best, data, unet)


def _trainer(
    out: Path, config: TrainConfig, journal: Journal, device: str, devices: int, strategy: str, wandb: str | None
) -> lightning.Trainer:
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    bf16 = computes_in_bfloat16(torch.device("cuda" if on_gpu else "cpu"))
    callbacks: list[Callback] = [
        journal,
        *([RunningMean(config.ema)] if config.ema else []),
        EarlyStopping("val_iou", mode="max", patience=config.patience),
        # One file, rewritten atomically after every epoch; `journal` keeps the best.
        ModelCheckpoint(out, filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True),
    ]
    terminal = sys.stdout.isatty()
    # A lone process is not one of the tasks that a cluster's variables promise: Lightning would look for the others.
    alone = [LightningEnvironment()] if devices == 1 and strategy == "auto" else []
    try:
        return lightning.Trainer(
            accelerator={"cuda": "gpu"}.get(device, device),
            devices=devices,
            strategy=strategy,
            # The sampler shares out its draw itself, and every process judges all of the ground.
            use_distributed_sampler=False,
            precision="bf16-mixed" if bf16 and device != "mps" else "32-true",
            plugins=[WholeFiles(), *alone],
            max_epochs=config.epochs,
            gradient_clip_val=config.clip,
            callbacks=[*callbacks, RichProgressBar()] if terminal else callbacks,
            logger=[TensorBoardLogger(out, name="tensorboard", version=""), *_wandb(wandb, out)],
            enable_progress_bar=terminal,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    # What Lightning cannot do with devices, strategy and the variables of the cluster, it tells in errors of its own.
    except (ValueError, RuntimeError, MisconfigurationException, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise GlofgeoError(f"--device {device} --devices {devices} --strategy {strategy}: {reason}") from None


def _wandb(project: str | None, out: Path) -> list[Logger]:
    return [] if project is None else [WandbLogger(project=project, name=out.name, save_dir=out)]


def _require_wandb(project: str | None) -> None:
    if project is not None and not project.strip():
        raise GlofgeoError("--wandb '': give the name of a project, or leave it out")
    if project is not None and find_spec("wandb") is None:
        raise GlofgeoError("wandb is not installed: pip install 'glofgeo[wandb]', or leave out --wandb")


def _start(config: TrainConfig) -> tuple[LakeSegmenter, TrainConfig]:
    """Builds the network with its first weights; the configuration comes back with what `auto` came to."""
    model = build_model(config.model)
    source = config.weights
    if source == "auto":
        source = "none" if config.model.variant == "tiny" else "dinov2"
    if source == "none" and config.tune != "full":
        raise GlofgeoError(f"--tune {config.tune} keeps pretrained weights, and there are none: give --weights FILE")
    if source == "dinov2" and config.model.log_input:
        raise GlofgeoError("DINOv2's weights expect reflectance: leave out --model.log-input, or give --weights none")
    if source != "none":
        try:
            report = load_pretrained(model.encoder, source, config.model.bands)
        except GlofgeoError as error:
            if config.weights != "auto" or config.tune != "full":
                raise
            _tell(str(error), "Training starts from random weights: ", "bold red")
            source = "none"
        else:
            _print_weights(report)
    return model, dataclasses.replace(config, weights=source)


def _inputs(aoi: Path, name: str, scenes: Path, lakes: Path, offset: float | None) -> Inputs:
    return Inputs(str(aoi.absolute()), name, str(scenes.absolute()), str(lakes.absolute()), offset)


def _provenance(described: dict[str, Any]) -> dict[str, Any]:
    return {
        "aoi": described["aoi"],
        "lakes": described["lakes"],
        "scenes": described["scenes"],
        "split": {
            key: described[key]
            for key in ("how", "parts", "distance_m", "lakes_left_out", "scene_overlap", "violations")
        },
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "glofgeo": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": lightning.__version__,
        },
    }


def _print_weights(report: LoadReport) -> None:
    _tell(f"Weights from {report.source}:")
    table = Table(show_header=False)
    table.add_row("layout", Text(f"{report.layout}, prefix {report.prefix!r}" if report.prefix else report.layout))
    table.add_row("blocks", str(report.blocks))
    table.add_row("loaded", f"{report.loaded} tensors, {report.renamed} of them under another name")
    for title, names in (("left at initial value", report.initial), ("left over", report.left_over)):
        table.add_row(
            title, Text(f"{len(names)}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names else "0")
        )
    console.print(table, highlight=False)


def _print_audit(audit: dict[str, Any]) -> None:
    _tell(f"Ground for training and validation, split {audit['how']}:")
    table = Table()
    for column in ("part", "km2", "lakes"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part, facts in audit["parts"].items():
        table.add_row(Text(str(part)), f"{facts['area_km2']:,.1f}", f"{facts['lakes']:,}")
    console.print(table)
    apart = ", ".join(f"{pair} {metres / 1000:.2f} km" for pair, metres in audit["distance_m"].items())
    _tell(f"Least distance: {apart}. Lakes reaching into two, left out: {audit['lakes_left_out']}.")
    if undated := audit["lakes_undated"]:
        _tell(str(undated), "Lakes without a date, left out: ", "yellow")
    for part, share in audit["scene_overlap"].items():
        _tell(f"Windows on {part} ground in scenes that training sees too: {share:.0%}.")
    for text in audit["violations"]:
        _tell(text, "Leak, let through: ", "bold red")
    for name, reason in audit["damaged"].items():
        _tell(f"{name} ({reason})", "Left out, damaged: ", "yellow")


def _tell(text: str, head: str = "", style: str = "") -> None:
    """Prints a line whose text may come from outside, after a coloured head of our own."""
    console.print(Text.assemble((head, style), one_line(text)))


def _quieten() -> None:
    """Silences what Lightning says to developers: device tips, worker counts, its own products."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
