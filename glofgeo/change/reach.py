"""Lakes beyond all those of the other layer, which may not cover their ground at all."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from glofgeo.change.links import Links
from glofgeo.change.oddities import Issue
from glofgeo.change.read_layer import LakeLayer
from glofgeo.errors import GlofgeoError

# Around the lakes of a layer, ground that it is taken to cover: lakes of one valley lie closer together than this.
_AROUND_M = 5000.0


def beyond_reach(changes: pd.DataFrame, layers: Sequence[LakeLayer], graphs: Sequence[Links]) -> list[Issue]:
    """Tells of lakes called new or vanished that lie outside the hull of all lakes of the other layer.

    Args:
        changes: as `compare_layers` gives them, with `layer_before` and `layer_after`.
        layers: in the order of their dates; those with masks tell what they cover, and are passed over.
        graphs: the links of each pair of neighbouring layers.
    """
    found: list[Issue] = []
    for (before, after), graph in zip(pairwise(layers), graphs, strict=True):
        rows = changes[(changes["layer_before"] == before.name) & (changes["layer_after"] == after.name)]
        for there, other, clusters, what in (
            (before, after, graph.cluster_before, "vanished"),
            (after, before, graph.cluster_after, "new"),
        ):
            alone = np.isin(clusters, rows.loc[rows["class"] == what, "cluster_id"])
            if not other.masks and len(other.lakes) and alone.any():
                found += _told(there, alone, other, what)
    return found


def require_common_ground(before: LakeLayer, after: LakeLayer) -> None:
    """Refuses two layers that lie apart, unless masks tell what each of them shows.

    Raises:
        GlofgeoError: If they do.
    """
    if (before.masks and after.masks) or before.lakes.empty or after.lakes.empty:
        return
    if not shapely.intersects(_reach(before), _reach(after)):
        raise GlofgeoError(f"{before.name} and {after.name} show different places", "give layers of one area")


def _reach(layer: LakeLayer) -> BaseGeometry:
    """The ground that a layer is taken to cover."""
    # Corners of each lake, since the points of all outlines of a continent would take half a gigabyte.
    corners = shapely.bounds(layer.lakes.geometry.to_numpy())[:, [[0, 1], [0, 3], [2, 1], [2, 3]]].reshape(-1, 2)
    return shapely.MultiPoint(corners).convex_hull.buffer(_AROUND_M)


def _told(there: LakeLayer, alone: npt.NDArray[np.bool_], other: LakeLayer, what: str) -> list[Issue]:
    covered = _reach(other)
    shapely.prepare(covered)
    outlines = there.lakes.geometry.to_numpy()
    off = alone & ~shapely.intersects(covered, outlines)
    if not off.any():
        return []
    km2 = there.lakes.loc[off, "area_m2"].sum() / 1e6
    consequence = f"called {what}; if {other.name} does not cover that ground, compare within an area of interest"
    lakes = f"{off.sum()} lakes of {there.name} lie beyond all of its lakes"
    return [Issue(other.name, 0, "", lakes, f"{km2:.3f} km2", consequence)]
