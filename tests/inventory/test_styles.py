"""What a reader sees in QGIS: what is drawn how, from which scale on, and with which words."""

import colorsys
import sqlite3
import xml.etree.ElementTree as ET

import pytest

from glofgeo.inventory.styles import lake_points_qml, lakes_qml, mask_qml, probability_qml


def lines(document, symbol):
    """The outline styles of a symbol's layers."""
    layers = document.findall(f"renderer-v2/symbols/symbol[@name='{symbol}']/layer")
    return [layer.find("Option/Option[@name='outline_style']").get("value") for layer in layers]


def test_lakes_that_something_cuts_are_dashed_and_no_others():
    document = ET.fromstring(lakes_qml())
    rules = {rule.get("filter"): rule.get("symbol") for rule in document.findall("renderer-v2/rules/rule")}
    assert {what: lines(document, symbol) for what, symbol in rules.items()} == {
        '"touches_edge"': ["dash"],
        "ELSE": ["solid"],
    }


def test_points_stand_in_for_lakes_from_1_to_100_000_outwards_and_labels_appear_from_1_to_25_000_inwards():
    """QGIS reads a layer's `maxScale` as the end of zooming in, and a label's `scaleMax` as that of zooming out."""
    points, labels = ET.fromstring(lake_points_qml()), ET.fromstring(lakes_qml()).find("labeling/settings/rendering")
    names = ("hasScaleBasedVisibilityFlag", "maxScale", "minScale")
    assert [points.get(name) for name in names] == ["1", "100000", "0"]
    assert [labels.get(name) for name in ("scaleVisibility", "scaleMax", "scaleMin")] == ["1", "25000", "0"]


@pytest.mark.parametrize(
    ("area", "sigma", "told"), [(1_234_567, 23_000, "1.2346 ± 0.0230"), (700, 250, "0.0007 ± 0.0003")]
)
def test_the_label_gives_name_and_area_in_square_kilometres(area, sigma, told):
    expression = ET.fromstring(lakes_qml()).find("labeling/settings/text-style").get("fieldName")
    database = sqlite3.connect(":memory:")
    database.create_function("format_number", 2, lambda number, places: f"{number + 1e-9:.{places}f}")
    row = database.execute(
        f"SELECT {expression} FROM (SELECT 'GL086925E27898N' lake_id, {area} area_m2, {sigma} area_unc_m2)"
    ).fetchone()
    assert row == (f"GL086925E27898N\\n{told} km²",)


def test_every_field_has_a_name_of_its_own_and_areas_say_their_unit():
    aliases = {a.get("field"): a.get("name") for a in ET.fromstring(lakes_qml()).findall("aliases/alias")}
    assert len(set(aliases.values())) == len(aliases)
    assert all("m²" in aliases[field] for field in ("area_m2", "area_unc_m2")) and "(m)" in aliases["perim_m"]


def test_land_is_invisible_and_lake_is_not():
    entries = ET.fromstring(mask_qml()).findall("pipe/rasterrenderer/colorPalette/paletteEntry")
    shown = {entry.get("label"): (entry.get("value"), int(entry.get("alpha"))) for entry in entries}
    assert shown["land"] == ("0", 0)
    assert shown["lake"][0] == "1" and shown["lake"][1] > 50


def test_probability_goes_from_nothing_over_warm_to_blue():
    items = ET.fromstring(probability_qml()).findall(".//item")
    ramp = {int(item.get("value")): (item.get("color"), int(item.get("alpha"))) for item in items}
    alphas = [alpha for _, alpha in ramp.values()]
    assert list(ramp) == sorted(ramp) and alphas == sorted(alphas)
    assert alphas[:2] == [0, 0] and alphas[2] > 100
    for percent, (colour, _) in ramp.items():
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        hue = 360 * colorsys.rgb_to_hsv(red, green, blue)[0]
        assert 15 < hue < 60 if percent <= 50 else 180 < hue < 240
