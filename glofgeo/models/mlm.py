"""A model described for catalogues: a STAC item with the extension for machine-learning models (MLM).

The extension: https://github.com/stac-extensions/mlm, version 1.5.2.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets_def.bands import BANDS, TERRAIN
from glofgeo import stac
from glofgeo.models.header import Header, read_header

_EXTENSIONS = [
    stac.extension(name, version)
    for name, version in (("mlm", "1.5.2"), ("file", "2.1.0"), ("classification", "2.0.0"))
]

# A model is for scenes of any time.
_NO_END = "9999-12-31T23:59:59Z"

CLASSES = [
    {"value": 0, "name": "land", "description": "no lake"},
    {"value": 1, "name": "lake", "description": "glacial lake", "color_hint": "1E90FF"},
]


def write_model_item(model: Path, path: Path) -> None:
    """Describes a model's file in a STAC item, all or nothing.

    Args:
        model: a `.safetensors` checkpoint or an exported `.onnx`.
        path: the item to write, ends in `.json`.

    Raises:
        GlofgeoError: If the model cannot be read, or something else is in the item's place.
        OSError: If the item cannot be written.
    """
    card = read_header(model)
    asset = {"href": stac.href(model, path.parent), **stac.file_facts(model)}
    stac.write_document(path, model_item(card, asset, onnx=model.suffix == ".onnx"))


def model_item(card: Header, asset: dict[str, Any], *, onnx: bool) -> dict[str, Any]:
    """Gives the item, plain JSON values.

    Args:
        card: what the model says about itself.
        asset: link, size and checksum of its file.
        onnx: whether it is an ONNX file, which answers with probability, or a checkpoint, which answers with logits.
    """
    config, name = card.config, f"{stac.OURS}-dinov2-{card.config.model.variant}"
    bands = [_band(band) for band in config.model.bands]
    from_scratch = config.weights == "none"
    # Versions of torch name a build or a day, which the extension does not take.
    release = re.match(r"\d+\.\d+\.\d+", str(card.provenance.get("versions", {}).get("torch", "")))
    artifact = "torch.onnx.export" if onnx else "safetensors.torch.save_file"
    return {
        "type": "Feature",
        "stac_version": stac.VERSION,
        "stac_extensions": _EXTENSIONS,
        "id": f"{name}-{card.sha256[:12]}{'-onnx' if onnx else ''}",
        # It is for no place more than for others.
        "geometry": None,
        "properties": {
            "title": "Glacial lakes from Sentinel-2",
            "description": "Gives the probability of lake for every pixel of a Sentinel-2 scene.",
            "datetime": None,
            "start_datetime": stac.FIRST_IMAGE,
            "end_datetime": _NO_END,
            **({"created": card.provenance["started"]} if "started" in card.provenance else {}),
            # The extension looks for them here; STAC allows them here where the asset has them, too.
            "bands": bands,
            "mlm:name": name,
            "mlm:architecture": "DINOv2 encoder, U-Net decoder",
            "mlm:framework": "ONNX" if onnx else "PyTorch",
            **({"mlm:framework_version": release[0]} if release and not onnx else {}),
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:pretrained": not from_scratch,
            "mlm:pretrained_source": None if from_scratch else Path(config.weights).name,
            "mlm:input": [_input(card)],
            "mlm:output": [_output(card, onnx)],
            "mlm:hyperparameters": asdict(config) | {"weights": Path(config.weights).name},
            "glofgeo:sha256": card.sha256,
            "glofgeo:scorecard": card.scorecard,
            "glofgeo:provenance": card.provenance,
        },
        "links": [],
        "assets": {
            "model": asset
            | {
                "title": "The network and its weights",
                "type": "application/octet-stream",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": artifact,
                "bands": bands,
            }
        },
    }


def _band(name: str) -> dict[str, Any]:
    if name in TERRAIN:
        return {"name": name, "description": f"{TERRAIN[name].meaning}; computed from a DEM"}
    band = BANDS[name]
    return {"name": name, "description": f"Sentinel-2 MSI, {band.wavelength:g} nm", "gsd": band.resolution}


def _input(card: Header) -> dict[str, Any]:
    window, bands = card.config.data.window, card.config.model.bands
    pixel = f"pixels of {card.pixel_m:.3g} m" if card.pixel_m else "pixels of the size it was trained on"
    return {
        "name": "reflectance",
        "description": f"Surface reflectance, 1.0 = 100 %, {pixel}; the network itself brings it to its own scale.",
        "bands": list(bands),
        "input": {
            "shape": [-1, len(bands), window, window],
            # Since 1.5 an input that lists bands must call their dimension so, and nothing else may.
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
    }


def _output(card: Header, onnx: bool) -> dict[str, Any]:
    window = card.config.data.window
    logits = {"format": "python", "expression": f"torch.sigmoid(logits / {card.temperature!r})"}
    return {
        "name": "probability" if onnx else "logits",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, 1, window, window],
            "dim_order": ["batch", "channel", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": CLASSES,
        "post_processing_function": None if onnx else logits,
    }
