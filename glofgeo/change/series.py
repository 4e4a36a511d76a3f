"""The area of each lake over three or more dates: what was seen, the trend, and how sure that is."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import shapely

from glofgeo.change.classes import OBSERVED_SHARE
from glofgeo.change.links import COPIED_IOU, clusters_of, shared_areas
from glofgeo.change.observed import observed_shares
from glofgeo.change.read_layer import LakeLayer

# Below five dates an exact Mann-Kendall test cannot reach p < 0.05, nor Sen's interval 95 %.
FEWEST_DATES = 5
# A slope needs three points, or it is but the difference of two.
FEWEST_POINTS = 3
CONFIDENCE = 0.95

_YEAR_DAYS = 365.25
_SEASONS = ("Dec-Feb", "Mar-May", "Jun-Aug", "Sep-Nov")


def lake_series(layers: Sequence[LakeLayer]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Gathers the area of each lake at each date.

    Outlines of any two dates that overlap belong to one lake, also if a date between them lacks it; lakes that merged
    or split at one date are one at all dates, so that their areas compare.

    Args:
        layers: three or more, in any order.

    Returns:
        A row for each lake and layer, sorted by lake and date: `series_id`, `lake_id` (of the largest outline of the
        first date), `layer`, `date`, `season`, `area_m2`, `sigma_m2`, `n_lakes`, `observed` (share of its ground seen
        at that date; NaN where nobody tells), `state` (`seen`, `carried_over`, `absent`, `not_observed`, or `unknown`:
        absent from a layer of which nobody tells what was observed) and `used` (counts for the trend). Then, by name
        of layer, the `series_id` of each of its lakes.
    """
    layers = sorted(layers, key=lambda layer: (pd.isna(layer.middle), layer.middle, layer.name))
    outlines = np.concatenate([layer.lakes.geometry.to_numpy() for layer in layers])
    first, second = overlapping(outlines, np.repeat(np.arange(len(layers)), [len(layer.lakes) for layer in layers]))
    count, label = clusters_of(first, second, len(outlines))
    copied = _copied(outlines, first, second)
    ends = np.cumsum([0, *(len(layer.lakes) for layer in layers)])
    tables = []
    for layer, (start, stop) in zip(layers, pairwise(ends.tolist()), strict=True):
        table = _at_date(layer, label[start:stop], copied[start:stop], count)
        share = pd.Series(observed_shares(outlines, layer.masks)).groupby(label).min()
        table["observed"] = share.to_numpy(float) if count else np.array([])
        tables.append(_with_state(table, layer))
    series = pd.concat(tables).sort_values(["series_id", "date"], kind="stable", ignore_index=True)
    series["lake_id"] = series.groupby("series_id")["lake_id"].transform("first")
    return series, {layer.name: label[start:stop] for layer, (start, stop) in zip(layers, pairwise(ends), strict=True)}


def fit_trends(series: pd.DataFrame) -> pd.DataFrame:
    """Fits a trend to each lake.

    Returns:
        A row a lake that has three or more points: `series_id`, `lake_id`, `points`, `first`, `last`, `seasons` (of
        the points), `slope_m2_per_year` (Theil-Sen), `slope_low`, `slope_high` (95 % interval, see `sen_trend`) and
        `p_value` (Mann-Kendall, two-sided); the last three NaN below five points.
    """
    columns = {name: series[name].to_numpy() for name in ("series_id", "area_m2")}
    days = (series["date"] - pd.Timestamp(2000, 1, 1, tz="UTC")).dt.total_seconds().to_numpy() / 86400
    used = np.flatnonzero(series["used"].to_numpy(bool))
    groups = np.split(used, np.flatnonzero(np.diff(columns["series_id"][used])) + 1)
    rows = []
    for group in groups:
        if len(group) < FEWEST_POINTS:
            continue
        trend = sen_trend(days[group] / _YEAR_DAYS, columns["area_m2"][group])
        seasons = " ".join(sorted(set(series["season"].iloc[group]), key=_SEASONS.index))
        rows.append(
            {
                "series_id": columns["series_id"][group[0]],
                "lake_id": series["lake_id"].iat[group[0]],
                "points": len(group),
                "first": series["date"].iat[group[0]],
                "last": series["date"].iat[group[-1]],
                "seasons": seasons,
                **trend,
            }
        )
    names = ["series_id", "lake_id", "points", "first", "last", "seasons", *sen_trend(np.arange(3.0), np.zeros(3))]
    return pd.DataFrame(rows, columns=names)


def sen_trend(years: Any, values: Any) -> dict[str, float]:
    """Gives the Theil-Sen slope, its 95 % interval and the Mann-Kendall p-value; NaN where there are too few points.

    The interval is Sen's (1968, JASA 63:1379-1389), from Kendall's exact distribution and between two slopes where
    none has just 95 %; see `_bounding_slopes`. Where two points have the same time it is that of scipy, approximate.

    Args:
        years: times, `(N,)`, not all the same.
        values: `(N,)`.
    """
    # Slow to import.
    from scipy.stats import kendalltau, theilslopes

    if np.ptp(years) == 0:
        return dict.fromkeys(("slope_m2_per_year", "slope_low", "slope_high", "p_value"), np.nan)
    fit = theilslopes(values, years, CONFIDENCE)
    low, high, p_value = np.nan, np.nan, np.nan
    if len(years) >= FEWEST_DATES:
        one, other = np.triu_indices(len(years), 1)
        if (apart := years[other] - years[one]).all():
            rank, inward = _bounding_slopes(len(years))
            slopes = np.sort((values[other] - values[one]) / apart)
            low, high = (ends[rank] + inward * (ends[rank + 1] - ends[rank]) for ends in (slopes, slopes[::-1]))
        else:
            low, high = fit.low_slope, fit.high_slope
        p_value = kendalltau(years, values).pvalue
    return {
        "slope_m2_per_year": float(fit.slope),
        "slope_low": float(low),
        "slope_high": float(high),
        "p_value": float(p_value),
    }


@cache
def _bounding_slopes(points: int) -> tuple[int, float]:
    """Tells where in the sorted slopes between all pairs of points the 95 % interval ends, counted from either end.

    The true slope lies between the slopes of rank r at both ends unless at most r pairs are discordant, whose chance
    is Kendall's exact distribution. With five points that is 98.3 % or 91.7 %, so the interval ends between two
    slopes, as Hettmansperger & Sheather 1986 (Statistics & Probability Letters 4:75-79) interpolate for a median. For
    slopes that is not proven but measured: it holds the truth in 93.6 to 95.2 % of series of 5 to 20 points.

    Returns:
        The rank, from 0, and how far to go from it to the next one inward (0-1).
    """
    chance = np.ones(1)
    for size in range(2, points + 1):
        chance = np.convolve(chance, np.full(size, 1 / size))
    confidence = 1 - 2 * np.cumsum(chance)
    rank = int(np.flatnonzero(confidence >= CONFIDENCE)[-1])
    part = (confidence[rank] - CONFIDENCE) / (confidence[rank] - confidence[rank + 1])
    below, above = rank + 1, len(chance) - 2 - rank
    return rank, float(above * part / (below + (above - below) * part))


def season_of(date: Any) -> str:
    """Names the quarter of the year, winter being December to February; empty where the date is unknown."""
    return "" if pd.isna(date) else _SEASONS[date.month % 12 // 3]


def overlapping(outlines: Any, layer: Any) -> tuple[Any, Any]:
    """Pairs of outlines of different layers that meet in more than a line."""
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    ours = (first < second) & (layer[first] != layer[second])
    first, second = first[ours], second[ours]
    touch = shapely.touches(outlines[first], outlines[second])
    return first[~touch], second[~touch]


def _copied(outlines: Any, first: Any, second: Any) -> Any:
    """Tells which outlines are those of an earlier layer: pairs are in the order of layers."""
    area = shapely.area(outlines)
    alike = np.abs(area[first] / area[second] - 1) < 1 - COPIED_IOU
    first, second = first[alike], second[alike]
    common = shared_areas(outlines, outlines, first, second)
    same = common > COPIED_IOU * (area[first] + area[second] - common)
    copied = np.zeros(len(outlines), bool)
    copied[second[same]] = True
    return copied


def _at_date(layer: LakeLayer, label: Any, copied: Any, count: int) -> pd.DataFrame:
    lakes = layer.lakes
    largest = lakes.assign(series_id=label).sort_values("area_m2", kind="stable").groupby("series_id")
    table = pd.DataFrame({"series_id": np.arange(count), "layer": layer.name})
    for name in ("lake_id", "date"):
        table[name] = largest[name].last().reindex(range(count))
    table["lake_id"] = table["lake_id"].replace("", None)
    table["date"] = table["date"].fillna(layer.middle).astype("datetime64[ms, UTC]")
    table["season"] = table["date"].map(season_of)
    table["area_m2"] = np.bincount(label, lakes["area_m2"], count)
    table["sigma_m2"] = np.sqrt(np.bincount(label, lakes["sigma_m2"] ** 2, count))
    table["n_lakes"] = np.bincount(label, minlength=count)
    table["cut"] = np.bincount(label, lakes["cut"], count) > 0
    table["copies"] = np.bincount(label, copied, count)
    return table


def _with_state(table: pd.DataFrame, layer: LakeLayer) -> pd.DataFrame:
    there = table["n_lakes"] > 0
    unseen = (table["observed"] < OBSERVED_SHARE) | table["cut"]
    state = np.select(
        [unseen, there & (table["copies"] == table["n_lakes"]), there, table["observed"].notna()],
        ["not_observed", "carried_over", "seen", "absent"],
        "unknown",
    )
    used = np.isin(state, ["seen", "absent"]) & table["date"].notna()
    return table.drop(columns=["cut", "copies"]).assign(state=state, used=used)
