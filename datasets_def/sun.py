"""Where the sun stood over a scene."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_def.acquired import tells_hour
from datasets_def.metadata_xml import find_text, number, parse, read_xml
from datasets_def.product_path import holds_product, is_safe, open_product

if TYPE_CHECKING:
    from datasets_def.scene import Scene

# Sentinel-2 takes no images of the night; below this, terrain of any height would be all shadow.
_LOWEST_ZENITH = 88.0


def scene_sun(scene: "Scene") -> tuple[float, float] | None:
    """Tells where the sun stood when a scene was sensed.

    Args:
        scene: in any container.

    Returns:
        Zenith and azimuth in degrees, the latter clockwise from north: the means that a product's `MTD_TL.xml` states,
        or else computed from time and place. None where the scene does not tell its time either, or only its day.

    Raises:
        GlofgeoError: If a product's metadata cannot be read.
    """
    path = scene.path
    if isinstance(path, Path) and (holds_product(path) if path.is_dir() else is_safe(path)):
        _, files = open_product(path)
        tile = files[next(name for name in files if name.startswith("GRANULE/") and name.endswith("/MTD_TL.xml"))]
        mean = next(parse(read_xml(tile), tile).iter("Mean_Sun_Angle"), None)
        if mean is not None:
            zenith = number(find_text(mean, "ZENITH_ANGLE", tile), "ZENITH_ANGLE", tile, 0, 90)
            azimuth = number(find_text(mean, "AZIMUTH_ANGLE", tile), "AZIMUTH_ANGLE", tile, -360, 360)
            return min(zenith, _LOWEST_ZENITH), azimuth % 360
    if scene.datetime is None or not tells_hour(scene.datetime):
        return None
    middle = scene.grid.footprint.centroid
    return sun_position(middle.x, middle.y, scene.datetime)


def sun_position(lon: float, lat: float, when: datetime) -> tuple[float, float]:
    """Computes the position of the sun to a few hundredths of a degree, refraction left aside.

    Michalsky 1988, "The Astronomical Almanac's algorithm for approximate solar position (1950-2050)", Solar Energy
    40(3), 227-235.

    Args:
        lon: degrees east.
        lat: degrees north.
        when: UTC if it names no time zone.

    Returns:
        Zenith (at most 88) and azimuth in degrees, the latter clockwise from north.
    """
    moment = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    days = (moment - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(tilt) * math.sin(longitude))
    hour = math.radians(15 * (18.697374558 + 24.06570982441908 * days) + lon) - ascension
    phi = math.radians(lat)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour)
    return min(math.degrees(math.acos(up)), _LOWEST_ZENITH), math.degrees(math.atan2(east, north)) % 360
