"""What a reader sees in QGIS: what is drawn how, from which scale on, and with which words."""

import colorsys
import sqlite3
import xml.etree.ElementTree as ET

import pytest

from glofgeo.inventory import COLUMNS
from glofgeo.inventory.raster_styles import mask_qml, probability_qml
from glofgeo.inventory.styles import lake_points_qml, lakes_qml


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


def test_points_stand_in_for_lakes_from_1_to_100_000_outwards_and_labels_appear_from_1_to_250_000_inwards():
    """QGIS reads a layer's `maxScale` as the end of zooming in, and a label's `scaleMax` as that of zooming out."""
    points, labels = ET.fromstring(lake_points_qml()), ET.fromstring(lakes_qml()).find("labeling/settings/rendering")
    names = ("hasScaleBasedVisibilityFlag", "maxScale", "minScale")
    assert [points.get(name) for name in names] == ["1", "100000", "0"]
    assert [labels.get(name) for name in ("scaleVisibility", "scaleMax", "scaleMin")] == ["1", "250000", "0"]


def evaluated(expression, dates=("2023-10-12",), **values):
    """What QGIS makes of an expression, by SQLite and the functions that only QGIS has."""
    database = sqlite3.connect(":memory:")
    for name, arguments, function in (
        ("format_number", 2, lambda number, places: f"{number + 1e-9:.{places}f}"),
        ("format_date", 2, lambda day, _: day),
        ("to_date", 1, lambda day: day),
        ("minimum", 1, lambda _: min(dates)),
        ("maximum", 1, lambda _: max(dates)),
    ):
        database.create_function(name, arguments, function)
    columns = ", ".join(f"{value!r} {name}" for name, value in values.items())
    return database.execute(f"SELECT {expression} FROM (SELECT {columns})").fetchone()[0]


@pytest.mark.parametrize(
    ("area", "sigma", "told"), [(1_234_567, 23_000, "1.2346 ± 0.0230"), (700, 250, "0.0007 ± 0.0003")]
)
def test_the_label_gives_name_and_area_and_the_date_only_where_there_are_several(area, sigma, told):
    label = ET.fromstring(lakes_qml()).find("labeling/settings/text-style").get("fieldName")
    lake = {"lake_id": "GL086925E27898N", "area_m2": area, "area_unc_m2": sigma, "acq_datetime": "2023-10-12"}
    assert evaluated(label, **lake) == f"GL086925E27898N\\n{told} km²"
    assert evaluated(label, ("2023-10-12", "2025-10-01"), **lake) == f"GL086925E27898N\\n{told} km²\\n2023-10-12"


@pytest.mark.parametrize(("scale", "smallest"), [(10_000, 1600), (100_000, 160_000)])
def test_a_lake_is_labelled_if_it_is_4_mm_wide_on_the_screen(scale, smallest):
    (shown,) = [o for o in ET.fromstring(lakes_qml()).iter("Option") if o.get("name") == "expression"]
    expression = shown.get("value").replace("@map_scale", str(scale))
    assert [evaluated(expression, area_m2=area) for area in (0.99 * smallest, 1.01 * smallest)] == [0, 1]


def test_the_form_rounds_what_was_measured_and_keeps_it_from_being_typed_over():
    document = ET.fromstring(lakes_qml())
    fields = {field.get("name"): field.find("editWidget") for field in document.findall("fieldConfiguration/field")}
    assert set(fields) == set(COLUMNS)
    options = {
        name: {option.get("name"): option.get("value") for option in widget.iter("Option")}
        for name, widget in fields.items()
        if widget.get("type") == "Range"
    }
    assert {name: one["Precision"] + one["Suffix"] for name, one in options.items()} == {
        "area_m2": "0 m²", "perim_m": "0 m", "area_unc_m2": "0 m²", "n_px": "0 px",
        "prob_mean": "2", "prob_p10": "2", "valid_frac": "2",
    }  # fmt: skip
    editable = {field.get("name"): field.get("editable") for field in document.findall("editable/field")}
    assert {name for name, value in editable.items() if value == "0"} == set(options)


def test_every_field_has_a_name_of_its_own_and_areas_say_their_unit():
    aliases = {a.get("field"): a.get("name") for a in ET.fromstring(lakes_qml()).findall("aliases/alias")}
    assert len(set(aliases.values())) == len(aliases)
    assert all("m²" in aliases[field] for field in ("area_m2", "area_unc_m2")) and "(m)" in aliases["perim_m"]


def test_land_is_invisible_and_lake_is_not():
    entries = ET.fromstring(mask_qml()).findall("pipe/rasterrenderer/colorPalette/paletteEntry")
    shown = {entry.get("label"): (entry.get("value"), int(entry.get("alpha"))) for entry in entries}
    assert shown["land"] == ("0", 0)
    assert shown["lake"][0] == "1" and shown["lake"][1] > 50


@pytest.mark.parametrize("qml", [mask_qml(), probability_qml()])
def test_what_was_not_observed_is_grey_on_the_map_and_in_the_legend(qml):
    """QGIS draws missing data in `nodataColor` and lists it in no legend: an entry of the value 255 stands there."""
    (renderer,) = ET.fromstring(qml).iter("rasterrenderer")
    red, green, blue, alpha = map(int, renderer.get("nodataColor").split(","))
    assert max(red, green, blue) - min(red, green, blue) < 10 and 80 < red < 160 and alpha > 150
    (entry,) = [entry for entry in renderer.iter() if entry.get("label") == "not observed"]
    assert (entry.get("value"), entry.get("alpha")) == ("255", "255")


def test_probability_lets_the_imagery_through():
    (renderer,) = ET.fromstring(probability_qml()).iter("rasterrenderer")
    assert renderer.get("opacity") == "0.5"


def test_probability_goes_from_nothing_over_warm_to_blue():
    items = ET.fromstring(probability_qml()).findall(".//item")
    ramp = {int(item.get("value")): (item.get("color"), int(item.get("alpha"))) for item in items[:-1]}
    assert max(ramp) == 100
    alphas = [alpha for _, alpha in ramp.values()]
    assert list(ramp) == sorted(ramp) and alphas == sorted(alphas)
    assert alphas[:2] == [0, 0] and alphas[2] > 100
    for percent, (colour, _) in ramp.items():
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        hue = 360 * colorsys.rgb_to_hsv(red, green, blue)[0]
        assert 15 < hue < 60 if percent <= 50 else 180 < hue < 240
