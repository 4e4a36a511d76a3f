"""A map's folder as one group of named layers."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest
from rasterio.crs import CRS

from glofgeo.inventory.layer_definition import layer_definition

SCENE = "S2A_MSIL2A_20231012T045701_N0509_R119_T45RVL_20231012T085701"


@pytest.mark.parametrize("acquired", [datetime(2023, 10, 12, 4, 57, tzinfo=UTC), None])
def test_layers_are_named_after_scene_and_date_and_found_wherever_the_folder_is(acquired):
    root = ET.fromstring(layer_definition(SCENE, acquired, CRS.from_epsg(32645)))
    group = root.find("layer-tree-group/layer-tree-group")
    assert group.get("name") == SCENE
    day = " 2023-10-12" if acquired else ""
    listed = {node.get("id"): (node.get("name"), node.get("source")) for node in group}
    assert [name for name, _ in listed.values()] == [
        f"{name}{day}" for name in ("lakes", "lakes from afar", "mask", "probability")
    ]
    layers = root.findall("maplayers/maplayer")
    assert {one.findtext("id"): (one.findtext("layername"), one.findtext("datasource")) for one in layers} == listed
    assert all(one.findtext("datasource").startswith("./") for one in layers)
    assert all("32645" in one.findtext("srs/spatialrefsys/wkt") for one in layers)


def test_each_layer_has_its_style():
    root = ET.fromstring(layer_definition("a <&> b", None, CRS.from_epsg(32645)))
    lakes, points, mask, probability = root.findall("maplayers/maplayer")
    assert lakes.find("renderer-v2").get("type") == "RuleRenderer" and lakes.get("labelsEnabled") == "1"
    assert points.get("maxScale") == "100000"
    assert [one.find("pipe/rasterrenderer").get("type") for one in (mask, probability)] == [
        "paletted", "singlebandpseudocolor",
    ]  # fmt: skip
