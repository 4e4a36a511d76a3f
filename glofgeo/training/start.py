"""The network with its first weights."""

import dataclasses
import warnings
from pathlib import Path

from rich.console import Console

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError, GlofgeoWarning
from glofgeo.models import LakeSegmenter, build_model, load_checkpoint, load_pretrained
from glofgeo.models.bundled import bundled_model, is_bundled, require_network
from glofgeo.models.header import read_checkpoint_header
from glofgeo.training.show import show_line, show_weights


def start_model(config: TrainConfig, console: Console) -> tuple[LakeSegmenter, TrainConfig]:
    """Builds the network with its first weights; the configuration comes back with what `auto` came to.

    Raises:
        GlofgeoError: If weights are missing that the settings rely on, or are those of another network.
    """
    whole = whole_start(config)
    if whole:
        loaded = load_checkpoint(whole)
        name = "the bundled model" if is_bundled(config.weights) else whole
        show_line(console, f"Weights from {name}, all of them (SHA-256 {loaded.sha256[:12]}…)")
        return loaded.model, config
    if config.start_share:
        raise GlofgeoError(
            f"start_share {config.start_share}: {config.weights} is no whole trained network",
            "leave it out, or start from a model of the same settings",
            argument="start_share",
        )
    model = build_model(config.model)
    source = config.weights
    if source == "auto":
        source = "none" if config.model.variant == "tiny" else "dinov2"
    if source == "none" and config.tune != "full":
        raise GlofgeoError(
            f"tune {config.tune} keeps pretrained weights, and there are none", "name a file", argument="weights"
        )
    if source == "dinov2" and config.model.log_input:
        raise GlofgeoError(
            "DINOv2's weights expect reflectance, not its logarithms",
            "turn off log_input, or start from random weights",
            argument="model.log_input",
        )
    if source != "none":
        try:
            report = load_pretrained(model.encoder, source, config.model.bands, progress=not console.quiet)
        except GlofgeoError as error:
            if config.weights != "auto" or config.tune != "full":
                raise
            warnings.warn(f"training starts from random weights: {error}", GlofgeoWarning, stacklevel=3)
            source = "none"
        else:
            show_weights(console, report)
    return model, dataclasses.replace(config, weights=source)


def whole_start(config: TrainConfig) -> Path | None:
    """Gives the checkpoint that holds this very network, if the weights are one; of others the encoder is taken.

    Raises:
        GlofgeoError: If the bundled weights are wanted for another network.
    """
    if is_bundled(config.weights):
        require_network(config.model)
        return bundled_model()
    path = Path(config.weights)
    if not path.is_file():
        return None
    try:
        header, _ = read_checkpoint_header(path)
    except GlofgeoError:
        return None
    return path if header.config.model == config.model else None
