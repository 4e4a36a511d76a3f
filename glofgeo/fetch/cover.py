"""Which tiles show an area together: as few as will do, for neighbours overlap by 10 km."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from datasets_def.reproject import Shapes, polygons_of

# A tile that adds less than this to the others is not worth its scenes: the edges of footprints are no more exact.
# It is no share of the area, which may be that of a thousand tiles.
SLIVER_KM2 = 2.0

# A lake or a polygon of the area may be smaller: more than this share of what is shown of it is worth a tile, too.
_PART = 0.05

# Of the sphere that has the surface of the Earth.
_RADIUS_KM = 6371.007


def km2(shapes: Any) -> Any:
    """Gives the area of polygons in WGS 84, to half a percent; of an array, that of each."""
    # Longitude and sine of latitude keep areas (Lambert's cylindrical projection).
    flat = shapely.transform(
        shapes, lambda xy: _RADIUS_KM * np.column_stack([np.radians(xy[:, 0]), np.sin(np.radians(xy[:, 1]))])
    )
    return shapely.area(flat)


def covering(grounds: Mapping[str, BaseGeometry], area: BaseGeometry, lakes: Iterable[BaseGeometry]) -> list[str]:
    """Chooses tiles that cover an area together, the one that adds most first.

    Args:
        grounds: name of a tile -> what its scenes show.
        area: polygons, each of which is worth a tile, however small it is.
        lakes: likewise.

    Returns:
        Names of the tiles.
    """
    names = sorted(grounds)
    shapes = np.array([grounds[name] for name in names], dtype=object)
    if not names:
        return []
    tree = shapely.STRtree(shapes)
    chosen = _most_first(shapes, tree, area)
    covered = shapely.union_all(shapes[chosen])
    shapely.prepare(covered)
    places = polygons_of(np.array([area, *lakes], dtype=object))
    for place in places[~shapely.covers(covered, places)]:
        chosen += _missing(shapes, tree, place, chosen)
    return [names[i] for i in chosen]


def _most_first(shapes: Shapes, tree: shapely.STRtree, area: BaseGeometry) -> list[int]:
    """Indices of tiles, until none adds more than a sliver."""
    rest = _plain(shapely.intersection(shapes, area))
    gains, chosen = km2(rest), list[int]()
    while gains.max() >= SLIVER_KM2:
        best = int(gains.argmax())
        chosen.append(best)
        # Only neighbours lose by it: with a thousand tiles, asking all at every turn takes a million overlays.
        near = tree.query(shapes[best], "intersects")
        rest[near] = _plain(shapely.difference(rest[near], shapes[best]))
        gains[near] = km2(rest[near])
        gains[best] = 0
    return chosen


def _missing(shapes: Shapes, tree: shapely.STRtree, place: BaseGeometry, chosen: list[int]) -> list[int]:
    """Indices of tiles without which a place would not be seen."""
    near: npt.NDArray[np.intp] = np.sort(tree.query(place, "intersects"))
    shown = _plain(shapely.intersection(shapes[near], place))
    least = _PART * km2(shapely.union_all(shown))
    seen, more = shapely.union_all(shapes[near[np.isin(near, chosen)]]), list[int]()
    while near.size:
        gains = km2(_plain(shapely.difference(shown, seen)))
        if gains.max() <= least:
            break
        more.append(int(near[gains.argmax()]))
        seen = shapely.union(seen, shapes[more[-1]])
    return more


def _plain(shapes: Shapes) -> Shapes:
    """Leaves out lines and points, where neighbours touch: no overlay takes them together with polygons."""
    for i in np.flatnonzero(shapely.get_type_id(shapes) > 6):
        shapes[i] = shapely.multipolygons(polygons_of(shapes[i]))
    return shapes
