"""glofgeo: maps glacial lakes from Sentinel-2, so that outburst floods can be watched.

    import glofgeo

    lake_map = glofgeo.map_scene("S2A_….SAFE")
    lake_map.lakes.explore()

Names are loaded on first use, so that importing glofgeo costs nothing. Nothing is printed and no bar is shown unless
asked for with `progress=True`; what goes wrong is a `GlofgeoError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from glofgeo.version import __version__

if TYPE_CHECKING:
    from datasets_def.scene import open_scene
    from glofgeo.change.compare import Changes, compare
    from glofgeo.config import MapConfig, TrainConfig
    from glofgeo.errors import GlofgeoError
    from glofgeo.evaluation import evaluate
    from glofgeo.mapping.lake_map import LakeMap, read_map
    from glofgeo.mapping.scene import map_scene
    from glofgeo.models.predictor import Predictor, load_model
    from glofgeo.train_and_score import TrainedRun, train

__all__ = [
    "Changes",
    "GlofgeoError",
    "LakeMap",
    "MapConfig",
    "Predictor",
    "TrainConfig",
    "TrainedRun",
    "__version__",
    "compare",
    "evaluate",
    "load_model",
    "map_scene",
    "open_scene",
    "read_map",
    "train",
]

_HOME = {
    "Changes": "glofgeo.change.compare",
    "GlofgeoError": "glofgeo.errors",
    "LakeMap": "glofgeo.mapping.lake_map",
    "MapConfig": "glofgeo.config",
    "Predictor": "glofgeo.models.predictor",
    "TrainConfig": "glofgeo.config",
    "TrainedRun": "glofgeo.train_and_score",
    "compare": "glofgeo.change.compare",
    "evaluate": "glofgeo.evaluation",
    "load_model": "glofgeo.models.predictor",
    "map_scene": "glofgeo.mapping.scene",
    "open_scene": "datasets_def.scene",
    "read_map": "glofgeo.mapping.lake_map",
    "train": "glofgeo.train_and_score",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'glofgeo' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
