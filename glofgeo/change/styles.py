"""How QGIS shows changes: by class, by gain and loss, and over time."""

from xml.sax.saxutils import quoteattr

from glofgeo.inventory.styles import SPAN, symbol, symbol_layer, vector_document

# Told apart by any two kinds of cones, on imagery too; the report uses the same.
COLOURS = {
    "persisted": "#8c9bab",
    "grew": "#0b6fa4",
    "shrank": "#e69f00",
    "new": "#00c2d1",
    "vanished": "#d62728",
    "merged": "#5e3c99",
    "split": "#b2abd2",
    "complex": "#7f5539",
    "carried_over": "#c9ced6",
    "not_observed": "#ffffff",
    "weak_link": "#f2e85c",
}
GAIN_AND_LOSS = {"gain": "#0b6fa4", "loss": "#d62728"}


def changes_qml() -> str:
    """Style of the layer `changes`: a colour a class; each row lasts from the earlier date to the later one."""
    return vector_document(_by_value("class", COLOURS, 90), "", SPAN)


def gain_loss_qml() -> str:
    """Style of the layer `gain_loss`: blue where there is lake at the later date only, red at the earlier one only."""
    return vector_document(_by_value("kind", GAIN_AND_LOSS, 170), "", SPAN)


def alerts_qml() -> str:
    """Style of the layer `alerts`: a red ring, larger for tier 1."""
    rules = "".join(
        f'<category render="true" symbol="{i}" value="{tier}" label="tier {tier}" type="integer"/>'
        for i, tier in enumerate((1, 2))
    )
    rings = "".join(
        symbol(str(i), "marker", symbol_layer("SimpleMarker", {
            "name": "circle", "color": "0,0,0,0", "outline_color": "214,39,40,255", "outline_width": "0.7",
            "size": size, "size_unit": "MM",
        }))
        for i, size in enumerate(("6", "4"))
    )  # fmt: skip
    body = f"""
  <renderer-v2 type="categorizedSymbol" attr="tier"><categories>{rules}</categories><symbols>{rings}</symbols>
  </renderer-v2>"""
    return vector_document(body, "", SPAN)


def _by_value(field: str, colours: dict[str, str], alpha: int) -> str:
    categories, symbols = "", ""
    for number, (value, colour) in enumerate(colours.items()):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        fill = {
            "color": f"{red},{green},{blue},{alpha}",
            "outline_color": f"{red * 2 // 3},{green * 2 // 3},{blue * 2 // 3},255",
            "outline_width": "0.3",
            "outline_width_unit": "MM",
        }
        label = quoteattr(value.replace("_", " "))
        categories += f'<category render="true" symbol="{number}" value="{value}" label={label} type="string"/>'
        symbols += symbol(str(number), "fill", symbol_layer("SimpleFill", fill))
    return f"""
  <renderer-v2 type="categorizedSymbol" attr="{field}"><categories>{categories}</categories>
    <symbols>{symbols}</symbols></renderer-v2>"""
