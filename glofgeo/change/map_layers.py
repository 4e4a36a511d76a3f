"""The maps in a folder as one lake layer a date."""

import json
from pathlib import Path

import geopandas as gpd

from datasets_def.polygons import read_polygons
from glofgeo.change.read_layer import LakeLayer, layer_of
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.combine import combine_lakes


def layers_of_maps(folder: Path) -> list[LakeLayer]:
    """Reads all maps below a folder; those of one UTC day are one layer, in which no lake is counted twice.

    Args:
        folder: as `map` fills it, a folder in it for each scene.

    Raises:
        GlofgeoError: If it holds no maps of two dates, a map without a date, or one that cannot be read.
    """
    dates: dict[str, list[tuple[Path, gpd.GeoDataFrame]]] = {}
    for record in sorted(folder.glob("*/run.json")):
        lakes = read_polygons(record.parent / "lakes.gpkg", "lakes", "lakes", empty_ok=True)
        dates.setdefault(_day(record, lakes), []).append((record.parent, lakes))
    if len(dates) < 2:
        found = f"holds maps of {len(dates)} date{'' if len(dates) == 1 else 's'}"
        raise GlofgeoError(f"{folder}: {found}", "map scenes of two dates or more into one folder")
    layers = []
    for day, maps in sorted(dates.items()):
        lakes = combine_lakes([lakes for _, lakes in maps]) if len(maps) > 1 else maps[0][1]
        layers.append(layer_of(lakes, day, day, masks=[place / "mask.tif" for place, _ in maps]))
    return layers


def _day(record: Path, lakes: gpd.GeoDataFrame) -> str:
    try:
        acquired = json.loads(record.read_text(encoding="utf-8")).get("acquired")
    except (OSError, ValueError, AttributeError):
        raise GlofgeoError(f"{record}: is no record of a map", "map the scene again") from None
    if acquired:
        return str(acquired)[:10]
    if len(lakes) and lakes["acq_datetime"].notna().any():
        return f"{lakes['acq_datetime'].min():%Y-%m-%d}"
    raise GlofgeoError(
        f"{record.parent}: its scene has no date", "take it out of the folder, or compare layers instead"
    )
