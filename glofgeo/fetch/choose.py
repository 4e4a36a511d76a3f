"""Chooses among found scenes: one of each acquisition, the tiles that the area needs, the best of each season."""

import re
from collections.abc import Iterable, Mapping, Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from glofgeo.fetch.cover import covering
from glofgeo.fetch.query import season_of
from glofgeo.fetch.rank import Seen
from glofgeo.fetch.search import Found

# Two footprints of one datatake and tile that share more than this of the smaller show the same ground; what two
# stations received of it, or two datastrips, overlaps by a few seconds.
_SAME_GROUND = 0.5


def newest(scenes: Iterable[Found]) -> list[Found]:
    """Keeps one of the scenes of each datatake, tile and ground: highest processing baseline, then latest processing.

    Args:
        scenes: of one catalogue.
    """
    return _first_of_each(sorted(scenes, key=_processing, reverse=True))


def fill_gaps(catalogs: Iterable[Iterable[Found]]) -> list[Found]:
    """Joins what catalogues list: of an acquisition that several have, the first one's.

    Args:
        catalogs: scenes of each, in order of preference.
    """
    joined = _first_of_each(scene for scenes in catalogs for scene in newest(scenes))
    return sorted(joined, key=lambda one: (one.item.datetime, one.item.tile, one.name))


def _first_of_each(scenes: Iterable[Found]) -> list[Found]:
    """Leaves out scenes that show the same ground at the same time as one before."""
    kept: dict[tuple[str, str, str], list[Found]] = {}
    for scene in scenes:
        others = kept.setdefault(_acquisition(scene), [])
        if not any(_share_ground(scene, other) for other in others):
            others.append(scene)
    return [scene for others in kept.values() for scene in others]


def _share_ground(one: Found, other: Found) -> bool:
    here, there = one.item.geometry, other.item.geometry
    return bool(here.intersection(there).area > _SAME_GROUND * min(here.area, there.area))


def _acquisition(scene: Found) -> tuple[str, str, str]:
    item = scene.item
    # A satellite passes a place once a day; catalogues give different moments of the pass.
    start = item.datatake_start.isoformat() if item.datatake_start else item.datetime.date().isoformat()
    return item.platform, item.tile, start


def _processing(scene: Found) -> tuple[str, str]:
    """What tells the newer of two processings: baseline and time of processing."""
    properties = scene.raw.get("properties", {})
    named = re.search(r"_(\d{8}T\d{6})$", scene.name)
    made = named[1] if named else str(properties.get("s2:generation_time") or properties.get("updated") or "")
    return scene.item.baseline or "", made


def needed_tiles(scenes: Iterable[Found], area: BaseGeometry, lakes: Iterable[BaseGeometry] = ()) -> list[str]:
    """Chooses tiles that cover the area together, the one that covers most first; neighbours overlap by 10 km.

    Args:
        scenes: all that were found.
        area: WGS 84.
        lakes: that should be seen, WGS 84.

    Returns:
        Names of the tiles.
    """
    grounds: dict[str, list[BaseGeometry]] = {}
    for scene in scenes:
        grounds.setdefault(scene.item.tile, []).append(scene.item.geometry)
    return covering({tile: shapely.union_all(parts) for tile, parts in grounds.items()}, area, lakes)


def by_season(scenes: Iterable[Found], months: tuple[int, ...]) -> dict[tuple[str, int], list[Found]]:
    """Sorts scenes by tile and season; a season is the wanted months of one year."""
    groups: dict[tuple[str, int], list[Found]] = {}
    for scene in scenes:
        groups.setdefault((scene.item.tile, season_of(scene.item.datetime.date(), months)), []).append(scene)
    return dict(sorted(groups.items()))


def likely(scenes: Iterable[Found], count: int) -> list[Found]:
    """The scenes that promise most by the catalogue's figures for the whole tile: little cloud, then little snow."""
    return sorted(scenes, key=lambda one: (_or_worst(one.item.cloud), _or_worst(one.item.snow), one.name))[:count]


def best(scenes: Sequence[Found], seen: Mapping[str, Seen], count: int) -> list[Found]:
    """The best of a season, best first: those that see most; of those that see about the same, the least snow.

    Args:
        scenes: of one tile and season.
        seen: name of the scene -> what it sees.
        count: how many.
    """
    return sorted(scenes, key=lambda one: (seen[one.name].order, _or_worst(one.item.cloud), one.name))[:count]


def _or_worst(percent: float | None) -> float:
    return 100.0 if percent is None else percent
