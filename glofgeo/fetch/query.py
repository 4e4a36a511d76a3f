"""What is searched for: an area, dates, months and cloud; and the small pieces in which a catalogue is asked."""

import calendar
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import polygons_of
from datasets_def.stac_item import Item
from glofgeo.errors import GlofgeoError

# West, south, east and north in degrees; west < east.
Box = tuple[float, float, float, float]

# Asked one by one; what has more parts is asked as one box and sorted out here.
_MOST_BOXES = 12


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        area: polygons, WGS 84, within 180 degrees.
        first: the first day.
        last: the last day, included.
        months: of the year, 1 to 12.
        max_cloud: percent of the tile.
    """

    area: BaseGeometry
    first: date
    last: date
    months: tuple[int, ...]
    max_cloud: float

    def takes(self, item: Item) -> bool:
        """Whether a scene answers the query; one that does not tell its cloud does."""
        day = item.datetime.date()
        return (
            self.first <= day <= self.last
            and day.month in self.months
            and (item.cloud is None or item.cloud <= self.max_cloud)
            and item.geometry.intersection(self.area).area > 0
        )

    def slices(self) -> Iterator[tuple[date, date]]:
        """Gives the wanted days month by month: large answers are where catalogues fail."""
        for year in range(self.first.year, self.last.year + 1):
            for month in self.months:
                first = max(self.first, date(year, month, 1))
                last = min(self.last, date(year, month, calendar.monthrange(year, month)[1]))
                if first <= last:
                    yield first, last

    def boxes(self) -> list[Box]:
        """Gives boxes that hold the area, none of which crosses 180 degrees, where catalogues lose their way.

        Distant parts have boxes of their own.
        """
        boxes = [part.bounds for part in polygons_of(self.area)]
        joined: list[Box] = []
        for box in sorted(boxes):
            touching = [other for other in joined if _touch(box, other)]
            while touching:
                joined = [other for other in joined if other not in touching]
                box = _around([box, *touching])
                touching = [other for other in joined if _touch(box, other)]
            joined.append(box)
        if len(joined) <= _MOST_BOXES:
            return joined
        halves = [[box for box in joined if (box[0] + box[2] < 0) == west] for west in (True, False)]
        crossing = max(box[2] for box in joined) - min(box[0] for box in joined) > 180
        return [_around(half) for half in halves if half] if crossing else [_around(joined)]


def _touch(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _around(boxes: list[Box]) -> Box:
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def parse_months(text: str) -> tuple[int, ...]:
    """Reads months of the year: `9-11`, `11-2` (across New Year) or `6,9-11`.

    Returns:
        Numbers from 1 to 12, in the order given, each once.

    Raises:
        GlofgeoError: If it is something else.
    """
    months: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not (1 <= first <= 12 and 1 <= last <= 12):
            raise GlofgeoError(f"months {text!r}: not months of the year", "give them as in 9-11", argument="months")
        months += [(first - 1 + i) % 12 + 1 for i in range((last - first) % 12 + 1)]
    return tuple(dict.fromkeys(months))


def parse_day(text: str, argument: str) -> date:
    """Reads a day, `2024-11-30`.

    Args:
        text: the day.
        argument: name of the parameter that gave it.

    Raises:
        GlofgeoError: If it is something else.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise GlofgeoError(f"{text!r}: not a day", "give it as in 2024-11-30", argument=argument) from None


def season_of(day: date, months: tuple[int, ...]) -> int:
    """Gives the year in which the season of a day began.

    Args:
        day: of a scene.
        months: of the season in their order; one as November to February runs across New Year.
    """
    begins = months[0]
    runs_on = months != tuple(sorted(months))
    return day.year - (1 if runs_on and day.month < begins else 0)


def check_query(query: Query) -> None:
    """Refuses a query that no scene can answer.

    Raises:
        GlofgeoError: If the days are in the wrong order or the cloud is no percentage.
    """
    if query.first > query.last:
        raise GlofgeoError(f"from {query.first} to {query.last}: the first day is after the last", "swap them")
    if not any(True for _ in query.slices()):
        raise GlofgeoError(f"none of the months lies between {query.first} and {query.last}", argument="months")
    if not (math.isfinite(query.max_cloud) and 0 <= query.max_cloud <= 100):
        raise GlofgeoError(f"cloud {query.max_cloud:g}: give percent from 0 to 100", argument="max_cloud")
