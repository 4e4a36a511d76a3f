"""Which asset of a STAC item holds which band, whatever a catalogue calls it."""

import math
import re
from collections.abc import Mapping
from typing import Any

from datasets_def.bands import BANDS, band_name
from datasets_def.errors import GlofgeoError

# Earth Search names assets by these; the STAC extension eo knows them as common names.
_COMMON = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "cirrus": "B10", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
_KEY = re.compile(r"(?i)(\w+?)(?:[_-](\d0)m)?(?:[_-]jp2)?")
_METADATA = ("product_metadata", "granule_metadata")
_PICTURES = {"thumbnail", "overview", "visual", "metadata", "tci"}


def is_jpeg2000(href: str, media_type: str | None) -> bool:
    """Whether a file is JPEG 2000, by its type or its name."""
    return "jp2" in (media_type or "").lower() or bool(re.search(r"(?i)\.jp2(?:$|\?)", href))


def choose_assets(assets: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """Picks an asset for each band, `SCL`, and the metadata files.

    Of several for one band its own file comes before one of several bands, the COG before JPEG 2000, and the finest
    before coarser ones.

    Args:
        assets: of an item, as they are.
        where: for messages.

    Raises:
        GlofgeoError: If an asset is called one band and described as another.
    """
    found: dict[str, tuple[tuple[bool, bool, float, str], Mapping[str, Any]]] = {}
    for key, asset in assets.items():
        if not isinstance(asset, Mapping):
            continue
        names, metres = _names(key, asset, where)
        jpeg2000 = is_jpeg2000(str(asset.get("href", "")), str(asset.get("type", "")))
        rank = len(names) > 1, jpeg2000, metres, key
        for name in names:
            if name not in found or rank < found[name][0]:
                found[name] = rank, asset
    return {name: asset for name, (_, asset) in found.items()}


def _names(key: str, asset: Mapping[str, Any], where: str) -> tuple[list[str], float]:
    """Our names of what an asset holds, none if it is of no use, and its resolution in metres as far as it tells."""
    metadata = key.lower().replace("-", "_")
    if metadata in _METADATA:
        return [metadata], 0
    roles = asset.get("roles")
    match = _KEY.fullmatch(key)
    words = [match[1] if match else key, *(roles if isinstance(roles, list) else [])]
    if _PICTURES & {str(word).lower() for word in words}:
        return [], 0
    called = _band(match[1]) if match else ""
    lists = (asset.get(name) for name in ("eo:bands", "bands"))
    bands: list[Any] = next((one for one in lists if isinstance(one, list) and one), [])
    described = [_described(band) for band in bands if isinstance(band, Mapping)]
    if called and len(bands) == 1 and any(described) and called != described[0]:
        raise GlofgeoError(f"{where}: asset {key} is described as {described[0]}", "give another item of this scene")
    metres = float(match[2]) if match and match[2] else finite(asset.get("gsd")) or 0.0
    return [called] if called else list(filter(None, described)), metres


def _described(band: Mapping[str, Any]) -> str:
    texts = (str(band.get(name, "")) for name in ("name", "common_name", "eo:common_name"))
    return next(filter(None, map(_band, texts)), "")


def _band(text: str) -> str:
    name = _COMMON.get(text.lower(), band_name(text))
    return name if name in BANDS or name == "SCL" else ""


def finite(value: Any) -> float | None:
    """Gives a number of an item; None for anything else, and for what no float holds, such as 400 digits."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
