"""What flags of several verbs share, and what is done with them before a verb runs."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.config import Dict
from cyclopts.validators import Number

from datasets_def.web_address import is_web
from glofgeo.data_folder import find_dem, find_glaciers
from glofgeo.errors import GlofgeoError
from glofgeo.help_groups import HARDWARE, SCENES
from glofgeo.presets import load_preset
from glofgeo.terminal import say

Device = Literal["auto", "cpu", "cuda", "mps"]
Offset = Annotated[float | None, Parameter(validator=Number(gte=-10000, lte=10000), group=SCENES)]
Devices = Annotated[int, Parameter(group=HARDWARE)]
Strategy = Annotated[str, Parameter(group=HARDWARE)]


class UsageError(GlofgeoError):
    """Flags that do not make a command together."""


def shown_default(value: Any) -> str | None:
    """Words a flag's default for `--help` as it would be typed; None hides it."""
    if value is None or value is False or value in ((), []):
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def with_fetched(dem: Sequence[Path], glaciers: Path | None) -> tuple[list[Path], Path | None]:
    """Adds what `fetch` left of elevation and glaciers where a command names none, and says so."""
    grounds, outlines = find_dem(dem), find_glaciers(glaciers)
    found = [*([] if dem else grounds), *([] if glaciers or not outlines else [outlines])]
    if found:
        say(f"Also used, as fetched: {', '.join(map(str, found))}")
    return grounds, outlines


def require_path(flag: str, path: Path | None) -> None:
    """Reports a mistyped path before anything slow is imported.

    Raises:
        GlofgeoError: If it leads nowhere.
    """
    if path is not None and not is_web(path.as_posix()) and not path.exists():
        raise GlofgeoError(f"{flag} {path}: no such file or folder", "check the path")


def apply_preset(app: App, tokens: list[str]) -> None:
    """Turns the settings that `--config` (or the config.yaml of a resumed run) gives into the defaults of `train`.

    Raises:
        GlofgeoError: If there is no such preset, file or run, or it cannot be read.
    """
    if tokens[:1] != ["train"] or "--help" in tokens:
        return
    run = _value_of("--resume", tokens)
    if run is None:
        values = load_preset(_value_of("--config", tokens), _value_of("--weights", tokens))
    else:
        from glofgeo.resume import config_of, run_folder

        values = asdict(config_of(run_folder(Path(run))))
    app["train"].config = [Dict(values, use_commands_as_keys=False)]


def _value_of(flag: str, tokens: list[str]) -> str | None:
    following = (value for token, value in pairwise(tokens) if token == flag)
    return next(following, None) or next((t.split("=", 1)[1] for t in tokens if t.startswith(f"{flag}=")), None)
