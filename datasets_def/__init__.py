"""What the data are: Sentinel-2 scenes and lake polygons, as plain TorchGeo datasets.

Names are loaded on first use: the datasets need TorchGeo, which is slow to import; a scene does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets_def.cache import fill_cache
    from datasets_def.folder import find_scenes
    from datasets_def.lakes import GlacialLakes
    from datasets_def.scene import Scene, open_scene
    from datasets_def.sentinel2 import Sentinel2
    from datasets_def.tiled import TiledCopy
    from datasets_def.vectors import read_aoi, read_polygons

__all__ = [
    "GlacialLakes",
    "Scene",
    "Sentinel2",
    "TiledCopy",
    "fill_cache",
    "find_scenes",
    "open_scene",
    "read_aoi",
    "read_polygons",
]

_HOME = {
    "GlacialLakes": "lakes",
    "Scene": "scene",
    "Sentinel2": "sentinel2",
    "TiledCopy": "tiled",
    "fill_cache": "cache",
    "find_scenes": "folder",
    "open_scene": "scene",
    "read_aoi": "vectors",
    "read_polygons": "vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'datasets_def' has no attribute {name!r}")
    return getattr(import_module(f"datasets_def.{_HOME[name]}"), name)
