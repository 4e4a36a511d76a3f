"""Describes a scene in words, for a person."""

from pathlib import Path

from datasets_def.acquired import tells_hour
from datasets_def.bands import BANDS
from datasets_def.files import ABSENT
from datasets_def.scene import Scene, open_scene


def describe_scene(path: str | Path, offset: float | None = None) -> str:
    """Describes a scene in lines of a name and a value with its unit.

    Args:
        path: as for `open_scene`.
        offset: as for `open_scene`.

    Raises:
        GlofgeoError: As `open_scene`.
    """
    scene = open_scene(path, offset=offset)
    lines = {
        "scene": scene.id,
        "level": scene.level or "unknown",
        "acquired": _time(scene),
        "baseline": scene.baseline or "unknown",
        "grid": _grid(scene),
        "reflectance": scene.radiometry,
        "no data": scene.missing,
        "bands": _present(scene),
        "missing": _absent(scene),
        "cloud mask": "scene classification" if scene.has_cloud_mask else "none: clouds count as observed",
        "checksums": _checksums(scene),
    }
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())


def _time(scene: Scene) -> str:
    if scene.datetime is None:
        return "unknown"
    return f"{scene.datetime:%Y-%m-%d %H:%M:%S} UTC" if tells_hour(scene.datetime) else f"{scene.datetime:%Y-%m-%d}"


def _grid(scene: Scene) -> str:
    rows, cols = scene.shape
    unit = scene.crs.units_factor[0]
    size = f"{scene.transform.a:.10g} {unit}s" if unit != "metre" else f"{scene.transform.a:.10g} m"
    ground = "" if unit == "metre" else f" ({scene.grid.pixel_side:.3g} m on the ground)"
    return f"{rows} rows x {cols} columns, pixels of {size}{ground}, {scene.crs.to_string()}"


def _present(scene: Scene) -> str:
    """Names the bands that are there, by the size of their pixels."""
    sizes: dict[int, list[str]] = {}
    for name, layer in scene.layers.items():
        if not layer.path.startswith(ABSENT):
            sizes.setdefault(layer.factor, []).append(name)
    side = scene.grid.pixel_side
    groups = [f"{', '.join(names)} at {side * factor:.3g} m" for factor, names in sorted(sizes.items())]
    return "; ".join(groups) or "none"


def _absent(scene: Scene) -> str:
    """Names the bands that are not there, and why."""
    reasons: dict[str, list[str]] = {}
    for name in BANDS:
        layer = scene.layers.get(name)
        if layer is None and scene.level == "L2A" and name == "B10":
            reason = "Level-2A products have no cirrus band"
        elif layer is None:
            reason = "the file does not hold them"
        elif not layer.path.startswith(ABSENT):
            continue
        elif layer.path.endswith(".jp2"):
            reason = "listed in the product's metadata, but the file is not there; download the product again"
        else:
            reason = "the product does not list them"
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items()) or "none"


def _checksums(scene: Scene) -> str:
    layers = [layer for layer in (*scene.layers.values(), scene.classification) if layer and layer.image]
    unknown = [layer for layer in layers if layer.image and not layer.image.is_verified]
    if not layers or len(unknown) == len(layers):
        return "none: damaged pixels would go unnoticed"
    files = f", but for {len(unknown)} of {len(layers)} files, which have none" if unknown else ""
    return f"compared when a file is read{files}"
