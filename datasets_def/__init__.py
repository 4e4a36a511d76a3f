"""The data: Sentinel-2 scenes and lake polygons, as plain TorchGeo datasets.

Names are loaded on first use: the datasets need TorchGeo, which is slow to import; a scene does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets_def.aoi import read_aoi
    from datasets_def.decoded import TiledCopy
    from datasets_def.decoded_cache import fill_cache
    from datasets_def.lakes import GlacialLakes
    from datasets_def.polygons import read_polygons
    from datasets_def.scene import Scene, open_scene
    from datasets_def.scene_search import find_scenes
    from datasets_def.sentinel2 import Sentinel2

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
    "TiledCopy": "decoded",
    "fill_cache": "decoded_cache",
    "find_scenes": "scene_search",
    "open_scene": "scene",
    "read_aoi": "aoi",
    "read_polygons": "polygons",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'datasets_def' has no attribute {name!r}")
    return getattr(import_module(f"datasets_def.{_HOME[name]}"), name)
