"""The catalogues that are searched: known by name, or given by address."""

import re
from dataclasses import dataclass

from datasets_def.web_address import shown
from glofgeo.errors import GlofgeoError


@dataclass(frozen=True)
class Catalog:
    """A STAC API and the collection in it that is searched.

    Attributes:
        name: what to call it, without user name, password and signature.
        url: of the API.
        collection: of Sentinel-2 Level-2A scenes.
    """

    name: str
    url: str
    collection: str


# Earth Search's other collection, `sentinel-2-l2a`, is not searched: whether its DN hold the offset is declared wrongly
# in both directions (github.com/Element84/earth-search, issues 66 and 71).
KNOWN = {
    catalog.name: catalog
    for catalog in (
        Catalog("earth-search", "https://earth-search.aws.element84.com/v1", "sentinel-2-c1-l2a"),
        Catalog("planetary-computer", "https://planetarycomputer.microsoft.com/api/stac/v1", "sentinel-2-l2a"),
        Catalog("cdse", "https://stac.dataspace.copernicus.eu/v1", "sentinel-2-l2a"),
    )
}

# Open to everybody; `cdse` wants keys. The second fills the gaps of the first, as in 2018, 2019 and 2022.
DEFAULT = "earth-search,planetary-computer"

_COLLECTION = re.compile(r"(https?://[^?#]+?)/collections/([^/?#]+)/?")


def find_catalogs(text: str) -> list[Catalog]:
    """Reads a list of catalogues.

    Args:
        text: names of `KNOWN` and addresses of other STAC APIs, separated by commas. An address may end in
            `/collections/<name>`; otherwise the collection is `sentinel-2-l2a`.

    Raises:
        GlofgeoError: If one is neither.
    """
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        match = _COLLECTION.fullmatch(word)
        if word in KNOWN:
            found.append(KNOWN[word])
        elif match:
            found.append(Catalog(shown(word), match[1], match[2]))
        elif re.match(r"https?://[^/]", word):
            found.append(Catalog(shown(word), word.rstrip("/"), "sentinel-2-l2a"))
        else:
            raise GlofgeoError(
                f"{word}: no such catalogue",
                f"give {', '.join(KNOWN)} or the address of a STAC API",
                argument="catalog",
            )
    if not found:
        raise GlofgeoError("no catalogue is named", f"give {', '.join(KNOWN)}", argument="catalog")
    return found
