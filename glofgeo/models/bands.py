"""Whether a scene has the bands that a model reads."""

from collections.abc import Sequence

from glofgeo.errors import GlofgeoError


def require_bands(bands: Sequence[str], scene_bands: Sequence[str], scene: str) -> None:
    """Refuses a scene that lacks a band the model reads.

    Args:
        bands: names of those that the model reads, in order.
        scene_bands: names of the bands the scene has, in any order.
        scene: its path or id, for the message.

    Raises:
        GlofgeoError: If a band is missing.
    """
    missing = [band for band in bands if band not in scene_bands]
    if missing:
        raise GlofgeoError(
            f"{scene} has no {', '.join(missing)} (it has {', '.join(scene_bands)}): "
            f"this model reads {', '.join(bands)}",
            "take another scene or a model for its bands",
        )
