"""Lakes to look at: losses of area that stand out from their error."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from glofgeo.change.layer_dates import is_year_alone
from glofgeo.change.significance import SIGNIFICANT_Z

# Smaller lakes are below detection: at half a pixel along the shore, a lake of 0.02 km2 mapped at 30 m has to lose
# most of its area to be significant. It is also the size from which ICIMOD 2020 deems an outburst harmful.
LEAST_AREA_M2 = 20_000.0

# Tier 1: South Lhonak lost 11 % on 3-4 October 2023, several sigma within 60 days; 30 % would have missed it.
TIER_1_Z = 3.0
TIER_1_DAYS = 60.0
# Tier 2: a loss of this share that is significant, over any time.
TIER_2_LOSS = 0.3

# Back at this share of its earlier area, a lake that one layer lacks was left out there rather than drained.
_BACK = 0.9

_COLUMNS = (
    "tier", "finding", "lake_id", "cluster_id", "layer_before", "layer_after", "date_before", "date_after", "days",
    "area_before_m2", "area_after_m2", "change_m2", "loss_percent", "z", "class",
)  # fmt: skip


def find_alerts(changes: pd.DataFrame, unmasked: Collection[str] = ()) -> pd.DataFrame:
    """Finds the lakes that lost area in a way to look at, between two dates.

    Lakes without a new observation, cut, or not observed at both dates raise none. A loss is only called drained
    where the lake still has an outline or its ground was seen without it; a lake that a layer merely lacks is
    `missing`, since the layer may have left it out, or a cloud hidden it.

    Args:
        changes: as `compare_layers` gives them, with `layer_before` and `layer_after`; rows of `across_gaps` too.
        unmasked: names of layers whose masks tell nothing of clouds.

    Returns:
        A row an alert, tier 1 first, the largest loss first. Tier 1: |z| > 3 within 60 days, both of them known to the
        day and not the same one, since two outlines of one day differ by who drew them. Tier 2: a significant loss of
        more than 30 %.
    """
    rows = changes[
        (changes["area_before_m2"] >= LEAST_AREA_M2)
        & (changes["change_m2"] < 0)
        & ~changes["class"].isin(["carried_over", "not_observed", "weak_link"])
    ]
    loss = -rows["change_m2"] / rows["area_before_m2"]
    days = (rows["date_after"] - rows["date_before"]).dt.total_seconds().abs() / 86400
    vague = is_year_alone(rows["date_before"]) | is_year_alone(rows["date_after"])
    tier_1 = (rows["z"] < -TIER_1_Z) & (days > 0) & (days <= TIER_1_DAYS) & ~vague
    tier_2 = (rows["z"] < -SIGNIFICANT_Z) & (loss > TIER_2_LOSS)
    seen = (rows["n_after"] > 0) | (rows["observed_after"].notna() & ~rows["layer_after"].isin(unmasked))
    rows = rows.assign(
        tier=np.where(tier_1, 1, 2),
        finding=np.where(seen, "drained", "missing"),
        days=days.round(1),
        loss_percent=100 * loss,
    )[tier_1 | tier_2]
    return rows[list(_COLUMNS)].sort_values(["tier", "change_m2"], kind="stable", ignore_index=True)


def without_omissions(alerts: pd.DataFrame, series: pd.DataFrame, members: Sequence[int]) -> pd.DataFrame:
    """Renames the finding `missing` to `left_out` where a later layer has the lake again at nearly its area.

    Args:
        alerts: as `find_alerts` gives them.
        series: as `lake_series` gives them.
        members: for each alert, the `series_id` of its lake.
    """
    by_lake = series.groupby("series_id")
    found: list[str] = []
    for row, member in zip(alerts.to_dict("records"), members, strict=True):
        later = by_lake.get_group(member)
        later = later[(later["date"] > row["date_after"]) & (later["n_lakes"] > 0)]
        back = (later["area_m2"] >= _BACK * row["area_before_m2"]).any()
        found.append("left_out" if row["finding"] == "missing" and back else row["finding"])
    return alerts.assign(finding=np.array(found, dtype=object))
