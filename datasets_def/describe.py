"""What a person wants to know of a scene before doing anything with it."""

from pathlib import Path

from datasets_def.scene import Scene, open_scene


def describe_scene(path: str | Path, offset: float | None = None) -> str:
    """What a person wants to know of a scene, in lines; for `offset` see `open_scene`."""
    scene = open_scene(path, offset=offset)
    there = [name for name, layer in scene.layers.items() if not layer.path.startswith("!")]
    lines = {
        "scene": scene.id,
        "level": scene.level or "unknown",
        "acquired": str(scene.datetime or "unknown"),
        "baseline": scene.baseline or "unknown",
        "grid": f"{scene.shape[0]} x {scene.shape[1]} pixels of {scene.transform.a:g}, {scene.crs.to_string()}",
        "reflectance": scene.radiometry,
        "no data": scene.missing,
        "bands": ", ".join(there) or "none",
        "cloud mask": "scene classification" if scene.has_cloud_mask else "none: clouds count as observed",
        "checksums": _told_checksums(scene),
    }
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())


def _told_checksums(scene: Scene) -> str:
    layers = [layer for layer in (*scene.layers.values(), scene.classification) if layer and layer.image]
    unknown = [layer for layer in layers if layer.image and not layer.image.is_verified]
    if not layers or len(unknown) == len(layers):
        return "none: damage to the pixels is not noticed"
    files = f" but for {len(unknown)} of {len(layers)} files, which have none" if unknown else ""
    return f"compared when a file is read{files}"
