"""From sources and settings to a run folder with the best checkpoint."""

import json
import platform
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import ComparisonUnet, build_model
from glofgeo.models.mlm import write_model_item
from glofgeo.resume import config_of, run_folder
from glofgeo.training.adapt import adapt
from glofgeo.training.datamodule import LakeData
from glofgeo.training.ema import RunningMean
from glofgeo.training.journal import Journal, WholeFiles
from glofgeo.training.options import RunOptions
from glofgeo.training.process_state import left_as_found
from glofgeo.training.progress import EpochBar
from glofgeo.training.run_folder import free_folder, is_first_process, open_folder
from glofgeo.training.show import show_audit, show_line
from glofgeo.training.sources import Sources
from glofgeo.training.start import start_model
from glofgeo.training.survey import Survey, survey
from glofgeo.training.task import LakeTask
from glofgeo.training.unet import train_unet
from glofgeo.version import __version__

# Decoded products are kept beside the run folders: a place that is ours to write, shared by all runs.
CACHE = ".glofgeo-cache"


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        best: path of `best.safetensors`.
        iou: lake IoU of its epoch on the validation area, 0-1.
        data: what it saw, set up.
        unet: the U-Net to compare with, if one was asked for.
    """

    best: Path
    iou: float
    data: LakeData
    unet: ComparisonUnet | None


class TrainingStopped(KeyboardInterrupt):
    """Ctrl-C or a termination, after which the run folder is in order.

    Attributes:
        folder: of the run; it can be resumed if `resumable`.
        resumable: whether an epoch was finished.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(f"training was stopped; its run is in {folder}")
        self.folder = folder
        self.resumable = (folder / "last.ckpt").exists()


def train_model(
    sources: Sources,
    config: TrainConfig,
    out: Path | None = None,
    *,
    resume: Path | None = None,
    compare: Literal["unet"] | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
) -> Trained:
    """Trains a lake segmenter.

    The run folder holds `config.yaml`, `split.json` (the leakage audit), `metrics.csv`, `curves.png`, `examples.png`,
    `tensorboard/`, `last.ckpt` (to resume from; written every epoch), `best.safetensors` (of the epoch with the best
    lake IoU on the validation area) and at last `best.json` (a STAC item that describes it). Nothing is written there
    before data, split and weights are in order.

    Args:
        sources: what to learn from.
        config: everything that decides the run.
        out: the run folder, new or empty; None takes `runs/<date>-<time>`, with `-2`, `-3`, … where that is taken.
        resume: a run folder, or its `last.ckpt`, to bring to its epoch count under its own `config.yaml`; then `out`
            and `config` are not used.
        compare: `unet` also trains a U-Net from scratch on the same windows for the same wall time.
        options: hardware, and whether progress is shown.

    Raises:
        GlofgeoError: If the input cannot be trained on, or the run folder cannot be used.
        TrainingStopped: After Ctrl-C, once the run folder is in order.
    """
    options.check()
    folder = free_folder(out) if resume is None else run_folder(resume)
    config = config if resume is None else config_of(folder)
    with left_as_found():
        surveyed = survey(sources, config)
        show_audit(options.console, surveyed.audit)
        described = _described(surveyed)
        if resume is not None:
            _require_same(folder, described)
        # The trainer itself tells of a strategy that cannot be, which is to leave no folder.
        _trainer(folder, config, Journal(folder, {}), options)
        lightning.seed_everything(config.seed, workers=True, verbose=False)
        going_on = resume is not None and (folder / "last.ckpt").exists()
        if resume is not None and not going_on:
            show_line(options.console, f"{folder}: no epoch was finished; the run starts from its beginning")
        model, config = (build_model(config.model), config) if going_on else start_model(config, options.console)
        data = LakeData(surveyed, config, folder.parent / CACHE, progress=options.progress)
        data.prepare_data()
        data.setup("fit")
        if resume is None:
            folder = open_folder(folder, config, described, sources.inputs, numbered=out is None)
        journal = Journal(folder, _provenance(described), surveyed.pixel_m, options.console)
        adapt(model, config)
        _fit(_trainer(folder, config, journal, options), LakeTask(model, config, data.plans), data, folder)
        if is_first_process():
            write_model_item(folder / "best.safetensors", folder / "best.json")
        unet = train_unet(data, config, journal.seconds, options) if compare and is_first_process() else None
    return Trained(folder / "best.safetensors", journal.best, data, unet)


def _fit(trainer: lightning.Trainer, task: LakeTask, data: LakeData, folder: Path) -> None:
    """Trains to the last epoch, from `last.ckpt` on where there is one."""
    last = folder / "last.ckpt"
    try:
        trainer.fit(task, datamodule=data, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit:
        # Lightning ends Ctrl-C and termination with exit, and leaves further Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise TrainingStopped(folder) from None


def _trainer(folder: Path, config: TrainConfig, journal: Journal, options: RunOptions) -> lightning.Trainer:
    callbacks: list[Callback] = [
        journal,
        *([RunningMean(config.ema, config.start_share)] if config.ema or config.start_share else []),
        EarlyStopping("val_iou", mode="max", patience=config.patience),
        # One file, rewritten atomically after every epoch; `journal` keeps the best.
        ModelCheckpoint(
            folder, filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
        ),
        *([EpochBar(options.console)] if options.progress and options.console.is_terminal else []),
    ]
    hardware = options.hardware
    hardware["plugins"] = [WholeFiles(), *hardware["plugins"]]
    try:
        return lightning.Trainer(
            **hardware,
            max_epochs=config.epochs,
            gradient_clip_val=config.clip,
            callbacks=callbacks,
            logger=[TensorBoardLogger(folder, name="tensorboard", version=""), *_wandb(options.wandb, folder)],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    # What Lightning cannot do with devices, strategy and the variables of the cluster, it tells in errors of its own.
    except (ValueError, RuntimeError, MisconfigurationException, ModuleNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise GlofgeoError(
            f"device {options.device}, devices {options.devices}, strategy {options.strategy}: {reason}"
        ) from None


def _wandb(project: str | None, folder: Path) -> list[Logger]:
    return [] if project is None else [WandbLogger(project=project, name=folder.name, save_dir=folder)]


def _described(surveyed: Survey) -> dict[str, Any]:
    """Gives the content of `split.json`."""
    sources = surveyed.sources
    names: dict[str, Any] = {
        "aoi": Path(sources.aoi_name).name,
        "lakes": sources.lakes.name,
        "scenes": surveyed.scene_ids,
    }
    if sources.dem is not None:  # runs without keep the description that they had
        names["dem"] = [path.name for path in sources.dem.files]
    return surveyed.audit.to_dict() | names


def _require_same(folder: Path, described: dict[str, Any]) -> None:
    if json.loads((folder / "split.json").read_text()) != described:
        raise GlofgeoError(
            f"{folder}: was trained on something else (split.json)", "resume with the same AOI, scenes and lakes"
        )


def _provenance(described: dict[str, Any]) -> dict[str, Any]:
    kept = ("how", "splits", "distance_m", "lakes_left_out", "scene_overlap", "violations")
    return {
        "aoi": described["aoi"],
        "lakes": described["lakes"],
        "scenes": described["scenes"],
        **({"dem": described["dem"]} if "dem" in described else {}),
        "split": {key: described[key] for key in kept},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "glofgeo": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": lightning.__version__,
        },
    }
