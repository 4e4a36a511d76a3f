"""Which lakes of two layers are the same: any overlap links them, and what hangs together is one cluster."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Geod, Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from glofgeo.change.read_layer import PLANE, LakeLayer

# Outlines that merely touch share a rounding of this part of the smaller one.
_TOUCH = 1e-9
# Below this part of the smaller one, an overlap is no proof of the same lake.
WEAK_SHARE = 0.1
# From this IoU on, the outline was copied: measured, outlines are either this equal or below 0.99.
COPIED_IOU = 0.9999

_CHUNK = 10_000

_GLOBE = Geod(ellps="WGS84")
_Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Links:
    """The graph between the lakes of two layers.

    Attributes:
        table: a row a link, as RGI 7 publishes its links to RGI 6: `row_before`, `lake_id_before`, `row_after`,
            `lake_id_after`, `overlap_area_km2`, `overlap_before` and `overlap_after` (shares of either outline, 0-1),
            `n_before` and `n_after` (lakes of either date in the cluster), `cluster_id`, `iou`, `copied`, `weak`.
        cluster_before: `(N,)` number of the cluster of each lake of the earlier layer, from 0.
        cluster_after: `(M,)` the same of the later one.
        clusters: how many there are.
    """

    table: pd.DataFrame
    cluster_before: _Ints
    cluster_after: _Ints
    clusters: int


def link_layers(before: LakeLayer, after: LakeLayer) -> Links:
    """Links the lakes of two layers that overlap, by however little."""
    ours, theirs = before.lakes.geometry.to_numpy(), after.lakes.geometry.to_numpy()
    first, second = shapely.STRtree(theirs).query(ours, predicate="intersects")
    common = shared_areas(ours, theirs, first, second)
    area_before, area_after = before.lakes["area_m2"].to_numpy(), after.lakes["area_m2"].to_numpy()
    overlap = common > _TOUCH * np.minimum(area_before[first], area_after[second])
    first, second, common = first[overlap], second[overlap], common[overlap]
    count, label = clusters_of(first, len(ours) + second, len(ours) + len(theirs))
    cluster_before, cluster_after = label[: len(ours)], label[len(ours) :]
    share_before, share_after = common / area_before[first], common / area_after[second]
    iou = common / (area_before[first] + area_after[second] - common)
    table = pd.DataFrame(
        {
            "row_before": before.lakes["row"].to_numpy()[first],
            "lake_id_before": before.lakes["lake_id"].to_numpy()[first],
            "row_after": after.lakes["row"].to_numpy()[second],
            "lake_id_after": after.lakes["lake_id"].to_numpy()[second],
            "overlap_area_km2": common / 1e6,
            "overlap_before": np.minimum(share_before, 1.0),
            "overlap_after": np.minimum(share_after, 1.0),
            "n_before": np.bincount(cluster_before, minlength=count)[cluster_before[first]],
            "n_after": np.bincount(cluster_after, minlength=count)[cluster_after[second]],
            "cluster_id": cluster_before[first],
            "iou": iou,
            "copied": iou > COPIED_IOU,
            "weak": np.maximum(share_before, share_after) < WEAK_SHARE,
        }
    )
    return Links(table.sort_values(["cluster_id", "row_before", "row_after"], ignore_index=True),
                 cluster_before, cluster_after, count)  # fmt: skip


def shared_areas(ours: Any, theirs: Any, first: _Ints, second: _Ints) -> npt.NDArray[np.float64]:
    """Areas that pairs of outlines share, in m2 on `PLANE`; of equal ones without an overlay, which is slow."""
    equal = shapely.equals_exact(ours[first], theirs[second])
    common = np.zeros(len(first))
    common[equal] = shapely.area(ours[first[equal]])
    # Some at a time: together, what they share would take as much memory as the outlines.
    for pairs in np.array_split(np.flatnonzero(~equal), len(first) // _CHUNK + 1):
        common[pairs] = shapely.area(shapely.intersection(ours[first[pairs]], theirs[second[pairs]]))
    return common


def clusters_of(first: Any, second: Any, count: int) -> tuple[int, _Ints]:
    """Numbers what hangs together: how many clusters there are, and the cluster of each of `count` members."""
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    found, label = connected_components(graph, directed=False)
    return int(found), np.asarray(label, np.intp)


def within_a_pixel(before: LakeLayer, after: LakeLayer, ours: _Ints, theirs: _Ints) -> tuple[_Ints, _Ints, Any]:
    """Gives the pairs among these lakes that lie at most a pixel (of the coarser layer) apart, and the gaps in m."""
    one, two = before.lakes.geometry.to_numpy()[ours], after.lakes.geometry.to_numpy()[theirs]
    if not len(one) or not len(two):
        return np.array([], np.intp), np.array([], np.intp), np.array([])
    pixel = max(before.lakes["pixel_m"].max(), after.lakes["pixel_m"].max())
    # The plane stretches distances away from 30 degrees of latitude: less than fivefold up to 80 degrees.
    i, j = shapely.STRtree(two).query(one, predicate="dwithin", distance=5 * pixel)
    ends = shapely.get_coordinates(shapely.shortest_line(one[i], two[j])).reshape(-1, 2, 2)
    degrees = Transformer.from_crs(PLANE, "EPSG:4326", always_xy=True).transform
    (west, south), (east, north) = degrees(*ends[:, 0].T), degrees(*ends[:, 1].T)
    gap = np.asarray(_GLOBE.inv(west, south, east, north)[2])
    side = np.maximum(before.lakes["pixel_m"].to_numpy()[ours[i]], after.lakes["pixel_m"].to_numpy()[theirs[j]])
    close = gap <= side * (1 + 1e-6)
    return ours[i[close]], theirs[j[close]], gap[close]
