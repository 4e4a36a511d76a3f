"""Fetches the glacier outlines of RGI 7 around an area, from the map server of GLIMS."""

import re
import time
from pathlib import Path
from typing import Any

import pyogrio
import requests
import shapely
from geopandas import GeoDataFrame, GeoSeries
from pyogrio.errors import DataLayerError, DataSourceError

from datasets_def.atomic import written_beside
from datasets_def.metadata_xml import parse
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.http_file import TIMEOUT
from glofgeo.fetch.progress import progress
from glofgeo.fetch.writing import writing

# Source: www.glims.org/maps/info; RGI 7.0 Consortium 2023, doi.org/10.5067/F6JMOVY5NAVZ, CC BY 4.0.
SOURCE = "https://www.glims.org/geoserver/GLIMS/ows"
PAGE = "https://nsidc.org/data/nsidc-0770"

# Layers of outlines, one a region, as `GLIMS:RGI2000-v7.0-G-15_south_asia_east`.
_LAYER = re.compile(r"(?:\w+:)?RGI2000-v7\.0-G-\w+")

# Degrees around the area: glaciers that far away are the nearest of a lake, at most.
_MARGIN = 0.15

# For which surroundings of which area a file was made.
_AREA_TAG = "AREA"

_AT_ONCE = 2000
_TRIES = 5


def fetch_glaciers(area: GeoSeries, path: Path, *, source: str = SOURCE, shown: bool = False) -> int:
    """Writes the outlines around an area as a GeoPackage, layer `glaciers`.

    Args:
        area: WGS 84.
        path: file to write; one of an earlier call is left if it holds the area, and replaced if not.
        source: address of the map server.
        shown: show progress.

    Returns:
        How many there are.

    Raises:
        GlofgeoError: If the server does not answer, has none there, or `path` is of another origin.
    """
    near = shapely.union_all([part.buffer(_MARGIN, join_style="mitre") for part in area])
    if (count := _held(path, near)) is not None:
        return count
    try:
        layers = _layers(source, near)
        frames = []
        with progress(len(layers), "regions", shown=shown) as (name, advance):
            for layer in layers:
                name(f"glacier outlines: {layer}")
                frames += _outlines(source, layer, near.bounds)
                advance(1)
    except (requests.RequestException, GlofgeoError, ValueError, KeyError, TypeError) as error:
        raise _by_hand(f"{source}: did not answer ({type(error).__name__})", path) from None
    features = [frame for frame in frames if shapely.geometry.shape(frame["geometry"]).intersects(near)]
    if not features:
        raise _by_hand(f"{source}: has no glacier of RGI 7 there", path)
    outlines = GeoDataFrame.from_features(features, crs=4326)
    with writing(path), written_beside(path) as part:
        tags = {_AREA_TAG: shapely.to_wkt(near, rounding_precision=6)}
        outlines.to_file(part, layer="glaciers", driver="GPKG", engine="pyogrio", layer_metadata=tags)
    return len(outlines)


def _held(path: Path, near: shapely.geometry.base.BaseGeometry) -> int | None:
    """How many outlines a file of an earlier call holds; None if there is none, or it was made for another area.

    Raises:
        GlofgeoError: If the file is of another origin, such as one that was downloaded by hand.
    """
    if not path.exists():
        return None
    try:
        known = pyogrio.read_info(path, layer="glaciers")
        held = shapely.from_wkt(known["layer_metadata"][_AREA_TAG])
    except (DataSourceError, DataLayerError, KeyError, TypeError):
        raise GlofgeoError(
            f"{path}: is of another origin, and is left as it is",
            "move it away, or choose another folder",
            argument="out",
        ) from None
    return int(known["features"]) if held.buffer(1e-4).covers(near) else None


def _layers(source: str, near: shapely.geometry.base.BaseGeometry) -> list[str]:
    """Names of the layers whose region touches the area, by the server's own list."""
    root = parse(_get(source, {"version": "2.0.0", "request": "GetCapabilities"}).content, source)
    found = []
    for feature in root.iterfind(".//{*}FeatureType"):
        name = (feature.findtext("{*}Name") or "").strip()
        corners = [feature.findtext(f".//{{*}}{corner}") or "" for corner in ("LowerCorner", "UpperCorner")]
        if _LAYER.fullmatch(name):
            west, south, east, north = map(float, " ".join(corners).split())
            if shapely.box(west, south, east, north).intersects(near):
                found.append(name)
    return found


def _outlines(source: str, layer: str, bounds: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """All outlines of a layer in a box, in pages."""
    # Version 1.0.0 has longitude before latitude in every box.
    asked = {
        "version": "1.0.0", "request": "GetFeature", "typeName": layer, "outputFormat": "application/json",
        "srsName": "EPSG:4326", "bbox": ",".join(f"{degree:.6f}" for degree in bounds), "maxFeatures": str(_AT_ONCE),
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    while True:
        page = _get(source, asked | {"startIndex": str(len(found))}).json()["features"]
        before = len(found)
        found |= {str(feature["id"]): feature for feature in page}
        # A server may give less at once than it was asked for: only a page without anything new is the last.
        if len(found) == before:
            return [feature for feature in found.values() if feature.get("geometry")]


def _get(source: str, asked: dict[str, str]) -> requests.Response:
    for attempt in range(1, _TRIES + 1):
        try:
            answer = requests.get(source, params={"service": "WFS", **asked}, timeout=TIMEOUT)
            answer.raise_for_status()
            return answer
        except requests.RequestException:
            if attempt == _TRIES:
                raise
            time.sleep(attempt)
    raise AssertionError("the last try returns or raises")


def _by_hand(what: str, path: Path) -> GlofgeoError:
    return GlofgeoError(
        what, f"download the outlines (RGI2000-v7.0-G, free account) from {PAGE} and save them as {path}"
    )
