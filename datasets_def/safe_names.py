"""Compares the names of a product and of its images with its metadata."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from datasets_def.errors import GlofgeoError
from datasets_def.metadata_xml import time

# Sen2Cor writes this baseline where it runs on a user's own computer. Old versions of it know of no offset.
LOCAL_BASELINE = "99.99"

_START, _TILE = r"(?P<start>\d{8}T\d{6})", r"T(?P<zone>\d\d)(?P<belt>[C-X])[A-Z]{2}"
_URI = re.compile(rf"S2[A-Z]_MSIL\w\w_{_START}_N(\d\d)(\d\d)_R\d{{3}}_{_TILE}_")
_IMAGE_NAME = re.compile(rf"(?:.*[/_])?{_TILE}_{_START}_(?:B\d|SCL)")


def _names(root: Element) -> list[str]:
    """What the product calls itself."""
    return [(element.text or "").strip() for tag in ("PRODUCT_URI", "PRODUCT_URI_2A") for element in root.iter(tag)]


def check_names(root: Element, sensed: datetime, epsg: int, where: object) -> None:
    """Compares time and place in the names of the product and of its images with its metadata.

    Raises:
        GlofgeoError: If they differ by more than a day, or in the UTM zone or hemisphere.
    """
    images = [_IMAGE_NAME.match((element.text or "").strip()) for element in root.iter("IMAGE_FILE")]
    products = [_URI.match(name) for name in _names(root)]
    for what, match in [("product name", m) for m in products] + [("image name", m) for m in images]:
        if match is None:
            continue
        named = time(match["start"], what, where)
        if abs(named - sensed) > timedelta(days=1):
            raise GlofgeoError(
                f"{where}: sensing started {sensed:%Y%m%dT%H%M%S}, but the {what} says {match['start']}",
                "download the product again",
            )
        if epsg != (32600 if match["belt"] >= "N" else 32700) + int(match["zone"]):
            raise GlofgeoError(
                f"{where}: lies in EPSG:{epsg}, but the {what} says tile {match['zone']}{match['belt']}",
                "download the product again",
            )


def check_baseline(root: Element, baseline: str, offsets: Mapping[str, float], where: object) -> None:
    """Compares the baseline with that of the product's name where the former decides that there is no offset.

    Raises:
        GlofgeoError: If by its name the product holds one.
    """
    for match in filter(None, map(_URI.match, _names(root))):
        named = f"{match[2]}.{match[3]}"
        if not any(offsets.values()) and float(baseline) < 4 <= float(named) and named != LOCAL_BASELINE:
            raise GlofgeoError(
                f"{where}: gives baseline {baseline} and no offset, but the product name says baseline {named}",
                "download the product again",
            )
