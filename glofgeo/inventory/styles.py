"""How QGIS shows what glofgeo writes: style documents (QML) for the lake layers.

The documents hold only what differs from QGIS's defaults; the reader fills in the rest. Element and attribute names
are those that QGIS 3.22 writes and later versions still read.
"""

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from glofgeo.inventory.attributes import COLUMNS

# Below this scale (1 : 100 000) the smallest lakes are under a pixel of the screen, and points stand in for them.
POINT_SCALE = 100_000
# A label would cover a lake that is narrower than this on the screen; below this scale it says nothing.
_LABEL_WIDTH_MM = 4
_LABEL_SCALE = 250_000

_OUTLINE = "0,114,255,255"
_FILL = "40,170,255,60"
_HALO = "255,255,255,230"

_ALIASES = {
    "lake_id": "Lake",
    "scene_id": "Scene",
    "acq_datetime": "Acquired (UTC)",
    "proc_baseline": "Processing baseline",
    "area_m2": "Area (m²)",
    "perim_m": "Shoreline (m)",
    "area_unc_m2": "Area uncertainty (m²)",
    "unc_method": "Uncertainty method",
    "prob_mean": "Mean probability",
    "prob_p10": "Probability, 10th percentile",
    "n_px": "Pixels",
    "valid_frac": "Surroundings observed (share)",
    "touches_edge": "Cut by scene edge or cloud",
    "elev_m": "Elevation (m)",
    "elev_iqr": "Elevation, interquartile range (m)",
    "mean_slope": "Slope of the DEM on the lake (°)",
    "shadow_frac": "In cast shadow (share)",
    "rgi_id": "Nearest glacier",
    "dist_glacier_m": "Distance to the glacier (m)",
    "ice_contact": "Shore on ice (share)",
    "lake_type": "Lake type",
    "lake_type_conf": "Confidence of the type",
    "basin": "Basin",
    "country": "Country",
    "area_lo_m2": "Area at probability 0.7 (m²)",
    "area_hi_m2": "Area at probability 0.3 (m²)",
    "qa_flag": "To be checked for",
    "first_seen": "First seen (UTC)",
    "last_seen": "Last seen (UTC)",
    "observations": "Observations",
    "review": "Review",
    "note": "Note",
    "analyst": "Analyst",
}
# Fields of an inventory alone.
_REVIEWED = ("first_seen", "last_seen", "observations", "review", "note", "analyst")
_ANSWERS = ("accept", "reject", "redraw")

# How a form shows a field: decimals and unit. What was measured is not there to be typed over.
_MEASURED = {
    "area_m2": (0, " m²"),
    "perim_m": (0, " m"),
    "area_unc_m2": (0, " m²"),
    "prob_mean": (2, ""),
    "prob_p10": (2, ""),
    "n_px": (0, " px"),
    "valid_frac": (2, ""),
    "elev_m": (0, " m"),
    "elev_iqr": (1, " m"),
    "mean_slope": (1, " °"),
    "shadow_frac": (2, ""),
    "dist_glacier_m": (0, " m"),
    "ice_contact": (2, ""),
    "area_lo_m2": (0, " m²"),
    "area_hi_m2": (0, " m²"),
}

_AREA = "format_number(\"area_m2\" / 1e6, 4) || ' ± ' || format_number(\"area_unc_m2\" / 1e6, 4) || ' km²'"
_SEVERAL_DATES = 'to_date(minimum("acq_datetime")) <> to_date(maximum("acq_datetime"))'
_DATE = f"CASE WHEN {_SEVERAL_DATES} THEN '\\n' || format_date(\"acq_datetime\", 'yyyy-MM-dd') ELSE '' END"
_LABEL = f"\"lake_id\" || '\\n' || {_AREA} || {_DATE}"
# Printing and scripts may know no scale; then lakes above the least size of many inventories are labelled.
_LABEL_SHOWN = f'coalesce(sqrt("area_m2") * 1000 >= {_LABEL_WIDTH_MM} * @map_scale, "area_m2" >= 20000)'
_MAP_TIP = (
    f"<b>[% lake_id %]</b><br>[% {_AREA} %]<br>probability [% format_number(prob_mean, 2) %]"
    "<br>[% format_date(acq_datetime, 'yyyy-MM-dd HH:mm') %] UTC"
)

# A feature appears at the time in one field, from that in one field to that in another, or always.
INSTANT = 'enabled="1" mode="1" startField="acq_datetime" endField=""'
SPAN = 'enabled="1" mode="2" startField="date_before" endField="date_after"'
TIMELESS = 'enabled="0" mode="0" startField="" endField=""'

# Marks a style that may be replaced: QGIS drops it from those that a user saves.
STYLE_MARK = "<!-- written by glofgeo -->"


def lakes_qml(columns: Iterable[str] = COLUMNS, *, review: bool = False) -> str:
    """Style of the polygon layer `lakes`; with `review`, its form has what an analyst fills in, too.

    Blue outline over a translucent fill; dashed where the scene's edge or a cloud cuts the lake. A lake that is wide
    enough on the screen is labelled with name and area, and with the date where the layer has several. The form gives
    rounded numbers with their units. Each lake appears at its time of acquisition when QGIS plays the layer over time.

    Args:
        columns: of the layer.
        review: whether an analyst fills it in.
    """
    whole = symbol("0", "fill", _fill_layer("solid"))
    cut = symbol("1", "fill", _fill_layer("dash"))
    return vector_document(
        f"""
  <renderer-v2 type="RuleRenderer">
    <rules key="root">
      <rule key="whole" symbol="0" label="lake" filter="ELSE"/>
      <rule key="cut" symbol="1" label="lake, cut by scene edge or cloud" filter="&quot;touches_edge&quot;"/>
    </rules>
    <symbols>{whole}{cut}</symbols>
  </renderer-v2>
  {labels(_LABEL, "0,24,64,255", _LABEL_SHOWN)}
  {_fields([*columns, *(_REVIEWED if review else ())])}
  <mapTip>{_escaped(_MAP_TIP)}</mapTip>""",
        'labelsEnabled="1"',
    )


def lake_points_qml() -> str:
    """Style of the point layer `lakes_points`: small circles, shown only where lakes are too small to see."""
    marker = symbol_layer(
        "SimpleMarker",
        {
            "name": "circle",
            "color": "0,150,255,200",
            "outline_color": _HALO,
            "outline_width": "0.2",
            "size": "1.4",
            "size_unit": "MM",
        },
    )
    return vector_document(
        f"""
  <renderer-v2 type="singleSymbol">
    <symbols>{symbol("0", "marker", marker)}</symbols>
  </renderer-v2>
  {_fields(["lake_id", "acq_datetime", "area_m2"])}""",
        # QGIS calls the larger denominator "minimum scale"; 0 leaves that side open.
        f'hasScaleBasedVisibilityFlag="1" maxScale="{POINT_SCALE}" minScale="0"',
    )


def observations_qml() -> str:
    """Style of the layer `lake_observations`: outlines that appear at their date."""
    outline = symbol_layer(
        "SimpleFill",
        {"style": "no", "outline_color": _OUTLINE, "outline_width": "0.4", "outline_width_unit": "MM"},
    )
    return vector_document(f"""
  <renderer-v2 type="singleSymbol"><symbols>{symbol("0", "fill", outline)}</symbols></renderer-v2>""")


def _fill_layer(outline_style: str) -> str:
    return symbol_layer(
        "SimpleFill",
        {
            "color": _FILL,
            "style": "solid",
            "outline_color": _OUTLINE,
            "outline_style": outline_style,
            "outline_width": "0.36",
            "outline_width_unit": "MM",
            "joinstyle": "round",
        },
    )


def labels(expression: str, colour: str, shown: str = "") -> str:
    """Labels with a halo, drawn at larger scales than 1 : 250,000.

    Args:
        expression: of QGIS, for the text.
        colour: of the letters, as red, green, blue, opacity.
        shown: expression that says which features have one; all, if empty.
    """
    when = ""
    if shown:
        show = {"active": ("bool", "true"), "expression": ("QString", shown), "type": ("int", "3")}
        properties = f'<Option name="Show" type="Map">{_entries(show)}</Option>'
        told = {"name": ("QString", ""), "properties": ("Map", properties), "type": ("QString", "collection")}
        when = f"<dd_properties>{_options(told)}</dd_properties>"
    return f"""<labeling type="simple">
    <settings>
      <text-style fieldName={quoteattr(expression)} isExpression="1"
          fontSize="9" fontSizeUnit="Point" textColor="{colour}" textOpacity="1">
        <text-buffer bufferDraw="1" bufferNoFill="0" bufferSize="1.5" bufferSizeUnits="MM" bufferJoinStyle="128"
            bufferColor="{_HALO}"/>
      </text-style>
      <placement placement="8" dist="1" distUnits="MM"/>
      <rendering scaleVisibility="1" scaleMax="{_LABEL_SCALE}" scaleMin="0" drawLabels="1"/>
      {when}
    </settings>
  </labeling>"""


def symbol_layer(kind: str, options: dict[str, str]) -> str:
    """One layer of a symbol: its class without "Layer", and its properties."""
    texts = {name: ("QString", value) for name, value in options.items()}
    return f'<layer class="{kind}" enabled="1" locked="0" pass="0">{_options(texts)}</layer>'


def symbol(name: str, kind: str, layer: str) -> str:
    """A symbol of one layer; the kind is `fill`, `line` or `marker`."""
    return f'<symbol name="{name}" type="{kind}" alpha="1" clip_to_extent="1">{layer}</symbol>'


def _fields(fields: list[str]) -> str:
    """Names of the fields, how the form shows them, and which may be edited there."""
    widgets = "".join(
        f'<field name="{field}"><editWidget type="{kind}"><config>{_options(config)}</config></editWidget></field>'
        for field in fields
        for kind, config in [_widget(field)]
    )
    aliases = "".join(f'<alias field="{field}" name={quoteattr(_ALIASES[field])}/>' for field in fields)
    editable = "".join(f'<field name="{field}" editable="{int(field not in _MEASURED)}"/>' for field in fields)
    return (
        f"<fieldConfiguration>{widgets}</fieldConfiguration><aliases>{aliases}</aliases><editable>{editable}</editable>"
    )


def _widget(field: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Kind of a field's widget, and its options: name -> type and value."""
    if field in _MEASURED:
        decimals, unit = _MEASURED[field]
        # The widget of whole numbers has 32 bits.
        kind, most = ("int", "2147483647") if field == "n_px" else ("double", "1e15")
        return "Range", {
            "AllowNull": ("bool", "true"),
            "Min": (kind, "0"),
            "Max": (kind, most),
            "Precision": ("int", str(decimals)),
            "Style": ("QString", "SpinBox"),
            "Suffix": ("QString", unit),
        }
    if field == "review":
        answers = "".join(f'<Option name="{answer}" type="QString" value="{answer}"/>' for answer in _ANSWERS)
        return "ValueMap", {"map": ("Map", answers)}
    if field in ("acq_datetime", "first_seen", "last_seen"):
        return "DateTime", {"display_format": ("QString", "yyyy-MM-dd HH:mm"), "allow_null": ("bool", "true")}
    return ("CheckBox" if field == "touches_edge" else "TextEdit"), {}


def _options(options: dict[str, tuple[str, str]]) -> str:
    return f'<Option type="Map">{_entries(options)}</Option>'


def _entries(options: dict[str, tuple[str, str]]) -> str:
    return "".join(
        f'<Option name="{name}" type="Map">{value}</Option>'
        if kind == "Map"
        else f'<Option name="{name}" type="{kind}" value={quoteattr(value)}/>'
        for name, (kind, value) in options.items()
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def vector_document(body: str, attributes: str = "", temporal: str = INSTANT, label: str = "lake_id") -> str:
    """A style of a vector layer.

    Args:
        body: its elements but for those of the other arguments.
        attributes: of the document.
        temporal: how the layer plays over time, in attributes.
        label: field that names a feature in lists.
    """
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
{STYLE_MARK}
<qgis version="3.22" styleCategories="AllStyleCategories" {attributes}>
  <temporal {temporal} durationField=""
      fixedDuration="0" durationUnit="min" limitMode="0" accumulate="0"/>{body}
  <previewExpression>"{label}"</previewExpression>
</qgis>
"""
