"""Which model made a map: what the `run.json` beside it says."""

import json
from collections.abc import Iterable
from pathlib import Path

# Files of a map that its record speaks of.
_OF_A_MAP = ("mask.tif", "probability.tif", "lakes.gpkg")


def models_of(predictions: Iterable[Path]) -> dict[str, str]:
    """Gives SHA-256 -> name of the models that made maps, as far as that is known.

    Args:
        predictions: files of maps.
    """
    return dict(filter(None, map(_model_of, predictions)))


def _model_of(prediction: Path) -> tuple[str, str] | None:
    if prediction.name not in _OF_A_MAP:
        return None
    try:
        record = json.loads(prediction.with_name("run.json").read_text(encoding="utf-8"))
        # Without folders, which are those of one machine.
        return str(record["checkpoint_sha256"]), Path(record["model"]).name
    except (OSError, ValueError, KeyError, TypeError):
        return None
