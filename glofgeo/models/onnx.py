"""A trained model as one ONNX file, for ONNX Runtime and for the QGIS plugin Deepness.

The graph takes reflectance and gives probability. Deepness feeds any network `(DN / 255 - mean) / std`, DN being the
layer's numbers (0.6.5, `processing/models/preprocessing_utils.py`). On the stack that `glofgeo.mapping.deepness_layer`
writes, `STACK_OFFSET` and `STACK_SCALE` taken for mean and std make that reflectance, so that one file serves both.
"""

import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datasets_def.atomic import written_beside
from datasets_def.bands import CHANNELS
from glofgeo.config import MapConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models.checkpoint import LoadedCheckpoint
from glofgeo.models.encoder import PATCH
from glofgeo.models.header import DIGEST_KEY, FORMAT, HEADER_KEY, Header
from glofgeo.models.onnx_runtime import DIGEST_LENGTH, file_digest, require_extra
from glofgeo.models.segmenter import LakeSegmenter, build_model

# A stack's DN = STACK_SCALE * reflectance + STACK_OFFSET, as in products of baseline 04.00 and later; 0 is nodata.
STACK_SCALE = 10000
STACK_OFFSET = 1000

# What a protobuf file, and so an ONNX file without others beside it, can hold.
_LARGEST = 2**31 - 2**24


class _Probability(nn.Module):
    """Reflectance `(B, C, H, W)` -> calibrated probability `(B, 1, H, W)`.

    Where a stack has no data in one of the bands, the network sees the band table's means in all, as in `Scene.read`.
    """

    def __init__(self, model: LakeSegmenter, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        means = torch.tensor([CHANNELS[band].mean for band in model.config.bands])
        self.means: Tensor
        self.register_buffer("means", means.view(1, -1, 1, 1))

    def forward(self, reflectance: Tensor) -> Tensor:
        # Between the stack's DN 0 and 1.
        hole = ((reflectance * STACK_SCALE + STACK_OFFSET).abs() < 0.5).any(dim=1, keepdim=True)
        return (self.model(torch.where(hole, self.means, reflectance)) / self.temperature).sigmoid()


def require_replaceable(path: Path) -> None:
    """Makes sure that a model may be exported here: nothing is here, or a model that was exported.

    Raises:
        GlofgeoError: If something else is here.
    """
    if not os.path.lexists(path):
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 2 * DIGEST_LENGTH, 0))
            if DIGEST_KEY.encode() in file.read():  # as `_seal` leaves it
                return
    raise GlofgeoError(
        f"{path}: is not a model that glofgeo exported, and is not replaced",
        "name another folder",
        argument="out",
    )


def export_onnx(loaded: LoadedCheckpoint, path: str | Path) -> None:
    """Writes a model as one ONNX file, weights inside; `path` holds the whole of it afterwards or what it held before.

    Input `reflectance`, float32 `(batch, C, window, window)`, 1.0 = 100 %; output `probability`, float32
    `(batch, 1, window, window)`. Any batch; the window is that of training, rounded down to a multiple of 14, so that
    nothing is padded. The checkpoint's temperature becomes part of the graph. Metadata: what Deepness reads, and under
    `glofgeo` the checkpoint's header.

    Args:
        loaded: the checkpoint.
        path: ends in `.onnx`; its folder is made.

    Raises:
        GlofgeoError: If the extra `onnx` is not installed, the weights exceed 2 GB, or the file cannot be written.
    """
    path = Path(path)
    require_extra("onnx", "onnxscript")
    require_replaceable(path)
    size = sum(tensor.nbytes for tensor in loaded.model.state_dict().values())
    if size > _LARGEST:
        raise GlofgeoError(f"{path}: {size / 1e9:.1f} GB of weights, one ONNX file holds 2", "export a smaller model")
    window = max(loaded.config.data.window // PATCH, 1) * PATCH
    model = _for_window(loaded.model, window)
    config = replace(loaded.config, model=model.config, data=replace(loaded.config.data, window=window))
    header = Header(config, loaded.provenance, loaded.scorecard, loaded.sha256, pixel_m=loaded.pixel_m)
    try:
        with written_beside(path) as part:
            # Before the minute that tracing takes.
            part.touch()
            program = _trace(_Probability(model, loaded.temperature), window)
            program.model.metadata_props.update(
                _deepness_metadata(config, loaded.pixel_m) | {HEADER_KEY: _header_text(header)}
            )
            program.save(part, external_data=False)
            _seal(part)
    except OSError as error:
        raise GlofgeoError(
            f"{path}: cannot write the model ({error})",
            "check free space and write permission",
        ) from error


def _for_window(model: LakeSegmenter, window: int) -> LakeSegmenter:
    """The same network, its weights shared, with the position embedding stored for this window.

    Interpolating the embedding is then no part of the graph.
    """
    side = window // PATCH
    tensors = model.state_dict()
    with torch.no_grad():
        tensors["encoder.vit.pos_embed"] = model.encoder._positions(side, side).flatten(1, 2)
    with torch.device("meta"):
        same = build_model(replace(model.config, image_size=window))
    same.load_state_dict(tensors, assign=True)
    return same.eval()


def _trace(graph: _Probability, window: int) -> Any:
    """Turns the network into a graph; returns torch's ONNXProgram."""
    # Of two, because a batch of one would be taken for fixed.
    example = torch.zeros(2, len(graph.model.config.bands), window, window)
    program = torch.onnx.export(
        graph.eval(),
        (example,),
        dynamo=True,
        input_names=["reflectance"],
        output_names=["probability"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    # Each node carries the stack of calls that made it, with the paths of the machine.
    for node in program.model.graph:
        node.metadata_props.clear()
    return program


def _deepness_metadata(config: TrainConfig, pixel_m: float | None) -> dict[str, str]:
    """What Deepness 0.6.5 asks a model for, JSON values (its `processing/models/model_base.py`)."""
    bands, window = len(config.model.bands), config.data.window
    settings = MapConfig()
    values = {
        "model_type": "Segmentor",
        "class_names": {0: "background", 1: "lake"},
        # Centimetres a pixel.
        "resolution": round(100 * (pixel_m or 10)),
        # The first is the name in its code, the second that in its manual.
        "tile_size": window,
        "tiles_size": window,
        "tiles_overlap": math.ceil(100 * min(settings.overlap, window // 2) / window),
        "standardization_mean": [STACK_OFFSET / 255] * bands,
        "standardization_std": [STACK_SCALE / 255] * bands,
        "seg_thresh": settings.threshold,
        # The size of a median filter: any but 0 removes small lakes.
        "seg_small_segment": 0,
    }
    return {name: json.dumps(value) for name, value in values.items()}


def _header_text(header: Header) -> str:
    return json.dumps({"format": FORMAT, **asdict(header)})


def _seal(path: Path) -> None:
    """Appends one more metadata entry to an ONNX file: the SHA-256 of all bytes before that value.

    Protobuf messages written one after another are one message: https://protobuf.dev/programming-guides/encoding/
    """
    import onnx

    entry = onnx.StringStringEntryProto(key=DIGEST_KEY, value="0" * DIGEST_LENGTH)
    with path.open("ab") as file:
        file.write(onnx.ModelProto(metadata_props=[entry]).SerializeToString())
    digest = file_digest(path)
    with path.open("r+b") as file:
        file.seek(-DIGEST_LENGTH, 2)
        file.write(digest.encode())
