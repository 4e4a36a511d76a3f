"""The maps in a folder as one lake layer a date."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd

from datasets_def.polygons import read_polygons
from glofgeo.change.oddities import Issue
from glofgeo.change.read_layer import LakeLayer, knows_clouds, layer_of, without_clouds
from glofgeo.errors import GlofgeoError, GlofgeoWarning
from glofgeo.inventory.combine import combine_lakes

_CHANGED = "what has changed may be the work of the model"


def layers_of_maps(folder: Path) -> list[LakeLayer]:
    """Reads all maps below a folder; those of one UTC day are one layer, in which no lake is counted twice.

    Args:
        folder: as `map` fills it, a folder in it for each scene.

    Raises:
        GlofgeoError: If it holds no maps of two dates, a map without a date, or one that cannot be read.
    """
    dates: dict[str, list[tuple[Path, gpd.GeoDataFrame]]] = {}
    makers: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*/run.json")):
        lakes = read_polygons(path.parent / "lakes.gpkg", "lakes", "lakes", empty_ok=True)
        record = _read(path)
        day = _day(path, record, lakes)
        dates.setdefault(day, []).append((path.parent, lakes))
        makers.setdefault(day, set()).add(_maker(record))
    if len(dates) < 2:
        found = f"holds maps of {len(dates)} date{'' if len(dates) == 1 else 's'}"
        raise GlofgeoError(f"{folder}: {found}", "map scenes of two dates or more into one folder")
    layers = []
    for day, maps in sorted(dates.items()):
        lakes = combine_lakes([lakes for _, lakes in maps]) if len(maps) > 1 else maps[0][1]
        layer = layer_of(lakes, day, day, masks=[place / "mask.tif" for place, _ in maps])
        known = all(knows_clouds(place / "run.json") for place, _ in maps)
        layers.append(layer if known else without_clouds(layer))
    if not all(layer.knows_clouds for layer in layers):
        odd = "clouds were not masked in all maps: a lake below cloud counts as shrunk or vanished"
        warnings.warn(f"{folder}: {odd}", GlofgeoWarning, stacklevel=2)
    if len(set.union(*makers.values())) == 1:
        return layers
    odd = "maps of different models, thresholds or least areas are compared"
    warnings.warn(f"{folder}: {odd}; map all scenes with one", GlofgeoWarning, stacklevel=2)
    return [
        replace(layer, issues=(*layer.issues, Issue(layer.name, 0, "", odd, "; ".join(sorted(makers[day])), _CHANGED)))
        for layer, day in zip(layers, sorted(dates), strict=True)
    ]


def _maker(record: dict[str, Any]) -> str:
    """Tells what made a map, as far as it decides which lakes there are."""
    settings = record.get("settings") or {}
    least = f"threshold {settings.get('threshold')}, least area {settings.get('min_area')} m2"
    return f"{record.get('model')}, SHA-256 {str(record.get('checkpoint_sha256'))[:12]}, {least}"


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise GlofgeoError(f"{path}: is no record of a map", "map the scene again")
    return record


def _day(path: Path, record: dict[str, Any], lakes: gpd.GeoDataFrame) -> str:
    acquired = record.get("acquired")
    if acquired:
        return str(acquired)[:10]
    if len(lakes) and lakes["acq_datetime"].notna().any():
        return f"{lakes['acq_datetime'].min():%Y-%m-%d}"
    raise GlofgeoError(
        f"{path.parent}: its scene has no date",
        "add the tag ACQUISITION_DATETIME to the scene, or the day to its name, and map it again; or compare layers",
    )
