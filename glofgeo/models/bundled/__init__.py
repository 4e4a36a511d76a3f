"""The model that comes with glofgeo: its weights and its card. It goes by the name `bundled`."""

from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path

from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models.header import read_header

BUNDLED = "bundled"

_CAVEAT = "it comes with glofgeo, and its skill on Himalayan glacial lakes is unmeasured"


def is_bundled(model: str | Path | None) -> bool:
    """Whether a name means the model that comes with glofgeo, whatever files lie around."""
    return str(model) == BUNDLED


def caveat(sha256: str) -> str | None:
    """What nobody knows of the model that comes with glofgeo; None for other models.

    Args:
        sha256: of the model: a copy or an export of it, under whatever name, is the same model.
    """
    return _CAVEAT if sha256 == _own_sha256() else None


def model_words(name: str, sha256: str) -> str:
    """Names a model for people, with what nobody knows of it."""
    return "; ".join(filter(None, (f"{name}, SHA-256 {sha256[:12]}…", caveat(sha256))))


def bundled_model() -> Path:
    """Gives its checkpoint."""
    return _folder() / "lakes.safetensors"


def bundled_card() -> str:
    """Gives its card, Markdown: what it saw, what it never saw, and what it is good for."""
    return (_folder() / "card.md").read_text(encoding="utf-8")


def require_network(model: ModelConfig) -> None:
    """Makes sure that the bundled weights fit a network.

    Raises:
        GlofgeoError: If they do not, naming the first setting that differs.
    """
    own = asdict(read_header(bundled_model()).config.model)
    for name, value in asdict(model).items():
        if value != own[name]:
            raise GlofgeoError(
                f"model.{name} {value}: the bundled model has {own[name]}",
                "leave it out (the preset `finetune` has its settings), or start from other weights",
                argument=f"model.{name}",
            )


@cache
def _own_sha256() -> str:
    return read_header(bundled_model()).sha256


def _folder() -> Path:
    return Path(str(files(__name__)))
