"""The folder of a run: no two runs share one, but all processes of a run do."""

import contextlib
import dataclasses
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.utilities import rank_zero_only

from datasets_def.atomic import written_beside
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.resume import INPUTS, Inputs

# Environment variable that hands the folder on to the other processes of a run, which Lightning starts.
_SHARED = "GLOFGEO_RUN_FOLDER"


def free_folder(out: Path | None) -> Path:
    """Gives the run folder asked for, by default `runs/<date>-<time>`, and makes nothing yet.

    Raises:
        GlofgeoError: If something is in it.
    """
    if not is_first_process():
        shared = os.environ.get(_SHARED) or out
        if shared is None:
            raise GlofgeoError("several processes train one model", "name its folder", argument="out")
        return Path(shared)
    if out is None:
        return Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    if (out / "last.ckpt").exists() or (out / "best.safetensors").exists():
        raise GlofgeoError(f"{out}: holds a training run", "resume it, or name another folder", argument="resume")
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise GlofgeoError(f"{out}: is not an empty folder", "name another one", argument="out")
    return out


def open_folder(
    out: Path, config: TrainConfig, audit: dict[str, Any], inputs: Inputs | None = None, *, numbered: bool
) -> Path:
    """Makes a run folder that no other run has, with its `split.json` and `config.yaml`.

    Args:
        out: as `free_folder` gave it.
        config: of the run.
        audit: of its splits, plain JSON values.
        inputs: what it learns from, which `inputs.json` remembers; None if that is no files.
        numbered: where another run was faster, take `OUT-2`, `OUT-3`, …

    Returns:
        The folder. Every process but the first of a run is given what that one has opened.

    Raises:
        GlofgeoError: If another run was faster, or the folder cannot be written.
    """
    if not is_first_process():
        return out
    try:
        out = _claim(out, numbered=numbered)
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        (out / "split.json").write_text(json.dumps(audit, indent=2))
        if inputs:
            (out / INPUTS).write_text(inputs.to_json())
        # A folder with a config.yaml can be resumed, so that comes last.
        with written_beside(out / "config.yaml") as part:
            part.write_text(yaml.safe_dump(dataclasses.asdict(config), sort_keys=False))
    except OSError as error:
        for path in (out / INPUTS, out / "split.json"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            out.rmdir()
        raise _unwritable(out, error) from None
    os.environ[_SHARED] = str(out.absolute())
    return out


def _claim(out: Path, *, numbered: bool) -> Path:
    """Makes the folder, and in it an empty `split.json`, which only one process can make."""
    name, number = out.name, 1
    while True:
        try:
            out.mkdir(parents=True, exist_ok=not numbered)
            (out / "split.json").open("x").close()
            return out
        except FileExistsError:
            if not numbered:
                raise GlofgeoError(
                    f"{out}: another run has just taken it", "name another folder", argument="out"
                ) from None
            number += 1
            out = out.with_name(f"{name}-{number}")


def _unwritable(out: Path, error: OSError) -> GlofgeoError:
    return GlofgeoError(f"{out}: cannot be written ({error.strerror})", "name another folder", argument="out")


def is_first_process() -> bool:
    """Whether this is the one of several that train together which writes."""
    return getattr(rank_zero_only, "rank", 0) == 0
