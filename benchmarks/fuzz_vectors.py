"""Harmed layers of polygons; see `fuzz.py`."""

import copy
import json
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import geopandas as gpd
import shapely
from fuzz_case import NO_FILE_TELLS, Case, Kind, change_digits, flip
from shapely.geometry import mapping

from datasets_def.aoi import read_aoi
from datasets_def.polygons import read_polygons

NO_FILE_TELLS |= {
    "GeoJSON bytes flipped": "text without checksums, in which one digit may become another",
    "GeoJSON digits changed": "text without checksums, in which one digit may become another",
    "GeoJSON longitude and latitude swapped": "both are degrees",
    "GeoPackage bytes flipped": "SQLite has no checksums",
    "Shapefile bytes flipped": "a shapefile has no checksums",
}

Layer = dict[str, Any]
SHAPES = (
    shapely.Polygon([(86.9, 27.9), (86.95, 27.9), (86.95, 27.95), (86.9, 27.95)]),
    shapely.Polygon(
        [(86.8, 27.9), (86.88, 27.9), (86.88, 27.98), (86.8, 27.98)],
        [[(86.82, 27.92), (86.84, 27.92), (86.84, 27.94), (86.82, 27.94)]],
    ),
    shapely.MultiPolygon([shapely.box(86.7, 27.8, 86.72, 27.82), shapely.box(86.74, 27.8, 86.76, 27.82)]),
)
TRUTH = shapely.union_all(SHAPES)


def kinds(folder: Path) -> dict[str, Kind]:
    """Writes a good layer in three formats and gives the kinds of harm to them."""
    good = folder / "layers"
    good.mkdir()
    columns = {"name": ["a", "b", "c"], "split": ["train", "val", "test"]}
    frame = gpd.GeoDataFrame(columns, geometry=list(SHAPES), crs=4326)
    frame.to_file(good / "a.gpkg", layer="lakes")
    frame.to_file(good / "a.shp")

    def text(harm: Callable[[Random, Layer], str]) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            layer = base()
            note = harm(rng, layer)
            # The truth, unless the harm says what else is right.
            truth = layer.pop("truth", TRUTH)
            path = here / "a.geojson"
            path.write_text(json.dumps(layer))
            return case(rng, note, path, truth)

        return make

    def raw(harm: Callable[[Random, bytes], bytes]) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            path = here / "a.geojson"
            path.write_bytes(harm(rng, json.dumps(base()).encode()))
            return case(rng, harm.__name__, path)

        return make

    def files(ending: str, harm: Callable[[Random, Path], str]) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            for file in good.iterdir():
                shutil.copy(file, here)
            path = here / f"a.{ending}"
            return case(rng, harm(rng, path), path)

        return make

    return {
        "GeoJSON good": text(lambda rng, layer: "nothing"),
        "GeoJSON coordinate absurd": text(absurd_coordinate),
        "GeoJSON ring unclosed": text(unclosed),
        "GeoJSON ring degenerate": text(degenerate),
        "GeoJSON nested collections": text(nested),
        "GeoJSON bow-tie": text(bow_tie),
        "GeoJSON three dimensions": text(three_dimensions),
        "GeoJSON CRS member": text(crs_member),
        "GeoJSON longitude and latitude swapped": text(swapped),
        "GeoJSON longitudes beyond 180": text(beyond),
        "GeoJSON other geometries": text(other_geometries),
        "GeoJSON split column": text(split_column),
        "GeoJSON structure broken": text(structure),
        "GeoJSON bytes flipped": raw(flip_bytes),
        "GeoJSON digits changed": raw(change_digits),
        "GeoJSON truncated": raw(cut),
        "random bytes": raw(noise),
        "GeoPackage bytes flipped": files("gpkg", flip_file),
        "GeoPackage truncated": files("gpkg", cut_file),
        "Shapefile part missing": files("shp", lose_part),
        "Shapefile bytes flipped": files("shp", flip_file),
        "Shapefile truncated": files("shp", cut_file),
        "Shapefile encoding": files("shp", other_encoding),
    }


def base() -> Layer:
    """The good layer."""
    rows = zip(SHAPES, ("train", "val", "test"), strict=True)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": split, "split": split},
                "geometry": json.loads(json.dumps(mapping(shape))),
            }
            for shape, split in rows
        ],
    }


def case(rng: Random, note: str, path: Path, truth: Any = TRUTH) -> Case:
    """A layer that should cover `truth`; a warning tells of features that are left out."""
    reader = rng.choice([read_polygons, read_aoi])
    return Case(f"{reader.__name__}: {note}", partial(reader, path), partial(compare, truth=truth), told="left out")


def compare(found: gpd.GeoDataFrame, truth: Any) -> str:
    """Tells how the ground covered differs, on the Earth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if found.crs is None:
            return "no CRS"
        ground = shapely.union_all(found.to_crs(4326).geometry.array)
        if not found.geometry.is_valid.all() or found.geometry.is_empty.any():
            return "invalid or empty"
    apart = shapely.symmetric_difference(ground, truth).area
    return f"{apart / truth.area:.3g} of the ground differs" if apart > 1e-6 * truth.area else ""


def ring(layer: Layer) -> list[list[float]]:
    """The first polygon's outline."""
    return layer["features"][0]["geometry"]["coordinates"][0]


def absurd_coordinate(rng: Random, layer: Layer) -> str:
    value: Any = rng.choice([float("nan"), float("inf"), 1e300, -1e18, 1000, 91.0, None, "86.9", "x", [], {}, True])
    where = rng.randrange(2)
    if value == 91.0:
        where = 1
    ring(layer)[rng.randrange(5)][where] = value
    return repr(value)


def unclosed(rng: Random, layer: Layer) -> str:
    """A ring whose last point lacks stands for the closed one, or is refused."""
    del ring(layer)[-1]
    return "last point removed"


def degenerate(rng: Random, layer: Layer) -> str:
    points = ring(layer)
    kept: Any = rng.choice([points[:1], points[:2], points[:3], [], [points[0]] * 4, [[]]])
    layer["features"][0]["geometry"]["coordinates"][0] = kept
    layer["truth"] = shapely.union_all(SHAPES[1:])
    if kept == points[:3]:
        layer["truth"] = shapely.union(layer["truth"], shapely.Polygon(points[:3]))
    return f"{len(kept)} points"


def nested(rng: Random, layer: Layer) -> str:
    depth = rng.choice([1, 2, 5, 30, 40, 300])
    geometry = layer["features"][0]["geometry"]
    for _ in range(depth):
        point = {"type": "Point", "coordinates": [86.9, 27.9]}
        geometry = {"type": "GeometryCollection", "geometries": [geometry, point]}
    layer["features"][0]["geometry"] = geometry
    return f"{depth} deep"


def bow_tie(rng: Random, layer: Layer) -> str:
    """Two triangles that meet in a point, where the outline crosses itself."""
    points = [[86.9, 27.9], [86.95, 27.95], [86.95, 27.9], [86.9, 27.95], [86.9, 27.9]]
    layer["features"][0]["geometry"]["coordinates"] = [points]
    middle = (86.925, 27.925)
    ties = [shapely.Polygon([points[0], middle, points[3]]), shapely.Polygon([points[1], middle, points[2]])]
    layer["truth"] = shapely.union_all([*SHAPES[1:], *ties])
    return "bow-tie"


def three_dimensions(rng: Random, layer: Layer) -> str:
    z: Any = rng.choice([5000.0, float("nan"), float("inf"), 1e300])
    for point in ring(layer):
        point.append(z)
    return repr(z)


def crs_member(rng: Random, layer: Layer) -> str:
    """A CRS in which degrees are no places, or none at all."""
    name = rng.choice(["EPSG:3857", "EPSG:32645", "urn:ogc:def:crs:EPSG::32645", "EPSG:99999", "x", "", "EPSG:4978",
                       "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:3413", "EPSG:2193", "EPSG:5773"])  # fmt: skip
    layer["crs"] = {"type": "name", "properties": {"name": name}}
    return name


def swapped(rng: Random, layer: Layer) -> str:
    for feature in layer["features"]:
        text = feature["geometry"]
        turned = shapely.transform(shapely.from_geojson(json.dumps(text)), lambda xy: xy[:, ::-1])
        feature["geometry"] = json.loads(json.dumps(mapping(turned)))
    return "all"


def beyond(rng: Random, layer: Layer) -> str:
    """Longitudes counted on past 180 degrees are the same places."""
    for point in ring(layer):
        point[0] -= 360
    return "-360"


def other_geometries(rng: Random, layer: Layer) -> str:
    """Features without ground; the layer covers the rest, and says so."""
    line = [[86, 27], [87, 28]]
    kinds = {"Point": line[0], "LineString": line, "Polygon": [], "MultiPolygon": [[]], "MultiPoint": line, "Blob": []}
    empty: list[Any] = [None, {}, [], "x", *({"type": kind, "coordinates": xy} for kind, xy in kinds.items())]
    geometry = rng.choice(empty)
    layer["features"][0]["geometry"] = geometry
    return json.dumps(geometry)


def split_column(rng: Random, layer: Layer) -> str:
    name = rng.choice(["split", "SPLIT", "split ", "Split"])
    value: Any = rng.choice(["train", " TEST", "trian", None, 3, "", True, ["val"]])
    for feature in layer["features"]:
        feature["properties"].pop("split")
        feature["properties"][name] = value
    return f"{name!r} {value!r}"


def structure(rng: Random, layer: Layer) -> str:
    how = rng.choice(["no type", "features", "null feature", "one feature", "properties", "empty", "many"])
    if how == "no type":
        del layer["type"]
    elif how == "features":
        layer["features"] = rng.choice([None, {}, "x", 3])
    elif how == "null feature":
        layer["features"].append(rng.choice([None, 3, "x", [], {}]))
    elif how == "one feature":
        feature = copy.deepcopy(layer["features"][0])
        layer.clear()
        layer.update(feature)
        layer["truth"] = SHAPES[0]
    elif how == "properties":
        layer["features"][0]["properties"] = rng.choice([None, [], "x", {"split": {"a": 1}, "geometry": 3}])
    elif how == "empty":
        layer["features"] = []
    else:
        layer["features"] *= 300
    return how


def flip_bytes(rng: Random, content: bytes) -> bytes:
    return flip(rng, content, most=4)


def cut(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) - 2)]


def noise(rng: Random, content: bytes) -> bytes:
    start = rng.choice([b"", b"{", b"[", b"SQLite format 3\0", b"\0\0\x27\x0a", b"PK\3\4", b"<?xml version='1.0'?>"])
    return start + rng.randbytes(rng.choice([0, 1, 100, 5000]))


def flip_file(rng: Random, path: Path) -> str:
    path.write_bytes(flip(rng, path.read_bytes(), most=20))
    return path.name


def cut_file(rng: Random, path: Path) -> str:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) - 1)])
    return path.name


def lose_part(rng: Random, path: Path) -> str:
    part = path.with_suffix(rng.choice([".dbf", ".shx", ".prj", ".cpg"]))
    part.unlink()
    return part.name


def other_encoding(rng: Random, path: Path) -> str:
    name = rng.choice(["UTF-8", "x", "", "UTF-16", "ISO-8859-1", "1252", "\0"])
    path.with_suffix(".cpg").write_text(name)
    content = bytearray(path.with_suffix(".dbf").read_bytes())
    content[-30] = 0xFC
    path.with_suffix(".dbf").write_bytes(content)
    return repr(name)
