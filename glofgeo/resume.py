"""What a training run remembers, so that its folder is enough to resume it."""

import dataclasses
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.presets import read_yaml
from glofgeo.settings import Number, check, from_dict

INPUTS = "inputs.json"

_OWN = "a resumed run keeps its folder and its settings: leave it out, or start a new run"


@dataclass(frozen=True)
class Inputs:
    """What a run learns from.

    Attributes:
        aoi: absolute path of the area of interest.
        aoi_name: what it was called by.
        scenes: absolute path of the scenes.
        lakes: absolute path of the lakes.
        offset: DN to add in scenes that do not state theirs, see `open_scene`.
        dem: absolute paths of the DEM's tiles; none where the model reads no terrain.
    """

    aoi: str
    aoi_name: str
    scenes: str
    lakes: str
    offset: Number | None = None
    dem: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self)

    def to_json(self) -> str:
        """Gives the text of `inputs.json`."""
        return json.dumps(asdict(self), indent=2)


def run_folder(run: Path) -> Path:
    """Finds the folder of a run.

    Args:
        run: the folder, or its `last.ckpt`.

    Raises:
        GlofgeoError: If it is no run, or its `last.ckpt` is cut short.
    """
    folder = run.parent if run.name == "last.ckpt" else run
    if not run.exists():
        raise GlofgeoError(f"{run}: no such run", "check the path", argument="resume")
    if not (folder / "config.yaml").is_file():
        raise GlofgeoError(
            f"{run}: no run (no config.yaml)", "give the folder of a run, or its last.ckpt", argument="resume"
        )
    last = folder / "last.ckpt"
    if last.exists() and not (last.is_file() and zipfile.is_zipfile(last)):
        raise GlofgeoError(f"{last}: damaged or cut short", "remove it to train this run from its beginning")
    return folder


def config_of(folder: Path) -> TrainConfig:
    """Reads the settings of a run.

    Raises:
        GlofgeoError: If its `config.yaml` cannot be read or holds what it may not.
    """
    path = folder / "config.yaml"
    return from_dict(TrainConfig, read_yaml(path), str(path))


def inputs_of(folder: Path) -> Inputs | None:
    """Reads what a run learns from; None where an earlier glofgeo did not keep it.

    Raises:
        GlofgeoError: If its `inputs.json` is damaged.
    """
    path = folder / INPUTS
    if not path.exists():
        return None
    try:
        return from_dict(Inputs, json.loads(path.read_text()), str(path))
    except (ValueError, OSError, TypeError, RecursionError):
        raise GlofgeoError(f"{path}: damaged", "remove it, and name aoi, scenes and lakes again") from None


def require_same(run: Path, settings: TrainConfig | None, out: Path | None, offset: float | None) -> None:
    """Refuses what a resumed run would not go by.

    Args:
        run: its folder, or its `last.ckpt`.
        settings: those given; None if none were.
        out: likewise.
        offset: likewise.

    Raises:
        GlofgeoError: If it is no run, or one of these differs from what the run has, naming the first.
    """
    folder = run_folder(run)
    if out is not None and out.absolute() != folder.absolute():
        raise GlofgeoError(f"out {out}: the run is in {folder}", _OWN, argument="out")
    inputs = inputs_of(folder)
    if offset is not None and offset != (inputs and inputs.offset):
        raise GlofgeoError(f"offset {offset:g}: the run has {inputs and inputs.offset}", _OWN, argument="offset")
    own = _flat(dataclasses.asdict(config_of(folder)))
    for name, value in _flat(dataclasses.asdict(settings)).items() if settings else ():
        if value != own[name]:
            raise GlofgeoError(f"{name} {value}: the run has {own[name]}", _OWN, argument=name)


def _flat(values: dict[str, Any], section: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{section}{name}.") if isinstance(value, dict) else {section + name: value}
    return flat
