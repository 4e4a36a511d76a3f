"""How QGIS shows the sheets of lakes: outlines with their names, paths of floods, and no colour that ranks a lake."""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from glofgeo.hazard.sheet import INDICATORS
from glofgeo.inventory.styles import TIMELESS, labels, symbol, symbol_layer, vector_document

# What a look at a lake is told first: the rest is in the form.
_SHOWN = ("area_km2", "level_m", "vol_low_mm3", "vol_high_mm3", "pfv_mm3", "sla_deg", "hp_m", "dist_glacier_m",
          "avalanche_deg", "rockfall_deg", "downstream_deg")  # fmt: skip

_LABEL = "\"lake_id\" || '\\n' || format_number(\"area_km2\", 3) || ' km²'"


def sheets_qml() -> str:
    """Style of the layer `lakes`: a violet outline with name and area; indicators under the pointer and in the form."""
    fill = symbol_layer(
        "SimpleFill",
        {
            "color": "120,60,180,50",
            "outline_color": "94,60,153,255",
            "outline_width": "0.4",
            "outline_width_unit": "MM",
            "joinstyle": "round",
        },
    )
    return vector_document(
        f"""
  <renderer-v2 type="singleSymbol"><symbols>{symbol("0", "fill", fill)}</symbols></renderer-v2>
  {labels(_LABEL, "48,20,80,255")}
  {_aliases(indicator.key for indicator in INDICATORS)}
  <mapTip>{escape(_map_tip())}</mapTip>""",
        'labelsEnabled="1"',
        TIMELESS,
    )


def flow_paths_qml() -> str:
    """Style of the layer `flow_paths`: lines down the valley, with an arrow at the end."""
    colour = "217,95,2,220"
    line = symbol_layer("SimpleLine", {"line_color": colour, "line_width": "0.5", "line_width_unit": "MM"})
    arrow = symbol_layer(
        "SimpleMarker",
        {"name": "filled_arrowhead", "color": colour, "outline_style": "no", "size": "2.4", "size_unit": "MM"},
    )
    end = symbol_layer("MarkerLine", {"placement": "lastvertex", "placements": "LastVertex", "rotate": "1"})
    line += end.replace("</layer>", f"{symbol('@0@1', 'marker', arrow)}</layer>")
    return vector_document(
        f"""
  <renderer-v2 type="singleSymbol"><symbols>{symbol("0", "line", line)}</symbols></renderer-v2>
  {_aliases(("area_km2", "path_km", "path_drop_m", "downstream_deg"))}""",
        "",
        TIMELESS,
    )


def _aliases(columns: Iterable[str]) -> str:
    names = {indicator.key: f"{indicator.name} ({indicator.unit})" for indicator in INDICATORS}
    return (
        "<aliases>" + "".join(f'<alias field="{key}" name={quoteattr(names[key])}/>' for key in columns) + "</aliases>"
    )


def _map_tip() -> str:
    shown = {indicator.key: indicator for indicator in INDICATORS if indicator.key in _SHOWN}
    values = {
        key: f"coalesce(format_number(\"{key}\", {shown[key].digits}) || ' {shown[key].unit}', 'not known')"
        for key in _SHOWN
    }
    rows = "".join(f"<tr><td>{shown[key].name}</td><td>[% {values[key]} %]</td></tr>" for key in _SHOWN)
    return f"<b>[% lake_id %]</b><table>{rows}</table>[% notes %]"
