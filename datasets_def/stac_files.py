"""Files of STAC items: one scene, or a search result with many."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from datasets_def.errors import GlofgeoError
from datasets_def.stac_item import Item, read_items
from datasets_def.web_address import is_web, shown
from datasets_def.web_get import read_text

# A search result of some hundred scenes takes a few MB; an item of Earth Search 40 kB.
_LARGEST = 64 * 2**20


def holds_item(address: str | Path) -> bool:
    """Whether a path or address is, by its name, that of a STAC item or search result; no file is opened."""
    text = str(address)
    if is_web(text):
        # Catalogues give items by their id, without an ending.
        return not text.startswith("s3:") and not re.search(r"(?i)\.(?:tiff?|jp2|vrt|zip)$", urlsplit(text).path)
    return text.lower().endswith((".json", ".geojson"))


def read_item_file(address: str | Path) -> list[Item]:
    """Reads the scenes of a STAC item or a search result (an ItemCollection), from disk or over HTTP.

    Raises:
        GlofgeoError: If it cannot be read, or is neither.
    """
    content = read_text(address, _LARGEST)
    return read_items(content.decode(errors="replace"), shown(str(address)))


def read_only_item(address: str | Path) -> Item:
    """Reads the item of a scene.

    Raises:
        GlofgeoError: If it cannot be read, is none, or there are several.
    """
    items = read_item_file(address)
    if len(items) > 1:
        raise GlofgeoError(f"{shown(str(address))}: holds {len(items)} scenes", "give one item")
    return items[0]
