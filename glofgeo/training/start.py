"""The network with its first weights."""

import dataclasses
import warnings

from rich.console import Console

from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError, GlofgeoWarning
from glofgeo.models import LakeSegmenter, build_model, load_checkpoint, load_pretrained
from glofgeo.models.bundled import bundled_model, is_bundled, require_network
from glofgeo.training.show import show_line, show_weights


def start_model(config: TrainConfig, console: Console) -> tuple[LakeSegmenter, TrainConfig]:
    """Builds the network with its first weights; the configuration comes back with what `auto` came to.

    Raises:
        GlofgeoError: If weights are missing that the settings rely on, or are those of another network.
    """
    if is_bundled(config.weights):
        return _bundled(config, console), config
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


def _bundled(config: TrainConfig, console: Console) -> LakeSegmenter:
    """Gives the model that comes with glofgeo, whole: encoder, stem, decoder and head."""
    require_network(config.model)
    loaded = load_checkpoint(bundled_model())
    show_line(console, f"Weights from the bundled model, all of them (SHA-256 {loaded.sha256[:12]}…)")
    return loaded.model
