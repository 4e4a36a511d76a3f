"""A Sentinel-2 scene as STAC catalogues describe it: Earth Search, Planetary Computer, Copernicus Data Space.

Catalogues differ in the names of assets and in where they write the same fact; what comes out here does not. Sources:
STAC 1.0 and 1.1, the extensions eo, projection 1 and 2, raster 1 and 2, file 2, and the catalogues' own `s2:` fields.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, shape

from datasets_def.errors import GlofgeoError
from datasets_def.radiometry import PRODUCT_NAME
from datasets_def.reproject import polygons_of, wrap
from datasets_def.stac_bands import choose_assets, finite
from datasets_def.web_address import is_web, resolve, shown

_DATATAKE = re.compile(r"(?:GS2[A-Z]|MSIL(?:1C|2A)|S2[A-Z]_T\d\d[A-Z]{3})_(\d{8}T\d{6})")
_TILE = re.compile(r"(?:MGRS-|_T?|^T?)(\d{1,2}[C-X][A-Z]{2})(?=_|$)")
_PLATFORM = re.compile(r"(?i)sentinel-2[a-z]")
_LEVEL = re.compile(r"(?i)(?:MSI|L)(1C|2A)(?![0-9A-Z])")


@dataclass(frozen=True)
class Asset:
    """One file of a scene.

    What an item says of scale, offset and nodata is not read: some catalogues are wrong in both directions, and only
    the product's metadata or the file itself decide.

    Attributes:
        href: absolute address or path, without a token of Planetary Computer.
        media_type: as declared, or None.
        size: bytes.
        checksum: multihash, hexadecimal (STAC file extension).
    """

    href: str
    media_type: str | None
    size: int | None
    checksum: str | None


@dataclass(frozen=True)
class Item:
    """One scene of a catalogue.

    Attributes:
        id: in its catalogue.
        catalog: address of the catalogue, else of the item itself; None where it says neither.
        address: of the item itself, or its path, without signature; None where it does not say.
        platform: "sentinel-2a".
        tile: of the military grid, "45RVL"; empty where unknown.
        datatake_start: start of the datatake, UTC, as in the product's name; None where unknown.
        datetime: acquisition, UTC. Catalogues mean different moments of the same datatake.
        baseline: processing baseline, "05.10", or None.
        product_uri: the product's name with `.SAFE`, or None.
        level: "L1C", "L2A", or None.
        cloud: percent of the tile.
        snow: percent of the tile.
        geometry: what is covered, WGS 84; empty where unknown.
        epsg: code of the CRS of its files, or None.
        assets: by our names of bands (`B02`, `SCL`), and `product_metadata` and `granule_metadata`.
    """

    id: str
    catalog: str | None
    address: str | None
    platform: str
    tile: str
    datatake_start: datetime | None
    datetime: datetime
    baseline: str | None
    product_uri: str | None
    level: str | None
    cloud: float | None
    snow: float | None
    geometry: Polygon | MultiPolygon
    epsg: int | None
    assets: dict[str, Asset] = field(hash=False)


def read_item(source: str | Mapping[str, Any], came_from: str = "", *, placed: bool = True) -> Item:
    """Reads a STAC item of a Sentinel-2 scene.

    Args:
        source: JSON, as text or parsed.
        came_from: address or path that relative addresses in it are relative to; by default what it says itself.
        placed: it has to say its tile and what it covers, as a search needs; files tell where their pixels lie.

    Raises:
        GlofgeoError: If it is no STAC item of Sentinel-2, or lacks what a scene needs, naming both.
    """
    item = _item(parsed_json(source, came_from), came_from)
    if placed and (not item.tile or item.geometry.is_empty):
        where = ": ".join(filter(None, (shown(came_from), item.id)))
        lacking = "a geometry" if item.tile else "the tile (grid:code)"
        raise GlofgeoError(f"{where}: lacks {lacking}", "give another item of this scene")
    return item


def parsed_json(source: str | Mapping[str, Any], came_from: str) -> Mapping[str, Any]:
    """Gives the object that a text of JSON holds; one that is parsed comes back as it is.

    Raises:
        GlofgeoError: If it holds none.
    """
    if isinstance(source, Mapping):
        return source
    try:
        parsed = json.loads(source)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, Mapping):
        raise GlofgeoError(f"{shown(came_from) or 'STAC item'}: is no JSON", "give a STAC item, or a search result")
    return parsed


def address_of(raw: Mapping[str, Any]) -> str:
    """What an item says is its own address; empty where it says none."""
    return _links(raw).get("self", "")


def _item(raw: Mapping[str, Any], came_from: str) -> Item:
    identity, properties = str(raw.get("id") or ""), _mapping(raw.get("properties"))
    where = ": ".join(filter(None, (shown(came_from), identity))) or "STAC item"
    if raw.get("type") != "Feature" or not identity or not _mapping(raw.get("assets")):
        raise GlofgeoError(f"{where}: is no STAC item", "give the item of a Sentinel-2 scene")
    uri, links = _product_uri(identity, properties), _links(raw)
    words = [uri or "", *_texts(properties, "s2:datatake_id", "eopf:datatake_id"), identity]
    assets = {
        name: _asset(asset, came_from or links.get("self", ""), where)
        for name, asset in choose_assets(_mapping(raw["assets"]), where).items()
    }
    return Item(
        id=identity,
        catalog=links.get("root") or links.get("self"),
        address=shown(links["self"]) if is_web(links.get("self", "")) else None,
        platform=_platform(properties, words, where),
        tile=_tile(properties, words),
        datatake_start=_datatake_start(words),
        datetime=_moment(properties, where),
        baseline=_baseline(properties, words),
        product_uri=uri,
        level=_level(raw, properties, words),
        cloud=finite(properties.get("eo:cloud_cover")),
        snow=_first_number(properties, "s2:snow_ice_percentage", "eo:snow_cover"),
        geometry=_geometry(raw.get("geometry")),
        epsg=_epsg(properties, _mapping(raw["assets"])),
        assets=assets,
    )


def _asset(raw: Mapping[str, Any], base: str, where: str) -> Asset:
    size, checksum = finite(raw.get("file:size")), raw.get("file:checksum")
    is_hash = isinstance(checksum, str) and re.fullmatch(r"(?i)(?:[0-9a-f]{2}){5,}", checksum)
    return Asset(
        href=resolve(str(raw.get("href") or ""), base, where),
        media_type=str(raw["type"]) if raw.get("type") else None,
        size=int(size) if size is not None and size > 0 else None,
        checksum=str(checksum).lower() if is_hash else None,
    )


def _product_uri(identity: str, properties: Mapping[str, Any]) -> str | None:
    names = (PRODUCT_NAME.search(text) for text in (*_texts(properties, "s2:product_uri"), identity))
    return next((f"{name[0]}.SAFE" for name in names if name), None)


def _platform(properties: Mapping[str, Any], words: list[str], where: str) -> str:
    found = _PLATFORM.fullmatch(str(properties.get("platform", "")))
    named = next(filter(None, (re.match(r"G?S2([A-Z])_", word) for word in words)), None)
    if found is None and named is None:
        raise GlofgeoError(f"{where}: is no scene of Sentinel-2, by its platform", "give one that is")
    return found[0].lower() if found else f"sentinel-2{named[1].lower()}"  # type: ignore[index]


def _tile(properties: Mapping[str, Any], words: list[str]) -> str:
    texts = [*_texts(properties, "grid:code", "s2:mgrs_tile"), *words]
    if "mgrs:utm_zone" in properties:
        parts = ("mgrs:utm_zone", "mgrs:latitude_band", "mgrs:grid_square")
        texts.insert(0, "T" + "".join(str(properties.get(part, "")) for part in parts))
    found = next(filter(None, map(_TILE.search, texts)), None)
    return found[1].zfill(5) if found else ""


def _moment(properties: Mapping[str, Any], where: str) -> datetime:
    for text in _texts(properties, "datetime", "start_datetime"):
        try:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    raise GlofgeoError(f"{where}: lacks a datetime", "give another item of this scene")


def _datatake_start(words: list[str]) -> datetime | None:
    for found in filter(None, map(_DATATAKE.search, words)):
        try:
            return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _baseline(properties: Mapping[str, Any], words: list[str]) -> str | None:
    named = (re.search(r"_N(\d\d)\.?(\d\d)(?:_|$)", word) for word in words)
    told = _texts(properties, "s2:processing_baseline", "processing:version")
    texts = [*(f"{name[1]}.{name[2]}" for name in named if name), *told]
    return next((text for text in texts if re.fullmatch(r"\d\d\.\d\d", text, re.ASCII)), None)


def _level(raw: Mapping[str, Any], properties: Mapping[str, Any], words: list[str]) -> str | None:
    told = _texts(properties, "s2:product_type", "product:type", "processing:level")
    texts = [words[0], *told, str(raw.get("collection", "")), *words[1:]]
    found = next(filter(None, map(_LEVEL.search, texts)), None)
    return f"L{found[1].upper()}" if found else None


def _geometry(raw: Any) -> Polygon | MultiPolygon:
    """A valid footprint, within 180 degrees: catalogues list some that cross themselves, or go around the Earth.

    Empty where there is none.
    """
    try:
        with np.errstate(invalid="ignore"):
            geometry = shape(raw)
        near = (np.abs(shapely.get_coordinates(geometry)) <= 540).all()  # `wrap` cuts at every turn; false for NaN
        if not isinstance(geometry, Polygon | MultiPolygon) or not near:
            raise ValueError
        valid = shapely.make_valid(shapely.multipolygons(list(map(_turned, shapely.get_parts(geometry)))))
        footprint = shapely.union_all(polygons_of(wrap(valid)))
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        footprint = None
    return footprint if isinstance(footprint, Polygon | MultiPolygon) else Polygon()


def _turned(part: Polygon) -> Polygon:
    """No tile is half the Earth wide: one that seems so lies across 180 degrees, and is continued beyond."""
    west, _, east, _ = part.bounds
    if east - west <= 180:
        return part
    return shapely.transform(part, lambda xy: xy + np.where(xy < 0, 360, 0) * (1, 0))


def _epsg(properties: Mapping[str, Any], assets: Mapping[str, Any]) -> int | None:
    for facts in (properties, *map(_mapping, assets.values())):
        code = str(facts.get("proj:code") or facts.get("proj:epsg") or "")
        if found := re.fullmatch(r"(?:EPSG:)?(\d{4,6})", code, re.ASCII):
            return int(found[1])
    return None


def _links(raw: Mapping[str, Any]) -> dict[str, str]:
    links = raw.get("links")
    found = [link for link in map(_mapping, links if isinstance(links, list) else []) if link.get("href")]
    return {str(link.get("rel")): str(link["href"]) for link in reversed(found)}


def _texts(properties: Mapping[str, Any], *names: str) -> Iterator[str]:
    return (str(properties[name]) for name in names if isinstance(properties.get(name), str) and properties[name])


def _first_number(properties: Mapping[str, Any], *names: str) -> float | None:
    return next((number for name in names if (number := finite(properties.get(name))) is not None), None)


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
