"""The verb `map`: a scene becomes probability, mask, lake layer and picture.

Names are loaded on first use: streaming a scene needs neither the lake layer nor its picture, which are slow to import.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glofgeo.mapping.scene import map_scene

__all__ = ["map_scene"]


def __getattr__(name: str) -> Any:
    if name != "map_scene":
        raise AttributeError(f"module 'glofgeo.mapping' has no attribute {name!r}")
    from glofgeo.mapping import scene

    return scene.map_scene
