"""Presets, settings that go together, and YAML files of settings."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models.bundled import BUNDLED, bundled_model, is_bundled
from glofgeo.models.header import read_header
from glofgeo.settings import from_dict

_LARGEST = 2**20  # bytes of YAML; the whole configuration of a run takes a thousandth of that

# Every field not named here keeps its default.
PRESETS: dict[str, dict[str, Any]] = {
    "large": {},
    "small": {"model": {"variant": "small"}, "data": {"batch_size": 8}, "encoder_lr": 1e-4},
    # For the 223 water chips in docs/evaluation.md: at most ten minutes on two cores, no pretrained weights.
    "chips": {
        "model": {
            "variant": "tiny",
            "image_size": 28,
            "decoder_channels": [96, 64, 48, 32, 16],
            "stem_channels": [32, 48],
            "log_input": True,
        },
        # Many small crops per step, so that the network learns what water looks like and not these few places.
        "data": {
            "window": 28,
            "batch_size": 96,
            "crops": 28800,
            "workers": 1,
            "lake_share": 0.0,
            "hard_share": 0.0,
            "val_share": 0.05,
        },
        "loss": {"lovasz": 0.0, "dice": 0.0, "lake_weight": 1.5},
        "augment": {"light": 0.1, "haze": 0.01},
        "weights": "none",
        # With more epochs, the few validation places would choose among them more or less at random.
        "epochs": 1,
        "lr": 1e-3,
        "encoder_lr": 1e-3,
        "ema": 0.995,
    },
    # For the model that comes with the package: trained on synthetic worlds, see benchmarks/bundled_recipe.py.
    "bundled": {
        "model": {
            "variant": "tiny",
            "image_size": 126,
            "decoder_channels": [96, 48, 32, 16, 16],
            "stem_channels": [16, 32, 64, 128],
            "log_input": True,
            "wide_view": 4,
        },
        "data": {"window": 126, "batch_size": 16, "crops": 9000, "workers": 1, "lake_share": 0.5, "hard_share": 0.2},
        "weights": "none",
        "epochs": 4,
        "lr": 1e-3,
        "encoder_lr": 1e-3,
        "patience": 4,
        "ema": 0.998,
    },
    "demo": {
        "model": {"variant": "tiny"},
        "data": {"window": 252, "batch_size": 8, "crops": 200, "workers": 0, "lake_share": 0.5, "hard_share": 0.1},
        "weights": "none",
        "epochs": 6,
        "lr": 2e-3,
        "encoder_lr": 2e-3,
        "patience": 6,
    },
    # A few lakes of a new region on two cores: short, and at about a tenth of the rates that a random start needs.
    "finetune": {
        "weights": BUNDLED,
        "data": {"window": 252, "batch_size": 8, "crops": 200, "workers": 0},
        "epochs": 10,
        "lr": 2e-4,
        "encoder_lr": 1e-4,
        "start_share": 0.25,
    },
}


def load_preset(name: str | None = None, weights: str | None = None) -> dict[str, Any]:
    """Finds settings by name.

    Settings that start from the bundled model, or from another checkpoint of glofgeo, have its network, unless they
    name another.

    Args:
        name: a preset, or the path of a YAML file; by default `finetune` for such weights, otherwise `large`.
        weights: what to start from; by default what the settings say.

    Returns:
        Nested plain values, fields of `TrainConfig`.

    Raises:
        GlofgeoError: If there is neither, or the file is not a YAML mapping of known settings.
    """
    name = name or ("finetune" if _network_of(weights) else "large")
    values = PRESETS[name] if name in PRESETS else _read_settings(Path(name))
    network = _network_of(weights or values.get("weights"))
    if network is None:
        return values
    return values | {"model": _told(network) | values.get("model", {})}


def _network_of(weights: str | None) -> ModelConfig | None:
    """Gives the network of the bundled model or of a checkpoint of glofgeo; None for other weights."""
    path = bundled_model() if is_bundled(weights) else Path(weights or "none")
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        return read_header(path).config.model
    except GlofgeoError:  # of timm or Hugging Face, or damaged, which is told when it is read
        return None


def _told(network: ModelConfig) -> dict[str, Any]:
    """Gives the settings of a network."""
    # What is as usual stays unsaid: were other bands asked for, their statistics would be in the way of the refusal.
    usual = asdict(ModelConfig(bands=network.bands))
    return {name: value for name, value in asdict(network).items() if name == "bands" or value != usual[name]}


def _read_settings(path: Path) -> dict[str, Any]:
    """Reads a YAML file of settings, which must be known."""
    if not path.is_file():
        raise GlofgeoError(f"{path}: neither a preset ({', '.join(PRESETS)}) nor a YAML file", argument="config")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise GlofgeoError(f"{path}: holds no settings", "write `name: value` lines, as in the config.yaml of a run")
    from_dict(TrainConfig, values, str(path))
    return values


def read_yaml(path: Path) -> Any:
    """Reads a YAML file of settings.

    Raises:
        GlofgeoError: If it cannot be read as YAML, holds a name twice, or is too large for a file of settings.
    """
    import yaml

    from glofgeo.yaml_loader import Loader

    try:
        if path.stat().st_size > _LARGEST:
            raise GlofgeoError(f"{path}: too large for a file of settings ({path.stat().st_size:,} bytes)")
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader)
    # The errors of YAML itself, and those that its converters of dates and numbers raise.
    except (
        yaml.YAMLError,
        OSError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise GlofgeoError(f"{path}: not readable as YAML ({(str(error) or 'nothing').splitlines()[0]})") from None
