"""When each lake of a layer was seen: from a column of dates, from the name of a scene, or as the user says."""

import re
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from glofgeo.errors import GlofgeoError

# In the order in which they are believed; the last ones hold names of Landsat or Sentinel-2 scenes.
DATE_COLUMNS = ("acq_datetime", "acquired", "acq_date", "date", "year", "phase")
SCENE_COLUMNS = ("image_id", "scene_id", "source_image", "sourceimage", "source_id", "source")

# The first Landsat was launched in July 1972: no earlier date is one of a satellite image.
_FIRST_YEAR = 1972

# LC08_L1TP_152035_20200729_20200908, with or without collection and tier, and the older LT51400412010305KHC00.
_LANDSAT = re.compile(r"L[COTEM]\d\d_[A-Z0-9]{4}_\d{6}_\d{8}_\d{8}(_\d\d_(T1|T2|RT))?")
_LANDSAT_OLD = re.compile(r"L[COTEM]\d\d{6}(\d{4})(\d{3})[A-Z]{3}\d\d")
_SENTINEL = re.compile(r"S2[A-C]_MSIL[12][AC]_\d{8}T\d{6}_.*")
_DAY = re.compile(r"(?<!\d)(\d{4})([-/.]?)(\d\d)\2(\d\d)(?!\d)")
# 15.10.2020 or 10/15/2020: between slashes, the month is known only where the other number is above 12.
_DAY_LAST = re.compile(r"(?<!\d)(\d\d?)([-/.])(\d\d?)\2(\d{4})(?!\d)")
# Also at the end of a name, as in Hi_MAG_2008.
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
# A year alone stands for its middle, to the hour, by which it is known again.
_MIDDLE = "07-02T12:00:00"
# As in S2A_MSIL2A_20231012T045701.
_STAMP = re.compile(r"(\d{8})T\d{6}")


def is_scene_name(text: str) -> bool:
    """Tells whether a text is the whole name of a Landsat or Sentinel-2 scene as its agency writes it."""
    return any(pattern.fullmatch(text) for pattern in (_LANDSAT, _LANDSAT_OLD, _SENTINEL))


def day_of(value: Any) -> pd.Timestamp | None:
    """Reads the first day, or else the first year, in a value; a year alone stands for its middle.

    Returns:
        In UTC; None where there is no date, or none that a satellite can have seen.
    """
    if isinstance(value, datetime):
        stamp = pd.Timestamp(value)
        if pd.isna(stamp):
            return None
        return _possible(stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC))
    if value is None or value is pd.NA or value != value:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if old := _LANDSAT_OLD.fullmatch(text):
        return _possible(pd.to_datetime("".join(old.groups()), format="%Y%j", errors="coerce", utc=True))
    if stamped := _STAMP.search(text):
        return _possible(pd.to_datetime(stamped[1], format="%Y%m%d", errors="coerce", utc=True))
    days = [(day[1], day[3], day[4]) for day in _DAY.finditer(text)]
    for one, mark, other, year in _DAY_LAST.findall(text):
        if int(other) > 12:
            days.append((year, one, other))
        elif mark == "." or int(one) > 12 or one == other:
            days.append((year, other, one))
    for day in days:
        found = pd.to_datetime("-".join(day), format="%Y-%m-%d", errors="coerce", utc=True)
        if (possible := _possible(found)) is not None:
            return possible
    if year := _YEAR.search(text):
        return _possible(pd.Timestamp(f"{year[1]}-{_MIDDLE}", tz=UTC))
    return None


def is_year_alone(dates: "pd.Series[Any]") -> "pd.Series[bool]":
    """Tells of which dates only the year is known, so that they stand for its middle."""
    return dates.dt.strftime("%m-%dT%H:%M:%S") == _MIDDLE


def given_day(text: str) -> pd.Timestamp:
    """Reads a date that a user gives for a whole layer: 2020, or 2020-10-15.

    Raises:
        GlofgeoError: If it is neither.
    """
    day = day_of(text)
    if day is None or not re.fullmatch(r"\d{4}(-\d\d-\d\d)?", text.strip()):
        raise GlofgeoError(f"{text}: is no date of a layer", "write a year or a day, as 2020 or 2020-10-15")
    return day


def _possible(day: Any) -> pd.Timestamp | None:
    if pd.isna(day) or not _FIRST_YEAR <= day.year <= datetime.now(UTC).year:
        return None
    return day
