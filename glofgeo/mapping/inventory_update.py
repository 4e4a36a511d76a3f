"""Lakes of finished maps, named after an inventory and added to it."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from glofgeo.errors import GlofgeoError
from glofgeo.inventory.combine import combine_lakes
from glofgeo.inventory.geopackage import write_lakes
from glofgeo.inventory.identity import find_names
from glofgeo.inventory.inventory_file import read_observations, update_inventory
from glofgeo.mapping.catalogue import renew_layer
from glofgeo.mapping.scene_folder import read_record, writing


def require_inventory(path: Path | None) -> None:
    """Makes sure that an inventory, if there is to be one, may be made or added to.

    Raises:
        GlofgeoError: If the file is no inventory that glofgeo wrote, or cannot be written where it is.
    """
    if path is None:
        return
    read_observations(path)
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(place, os.W_OK):
        raise GlofgeoError(f"{path}: {place} cannot be written to", "name another place", argument="inventory")


def add_to_inventory(path: Path, folders: Sequence[Path], combined: Path | None = None) -> None:
    """Adds finished maps to an inventory, and gives their lakes the names that they have in it.

    Args:
        path: of the inventory, which is made if there is none.
        folders: of the maps, one for each scene.
        combined: their combined layer, if there is one.

    Raises:
        GlofgeoError: If the file is no inventory that glofgeo wrote, or a layer cannot be written.
    """
    layers = {folder / "lakes.gpkg": _read(folder / "lakes.gpkg") for folder in folders}
    whole = combine_lakes(list(layers.values()))
    runs = pd.DataFrame([_run(read_record(folder)) for folder in folders])
    with writing(path.parent):
        added = update_inventory(path, [of_day for _, of_day in whole.groupby(_day(whole))], runs)
        if combined is not None:
            layers[combined] = _read(combined)
        for layer, lakes in layers.items():
            names = lakes["lake_id"].copy()
            for day, of_day in lakes.groupby(_day(lakes)):
                names[of_day.index] = find_names(of_day, added[_day(added) == day])
            write_lakes(layer, lakes.assign(lake_id=names), _note(layer))
        for folder in folders:
            renew_layer(folder)


def _day(lakes: gpd.GeoDataFrame) -> "pd.Series[str]":
    """The day of each lake; a scene without one is a day of its own."""
    return lakes["acq_datetime"].dt.strftime("%Y-%m-%d").fillna(lakes["scene_id"])


def _read(path: Path) -> gpd.GeoDataFrame:
    lakes = gpd.read_file(path, layer="lakes")
    lakes["acq_datetime"] = pd.to_datetime(lakes["acq_datetime"], utc=True).astype("datetime64[ms, UTC]")
    return lakes


def _run(record: dict[str, Any]) -> dict[str, Any]:
    """What the inventory tells of a map."""
    return {
        "scene_id": record["scene"],
        "acquired": record["acquired"],
        "proc_baseline": record["baseline"],
        "observed_share": record["observed_share"],
        "cloud_mask": record["cloud_mask"],
        "model": record["model"],
        "model_sha256": record["checkpoint_sha256"],
        "threshold": record["settings"]["threshold"],
        "min_area_m2": record["settings"]["min_area"],
        "glofgeo": record["versions"]["glofgeo"],
    }


def _note(path: Path) -> str:
    """What the layer's description tells its reader."""
    with closing(sqlite3.connect(path)) as database:
        ((description,),) = database.execute("SELECT description FROM gpkg_contents WHERE table_name = 'lakes'")
    return str(description).partition(". Note: ")[2]
