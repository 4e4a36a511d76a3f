"""Which lakes the report shows one by one, and the sheets of outburst hazard of those that the last date has."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from datasets_def.reproject import to_degrees
from glofgeo.change.layer_dates import is_year_alone
from glofgeo.change.read_layer import LakeLayer
from glofgeo.hazard.lakes import LakeLayer as HazardLakes
from glofgeo.hazard.lakes import unique_names
from glofgeo.hazard.section import NO_GROUND, HazardGround, Section, dam_types, hazard_section
from glofgeo.report.page import day
from glofgeo.terminal import steps

if TYPE_CHECKING:
    from glofgeo.change.compare import Changes

LARGEST = 20
# Of so many alerts a report shows all; with more pictures it would open slowly on a phone.
MOST_ALERTS = 200
# A sheet takes about half a second of computing, and 4 to 5 kB of the page.
MOST_SHEETS = 200
# Classes that count in no statistic of change.
UNCOUNTED = ("carried_over", "not_observed")


def largest_changes(changes: "Changes", number: int) -> pd.DataFrame:
    """The rows of the largest changes of one pair of dates, from 0."""
    rows = changes.interval(number)
    rows = rows[~rows["class"].isin(UNCOUNTED)]
    return rows.loc[rows["change_m2"].abs().sort_values(ascending=False, kind="stable").index[:LARGEST]]


def hazard_of(changes: "Changes", *, progress: bool = False) -> Section:
    """Gives the sheets of the lakes of the last date that the report names, and of its largest.

    Args:
        changes: what the report tells.
        progress: show a bar on the standard error.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    ground = changes.ground
    if ground.dem is None or ground.glaciers is None:
        return NO_GROUND
    layer, numbers = changes.layers[-1], _shown(changes)
    lakes = _as_hazard_takes(layer, numbers)
    track = partial(steps, what="Outburst hazard", shown=progress)
    return hazard_section(
        lakes, numbers, HazardGround(ground.dem, ground.glaciers, ground.ice), _lead(layer, len(numbers)), track
    )


def lake_now(changes: "Changes", row: dict[Any, Any]) -> int | None:
    """Finds the lake of the last date that became of a row; the largest if several did, None if none did.

    Args:
        changes: what the row is of.
        row: of `changes.changes` or `changes.alerts`.
    """
    names = [layer.name for layer in changes.layers]
    i, last = names.index(row["layer_before"]), changes.layers[-1]
    graph = changes.graphs[i]
    if i + 2 == len(names):
        lakes = graph.cluster_after == row["cluster_id"]
    else:
        # The links of two dates do not reach the last one; what overlaps at any two dates is one series.
        members = changes.of_lake[names[i]][graph.cluster_before == row["cluster_id"]]
        if not len(members):
            members = changes.of_lake[names[i + 1]][graph.cluster_after == row["cluster_id"]]
        lakes = changes.of_lake[last.name] == members[0]
    which = np.flatnonzero(lakes)
    return int(which[last.lakes["area_m2"].to_numpy()[which].argmax()]) if len(which) else None


def _shown(changes: "Changes") -> list[int]:
    """Lakes of the last date by their number: what matters most first, in case there are too many."""
    area = changes.layers[-1].lakes["area_m2"].to_numpy()
    found: list[int | None] = np.argsort(-area, kind="stable")[:LARGEST].tolist()
    last, *earlier = reversed(range(len(changes.intervals)))
    tables = [largest_changes(changes, last), changes.alerts.head(MOST_ALERTS)]
    tables += [largest_changes(changes, number) for number in earlier]
    found += [lake_now(changes, row) for rows in tables for row in rows.to_dict("records")]
    return [lake for lake in dict.fromkeys(found) if lake is not None][:MOST_SHEETS]


def _lead(layer: LakeLayer, shown: int) -> str:
    """Tells which lakes have a sheet."""
    if shown == len(layer.lakes):
        return f"All {shown} lakes of {layer.name}, the last date"
    most = f", {MOST_SHEETS} at most" if shown == MOST_SHEETS else ""
    return (
        f"{shown} of the {len(layer.lakes)} lakes of {layer.name}, the last date: the {LARGEST} largest, and those "
        f"that the tables of changes and alerts name{most}"
    )


def _as_hazard_takes(layer: LakeLayer, numbers: list[int]) -> HazardLakes:
    dates = _dates(layer)
    names = unique_names(layer.lakes["lake_id"].tolist(), dates, layer.lakes.geometry)
    part = layer.lakes.iloc[numbers]
    dams = dam_types(part["lake_type"])
    return HazardLakes(
        [names[i] for i in numbers], to_degrees(part.geometry), [dates[i] for i in numbers], dams
    )  # fmt: skip


def _dates(layer: LakeLayer) -> list[str]:
    known = layer.lakes["date"].fillna(layer.middle)
    years = is_year_alone(known)
    return [
        "" if pd.isna(date) else str(date.year) if year else day(date) for date, year in zip(known, years, strict=True)
    ]
