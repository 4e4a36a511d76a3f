"""The verb `map`: a scene becomes probability, mask, lake layer and picture.

Names are loaded on first use: streaming a scene needs neither the lake layer nor its picture, which are slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glofgeo.mapping.lake_map import LakeMap, read_map
    from glofgeo.mapping.scene import map_scene

__all__ = ["LakeMap", "map_scene", "read_map"]

_HOME = {"LakeMap": "lake_map", "map_scene": "scene", "read_map": "lake_map"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'glofgeo.mapping' has no attribute {name!r}")
    return getattr(import_module(f"glofgeo.mapping.{_HOME[name]}"), name)
