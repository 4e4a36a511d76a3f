"""When a raster file was acquired: by its tags, its STAC item or its name."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from datasets_def.errors import GlofgeoError
from datasets_def.radiometry import PRODUCT_NAME


def acquired(where: object, stem: str, tags: Mapping[str, str], item: Mapping[str, Any]) -> datetime | None:
    """Gives the acquisition time of a scene: from tags, its STAC item, or its name.

    Names hold it as `20241015T045701`, `2024-10-15` or `20241015`. It is in UTC; where only a day is known, it is
    midnight (`tells_hour`). `TIFFTAG_DATETIME` is when a file was made, not when a scene was seen.

    Args:
        where: for messages.
        stem: name of the file without ending; the first time in it is the acquisition, as in names of products and
            their bands.
        tags: names in capitals.
        item: properties of its STAC item, empty without one.

    Raises:
        GlofgeoError: If tags, item and the name of a product differ by more than a day.
    """
    stamp = r"(?<!\d)\d{8}T\d{6}(?!\d)", "%Y%m%dT%H%M%S"
    product = PRODUCT_NAME.search(stem)
    written = (tags.get("ACQUISITION_DATETIME"), tags.get("PRODUCT_START_TIME"), item.get("datetime"))
    sources = (*map(_moment, written), _first_time(product[2] if product else "", *stamp))
    # Other names are given by people, who may have meant another day.
    days = ((r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)", "%Y-%m-%d"), (r"(?<!\d)(?:19|20)\d{6}(?!\d)", "%Y%m%d"))
    named = ((stem, *stamp), *((stem, *day) for day in days))
    times = [found for found in sources if found]
    if times and max(times) - min(times) > timedelta(days=1):
        raise GlofgeoError(
            f"{where}: tags, STAC item or name give different acquisition times "
            f"({min(times):%Y-%m-%d}, {max(times):%Y-%m-%d})",
            "correct the wrong one",
        )
    return next((found for found in (*times, *(_first_time(*one) for one in named)) if found), None)


def tells_hour(moment: datetime) -> bool:
    """Whether a time is more than a day: of a scene whose name or tag gives a day alone, we know the first instant."""
    return moment.astimezone(UTC).time() != time()


def _moment(text: object) -> datetime | None:
    """Reads a time of ISO 8601, in UTC where it names no time zone."""
    try:
        found = datetime.fromisoformat(str(text).strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _first_time(text: str, pattern: str, form: str) -> datetime | None:
    for match in re.finditer(pattern, text):
        try:
            return datetime.strptime(match.group(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
