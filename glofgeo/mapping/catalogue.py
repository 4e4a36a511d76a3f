"""Maps as a STAC catalogue: `item.json` of a scene's folder, and of the output folder a collection that links them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import shapely

from datasets_def.atomic import written_beside
from datasets_def.grid import Grid
from glofgeo import stac
from glofgeo.mapping.job import Job
from glofgeo.models.mlm import CLASSES, write_model_item
from glofgeo.models.predictor import Predictor
from glofgeo.percent import NOT_OBSERVED
from glofgeo.version import __version__

ITEM, COLLECTION = "item.json", "collection.json"
COLLECTION_ID = f"{stac.OURS}-maps"

_EXTENSIONS = [
    stac.extension(name, version)
    for name, version in (
        ("projection", "2.0.0"), ("raster", "2.0.0"), ("classification", "2.0.0"), ("processing", "1.1.0"),
        ("file", "2.1.0"),
    )
]  # fmt: skip

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_XML = "application/xml"
# File -> name of its asset, what it is, media type, role.
_ASSETS = {
    "lakes.gpkg": ("lakes", "Lake polygons", "application/geopackage+sqlite3", "data"),
    "probability.tif": ("probability", "Lake probability in percent", _COG, "data"),
    "mask.tif": ("mask", "Lakes", _COG, "data"),
    "overview.png": ("overview", "Map with lake outlines", "image/png", "overview"),
    "report.html": ("report", "Report to read", "text/html", "overview"),
    "layers.qlr": ("layers", "All layers as a group for QGIS", _XML, "metadata"),
    "probability.qml": ("probability_style", "QGIS style of the probability", _XML, "metadata"),
    "mask.qml": ("mask_style", "QGIS style of the mask", _XML, "metadata"),
    "run.json": ("run", "How the map was made", stac.JSON, "metadata"),
}

Items = list[tuple[Path, dict[str, Any]]]

_NOT_OBSERVED = {"value": NOT_OBSERVED, "name": "not_observed", "description": "not observed", "nodata": True}


def write_item(folder: Path, final: Path, job: Job, record: dict[str, Any]) -> None:
    """Writes `item.json` into a map's folder, once all other files are in it.

    Args:
        folder: where the files are.
        final: where the folder will be; links lead from there.
        job: what was mapped.
        record: as `make_record` gives it.
    """
    scene, predictor = job.scene, job.predictor
    links = [{"rel": rel, "href": f"../{COLLECTION}", "type": stac.JSON} for rel in ("root", "parent", "collection")]
    # A search result may not say where its items are.
    if "://" in str(scene.path) or Path(scene.path).exists():
        links.append({"rel": "derived_from", "href": stac.href(scene.path, final), "title": scene.id})
    if predictor.file:
        model = f"../{model_item_name(predictor)}"
        links.append({"rel": "mlm:model", "href": model, "type": stac.GEOJSON, "title": predictor.name})
    item = {
        "type": "Feature",
        "stac_version": stac.VERSION,
        "stac_extensions": _EXTENSIONS,
        "id": scene.id,
        "collection": COLLECTION_ID,
        **_place(job.area.grid),
        "properties": _time(scene.datetime, record["made"])
        | _projection(job.area.grid)
        | {
            "created": record["made"],
            "gsd": record["pixel_m"],
            **_satellite(scene.id),
            "processing:software": {"glofgeo": __version__},
            "processing:lineage": f"Mapped from {scene.id} by {predictor.name} (SHA-256 {predictor.sha256})",
            "glofgeo:lakes": record["lakes"],
            "glofgeo:lake_area_m2": record["lake_area_m2"],
            "glofgeo:observed_share": record["observed_share"],
        },
        "links": links,
        "assets": {name: _asset(folder / file, record["pixel_m"]) for file, (name, *_) in _ASSETS.items()},
    }
    stac.write_document(folder / ITEM, item)


def renew_layer(folder: Path) -> None:
    """Brings `item.json` in line with a map's `lakes.gpkg` that was written anew."""
    item = stac.read_document(folder / ITEM)
    asset = item.get("assets", {}).get(_ASSETS["lakes.gpkg"][0])
    if asset is not None:  # a map of an early version has no item
        asset |= stac.file_facts(folder / "lakes.gpkg")
        with written_beside(folder / ITEM) as part:
            part.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")


def model_item_name(predictor: Predictor) -> str:
    """Names the file that describes a model in the output folder: one model, one name."""
    return f"model-{predictor.sha256[:12]}.json"


def write_catalogue(out: Path, predictor: Predictor) -> None:
    """Writes `collection.json` over all maps of an output folder, and the item of the model that made some of them.

    What somebody has added to the collection (title, licence, providers) stays; links and extent are made anew.
    Several processes may do this at once: whoever writes last has seen all maps.

    Raises:
        GlofgeoError: If something else has one of these names.
        OSError: If they cannot be written.
    """
    if predictor.file and not (out / model_item_name(predictor)).is_file():
        write_model_item(predictor.file, out / model_item_name(predictor))
    path = out / COLLECTION
    written: Items = []
    while (items := _items(out)) and items != written:
        stac.write_document(path, _collection(out, items, stac.read_document(path)))
        written = items


def _items(out: Path) -> Items:
    """Gives the items below an output folder that can be read, in order of their paths."""
    found = ((path, stac.read_document(path)) for path in sorted(out.glob(f"[!.]*/{ITEM}")))
    return [(path, item) for path, item in found if item.get("collection") == COLLECTION_ID]


def _collection(out: Path, items: Items, before: dict[str, Any]) -> dict[str, Any]:
    boxes = [item["bbox"] for _, item in items]
    west, south, east, north = zip(*boxes, strict=True)
    # Of a box across 180 degrees west is greater than east; then the whole circle is a true statement.
    around = [-180.0, 180.0] if any(box[0] > box[2] for box in boxes) else [min(west), max(east)]
    times = [item["properties"].get(name) for _, item in items for name in ("datetime", "start_datetime")]
    known = sorted(time for time in times if time)
    ends = [item["properties"].get("datetime") or item["properties"]["end_datetime"] for _, item in items]
    defaults = {
        "title": "Glacial lakes",
        "description": "Glacial lakes mapped from Sentinel-2 scenes by glofgeo.",
        "license": "other",
    }
    links = [{"rel": "root", "href": f"./{COLLECTION}", "type": stac.JSON}]
    links += [
        {"rel": "item", "href": stac.href(path, out), "type": stac.GEOJSON, "title": item["id"]} for path, item in items
    ]
    return {
        "type": "Collection",
        "stac_version": stac.VERSION,
        "id": COLLECTION_ID,
        **(defaults | before),
        "extent": {
            "spatial": {"bbox": [[around[0], min(south), around[1], max(north)]]},
            "temporal": {"interval": [[known[0], max(ends)]]},
        },
        "links": links,
    }


def _place(grid: Grid) -> dict[str, Any]:
    footprint = grid.footprint
    west, south, east, north = footprint.bounds
    parts = shapely.get_parts(footprint)
    if east - west > 180:  # cut at 180 degrees: GeoJSON has the box begin in the east (RFC 7946, 5.2)
        west = min(part.bounds[0] for part in parts if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[0] <= 0)
    return {"geometry": shapely.geometry.mapping(footprint), "bbox": [west, south, east, north]}


def _time(acquired: datetime | None, made: str) -> dict[str, Any]:
    if acquired:
        instant = acquired.replace(tzinfo=UTC) if acquired.tzinfo is None else acquired.astimezone(UTC)
        return {"datetime": instant.isoformat().replace("+00:00", "Z")}
    return {"datetime": None, "start_datetime": stac.FIRST_IMAGE, "end_datetime": made}


def _projection(grid: Grid) -> dict[str, Any]:
    code = grid.crs.to_epsg()
    return {
        **({"proj:code": f"EPSG:{code}"} if code else {"proj:code": None, "proj:wkt2": grid.crs.to_wkt()}),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
    }


def _satellite(scene_id: str) -> dict[str, Any]:
    """What the name of a product tells: `S2A_MSIL2A_…`."""
    if scene_id[:2] != "S2" or scene_id[3:8] != "_MSIL":
        return {}
    platform = f"sentinel-2{scene_id[2].lower()}"
    return {"platform": platform, "constellation": "sentinel-2", "instruments": ["msi"]}


def _asset(path: Path, pixel_m: float) -> dict[str, Any]:
    name, title, media_type, role = _ASSETS[path.name]
    asset = {"href": f"./{path.name}", "title": title, "type": media_type, "roles": [role], **stac.file_facts(path)}
    if path.suffix != ".tif":
        return asset
    band = {"name": name, "data_type": "uint8", "nodata": NOT_OBSERVED, "raster:sampling": "area"}
    band |= {"raster:spatial_resolution": pixel_m}
    if name == "mask":
        return asset | {"bands": [band], "classification:classes": [*CLASSES, _NOT_OBSERVED]}
    return asset | {"bands": [band | {"unit": "%"}]}
