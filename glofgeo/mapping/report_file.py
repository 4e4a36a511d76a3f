"""`report.html` of one scene: its lakes on a page that opens on a phone without a network."""

import math
from html import escape
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from PIL import Image
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import WGS84
from glofgeo.hazard.section import NO_GROUND, Section
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, SIZE_CLASSES
from glofgeo.inventory.zonal import local_crs
from glofgeo.mapping.overview import Backdrop
from glofgeo.mapping.record import summary
from glofgeo.mapping.report_hazard import largest
from glofgeo.models.bundled import model_words
from glofgeo.report.figures import draw_outlines, path_of
from glofgeo.report.page import BANDS_M, DISTANCES_KM, Html, band_of, folded, km2, page, table
from glofgeo.report.pictures import data_uri

REPORT = "report.html"

# Of the picture of the scene, in pixels.
_LONG_SIDE = 1000
# A lake that is smaller than this in it, in pixels, is drawn as a disc.
_SMALL = 8.0
# As in overview.png, for lakes of no type, and types told apart by any two kinds of cones.
_COLOURS = {
    "lake": "#19f0ff", "supraglacial": "#f2e85c", "ice-contact": "#e69f00", "unconnected": "#19f0ff",
    "non-glacial": "#b2abd2",
}  # fmt: skip
_AREA = "Area, km² (± independent / all alike)"

_METHODS = """<h2>Methods</h2><ul>
<li><b>Lakes</b> are where the model gives a lake a probability of {threshold:g} or more; outlines follow the line of
this probability, and lakes below {min_area:g} m² are left out.</li>
<li><b>Areas</b> are measured from the outlines on the WGS 84 ellipsoid.</li>
<li><b>Error of an area</b>: 0.3436 P G, one standard deviation (P perimeter, G side of a pixel; Hanshaw &amp; Bookhagen
2014, The Cryosphere 8:359). It holds how well a shore is known that the model has found, not what it has missed or
taken for a lake.</li>
<li><b>Totals</b> carry two errors: independent (in quadrature) and all lakes alike (added up). The truth lies between
them.</li>
<li><b>Not observed</b> is no statement that there is no lake.</li>
</ul>"""


def write_report(
    path: Path, lakes: gpd.GeoDataFrame, record: dict[str, Any], picture: Backdrop, hazard: Section = NO_GROUND
) -> None:
    """Writes the report.

    Args:
        path: file to write.
        lakes: the layer, in the CRS of the scene.
        record: as `make_record` gives it.
        picture: of the scene.
        hazard: the sheets of the largest lakes, if there are any.
    """
    settings = record["settings"]
    inner = [
        f"<h1>Glacial lakes</h1><p class=lead>{escape(record['scene'])}: {escape(summary(record))}.</p>",
        _facts(record), _scene_map(lakes, picture), _groups(lakes), _largest(lakes, hazard), hazard.html,
        _METHODS.format(threshold=settings["threshold"], min_area=settings["min_area"]),
    ]  # fmt: skip
    path.write_text(page("map", f"Glacial lakes: {record['scene']}", "".join(inner), _COLOURS), encoding="utf-8")


def _facts(record: dict[str, Any]) -> str:
    facts = {
        "Acquired": record["acquired"] or "unknown", "Observed": f"{record['observed_share']:.1%}",
        "Clouds": "masked" if record["cloud_mask"] else "not masked: they count as observed",
        "Model": model_words(record["model"], record["checkpoint_sha256"]), "Note": record["note"] or "",
        # Not when: the same map has the same report.
        "Made with": f"glofgeo {record['versions']['glofgeo']}",
    }  # fmt: skip
    return table(("", ""), [(name, value) for name, value in facts.items() if value])


def _scene_map(lakes: gpd.GeoDataFrame, picture: Backdrop) -> str:
    """The scene with its lakes, which tell of themselves where they are touched; small ones are discs."""
    high, wide = picture.not_observed.shape
    scale = min(1.0, _LONG_SIDE / max(high, wide))
    size = (max(round(wide * scale), 1), max(round(high * scale), 1))
    rgb = np.where(picture.not_observed[..., None], 168, picture.rgb).astype(np.uint8)
    shown = Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR)
    drawn = f'<image href="{data_uri(shown)}" width="{size[0]}" height="{size[1]}"/>'
    to_picture = (Affine.scale(scale) * ~picture.grid.transform).to_shapely()
    kinds = lakes["lake_type"] if "lake_type" in lakes else ["lake"] * len(lakes)
    for kind, row in zip(kinds, lakes.itertuples(), strict=True):
        told = f"{row.lake_id}: {km2(row.area_m2)} ± {km2(row.area_unc_m2)} km², probability {row.prob_mean:.0%}"
        shape = affine_transform(row.geometry, to_picture)
        west, south, east, north = shape.bounds
        if max(east - west, north - south) < _SMALL:
            place = f'circle cx="{(west + east) / 2:.1f}" cy="{(south + north) / 2:.1f}" r="{_SMALL / 2}"'
        else:
            place = f'path d="{path_of(shape)}" stroke="{_COLOURS[kind]}"'
        drawn += f'<{place} fill="{_COLOURS[kind]}" fill-opacity=".4" data-t="{escape(told)}"/>'
    legend = ", ".join(f"<i class={kind}></i>{kind}" for kind in dict.fromkeys(kinds))
    return f'<svg class="map" viewBox="0 0 {size[0]} {size[1]}" role="img">{drawn}</svg><p>{legend}</p>'


def _groups(lakes: gpd.GeoDataFrame) -> str:
    """Lakes and their area by size, and by what else is known of them."""
    number = np.digitize(lakes["area_m2"] / 1e6, SIZE_BOUNDS_KM2)
    keys = {
        "Size class, km²": pd.Series(pd.Categorical(np.array(SIZE_CLASSES)[number], list(SIZE_CLASSES)), lakes.index)
    }
    for title, name, bounds, unit, per in (
        ("Elevation", "elev_m", BANDS_M, "m", 1), ("Distance to the nearest glacier", "dist_glacier_m", DISTANCES_KM,
         "km", 1000),
    ):  # fmt: skip
        if name in lakes:
            bands = [f"{band_of(low, bounds, unit)}" for low in bounds]
            named = [band_of(value / per, bounds, unit) or "unknown" for value in lakes[name]]
            keys[title] = pd.Series(pd.Categorical(named, [*bands, "unknown"]), lakes.index)
    for title, name in (("Lake type", "lake_type"), ("Basin", "basin"), ("Country", "country")):
        if name in lakes:
            keys[title] = lakes[name].replace("", "unknown").astype("category")
    return "".join(folded(title, _group_table(lakes, key)) for title, key in keys.items())


def _group_table(lakes: gpd.GeoDataFrame, key: "pd.Series[Any]") -> str:
    told = [(name, len(part), _total(part)) for name, part in lakes.groupby(key, observed=True, sort=True) if len(part)]
    return table(("", "Lakes", _AREA), [*told, ("all", len(lakes), _total(lakes))])


def _total(lakes: gpd.GeoDataFrame) -> str:
    independent, alike = math.hypot(*lakes["area_unc_m2"]), math.fsum(lakes["area_unc_m2"])
    return f"{km2(math.fsum(lakes['area_m2']))} (± {km2(independent)} / {km2(alike)})"


def _largest(lakes: gpd.GeoDataFrame, hazard: Section) -> str:
    rows = largest(lakes)
    flags = rows["qa_flag"] if "qa_flag" in rows else rows["touches_edge"].map({True: "cut", False: ""})
    told = [
        (hazard.link(row.Index, row.lake_id), f"{km2(row.area_m2)} ± {km2(row.area_unc_m2)}", f"{row.prob_mean:.2f}",
         flag, Html(draw_outlines(None, outline)))
        for row, flag, outline in zip(rows.itertuples(), flags, _in_metres(rows.geometry), strict=True)
    ]  # fmt: skip
    head = ("Lake", "Area, km²", "Mean probability", "To be checked for", "Outline")
    return f"<h2>The largest lakes</h2>{table(head, told, 'each')}"


def _in_metres(outlines: gpd.GeoSeries) -> list[BaseGeometry]:
    """Gives each outline in a plane around itself: no UTM zone fits all that lies beyond 180 degrees or at a pole."""
    middles = gpd.GeoSeries(shapely.centroid(outlines.to_numpy()), crs=outlines.crs).to_crs(WGS84)
    each = (gpd.GeoSeries([outline], crs=outlines.crs) for outline in outlines)
    return [one.to_crs(local_crs(middle.x, middle.y)).iloc[0] for one, middle in zip(each, middles, strict=True)]
