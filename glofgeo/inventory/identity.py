"""Names that lakes keep: given once, and found again by overlap."""

from collections.abc import Collection, Sequence
from itertools import count
from string import ascii_lowercase
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.reproject import to_crs
from glofgeo.inventory.attributes import lake_ids, name_suffix
from glofgeo.inventory.overlaps import find_overlaps

# Equal-area, so that shares of outlines are true wherever the lakes are.
_PLANE = "EPSG:6933"


def name_lakes(layers: Sequence[gpd.GeoDataFrame], known: gpd.GeoDataFrame | None = None) -> list[gpd.GeoDataFrame]:
    """Gives lakes of several dates the names that they had, and names to those that had none.

    Each date, from the earliest on, is held against every outline that ever had a name, so that a lake keeps its name
    through growth, and finds it again after a year without observation or after it drained and filled. Where lakes
    merge, the name of the one that the merged outline resembles most goes on, and the others rest; where one splits,
    the part that resembles it most keeps the name.

    Args:
        layers: one for each date, with `acq_datetime`, `lake_id` and a CRS, in any order.
        known: outlines that have names already, with `lake_id`; one lake may have many.

    Returns:
        The layers in the order given, with their names in `lake_id`, which are unique within a layer.
    """
    memory = _Memory(known)
    order = sorted(range(len(layers)), key=lambda i: _age(layers[i]))
    named = list(layers)
    for i in order:
        named[i] = layers[i].assign(lake_id=memory.recall(layers[i]))
    return named


def find_names(lakes: gpd.GeoDataFrame, known: gpd.GeoDataFrame) -> list[str]:
    """Gives the names of lakes of one date among known outlines, and new names to those that overlap none."""
    return _Memory(known).recall(lakes)


def new_names(lakes: gpd.GeoDataFrame, taken: Collection[str]) -> list[str]:
    """Names lakes by where they are, with letters where a name is taken."""
    used, names = {*taken}, []
    for place in lake_ids(lakes):
        names.append(_free(place.rstrip(ascii_lowercase), used))
        used.add(names[-1])
    return names


def _age(layer: gpd.GeoDataFrame) -> tuple[bool, pd.Timestamp, str]:
    instant = pd.to_datetime(layer["acq_datetime"], utc=True).min()
    scenes = "" if "scene_id" not in layer.columns or layer.empty else str(layer["scene_id"].min())
    return bool(pd.isna(instant)), pd.Timestamp(0, tz="UTC") if pd.isna(instant) else instant, scenes


class _Memory:
    """Every outline that has a name."""

    def __init__(self, known: gpd.GeoDataFrame | None) -> None:
        self.outlines: Any = np.array([], dtype=object)
        self.names: list[str] = []
        if known is not None and len(known):
            self.outlines = _on_plane(known)
            self.names = known["lake_id"].astype(str).tolist()

    def recall(self, lakes: gpd.GeoDataFrame) -> list[str]:
        """Names lakes of one date, and remembers them."""
        outlines = _on_plane(lakes)
        names = self._matched(outlines)
        unnamed = np.array([not name for name in names], np.bool_)
        if unnamed.any():
            fresh = iter(new_names(lakes[unnamed], {*self.names, *filter(None, names)}))
            names = [name or next(fresh) for name in names]
        self.outlines = np.concatenate([self.outlines, outlines])
        self.names += names
        return names

    def _matched(self, outlines: Any) -> list[str]:
        """The name of each outline, empty where it has none: the best pairs by likeness (IoU) first, each name once."""
        start = len(self.outlines)
        both = np.concatenate([self.outlines, outlines])
        side = np.repeat(np.array([0, 1]), [start, len(outlines)])
        overlaps = find_overlaps(both, side)
        area = shapely.area(both)
        likeness = overlaps.common / (area[overlaps.first] + area[overlaps.second] - overlaps.common)
        pairs = sorted(
            (-alike, self.names[old], new - start)
            for alike, old, new in zip(
                likeness.tolist(), overlaps.first.tolist(), overlaps.second.tolist(), strict=True
            )
        )
        names = [""] * len(outlines)
        used: set[str] = set()
        for _, name, new in pairs:
            if not names[new] and name not in used:
                names[new] = name
                used.add(name)
        return names


def _on_plane(lakes: gpd.GeoDataFrame) -> Any:
    return np.array(to_crs(lakes.geometry, _PLANE).array, dtype=object)


def _free(place: str, taken: set[str]) -> str:
    return next(name for name in (place + name_suffix(number) for number in count()) if name not in taken)
