"""report.html: what changed, in one file that opens on a phone without a network."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glofgeo.change.classes import CLASSES, OBSERVED_SHARE
from glofgeo.change.report_hazard import UNCOUNTED, hazard_of
from glofgeo.change.report_lakes import LakeRows
from glofgeo.change.report_text import METHODS
from glofgeo.change.significance import READINGS, Total
from glofgeo.change.styles import COLOURS
from glofgeo.hazard.section import Section
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, SIZE_CLASSES
from glofgeo.report.figures import draw_map
from glofgeo.report.page import BANDS_M, DISTANCES_KM, Html, band_of, day, folded, km2, page, table

if TYPE_CHECKING:
    from glofgeo.change.compare import Changes

# On the map of a region more discs hide each other and make the file slow on a phone; the largest changes are kept.
MOST_DISCS = 4000
_CHANGE = "Change, km² (± independent / all alike)"


def write_report(
    path: Path, changes: "Changes", summary: pd.DataFrame, outlines: gpd.GeoSeries, *, progress: bool = False
) -> None:
    """Writes the report.

    Args:
        path: file to write.
        changes: what to tell.
        summary: as `summarise` gives it.
        outlines: one for each row of `changes.changes`, in EPSG:4326.
        progress: show a bar on the standard error.
    """
    hazard = hazard_of(changes, progress=progress)
    inner, lakes = [_head(changes, hazard)], LakeRows(changes, hazard, progress)
    for number, (before, after) in enumerate(changes.intervals):
        rows = changes.interval(number)
        of_interval = (summary["layer_before"] == before) & (summary["layer_after"] == after)
        inner.append(f"<h2>{_dates(changes, number)}</h2>")
        inner += [_budget(summary[of_interval]), _map(rows, outlines.loc[rows.index]), _readings(rows), _groups(rows)]
        inner.append(lakes.largest(number))
    inner += [lakes.alerts(), _trends(changes), hazard.html, _unseen(changes), _issues(changes), METHODS]
    title = " – ".join(layer.name for layer in (changes.layers[0], changes.layers[-1]))
    text = page("change", f"Glacial lakes: {title}", "".join(inner), COLOURS)
    path.write_text(text, encoding="utf-8")


def _head(changes: "Changes", hazard: Section) -> str:
    rows = []
    for layer in changes.layers:
        total = Total.of(layer.lakes["area_m2"].to_numpy(), layer.lakes["sigma_m2"].to_numpy())
        dates = layer.lakes["date"].dropna()
        span = f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}" if len(dates) else "unknown"
        seen = "nobody tells"
        if layer.masks:
            seen = "a mask tells" if layer.knows_clouds else "a mask tells, but not of clouds"
        rows.append((layer.name, span, _seasons(dates), len(layer.lakes), _total(total, "", 2), seen))
    head = ("Layer", "Dates", "Months", "Lakes", "Area, km² (± independent / all alike)", "What was observed")
    alerts = changes.alerts
    first = int((alerts["tier"] == 1).sum())
    sheets = f" Outburst hazard: {len(hazard.anchors)} <a href=#hazard>sheets</a>." if hazard.anchors else ""
    return (
        f"<h1>What changed</h1><p class=lead>{escape(changes.told())}.</p>"
        f"<p>Alerts: {first} of tier 1, {len(alerts) - first} of tier 2 (<a href=#alerts>list</a>).{sheets}</p>"
        f"{table(head, rows)}"
    )


def _budget(summary: pd.DataFrame) -> str:
    told: list[tuple[Any, ...]] = []
    for row in summary[summary["clusters"] > 0].to_dict("records"):
        total = Total(row["change_m2"], row["sigma_independent_m2"], row["sigma_correlated_m2"])
        name = Html(f"<i class={row['class']}></i>{row['class'].replace('_', ' ')}")
        told.append((name, *_sizes(row), _total(total), CLASSES[row["class"]]))
    independent = float(np.sqrt((summary["sigma_independent_m2"] ** 2).sum()))
    whole = Total(summary["change_m2"].sum(), independent, summary["sigma_correlated_m2"].sum())
    told.append(("all", *_sizes(summary.sum(numeric_only=True)), _total(whole), "the rows above add up to this"))
    return table(("Class", "Lakes before", "Lakes after", "km² before", "km² after", _CHANGE, ""), told)


def _sizes(row: Any) -> tuple[int, int, str, str]:
    lakes = (int(row["lakes_before"]), int(row["lakes_after"]))
    return *lakes, km2(row["area_before_m2"]), km2(row["area_after_m2"])


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
    below = ("carried_over", "persisted", "not_observed")
    return draw_map(points, shown["class"].tolist(), area, told, below) + note


def _readings(rows: pd.DataFrame) -> str:
    """How many changes stand out under each reading of the same half pixel."""
    both = rows[(rows["n_before"] > 0) & (rows["n_after"] > 0) & ~rows["class"].isin((*UNCOUNTED, "weak_link"))]
    columns = [both[name].to_numpy() for name in ("change_m2", "sigma_before_m2", "sigma_after_m2")]
    told = [(name, int(reading(*columns).sum())) for name, reading in READINGS.items()]
    title = f"Changes that stand out at 95 %, of {len(both)} lakes seen anew at both dates"
    return folded(title, table(("Reading of the error", "Changes"), told))


def _groups(rows: pd.DataFrame) -> str:
    """The same budget by size, elevation, glaciers, type, basin and country: whatever is known."""
    size = np.digitize(rows[["area_before_m2", "area_after_m2"]].max(axis=1) / 1e6, SIZE_BOUNDS_KM2)
    band = rows["elev_m"].map(lambda metres: band_of(metres, BANDS_M, "m"))
    distance = rows["dist_glacier_m"].map(lambda metres: band_of(metres / 1000, DISTANCES_KM, "km"))
    keys = {
        "Size class, km² (larger of the two dates)": pd.Series(np.array(SIZE_CLASSES)[size], rows.index),
        "Elevation": band, "Distance to the nearest glacier": distance,
        "Lake type": rows["lake_type"].fillna(""), "Basin": rows["basin"].fillna(""),
        "Country": rows["country"].fillna(""),
    }  # fmt: skip
    drawn = ""
    for title, key in keys.items():
        if (key != "").any():
            drawn += folded(title, _group_table(rows, key))
    return drawn


def _group_table(rows: pd.DataFrame, key: "pd.Series[Any]") -> str:
    order = list(SIZE_CLASSES) if set(key) <= set(SIZE_CLASSES) else sorted(set(key), key=_natural)
    told = []
    for name in order:
        part = rows[key == name]
        if len(part):
            counted = part[~part["class"].isin(UNCOUNTED)]
            sigma = np.hypot(counted["sigma_before_m2"].to_numpy(), counted["sigma_after_m2"].to_numpy())
            counts = part["class"].value_counts()
            numbers = [counts.get(one, 0) for one in ("grew", "shrank", "new", "vanished")]
            total = Total.of(counted["change_m2"].to_numpy(), sigma)
            told.append((name or "unknown", len(part), *numbers, _total(total)))
    head = ("", "Lakes", "Grew", "Shrank", "New", "Vanished", _CHANGE)
    return table(head, told)


def _natural(name: str) -> tuple[float, str]:
    start = name.split("–")[0]
    return (float(start) if start.replace(".", "").isdigit() else np.inf if not name else 0.0, name)


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
        f"<h2>What was not observed</h2><p>Lakes seen to less than {OBSERVED_SHARE:.0%} at one of two dates, or cut by "
        f"the edge of a scene or cloud: {len(rows)}.</p>"
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
    return f"<h2>Oddities of the layers</h2><p>By row in issues.csv.</p>{table(head, told)}"


def _dates(changes: "Changes", number: int) -> str:
    one, two = changes.layers[number], changes.layers[number + 1]
    return f"{escape(one.name)} ({day(one.middle)}) to {escape(two.name)} ({day(two.middle)})"


def _seasons(dates: "pd.Series[Any]") -> str:
    """The three most frequent months."""
    share = dates.dt.strftime("%b").value_counts(normalize=True).head(3)
    return ", ".join(f"{month} {part:.0%}" for month, part in share.items())


def _total(total: Total, sign: str = "+", digits: int = 3) -> str:
    value, one, other = (part / 1e6 for part in (total.value, total.independent, total.correlated))
    return f"{value:{sign}.{digits}f} (± {one:.{digits}f} / {other:.{digits}f})"
