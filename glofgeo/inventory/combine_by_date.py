"""The lake layers of a region's scenes as one file, date by date: no more is in memory than the scenes of one date.

Lakes of different dates are different observations and never meet, so the result is that of combining all at once.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio

from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import FURTHER_COLUMNS
from glofgeo.inventory.combine import combine_lakes, common_crs, date_of
from glofgeo.inventory.geopackage import write_parts


@dataclass(frozen=True)
class _Layer:
    """What a scene's file tells without its outlines: date, name and newest time of its lakes, and its CRS."""

    path: Path
    scene: str
    date: str
    newest: pd.Timestamp
    crs: str


def combine_files(files: list[Path], path: Path, note: str = "") -> None:
    """Writes one layer of the lakes of many scenes, as `combine_lakes` combines them, all or nothing.

    The order of the files does not matter: the same lakes give the same bytes.

    Args:
        files: GeoPackages that `write_lakes` wrote, one for each scene.
        path: file to write; an earlier one is replaced.
        note: as in `write_lakes`.

    Raises:
        GlofgeoError: As `combine_lakes` and `write_lakes`.
    """
    infos = [pyogrio.read_info(file, layer="lakes") for file in files]
    known = [info["crs"] for info in infos]
    crs = common_crs(known)
    missing = [name for name in FURTHER_COLUMNS if any(name not in info["fields"] for info in infos)]
    layers = [layer for file, own in zip(files, known, strict=True) if (layer := _described(file, own))]
    _require_once(layers)
    newest = max((layer.newest for layer in layers if not pd.isna(layer.newest)), default=None)
    write_parts(path, _parts(layers, crs, missing), newest, note)


def _described(file: Path, crs: str) -> _Layer | None:
    lakes = pyogrio.read_dataframe(file, layer="lakes", columns=["scene_id", "acq_datetime"], read_geometry=False)
    if lakes.empty:
        return None
    lakes = lakes.assign(acq_datetime=pd.to_datetime(lakes["acq_datetime"], utc=True))
    return _Layer(file, min(lakes["scene_id"]), date_of(lakes).iloc[0], lakes["acq_datetime"].max(), crs)


def _require_once(layers: list[_Layer]) -> None:
    seen: dict[str, Path] = {}
    for layer in layers:
        if layer.scene in seen:
            raise GlofgeoError(
                f"scene {layer.scene} occurs in two lake layers, {seen[layer.scene]} and {layer.path}",
                "combine each scene once",
            )
        seen[layer.scene] = layer.path


def _parts(layers: list[_Layer], crs: Any, missing: list[str]) -> Iterator[gpd.GeoDataFrame]:
    """Yields the combined lakes of one date after the other; at least one frame, possibly without lakes.

    Further columns that one of the files lacks are left out of all, so that all frames have the same ones.
    """
    of_date = defaultdict(list)
    for layer in layers:
        of_date[layer.date].append(layer.path)
    if not layers:
        yield combine_lakes([], crs)
    for _, files in sorted(of_date.items()):
        frames = [gpd.read_file(file, layer="lakes") for file in files]
        yield combine_lakes([frame.drop(columns=missing, errors="ignore") for frame in frames], crs)
