"""A map's files as one group of QGIS layers, named after scene and date (QGIS layer definition, `.qlr`).

Dragged in one by one, the files of every map would be called "mask", "probability" and "lakes".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree

from rasterio.crs import CRS

from glofgeo.inventory.attributes import COLUMNS
from glofgeo.inventory.raster_styles import mask_qml, probability_qml
from glofgeo.inventory.styles import lake_points_qml, lakes_qml


@dataclass(frozen=True)
class _Layer:
    """A file's layer: its name in the group, where it lies beside the group's own file, what it is, and its style."""

    name: str
    source: str
    provider: str
    attributes: dict[str, str]
    qml: str
    shown: bool


def layer_definition(scene_id: str, acquired: datetime | None, crs: CRS, columns: Iterable[str] = COLUMNS) -> str:
    """Gives the group of a map's folder: lakes over mask over probability, which is not shown at first.

    Args:
        scene_id: names the group.
        acquired: when the scene was sensed; names the layers, too, where it is known.
        crs: of all layers.
        columns: of the lakes.

    Returns:
        The text of a `.qlr`, to be written into that folder. Paths in it are relative.
    """
    root = ElementTree.Element("qlr")
    tree = ElementTree.SubElement(root, "layer-tree-group", name="", checked="Qt::Checked", expanded="1")
    group = ElementTree.SubElement(tree, "layer-tree-group", name=scene_id, checked="Qt::Checked", expanded="1")
    layers = ElementTree.SubElement(root, "maplayers")
    suffix = f" {acquired:%Y-%m-%d}" if acquired else ""
    for number, layer in enumerate(_layers(columns)):
        key, name = f"glofgeo_{number}", layer.name + suffix
        ElementTree.SubElement(
            group, "layer-tree-layer", id=key, name=name, source=layer.source, providerKey=layer.provider,
            checked="Qt::Checked" if layer.shown else "Qt::Unchecked", expanded=str(int(layer.shown)),
        )  # fmt: skip
        style = ElementTree.fromstring(layer.qml)
        element = ElementTree.SubElement(layers, "maplayer", {**style.attrib, **layer.attributes})
        for tag, text in (
            ("id", key), ("datasource", layer.source), ("layername", name), ("provider", layer.provider),
        ):  # fmt: skip
            ElementTree.SubElement(element, tag).text = text
        system = ElementTree.SubElement(ElementTree.SubElement(element, "srs"), "spatialrefsys", nativeFormat="Wkt")
        ElementTree.SubElement(system, "wkt").text = crs.to_wkt()
        element.extend(style)
    ElementTree.indent(root)
    return "<!DOCTYPE qgis-layer-definition>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _layers(columns: Iterable[str]) -> list[_Layer]:
    polygons, points, raster = (
        {"type": "vector", "geometry": "Polygon"},
        {"type": "vector", "geometry": "Point"},
        {"type": "raster"},
    )
    return [
        _Layer("lakes", "./lakes.gpkg|layername=lakes", "ogr", polygons, lakes_qml(columns), True),
        _Layer("lakes from afar", "./lakes.gpkg|layername=lakes_points", "ogr", points, lake_points_qml(), True),
        _Layer("mask", "./mask.tif", "gdal", raster, mask_qml(), True),
        _Layer("probability", "./probability.tif", "gdal", raster, probability_qml(), False),
    ]
