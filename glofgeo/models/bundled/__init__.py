"""The model that comes with glofgeo: its weights and its card. It goes by the name `bundled`."""

from importlib.resources import files
from pathlib import Path

BUNDLED = "bundled"


def is_bundled(model: str | Path | None) -> bool:
    """Whether a name means the model that comes with glofgeo; a file that is called so goes first."""
    return str(model) == BUNDLED and not Path(BUNDLED).is_file()


def bundled_model() -> Path:
    """Gives its checkpoint."""
    return _folder() / "lakes.safetensors"


def bundled_card() -> str:
    """Gives its card, Markdown: what it saw, what it never saw, and what it is good for."""
    return (_folder() / "card.md").read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(str(files(__name__)))
