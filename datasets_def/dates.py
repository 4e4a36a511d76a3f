"""When each lake of a layer was mapped."""

import math
import re

import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame

from datasets_def.errors import GlofgeoError

# In the order in which they are believed; the last holds names of Landsat or Sentinel-2 scenes, as in ICIMOD's
# inventories.
COLUMNS = ("acq_datetime", "acquired", "date", "year", "image_id")

# Share of the smaller of two outlines from which on they show one lake.
_TWICE = 0.5

# A day as in LT05_L1TP_152035_20000908_20200907 or 2000-09-08, or a year alone.
_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})[-/]?(0[1-9]|1[0-2])[-/]?(0[1-9]|[12]\d|3[01])(?!\d)")
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")


def mapped_in(lakes: GeoDataFrame, name: str) -> "pd.Series[float]":
    """Gives the year in which each lake was mapped.

    Args:
        lakes: with some of `COLUMNS`, in any case, of which the first that holds dates counts: days, years, or names of
            scenes that hold a day.
        name: of the layer, for messages.

    Returns:
        Decimal years (2000.5 is the middle of 2000; a year alone counts as its middle); NaN where a lake has no date
        that can be read, as with some in ICIMOD's inventories.

    Raises:
        GlofgeoError: If there is no such column, or no date in it.
    """
    known = {str(column).lower(): column for column in lakes.columns}
    columns = [known[wanted] for wanted in COLUMNS if wanted in known]
    if not columns:
        raise GlofgeoError(
            f"{name}: no column says when a lake was mapped",
            "add `date`, or take lakes of all years",
            argument="data.lake_years",
        )
    for column in columns:
        years = pd.Series([_decimal_year(value) for value in lakes[column]], lakes.index, dtype=float)
        if years.notna().any():
            return years
    raise GlofgeoError(f"{name}: no date can be read in {', '.join(columns)}", "write days as 2020-07-29, or years")


def require_one_date(lakes: GeoDataFrame, name: str) -> None:
    """Makes sure that lakes were not mapped several times in one place, where one lake would count as several.

    Args:
        lakes: any CRS; days are those of the first of `COLUMNS` that is there.
        name: of the layer, for messages.

    Raises:
        GlofgeoError: If outlines of different days cover the same ground.
    """
    known = {str(column).lower(): column for column in lakes.columns}
    column = next((known[wanted] for wanted in COLUMNS if wanted in known), None)
    if column is None:
        return
    days = np.array([day_in(str(value)) for value in lakes[column]], dtype=object)
    if len(set(days)) < 2:
        return
    outlines = lakes.geometry.to_numpy()
    one, other = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    pairs = (one < other) & (days[one] != days[other])
    one, other = one[pairs], other[pairs]
    area = shapely.area(outlines)
    common = shapely.area(shapely.intersection(outlines[one], outlines[other]))
    if (twice := common > _TWICE * np.minimum(area[one], area[other])).any():
        i, j = one[twice][0], other[twice][0]
        raise GlofgeoError(
            f"{name}: holds lakes of several dates in one place ({days[i] or 'unknown'} and {days[j] or 'unknown'})",
            "give a layer of one date, such as the lakes.gpkg of one scene",
        )


def day_in(text: str) -> str:
    """Gives the day that a text holds, as 2000-09-08, or else the year; empty where it holds neither."""
    if day := _DAY.search(text):
        return "-".join(day.groups())
    year = _YEAR.search(text)
    return year[1] if year else ""


def decimal_year(day: pd.Timestamp) -> float:
    """Gives a day as a decimal year."""
    return day.year + (day.day_of_year - 1) / (366 if day.is_leap_year else 365)


def _decimal_year(value: object) -> float | None:
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    text = str(value)
    if day := _DAY.search(text):
        stamp = pd.to_datetime("-".join(day.groups()), errors="coerce")
        if not pd.isna(stamp):
            return decimal_year(stamp)
    if year := _YEAR.search(text):
        return int(year[1]) + 0.5
    return None
