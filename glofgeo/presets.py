"""What `--config` names: settings that go together, or a YAML file of them."""

from pathlib import Path
from typing import Any

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.settings import from_dict

_LARGEST = 2**20  # bytes of YAML; a run's whole configuration takes a thousandth

# Every field not named here keeps its default.
PRESETS: dict[str, dict[str, Any]] = {
    "large": {},
    "small": {"model": {"variant": "small"}, "data": {"batch_size": 8}, "encoder_lr": 1e-4},
    # For the 223 water chips that docs/evaluation.md tells of: at most ten minutes on two cores, no pretrained weights.
    "chips": {
        "model": {
            "variant": "tiny",
            "image_size": 28,
            "decoder_channels": [96, 64, 48, 32, 16],
            "stem_channels": [32, 48],
            "log_input": True,
        },
        # Small windows and many a step: it is to learn what water looks like, not what these few places look like.
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
        # One: the few places that validate would choose among several at random.
        "epochs": 1,
        "lr": 1e-3,
        "encoder_lr": 1e-3,
        "ema": 0.995,
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
}


def load_preset(name: str) -> dict[str, Any]:
    """Finds the settings that `--config` names: a preset, or a YAML file.

    Returns:
        Nested plain values, fields of `TrainConfig`.

    Raises:
        GlofgeoError: If there is neither, or the file is no YAML mapping of known settings.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if not path.is_file():
        raise GlofgeoError(f"--config {name}: neither a preset ({', '.join(PRESETS)}) nor a YAML file")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise GlofgeoError(f"{path}: holds no settings; write `name: value` lines, as in a run's config.yaml")
    from_dict(TrainConfig, values, str(path))
    return values


def read_yaml(path: Path) -> Any:
    """Reads a YAML file of settings.

    Raises:
        GlofgeoError: If it cannot be read as YAML, holds a name twice, or is larger than settings are.
    """
    import yaml

    from glofgeo.yaml_loader import Loader

    try:
        if path.stat().st_size > _LARGEST:
            raise GlofgeoError(f"{path}: {path.stat().st_size:,} bytes are no settings; name another file")
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader)
    # YAML's own errors, and what its converters of dates and numbers raise.
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
