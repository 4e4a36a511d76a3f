"""How QGIS shows what the mapper writes: style documents (QML) for the lake layers and for the two rasters.

The documents hold only what differs from QGIS's defaults; the reader fills in the rest. Element and attribute names
are those that QGIS 3.22 writes and later versions still read.
"""

from xml.sax.saxutils import quoteattr

# Below this scale (1 : 100 000) the smallest lakes are under a pixel of the screen, and points stand in for them.
POINT_SCALE = 100_000
_LABEL_SCALE = 25_000

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
}

_AREA = "format_number(\"area_m2\" / 1e6, 4) || ' ± ' || format_number(\"area_unc_m2\" / 1e6, 4) || ' km²'"
_LABEL = f"\"lake_id\" || '\\n' || {_AREA}"
_MAP_TIP = (
    f"<b>[% lake_id %]</b><br>[% {_AREA} %]<br>probability [% format_number(prob_mean, 2) %]"
    "<br>[% format_date(acq_datetime, 'yyyy-MM-dd HH:mm') %] UTC"
)

# Lake probability in percent -> red, green, blue, opacity. Unlikely is invisible, doubtful is warm, certain is blue.
_RAMP = {
    0: (255, 247, 188, 0),
    5: (255, 247, 188, 0),
    25: (254, 217, 118, 150),
    50: (253, 141, 60, 190),
    75: (65, 160, 220, 205),
    100: (8, 64, 156, 220),
}


def lakes_qml() -> str:
    """Style of the polygon layer `lakes`.

    Blue outline over a translucent fill; dashed where the scene's edge or a cloud cuts the lake. Labels with name
    and area from 1 : 25 000 on. Each lake appears at its time of acquisition when QGIS plays the layer over time.
    """
    whole = _symbol("0", "fill", _fill_layer("solid"))
    cut = _symbol("1", "fill", _fill_layer("dash"))
    return _vector_document(
        f"""
  <renderer-v2 type="RuleRenderer">
    <rules key="root">
      <rule key="whole" symbol="0" label="lake" filter="ELSE"/>
      <rule key="cut" symbol="1" label="lake, cut by scene edge or cloud" filter="&quot;touches_edge&quot;"/>
    </rules>
    <symbols>{whole}{cut}</symbols>
  </renderer-v2>
  <labeling type="simple">
    <settings>
      <text-style fieldName={quoteattr(_LABEL)} isExpression="1"
          fontSize="9" fontSizeUnit="Point" textColor="0,40,100,255" textOpacity="1">
        <text-buffer bufferDraw="1" bufferNoFill="1" bufferSize="0.6" bufferSizeUnits="MM" bufferColor="{_HALO}"/>
      </text-style>
      <placement placement="8" dist="1" distUnits="MM"/>
      <rendering scaleVisibility="1" scaleMax="{_LABEL_SCALE}" scaleMin="0" drawLabels="1"/>
    </settings>
  </labeling>
  {_aliases(list(_ALIASES))}
  <mapTip>{_escaped(_MAP_TIP)}</mapTip>""",
        'labelsEnabled="1"',
    )


def lake_points_qml() -> str:
    """Style of the point layer `lakes_points`: small circles, shown only where lakes are too small to see."""
    marker = _layer(
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
    return _vector_document(
        f"""
  <renderer-v2 type="singleSymbol">
    <symbols>{_symbol("0", "marker", marker)}</symbols>
  </renderer-v2>
  {_aliases(["lake_id", "acq_datetime", "area_m2"])}""",
        # QGIS calls the larger denominator "minimum scale"; 0 leaves that side open.
        f'hasScaleBasedVisibilityFlag="1" maxScale="{POINT_SCALE}" minScale="0"',
    )


def mask_qml() -> str:
    """Style of `mask.tif`: lakes in translucent blue, land invisible.

    Without it QGIS takes the file's colour table, whose land is opaque black: GeoTIFF keeps no opacity there.
    """
    return _raster_document(
        """
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">
      <colorPalette>
        <paletteEntry value="0" color="#000000" alpha="0" label="land"/>
        <paletteEntry value="1" color="#1e90ff" alpha="110" label="lake"/>
      </colorPalette>
    </rasterrenderer>"""
    )


def probability_qml() -> str:
    """Style of `probability.tif`: nothing up to 5 %, then yellow, orange at 50 %, and blue where certain."""
    items = "".join(
        f"""
            <item value="{value}" label="{value} %" color="#{r:02x}{g:02x}{b:02x}" alpha="{alpha}"/>"""
        for value, (r, g, b, alpha) in _RAMP.items()
    )
    return _raster_document(
        f"""
    <rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1"
        classificationMin="0" classificationMax="100">
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0"
            minimumValue="0" maximumValue="100">{items}
        </colorrampshader>
      </rastershader>
    </rasterrenderer>"""
    )


def _fill_layer(outline_style: str) -> str:
    return _layer(
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


def _layer(kind: str, options: dict[str, str]) -> str:
    inner = "".join(f'<Option name="{name}" type="QString" value="{value}"/>' for name, value in options.items())
    return f'<layer class="{kind}" enabled="1" locked="0" pass="0"><Option type="Map">{inner}</Option></layer>'


def _symbol(name: str, kind: str, layer: str) -> str:
    return f'<symbol name="{name}" type="{kind}" alpha="1" clip_to_extent="1">{layer}</symbol>'


def _aliases(fields: list[str]) -> str:
    inner = "".join(f'<alias field="{field}" name={quoteattr(_ALIASES[field])}/>' for field in fields)
    return f"<aliases>{inner}</aliases>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _vector_document(body: str, attributes: str) -> str:
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="AllStyleCategories" {attributes}>
  <temporal enabled="1" mode="1" startField="acq_datetime" endField="" durationField=""
      fixedDuration="0" durationUnit="min" limitMode="0" accumulate="0"/>{body}
  <previewExpression>"lake_id"</previewExpression>
</qgis>
"""


def _raster_document(renderer: str) -> str:
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="AllStyleCategories">
  <pipe>{renderer}
  </pipe>
</qgis>
"""
