"""Reads the XML files of products, defending against damaged and malicious ones."""

import math
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from datasets_def.archive import StoredFile
from datasets_def.errors import GlofgeoError

# The largest of a product, `MTD_TL.xml` of Level-1C, takes 0.7 MB.
LARGEST_XML = 4 * 2**20


# Files of products hold some 10,000 elements, 9 deep; a tree of a million takes seconds.
_DEEPEST = 50
_MOST_ELEMENTS = 50_000

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)


class _Builder(ElementTree.TreeBuilder):
    """Stops at constructs that product metadata never contain and that could grow without bound."""

    depth = 0
    count = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ElementTree.Element:
        self.depth += 1
        self.count += 1
        if self.depth > _DEEPEST or self.count > _MOST_ELEMENTS:
            raise ElementTree.ParseError("absurdly many elements")
        return super().start(tag, attrs)

    def end(self, tag: str) -> ElementTree.Element:
        self.depth -= 1
        return super().end(tag)

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        # Entities are declared there.
        raise ElementTree.ParseError("a document type definition")


def parse(content: bytes, where: object) -> ElementTree.Element:
    """Parses a file.

    Raises:
        GlofgeoError: If it is no XML, declares a document type, or is nested absurdly.
    """
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise GlofgeoError(f"{where}: broken XML ({short(str(error))})", "download the product again") from None


def read_xml(file: StoredFile) -> bytes:
    """Reads a file for `parse`.

    Raises:
        GlofgeoError: If it cannot be read or is larger than 4 MiB.
    """
    return file.read(LARGEST_XML)


def find_text(root: ElementTree.Element, tag: str, where: object) -> str:
    """Gives the text of the elements with a tag.

    Raises:
        GlofgeoError: If there is none, or they differ.
    """
    found = list(dict.fromkeys((element.text or "").strip() for element in root.iter(tag)))
    if not any(found):
        raise GlofgeoError(f"{where}: lacks {tag}", "download the product again")
    if len(found) > 1:
        listed = " and ".join(short(repr(text)) for text in found[:2])
        raise GlofgeoError(f"{where}: gives {listed} as {tag}", "download the product again")
    return found[0]


def number(text: str | None, what: str, where: object, low: float, high: float) -> float:
    """Reads a number.

    Raises:
        GlofgeoError: If it is none, or none from `low` to `high`.
    """
    # Python also takes digits of other scripts, and 1_000.
    plain = _NUMBER.fullmatch(text or "")
    value = float(plain[1]) if plain else math.nan
    if not low <= value <= high:
        raise GlofgeoError(f"{where}: gives {short(repr(text))} as {what}", "download the product again")
    return value


def whole_number(text: str | None, what: str, where: object, low: int, high: int) -> int:
    """Reads a whole number; raises as `number` does."""
    value = number(text, what, where, low, high)
    if not value.is_integer():
        raise GlofgeoError(f"{where}: gives {short(repr(text))} as {what}", "download the product again")
    return int(value)


def time(text: str, what: str, where: object) -> datetime:
    """Reads a time of the mission, UTC.

    Raises:
        GlofgeoError: If it is none, or none since 2015.
    """
    try:
        value = datetime.fromisoformat(text)
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        value = None
    if value is None or not 2015 <= value.year < 2100:
        raise GlofgeoError(f"{where}: gives {short(repr(text))} as {what}", "download the product again")
    return value


def short(text: str) -> str:
    """Shortens text from a file so that it fits a line."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:60] + "…"
