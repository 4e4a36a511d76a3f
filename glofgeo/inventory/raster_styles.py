"""How QGIS shows the rasters that glofgeo writes: style documents (QML), which it reads beside a file of their name."""

from collections.abc import Sequence

from glofgeo.inventory.styles import STYLE_MARK

# Lake probability in percent -> red, green, blue, opacity. Unlikely is invisible, doubtful is warm, certain is blue.
_RAMP = {
    0: (255, 247, 188, 0),
    5: (255, 247, 188, 0),
    25: (254, 217, 118, 200),
    50: (253, 141, 60, 240),
    75: (65, 160, 220, 255),
    100: (8, 64, 156, 255),
}
# Opacity of a whole layer, so that the imagery shows through.
_RAMP_OPACITY, _MASK_OPACITY = 0.5, 0.6
# Where nothing was observed; the legend has it, too, by the value 255 that the files hold there. A layer's opacity does
# not hold for it, and QGIS takes its red, green and blue as multiplied by the opacity already.
_NOT_OBSERVED, _NODATA = "#85858c", "110,110,116,217"


def mask_qml() -> str:
    """Style of `mask.tif`: lakes in translucent blue, land invisible, grey where nothing was observed.

    Without it QGIS takes the file's colour table, whose land is opaque black: GeoTIFF keeps no opacity there.
    """
    return _raster_document(
        f"""
    <rasterrenderer type="paletted" band="1" opacity="{_MASK_OPACITY}" alphaBand="-1"
        nodataColor="{_NODATA}">
      <colorPalette>
        <paletteEntry value="0" color="#ffffff" alpha="0" label="land"/>
        <paletteEntry value="1" color="#1e90ff" alpha="200" label="lake"/>
        <paletteEntry value="255" color="{_NOT_OBSERVED}" alpha="255" label="not observed"/>
      </colorPalette>
    </rasterrenderer>"""
    )


def probability_qml() -> str:
    """Style of `probability.tif`: nothing up to 5 %, then yellow, orange at 50 %, and blue where certain.

    All of it at half opacity; grey where nothing was observed.
    """
    ramp = {f"{value} %": (value, f"#{r:02x}{g:02x}{b:02x}", alpha) for value, (r, g, b, alpha) in _RAMP.items()}
    ramp["not observed"] = (255, _NOT_OBSERVED, 255)
    items = "".join(
        f"""
            <item value="{value}" label="{label}" color="{colour}" alpha="{alpha}"/>"""
        for label, (value, colour, alpha) in ramp.items()
    )
    return _raster_document(
        f"""
    <rasterrenderer type="singlebandpseudocolor" band="1" opacity="{_RAMP_OPACITY}" alphaBand="-1"
        nodataColor="{_NODATA}" classificationMin="0" classificationMax="100">
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0"
            minimumValue="0" maximumValue="100">{items}
          <rampLegendSettings useContinuousLegend="0"/>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>"""
    )


def true_colour_qml(bands: Sequence[str], low: float, high: float) -> str | None:
    """Style of a raster of several bands: red as red, green as green, blue as blue.

    QGIS takes the first three bands otherwise, whatever the file says of their colours.

    Args:
        bands: names, in the order of the file.
        low: DN shown black.
        high: DN shown white.

    Returns:
        The style; None if one of the three bands is not among them.
    """
    if not {"B04", "B03", "B02"} <= set(bands):
        return None
    numbers = {name: bands.index(band) + 1 for name, band in (("red", "B04"), ("green", "B03"), ("blue", "B02"))}
    choice = " ".join(f'{name}Band="{number}"' for name, number in numbers.items())
    contrast = "".join(
        f"""
      <{name}ContrastEnhancement>
        <minValue>{low:g}</minValue>
        <maxValue>{high:g}</maxValue>
        <algorithm>StretchToMinimumMaximum</algorithm>
      </{name}ContrastEnhancement>"""
        for name in numbers
    )
    return _raster_document(
        f"""
    <rasterrenderer type="multibandcolor" {choice} opacity="1" alphaBand="-1">{contrast}
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1.4"/>"""
    )


def _raster_document(renderer: str) -> str:
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
{STYLE_MARK}
<qgis version="3.22" styleCategories="AllStyleCategories">
  <pipe>{renderer}
  </pipe>
</qgis>
"""
