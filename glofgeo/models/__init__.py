"""The network: tensors in, tensors out; knows no geography."""

from glofgeo.models.checkpoint import Header, LoadedCheckpoint, load_checkpoint, read_header, save_checkpoint
from glofgeo.models.encoder import DinoV2Encoder
from glofgeo.models.onnx import OnnxSegmenter, export_onnx, load_onnx
from glofgeo.models.registry import register_encoders
from glofgeo.models.segmenter import LakeSegmenter, build_model, require_bands
from glofgeo.models.temperature import fit_temperature, percent_steps
from glofgeo.models.unet import UnetBaseline
from glofgeo.models.weights import LoadReport, load_pretrained

__all__ = [
    "DinoV2Encoder",
    "Header",
    "LakeSegmenter",
    "LoadReport",
    "LoadedCheckpoint",
    "OnnxSegmenter",
    "UnetBaseline",
    "build_model",
    "export_onnx",
    "fit_temperature",
    "load_checkpoint",
    "load_onnx",
    "load_pretrained",
    "percent_steps",
    "read_header",
    "require_bands",
    "save_checkpoint",
]

register_encoders()
