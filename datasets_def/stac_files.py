"""Files of STAC items: one scene, or a search result with many."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datasets_def.errors import GlofgeoError
from datasets_def.stac_item import Item, parsed_json, read_item
from datasets_def.web_address import is_web, shown
from datasets_def.web_get import read_text

# A search result of some hundred scenes takes a few MB; an item of Earth Search 40 kB.
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class BadItem:
    """An entry of a search result that is no scene; it fails where it is opened, so that the others are read.

    Attributes:
        id: of the item, else its number.
        error: what is wrong with it.
    """

    id: str
    error: GlofgeoError


def holds_item(address: str | Path) -> bool:
    """Whether a path or address is, by its name, that of a STAC item or search result; no file is opened.

    Raises:
        GlofgeoError: If it is a malformed address.
    """
    text = str(address)
    if is_web(text):
        try:
            path = urlsplit(text).path
        except ValueError:
            raise GlofgeoError(f"{shown(text)}: is malformed", "check the address") from None
        # Catalogues give items by their id, without an ending.
        return not text.startswith("s3:") and not re.search(r"(?i)\.(?:tiff?|jp2|vrt|zip)$", path)
    return text.lower().endswith((".json", ".geojson"))


def read_items(source: str | Mapping[str, Any], came_from: str = "") -> list[Item | BadItem]:
    """Reads the items of a search result (a STAC ItemCollection), or one item.

    Args:
        source: as `read_item`.
        came_from: likewise.

    Returns:
        One for each entry, in order.

    Raises:
        GlofgeoError: As `read_item` if it is a single item, or if it holds none.
    """
    parsed = parsed_json(source, came_from)
    if parsed.get("type") != "FeatureCollection":
        item = read_item(parsed, came_from, placed=False)
        return [replace(item, address=shown(came_from) or item.address)]
    features = parsed.get("features")
    if not isinstance(features, list) or not features:
        raise GlofgeoError(f"{shown(came_from) or 'the search result'}: holds no STAC item", "search again")
    return [_entry(number, feature, came_from) for number, feature in enumerate(features, 1)]


def _entry(number: int, feature: object, came_from: str) -> Item | BadItem:
    entry = feature if isinstance(feature, Mapping) else {}
    try:
        return read_item(entry, came_from, placed=False)
    except GlofgeoError as error:
        whole = shown(came_from).rpartition("/")[2] or "the search result"
        return BadItem(str(entry.get("id") or f"entry {number} of {whole}"), error)


def read_item_file(address: str | Path) -> list[Item | BadItem]:
    """Reads the scenes of a STAC item or a search result (an ItemCollection), from disk or over HTTP.

    Raises:
        GlofgeoError: If it cannot be read, or is neither.
    """
    content = read_text(address, _LARGEST)
    # With user name and password, which files beside it need as well.
    return read_items(content.decode(errors="replace"), str(address))


def read_only_item(address: str | Path) -> Item:
    """Reads the item of a scene.

    Raises:
        GlofgeoError: If it cannot be read, is none, or there are several.
    """
    first, *others = read_item_file(address)
    if others:
        raise GlofgeoError(f"{shown(str(address))}: holds {len(others) + 1} scenes", "give one item")
    if isinstance(first, BadItem):
        raise first.error
    return first
