"""A scene as one layer of a few bands, which Deepness and other readers of plain pixels want."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from rasterio.windows import Window

from datasets_def.atomic import written_beside
from datasets_def.files import Layer
from datasets_def.in_place import is_remote
from datasets_def.scene import Scene
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.raster_styles import true_colour_qml
from glofgeo.inventory.styles import STYLE_MARK
from glofgeo.models.onnx import STACK_OFFSET, STACK_SCALE
from glofgeo.version import __version__

_COLOURS = {"B04": "Red", "B03": "Green", "B02": "Blue"}
# Reflectance that is shown white: fresh snow is brighter, and everything else has room below.
_WHITE = 0.5


def write_stack(scene: Scene, out: Path, bands: Sequence[str]) -> Path:
    """Writes a virtual raster (VRT) that shows some bands of a scene on the scene's grid; no pixel is copied.

    Its DN mean the same for every scene, whatever the processing baseline or the file format: uint16, reflectance =
    (DN - 1000) / 10000, 0 = no data. That is what products have held since baseline 04.00, and the numbers of older
    ones raised by 1000, so that dark water and shadow, which can be below zero, keep their values. A DN of 0 in one
    band is no data here, whatever a file declares: a VRT cannot look at all bands together. Coarser bands are
    replicated. The bands carry no scale, because QGIS would apply it and give Deepness other numbers.

    Beside it lies a style with which QGIS shows red as red; one that somebody saved there stays.

    Args:
        scene: stays where it is: the VRT refers to its files by their relative path, so that both can be moved
            together (not to what is inside a zipped product).
        out: folder; made if need be.
        bands: names, in the order the model reads them; they become the band descriptions.

    Returns:
        `OUT/<scene id>_stack.vrt`.

    Raises:
        GlofgeoError: If a band is missing or its file cannot be read, or the file cannot be written.
    """
    if any(is_remote(scene.layers[band].path) for band in bands if band in scene.layers):
        raise GlofgeoError(
            f"{scene.path}: lies on the network, and QGIS would not read it as well", "download it first"
        )
    # GDAL would show a missing or shortened file as nodata, and a file on another grid stretched.
    scene.read(Window(0, 0, 1, 1), bands)
    path = out / f"{scene.id}_stack.vrt"
    _require_replaceable(path)
    try:
        with written_beside(path) as part:
            ElementTree.ElementTree(_dataset(scene, out, bands)).write(part, encoding="utf-8")
        _write_style(path.with_suffix(".qml"), bands)
    except OSError as error:
        reason = error.strerror or error
        raise GlofgeoError(f"{path}: cannot write there ({reason})", "name another folder", argument="out") from error
    return path


def _write_style(path: Path, bands: Sequence[str]) -> None:
    """Writes how QGIS shows the stack, or removes what shows another, unless somebody else wrote it."""
    if os.path.lexists(path) and STYLE_MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return
    style = true_colour_qml(bands, STACK_OFFSET, STACK_OFFSET + _WHITE * STACK_SCALE)
    if style is None:
        path.unlink(missing_ok=True)
    else:
        with written_beside(path) as part:
            part.write_text(style, encoding="utf-8")


def _require_replaceable(path: Path) -> None:
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError, ElementTree.ParseError):
        if not path.is_symlink() and path.is_file():
            software = ElementTree.parse(path).find("Metadata/MDI[@key='SOFTWARE']")
            if software is not None and (software.text or "").startswith("glofgeo "):
                return
    raise GlofgeoError(
        f"{path}: was not written by glofgeo, and is not replaced",
        "name another folder",
        argument="out",
    )


def _dataset(scene: Scene, out: Path, bands: Sequence[str]) -> ElementTree.Element:
    rows, cols = scene.shape
    root = ElementTree.Element("VRTDataset", rasterXSize=str(cols), rasterYSize=str(rows))
    ElementTree.SubElement(root, "SRS").text = scene.crs.to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, scene.transform.to_gdal()))
    metadata = ElementTree.SubElement(root, "Metadata")
    tags = {"SCENE_ID": scene.id, "SOFTWARE": f"glofgeo {__version__}", "BOA_ADD_OFFSET": str(-STACK_OFFSET)}
    if scene.datetime:
        tags["ACQUISITION_DATETIME"] = scene.datetime.isoformat()
    for name, value in tags.items():
        ElementTree.SubElement(metadata, "MDI", key=name).text = value
    for number, band in enumerate(bands, 1):
        element = ElementTree.SubElement(root, "VRTRasterBand", dataType="UInt16", band=str(number))
        ElementTree.SubElement(element, "Description").text = band
        ElementTree.SubElement(element, "NoDataValue").text = "0"
        if band in _COLOURS:
            ElementTree.SubElement(element, "ColorInterp").text = _COLOURS[band]
        element.append(_source(scene, scene.layers[band], out))
    return root


def _source(scene: Scene, layer: Layer, out: Path) -> ElementTree.Element:
    """One band's file, from its own numbers to those of the stack."""
    name, relative = _reference(layer.path, out)
    rows, cols = (-(-side // layer.factor) for side in scene.shape)
    source = ElementTree.Element("ComplexSource")
    ElementTree.SubElement(source, "SourceFilename", relativeToVRT=str(int(relative))).text = name
    ElementTree.SubElement(source, "SourceBand").text = str(layer.index)
    ElementTree.SubElement(source, "SrcRect", xOff="0", yOff="0", xSize=str(cols), ySize=str(rows))
    width, height = cols * layer.factor, rows * layer.factor
    ElementTree.SubElement(source, "DstRect", xOff="0", yOff="0", xSize=str(width), ySize=str(height))
    ratio = STACK_SCALE / layer.quantification
    ElementTree.SubElement(source, "ScaleOffset").text = repr(layer.offset * ratio + STACK_OFFSET)
    ElementTree.SubElement(source, "ScaleRatio").text = repr(ratio)
    ElementTree.SubElement(source, "NODATA").text = repr(float(layer.nodata or 0))
    if layer.masked or layer.alpha:
        ElementTree.SubElement(source, "UseMaskBand").text = "true"
    return source


def _reference(path: str, out: Path) -> tuple[str, bool]:
    """A file's path for the VRT, and whether it is relative to it."""
    if path.startswith("/vsi"):
        return path, False
    file = Path(path).resolve()
    try:
        return Path(os.path.relpath(file, out.resolve())).as_posix(), True
    except ValueError:  # on another drive of Windows
        return str(file), False
