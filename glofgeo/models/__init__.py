"""The network: tensors in, tensors out; knows no geography.

Names are loaded on first use: what a file says about itself can be read without torch, which is slow to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glofgeo.models.bands import require_bands
    from glofgeo.models.checkpoint import LoadedCheckpoint, load_checkpoint, save_checkpoint
    from glofgeo.models.encoder import DinoV2Encoder
    from glofgeo.models.header import Header, read_header
    from glofgeo.models.onnx import export_onnx
    from glofgeo.models.predictor import Predictor, load_model, torch_predictor
    from glofgeo.models.segmenter import LakeSegmenter, build_model
    from glofgeo.models.temperature import fit_temperature
    from glofgeo.models.unet import ComparisonUnet
    from glofgeo.models.weights import LoadReport, load_pretrained

__all__ = [
    "ComparisonUnet",
    "DinoV2Encoder",
    "Header",
    "LakeSegmenter",
    "LoadReport",
    "LoadedCheckpoint",
    "Predictor",
    "build_model",
    "export_onnx",
    "fit_temperature",
    "load_checkpoint",
    "load_model",
    "load_pretrained",
    "read_header",
    "require_bands",
    "save_checkpoint",
    "torch_predictor",
]

_HOME = {
    "DinoV2Encoder": "encoder",
    "Header": "header",
    "LakeSegmenter": "segmenter",
    "LoadReport": "weights",
    "LoadedCheckpoint": "checkpoint",
    "Predictor": "predictor",
    "ComparisonUnet": "unet",
    "build_model": "segmenter",
    "export_onnx": "onnx",
    "fit_temperature": "temperature",
    "load_checkpoint": "checkpoint",
    "load_model": "predictor",
    "load_pretrained": "weights",
    "read_header": "header",
    "require_bands": "bands",
    "save_checkpoint": "checkpoint",
    "torch_predictor": "predictor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'glofgeo.models' has no attribute {name!r}")
    return getattr(import_module(f"glofgeo.models.{_HOME[name]}"), name)
