"""Asks STAC catalogues for scenes, in pieces small enough that they answer, and checks what they answer."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from datasets_def.bands import DEFAULT_BANDS
from datasets_def.stac_item import Item, address_of, read_item
from datasets_def.web_address import is_web, shown
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.query import Box, Query

logger = logging.getLogger(__name__)

# What a scene is made of: the bands that models read, and the scene classification.
NEEDED = (*DEFAULT_BANDS, "SCL")

# Larger pages fail in Earth Search (github.com/Element84/earth-search, issues 55 and 60).
_PAGE = 100
_SMALLEST_PAGE = 10

# Seconds to connect, and to wait for more of an answer.
_TIMEOUT = (10, 60)


@dataclass(frozen=True)
class Found:
    """A scene as a catalogue lists it.

    Attributes:
        item: what it says.
        raw: the STAC item as it came.
        catalog: where it was found.
    """

    item: Item
    raw: dict[str, Any]
    catalog: Catalog

    @property
    def name(self) -> str:
        """Name of the product without `.SAFE`, else the item's id."""
        return (self.item.product_uri or self.item.id).removesuffix(".SAFE")


def search(catalog: Catalog, query: Query, tell: Callable[[str], None] = logger.debug) -> list[Found]:
    """Searches one catalogue.

    Args:
        catalog: where.
        query: for what.
        tell: is called with what is being asked.

    Returns:
        The scenes that answer the query and have all bands, in order of time.

    Raises:
        GlofgeoError: If the catalogue does not answer.
    """
    client = _open(catalog)
    found: dict[str, Found] = {}
    for first, last in query.slices():
        tell(f"{catalog.name}: {first:%B %Y}")
        for box in query.boxes():
            for raw in _ask(client, catalog, query, box, (first, last)):
                identity = str(raw.get("id"))
                scene = None if identity in found else _read(raw, catalog)
                if scene and query.takes(scene.item):
                    found[identity] = scene
    return sorted(found.values(), key=lambda one: (one.item.datetime, one.item.tile, one.name))


def _read(raw: dict[str, Any], catalog: Catalog) -> Found | None:
    """Reads an item; None where it is of no use, which is logged."""
    try:
        # An item that does not say where it is comes from the network nevertheless, and must name no file from here.
        own = address_of(raw)
        item = read_item(raw, own if is_web(own) else catalog.url)
    except GlofgeoError as error:
        logger.warning("%s: left out: %s", catalog.name, error)
        return None
    missing = [name for name in NEEDED if name not in item.assets]
    if missing:
        logger.warning("%s: %s lists no %s: left out", catalog.name, item.id, ", ".join(missing))
        return None
    if len({item.assets[name].href for name in NEEDED}) < len(NEEDED):
        logger.warning(
            "%s: %s has several bands in one file, which is mapped where it lies: left out", catalog.name, item.id
        )
        return None
    return Found(item, raw, catalog)


def _open(catalog: Catalog) -> Any:
    from pystac_client import Client
    from pystac_client.stac_api_io import StacApiIO
    from urllib3.util.retry import Retry

    # By default, a failed POST is not tried again, and nothing ever times out.
    patience = Retry(
        total=5,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        status_forcelist=[429, 500, 502, 503, 504],
        allowed_methods=None,
    )
    try:
        return Client.open(catalog.url, stac_io=StacApiIO(timeout=_TIMEOUT, max_retries=patience))
    except Exception as error:
        raise _no_answer(catalog, error) from None


def _ask(
    client: Any, catalog: Catalog, query: Query, box: Box, days: tuple[date, date], page: int = _PAGE
) -> Iterator[dict[str, Any]]:
    """Gives the items of some days in a box; after an error of the server it asks for half as many at a time."""
    from pystac_client.exceptions import APIError

    try:
        yield from _pages(client, catalog, query, box, days, page)
    except APIError as error:
        status = getattr(error, "status_code", None)
        if page // 2 < _SMALLEST_PAGE or (status is not None and status < 500):
            raise _no_answer(catalog, error) from None
        logger.info("%s: %s to %s failed, asked again in smaller pieces", catalog.name, *days)
        for half in _halves(days):
            yield from _ask(client, catalog, query, box, half, page // 2)
    except Exception as error:
        # Each library below has exceptions of its own for a page that is no catalogue, or one that cannot be searched.
        raise _no_answer(catalog, error) from None


def _pages(
    client: Any, catalog: Catalog, query: Query, box: Box, days: tuple[date, date], page: int
) -> Iterator[dict[str, Any]]:
    from pystac_client import ConformanceClasses

    # Some ignore the query, and some sort numbers as words: what comes is checked and sorted by us.
    cloud = {"eo:cloud_cover": {"lte": query.max_cloud}} if client.conforms_to(ConformanceClasses.QUERY) else None
    asked = client.search(
        collections=[catalog.collection],
        bbox=box,
        datetime=f"{days[0]:%Y-%m-%d}T00:00:00Z/{days[1]:%Y-%m-%d}T23:59:59Z",
        query=cloud,
        limit=page,
    )
    known, is_new = set[str](), True
    for answer in asked.pages_as_dicts():
        # Some name a next page for ever; the last may repeat what was moved there meanwhile.
        if not is_new:
            raise ValueError("its pages repeat themselves")
        scenes = [raw for raw in answer["features"] if isinstance(raw, dict)]
        names = {str(raw.get("id")) for raw in scenes}
        is_new = not names <= known
        known |= names
        yield from scenes


def _halves(days: tuple[date, date]) -> Sequence[tuple[date, date]]:
    first, last = days
    middle = first + (last - first) // 2
    return [days] if first == last else [(first, middle), (middle + timedelta(days=1), last)]


def _no_answer(catalog: Catalog, error: Exception) -> GlofgeoError:
    text = (str(error) or type(error).__name__).splitlines()[0][:200]
    # The words of the libraries below are long and hold addresses.
    known = {
        "too many": "it answers with errors",
        "timed out": "it is too slow",
        "Max retries": "no connection",
        "ITEM_SEARCH": "it cannot be searched",
        "Could not open Client": "it is no STAC API",
        "Expecting value": "what comes is no STAC: does your network ask you to log in?",
    }
    reason = next((words for part, words in known.items() if part in text), text)
    return GlofgeoError(
        f"{shown(catalog.url)}: the catalogue does not answer a search ({reason})",
        "check the address and the network, try again later, or name another catalogue",
        argument="catalog",
    )
