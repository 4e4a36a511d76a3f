"""The verb `export`: a model or a lake layer in the form that another program reads."""

from pathlib import Path

from glofgeo.errors import GlofgeoError
from glofgeo.models.bundled import BUNDLED, bundled_model

# Formats of a lake layer, and the endings of their files.
LAYER_FORMATS = {"fgb": ".fgb", "pmtiles": ".pmtiles", "geoparquet": ".parquet"}


def export_model(
    source: Path, form: str, out: Path | None = None, scene: Path | None = None, offset: float | None = None
) -> tuple[Path, Path | None]:
    """Exports a model.

    Args:
        source: a checkpoint, or for `mlm` an exported `.onnx`, too.
        form: `onnx`, one file with the whole model; `mlm`, a STAC item that describes it.
        out: folder; by default the model's, and for the bundled model, which lies within the installation and so in no
            place to write, the current one.
        scene: also write the single layer of this scene that Deepness needs.
        offset: DN to add in a scene that does not tell; see `open_scene`.

    Returns:
        The file, named after the model (`best.onnx`, `best.json`, `best.onnx.json`), and the layer if there is one.

    Raises:
        GlofgeoError: If the model or the scene cannot be read, or something else is in the place of a file.
    """
    place = Path(BUNDLED) if source == bundled_model() else source
    folder = out or place.parent
    if form == "mlm":
        from glofgeo.models.mlm import write_model_item

        # The checkpoint that an ONNX file was exported from has an item of its own.
        path = folder / (f"{place.name}.json" if place.suffix == ".onnx" else f"{place.stem}.json")
        write_model_item(source, path)
        return path, None
    from datasets_def.bands import TERRAIN
    from datasets_def.scene import open_scene
    from glofgeo.mapping.deepness_layer import write_stack
    from glofgeo.models import export_onnx, load_checkpoint
    from glofgeo.models.onnx import require_replaceable

    if source.suffix == ".onnx":
        raise GlofgeoError(f"{source}: is exported already", "give the .safetensors", argument="checkpoint")
    loaded = load_checkpoint(source)
    bands = loaded.config.model.bands
    path = folder / f"{place.stem}.onnx"
    require_replaceable(path)
    if scene and (terrain := [band for band in bands if band in TERRAIN]):
        raise GlofgeoError(
            f"{source}: reads {' and '.join(terrain)}, which the layer for Deepness does not hold",
            "leave the scene out, and map with the exported model here",
            argument="scene",
        )
    stack = write_stack(open_scene(scene, bands, offset=offset), folder, bands) if scene else None
    export_onnx(loaded, path)
    return path, stack


def export_lakes(source: Path, form: str, out: Path | None = None) -> Path:
    """Exports the layer `lakes` of a GeoPackage that glofgeo wrote.

    Args:
        source: the `lakes.gpkg`.
        form: one of `LAYER_FORMATS`.
        out: folder; by default the source's.

    Returns:
        The file, named after the source.

    Raises:
        GlofgeoError: If the layer cannot be read, what the format needs is not installed, or a file is in its place.
    """
    from glofgeo.inventory.export import write_layer

    path = (out or source.parent) / (source.stem + LAYER_FORMATS[form])
    if path.exists():
        raise GlofgeoError(
            f"{path}: exists already, and is not replaced", "move it away, or name another folder", argument="out"
        )
    write_layer(source, path)
    return path
