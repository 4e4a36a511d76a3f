"""report.html: what changed, in one file that opens on a phone without a network."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glofgeo.change.classes import CLASSES, OBSERVED_SHARE
from glofgeo.change.report_figures import draw_map, draw_outlines, draw_series, figure_styles
from glofgeo.change.report_text import METHODS, SCRIPT, STYLE
from glofgeo.change.significance import READINGS, Total
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, SIZE_CLASSES
from glofgeo.version import __version__

if TYPE_CHECKING:
    from glofgeo.change.compare import Changes

# By this a report of ours is known.
MARK = '<meta name="generator" content="glofgeo change'

LARGEST = 20
# On the map of a region more discs hide each other and make the file slow on a phone; the largest changes are kept.
MOST_DISCS = 4000
_BAND_M = 500
_CHANGE = "Change, km² (± independent / all alike)"
_UNCOUNTED = ("carried_over", "not_observed")


def write_report(path: Path, changes: "Changes", summary: pd.DataFrame, outlines: gpd.GeoSeries) -> None:
    """Writes the report.

    Args:
        path: file to write.
        changes: what to tell.
        summary: as `summarise` gives it.
        outlines: one for each row of `changes.changes`, in EPSG:4326.
    """
    inner = [_head(changes)]
    for number, (before, after) in enumerate(changes.intervals):
        rows = changes.interval(number)
        of_interval = (summary["layer_before"] == before) & (summary["layer_after"] == after)
        inner.append(f"<h2>{_dates(changes, number)}</h2>")
        inner += [_budget(summary[of_interval]), _map(rows, outlines.loc[rows.index]), _readings(rows), _groups(rows)]
        inner.append(_largest(changes, number))
    inner += [_alerts(changes), _trends(changes), _unseen(changes), _issues(changes), METHODS]
    title = " – ".join(layer.name for layer in (changes.layers[0], changes.layers[-1]))
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{MARK} {__version__}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Glacial lakes: {escape(title)}</title><style>{STYLE}{figure_styles()}</style></head><body><main>"
        f'{"".join(inner)}</main><div id="tip" hidden></div><script>{SCRIPT}</script></body></html>\n'
    )
    path.write_text(page, encoding="utf-8")


def _head(changes: "Changes") -> str:
    rows = []
    for layer in changes.layers:
        total = Total.of(layer.lakes["area_m2"].to_numpy(), layer.lakes["sigma_m2"].to_numpy())
        dates = layer.lakes["date"].dropna()
        span = f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}" if len(dates) else "unknown"
        seen = "a mask tells" if layer.masks else "nobody tells"
        rows.append((layer.name, span, _seasons(dates), len(layer.lakes), _total(total, "", 2), seen))
    head = ("Layer", "Dates", "Months", "Lakes", "Area, km² (± independent / all alike)", "What was observed")
    alerts = changes.alerts
    first = int((alerts["tier"] == 1).sum())
    return (
        f"<h1>What changed</h1><p class=lead>{escape(changes.told())}.</p>"
        f"<p>Alerts: {first} of tier 1, {len(alerts) - first} of tier 2 (<a href=#alerts>list</a>).</p>"
        f"{_table(head, rows)}"
    )


def _budget(summary: pd.DataFrame) -> str:
    told: list[tuple[Any, ...]] = []
    for row in summary[summary["clusters"] > 0].to_dict("records"):
        total = Total(row["change_m2"], row["sigma_independent_m2"], row["sigma_correlated_m2"])
        name = _Html(f"<i class={row['class']}></i>{row['class'].replace('_', ' ')}")
        told.append((name, *_sizes(row), _total(total), CLASSES[row["class"]]))
    independent = float(np.sqrt((summary["sigma_independent_m2"] ** 2).sum()))
    whole = Total(summary["change_m2"].sum(), independent, summary["sigma_correlated_m2"].sum())
    told.append(("all", *_sizes(summary.sum(numeric_only=True)), _total(whole), "the rows above add up to this"))
    return _table(("Class", "Lakes before", "Lakes after", "km² before", "km² after", _CHANGE, ""), told)


def _sizes(row: Any) -> tuple[int, int, str, str]:
    lakes = (int(row["lakes_before"]), int(row["lakes_after"]))
    return *lakes, _km2(row["area_before_m2"]), _km2(row["area_after_m2"])


def _map(rows: pd.DataFrame, outlines: gpd.GeoSeries) -> str:
    shown = rows
    note = ""
    if len(rows) > MOST_DISCS:
        shown = rows.loc[rows["change_m2"].abs().sort_values(ascending=False).index[:MOST_DISCS]]
        note = f"<p>The {MOST_DISCS} largest changes of {len(rows)}; all are in changes.gpkg.</p>"
    points = shapely.get_coordinates(shapely.point_on_surface(outlines.loc[shown.index].to_numpy()))
    told = []
    for row in shown.to_dict("records"):
        sizes = f"{row['area_before_m2'] / 1e6:.3f} → {row['area_after_m2'] / 1e6:.3f} km²"
        sigma = "" if pd.isna(row["z"]) else f", {row['z']:+.1f} sigma"
        told.append(f"{row['lake_id'] or 'lake'}: {row['class'].replace('_', ' ')}, {sizes}{sigma}")
    area = shown[["area_before_m2", "area_after_m2"]].max(axis=1).to_numpy()
    return draw_map(points, shown["class"].tolist(), area, told) + note


def _readings(rows: pd.DataFrame) -> str:
    """How many changes stand out under each reading of the same half pixel."""
    both = rows[(rows["n_before"] > 0) & (rows["n_after"] > 0) & ~rows["class"].isin((*_UNCOUNTED, "weak_link"))]
    columns = [both[name].to_numpy() for name in ("change_m2", "sigma_before_m2", "sigma_after_m2")]
    told = [(name, int(reading(*columns).sum())) for name, reading in READINGS.items()]
    title = f"Changes that stand out at 95 %, of {len(both)} lakes seen anew at both dates"
    return f"<details><summary>{title}</summary>{_table(('Reading of the error', 'Changes'), told)}</details>"


def _groups(rows: pd.DataFrame) -> str:
    """The same budget by size, elevation, type and basin; whatever the layers tell."""
    size = np.digitize(rows[["area_before_m2", "area_after_m2"]].max(axis=1) / 1e6, SIZE_BOUNDS_KM2)
    band = (rows["elev_m"].astype(float) // _BAND_M * _BAND_M).map(
        lambda low: "" if pd.isna(low) else f"{low:.0f}–{low + _BAND_M:.0f} m"
    )
    keys = {
        "Size class, km² (larger of the two dates)": pd.Series(np.array(SIZE_CLASSES)[size], rows.index),
        "Elevation": band, "Lake type": rows["lake_type"].fillna(""), "Basin": rows["basin"].fillna(""),
    }  # fmt: skip
    drawn = ""
    for title, key in keys.items():
        if (key != "").any():
            drawn += f"<details><summary>{title}</summary>{_group_table(rows, key)}</details>"
    return drawn


def _group_table(rows: pd.DataFrame, key: "pd.Series[Any]") -> str:
    order = list(SIZE_CLASSES) if set(key) <= set(SIZE_CLASSES) else sorted(set(key), key=_natural)
    told = []
    for name in order:
        part = rows[key == name]
        if len(part):
            counted = part[~part["class"].isin(_UNCOUNTED)]
            sigma = np.hypot(counted["sigma_before_m2"].to_numpy(), counted["sigma_after_m2"].to_numpy())
            counts = part["class"].value_counts()
            numbers = [counts.get(one, 0) for one in ("grew", "shrank", "new", "vanished")]
            total = Total.of(counted["change_m2"].to_numpy(), sigma)
            told.append((name or "unknown", len(part), *numbers, _total(total)))
    head = ("", "Lakes", "Grew", "Shrank", "New", "Vanished", _CHANGE)
    return _table(head, told)


def _natural(name: str) -> tuple[float, str]:
    start = name.split("–")[0]
    return (float(start) if start.isdigit() else np.inf if not name else 0.0, name)


def _largest(changes: "Changes", number: int) -> str:
    rows = changes.interval(number)
    rows = rows[~rows["class"].isin(_UNCOUNTED)]
    rows = rows.loc[rows["change_m2"].abs().sort_values(ascending=False, kind="stable").index[:LARGEST]]
    return f"<h3>The {len(rows)} largest changes</h3>{_lake_table(changes, rows)}"


def _alerts(changes: "Changes") -> str:
    text = (
        "<h2 id=alerts>Alerts</h2><p>Tier 1: a loss of more than 3 sigma within 60 days. Tier 2: a significant loss of "
        "more than 30 %. <b>missing</b>: the later layer has no lake there, and nobody tells whether its ground was "
        "seen; <b>left out</b>: a still later layer has it again.</p>"
    )
    return text + (_lake_table(changes, changes.alerts) if len(changes.alerts) else "<p>None.</p>")


def _lake_table(changes: "Changes", rows: pd.DataFrame) -> str:
    """Lakes with their outlines before and after, and their series where there is one."""
    number = {layer.name: i for i, layer in enumerate(changes.layers)}
    series = dict(list(changes.series.groupby("series_id"))) if len(changes.series) else {}
    told = []
    for row in rows.to_dict("records"):
        i = number[row["layer_before"]]
        graph = changes.graphs[i]
        members = [cluster == row["cluster_id"] for cluster in (graph.cluster_before, graph.cluster_after)]
        shapes = [
            shapely.union_all(layer.lakes.geometry.to_numpy()[member]) if member.any() else None
            for layer, member in zip(changes.layers[i : i + 2], members, strict=True)
        ]
        chart = ""
        if series and members[0].any():
            chart = draw_series(series[int(changes.of_lake[row["layer_before"]][np.flatnonzero(members[0])[0]])])
        what = str(row["class"]).replace("_", " ")
        if "tier" in row:
            what = f"tier {row['tier']}, {row['finding'].replace('_', ' ')} ({what})"
        sigma = "" if pd.isna(row["z"]) else f"{row['z']:+.1f}"
        told.append((row["lake_id"] or "", what, f"{_day(row['date_before'])} to {_day(row['date_after'])}",
                     f"{_km2(row['area_before_m2'])} → {_km2(row['area_after_m2'])}", sigma,
                     _Html(draw_outlines(*shapes)), _Html(chart)))  # fmt: skip
    return _table(
        ("Lake", "What", "Dates", "Area, km²", "Sigma", "Before (dashed), after", "Series" if series else ""), told
    )


def _trends(changes: "Changes") -> str:
    trends = changes.trends
    if not len(trends):
        return ""
    sure = trends[trends["p_value"] < 0.05]
    up, down = int((sure["slope_m2_per_year"] > 0).sum()), int((sure["slope_m2_per_year"] < 0).sum())
    tested = int(trends["p_value"].notna().sum())
    note = f"{up} lakes grow and {down} shrink (Mann-Kendall, p < 0.05) of {tested} with five dates or more"
    few = (
        f"; {len(trends) - tested} more have three or four dates: a slope, but no p-value"
        if tested < len(trends)
        else ""
    )
    return (
        f"<h2>Trends</h2><p>{note}{few}. All are in trends.csv, with 95 % intervals, seasons and observed shares.</p>"
    )


def _unseen(changes: "Changes") -> str:
    rows = changes.changes[changes.changes["class"] == "not_observed"]
    silent = [layer.name for layer in changes.layers if not layer.masks]
    text = (
        f"<h2>What was not observed</h2><p>{len(rows)} lakes were seen to less than {OBSERVED_SHARE:.0%} at one of two "
        "dates, or cut by the edge of a scene or cloud.</p>"
    )
    if silent:
        text += (
            f"<p>Nobody tells what was observed for {escape(', '.join(silent))}: there, a lake that is not drawn may "
            "have been under cloud, or left out.</p>"
        )
    return text


def _issues(changes: "Changes") -> str:
    counts = changes.issues.groupby(["layer", "issue", "consequence"], sort=False).size().reset_index(name="rows")
    told = counts[["layer", "issue", "rows", "consequence"]].to_numpy().tolist()
    head = ("Layer", "What is odd", "Entries", "What is made of it")
    return f"<h2>Oddities of the layers</h2><p>By row in issues.csv.</p>{_table(head, told)}"


class _Html(str):
    """Text that is markup already."""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return value if isinstance(value, _Html) else escape(str(value))

    body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _dates(changes: "Changes", number: int) -> str:
    one, two = changes.layers[number], changes.layers[number + 1]
    return f"{escape(one.name)} ({_day(one.middle)}) to {escape(two.name)} ({_day(two.middle)})"


def _seasons(dates: "pd.Series[Any]") -> str:
    """The three most frequent months."""
    share = dates.dt.strftime("%b").value_counts(normalize=True).head(3)
    return ", ".join(f"{month} {part:.0%}" for month, part in share.items())


def _day(date: Any) -> str:
    return "unknown" if pd.isna(date) else f"{date:%Y-%m-%d}"


def _km2(square_metres: float) -> str:
    return f"{square_metres / 1e6:.4f}" if abs(square_metres) < 1e6 else f"{square_metres / 1e6:.2f}"


def _total(total: Total, sign: str = "+", digits: int = 3) -> str:
    value, one, other = (part / 1e6 for part in (total.value, total.independent, total.correlated))
    return f"{value:{sign}.{digits}f} (± {one:.{digits}f} / {other:.{digits}f})"
