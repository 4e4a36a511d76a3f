"""The report of `hazard`: one HTML file without scripts, pictures or anything from the net."""

import math
import re
from collections.abc import Iterable
from html import escape

from glofgeo.hazard.assess import Sheet
from glofgeo.hazard.criteria import AREA_AUC, CRITERIA, NOT_COMPUTED, RANKINGS, RANKINGS_SOURCE
from glofgeo.hazard.lakes import LakeLayer
from glofgeo.hazard.sheet import INDICATORS, Indicator
from glofgeo.report.page import Html, folded, page, table

_TITLE = "Outburst hazard of glacial lakes: indicators"

SECTION = "Outburst hazard: indicators"
_SINGLE = "How well single quantities tell lakes that burst"
_NO_SCORE = f"""No score is given: area alone tells lakes that burst from others about as well as any index
(AUC {AREA_AUC:.2f}). Read each indicator with its source, beside the lake's area."""
_FACTS = ("what it rests on", "")

# Columns of the table of all lakes.
_OVERVIEW = ("area_km2", "vol_low_mm3", "vol_high_mm3", "sla_deg", "pfv_mm3", "avalanche_deg", "rockfall_deg",
             "dist_glacier_m", "catchment_km2", "downstream_deg")  # fmt: skip

_UNKNOWN = "–"
_MARKS = {None: "not known", True: "yes", False: "no"}


def report_html(lakes: LakeLayer, sheets: list[Sheet], facts: dict[str, str]) -> str:
    """Gives the report: what it rests on, all lakes by area, a sheet for each, how single criteria fare, and methods.

    Args:
        lakes: the lakes.
        sheets: of each.
        facts: what all of it rests on.
    """
    inner = f"""<h1>{_TITLE}</h1>
<p>{len(sheets)} lakes. {_NO_SCORE}</p>
{table(_FACTS, facts.items())}
<h2>All lakes, the largest first</h2>{_overview(lakes, sheets)}
<h2>Each lake</h2>{_each(lakes, sheets)}
<h2>{_SINGLE}</h2>{_rankings()}
<h2>Methods</h2>{_methods()}
"""
    return page("hazard", _TITLE, inner, {})


def section_html(lakes: LakeLayer, sheets: list[Sheet], facts: dict[str, str], lead: str) -> str:
    """Gives the same of some lakes as a part of another report, with all but the lakes folded.

    Args:
        lakes: the lakes.
        sheets: of each.
        facts: what all of it rests on.
        lead: which lakes these are, and where the others are, in markup.
    """
    return f"""<h2 id="hazard">{SECTION}</h2><p>{lead}</p><p>{_NO_SCORE}</p>
{_overview(lakes, sheets)}{_each(lakes, sheets)}
{folded("What the sheets rest on", table(_FACTS, facts.items()))}
{folded(_SINGLE, _rankings())}{folded("Methods of the indicators", _methods())}
"""


def anchor(number: int) -> str:
    """The `id` by which the page can be opened at the sheet of a lake, by its number among those shown."""
    return f"l{number}"


def _by_area(sheets: list[Sheet]) -> list[int]:
    return sorted(range(len(sheets)), key=lambda i: -_number(sheets[i].values["area_km2"]))


def _overview(lakes: LakeLayer, sheets: list[Sheet]) -> str:
    by_key = {indicator.key: indicator for indicator in INDICATORS}
    head = ["lake", *(f"{by_key[key].name} ({by_key[key].unit})" for key in _OVERVIEW)]
    rows = (
        [Html(f'<a href="#{anchor(i)}">{escape(lakes.names[i])}</a>'), *_cells(sheets[i], _OVERVIEW, by_key)]
        for i in _by_area(sheets)
    )
    return table(_set(head), rows)


def _each(lakes: LakeLayer, sheets: list[Sheet]) -> str:
    return "".join(_sheet(i, lakes, sheets[i]) for i in _by_area(sheets))


def _rankings() -> str:
    return f"""<p>{escape(RANKINGS_SOURCE)}: 30 of 3,387 lakes burst. AUC is the chance that a lake that burst ranks
above one that did not: 0.5 is a coin's. Their areas are of 2005 and later, after some of the floods.</p>
{table(("quantity", "AUC"), ((name, f"{auc:.2f}") for _, name, auc in RANKINGS))}
<p>Published criteria that are not computed here: {escape("; ".join(NOT_COMPUTED))}.</p>"""


def _methods() -> str:
    return f"""<p>Evidence: V, read in the source; S, in public code of others only; C, computed here. Nothing is given
beyond a range.</p>
{table(("indicator", "unit", "method", "range", "source", "evidence"), (_method(i) for i in INDICATORS), "text")}"""


def _sheet(number: int, lakes: LakeLayer, sheet: Sheet) -> str:
    date = f", {lakes.dates[number]}" if lakes.dates[number] else ""
    notes = "".join(f"<p><b>{escape(note)}</b></p>" for note in sheet.notes)
    glacier = sheet.values["rgi_id"]
    near = f"<p>Nearest glacier: {escape(str(glacier))}</p>" if glacier else ""
    # Their lines break, so that the figures stand on a phone's screen, too.
    values = table(("indicator", ""), ((i.name, *_set([_with_unit(sheet, i)])) for i in INDICATORS), "text")
    criteria = table(
        ("criterion", "fires", "AUC alone", "AUC of area", "fires at lakes that burst / others", "source"),
        (
            [*_set([c.text]), _MARKS[c.fires(sheet.values)], "" if c.auc is None else f"{c.auc:.2f}", f"{AREA_AUC:.2f}",
             "" if c.fired is None else f"{c.fired[0]:.0%} / {c.fired[1]:.0%}", c.source]
            for c in CRITERIA
        ),
        "text",
    )  # fmt: skip
    title = f"{lakes.names[number]}{date}: {shown(sheet.values['area_km2'], 3)} km²"
    # Inside, so that a browser that follows a link to it opens the sheet.
    return folded(title, f'<div id="{anchor(number)}">{notes}{near}{values}{criteria}</div>')


def shown(value: float | str | None, digits: int) -> str:
    """Words a value for a reader; a dash where it is not known or withheld."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _UNKNOWN
    return value if isinstance(value, str) else f"{value:,.{digits}f}"


def _with_unit(sheet: Sheet, indicator: Indicator) -> str:
    value = shown(sheet.values[indicator.key], indicator.digits)
    return value if value == _UNKNOWN else f"{value} {indicator.unit}"


def _cells(sheet: Sheet, keys: Iterable[str], by_key: dict[str, Indicator]) -> list[str]:
    return [shown(sheet.values[key], by_key[key].digits) for key in keys]


def _method(indicator: Indicator) -> list[Html]:
    fields = (indicator.name, indicator.unit, indicator.method, indicator.takes, indicator.source, indicator.evidence)
    return _set(fields)


def _set(texts: Iterable[str]) -> list[Html]:
    """Sets the exponents of formulas and units, as in `A^1.42` and `km2`, above the line."""
    return [Html(re.sub(r"(\bk?m)([23])\b|\^([\d.]*\d)", r"\1<sup>\2\3</sup>", escape(text))) for text in texts]


def _number(value: float | str | None) -> float:
    return value if isinstance(value, float) else 0.0
