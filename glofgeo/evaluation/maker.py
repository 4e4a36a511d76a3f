"""Which model made a map, and of what: what the `run.json` beside it says."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glofgeo.errors import GlofgeoError

if TYPE_CHECKING:
    from datasets_def.scene import Scene

# Files of a map that its record speaks of.
_OF_A_MAP = ("mask.tif", "probability.tif", "lakes.gpkg")


def models_of(predictions: Iterable[Path]) -> dict[str, str]:
    """Gives SHA-256 -> name of the models that made maps, as far as that is known.

    Args:
        predictions: files of maps.
    """
    return dict(filter(None, map(_model_of, predictions)))


def was_trained_on(prediction: Path) -> bool:
    """Whether the scene of a map is one that its model was trained on, as far as that is known."""
    return _record(prediction).get("scene_in_training") is True


def require_same_date(prediction: Path, scene: "Scene") -> None:
    """Makes sure that a scene is the one that was mapped: all scenes of a tile share a grid, and clouds differ.

    A scene may have been renamed since, so that only its day tells.

    Raises:
        GlofgeoError: If it was taken on another day.
    """
    acquired = str(_record(prediction).get("acquired") or "")[:10]
    if acquired and scene.datetime and acquired != f"{scene.datetime:%Y-%m-%d}":
        raise GlofgeoError(
            f"{prediction}: was mapped from a scene of {acquired}, and {scene.id} is of {scene.datetime:%Y-%m-%d}",
            "give the scene it was mapped from",
            argument="scene",
        )


def _model_of(prediction: Path) -> tuple[str, str] | None:
    record = _record(prediction)
    sha256, model = record.get("checkpoint_sha256"), record.get("model")
    if not (isinstance(sha256, str) and isinstance(model, str)):
        return None
    # Runs differ by their folder; those above it are of one machine.
    return sha256, "/".join(Path(model).parts[-2:])


def _record(prediction: Path) -> dict[str, Any]:
    """Reads the record of a map; empty where there is none."""
    if prediction.name not in _OF_A_MAP:
        return {}
    try:
        record = json.loads(prediction.with_name("run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
