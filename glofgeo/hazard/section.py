"""The sheets of some lakes as a section of another report: of a map, or of a comparison of dates."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import geopandas as gpd
import numpy as np
from rasterio.env import Env

from datasets_def.elevation import Dem
from glofgeo.hazard.assess import Sheet, assess_lake
from glofgeo.hazard.lakes import LakeLayer, dem_date, ground_facts, too_long
from glofgeo.hazard.report import SECTION, anchor, section_html
from glofgeo.report.page import Html

_ALL = (
    "<code>glofgeo hazard</code> gives the sheets of all lakes of a layer, to read (hazard.html) and for QGIS "
    "(hazard.gpkg)"
)
# Types of lakes as ICIMOD codes them, by the dam: M(e), I(s). Others use the same columns for other things.
_DAM = re.compile(r"[A-Z]\([a-z]\)")


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        html: its markup.
        anchors: where the sheet of a lake is, by the lake's number in its layer.
    """

    html: str
    anchors: dict[int, str] = field(default_factory=dict)

    def link(self, lake: int | None, name: str) -> Html:
        """Names a lake, as a link to its sheet where it has one.

        Args:
            lake: its number in the layer; None where the layer has no such lake.
            name: its name; may be empty.
        """
        place = None if lake is None else self.anchors.get(lake)
        return Html(f'<a href="#{place}">{escape(name or "sheet")}</a>' if place else escape(name))


NO_GROUND = Section(
    f"<p>Outburst hazard: with an elevation model and glacier outlines, its indicators stand here; {_ALL}.</p>"
)


@dataclass(frozen=True)
class HazardGround:
    """What the sheets rest on besides the lakes.

    Attributes:
        dem: the DEM.
        glaciers: as `read_glaciers` gives them.
        name: of the layer of glaciers.
    """

    dem: Dem
    glaciers: gpd.GeoDataFrame
    name: str


def hazard_section(
    lakes: LakeLayer,
    numbers: Sequence[int],
    ground: HazardGround,
    lead: str,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Section:
    """Assesses some lakes of a layer, one after the other, and puts their sheets into a section.

    What the DEM does not show is withheld, as on the page of all lakes.

    Args:
        lakes: those to assess.
        numbers: of each, in the layer that the report is about.
        ground: what is known of it.
        lead: which lakes these are, in plain text, as the beginning of a sentence.
        track: goes through the lakes, for instance showing how far it is.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    if not numbers:
        return Section(f'<h2 id="hazard">{SECTION}</h2><p>No lakes.</p>')
    single = np.flatnonzero(too_long(lakes.outlines) == 0).tolist()
    shown = _of(lakes, single)
    with Env(GDAL_CACHEMAX=256):
        sheets = [_sheet(shown, number, ground) for number in track(range(len(single)))]
    facts = ground_facts(ground.dem, dem_date(ground.dem), "", ground.name)
    told = f"{escape(lead)}; {_ALL}."
    if left := len(numbers) - len(single):
        told += f" {left} features reach too far to be one lake, and are left out."
    return Section(
        section_html(shown, sheets, facts, told), {numbers[each]: anchor(i) for i, each in enumerate(single)}
    )


def dam_types(kinds: Iterable[str]) -> list[str]:
    """Keeps what tells the type of a dam; empty where a type of lake is something else.

    Args:
        kinds: types of lakes, as any layer has them.
    """
    return [kind if _DAM.fullmatch(kind) else "" for kind in kinds]


def _sheet(lakes: LakeLayer, number: int, ground: HazardGround) -> Sheet:
    return assess_lake(lakes.outlines.iloc[number], ground.dem, ground.glaciers, dam=lakes.dams[number])


def _of(lakes: LakeLayer, which: Sequence[int]) -> LakeLayer:
    names, dates, dams = ([values[i] for i in which] for values in (lakes.names, lakes.dates, lakes.dams))
    return replace(lakes, names=names, dates=dates, dams=dams, outlines=lakes.outlines.iloc[which])
