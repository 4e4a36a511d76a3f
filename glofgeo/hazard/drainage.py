"""Where water flows: the catchment of a lake, and the path of what leaves it.

Water runs to the lowest neighbour of eight by slope, over level ground the shortest way to where it falls. Hollows are
left over their lowest pass, found for all of them at once as the minimum spanning tree of the basins (Cordonnier et al.
2019, Earth Surface Dynamics 7, 549-562); the way up to a pass is then followed as if the water had cut it. What leaves
the lake is followed by a priority flood: of all pixels that it has reached the sides of, it takes the lowest.
"""

import heapq
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, binary_propagation
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Straight ones first: over level ground, that makes the shortest way.
_AROUND = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
_EIGHT = np.ones((3, 3), dtype=bool)
# Basins: what lies beyond the border, and the lake; all others come after.
_OUTSIDE, _LAKE = 0, 1


@dataclass(frozen=True)
class Drainage:
    """How the ground around a lake drains.

    Attributes:
        catchment: `(H, W)` bool, the lake and all ground that drains into it.
        way_m: `(H, W)` float64, length of the way of water to the lake in metres; NaN outside the catchment.
        complete: whether the catchment ends before the border and the voids.
    """

    catchment: npt.NDArray[np.bool_]
    way_m: Floats
    complete: bool


def drain(height: npt.NDArray[np.float32], lake: npt.NDArray[np.bool_], level_m: float, pixel_m: float) -> Drainage:
    """Routes water over the ground around a lake.

    Args:
        height: `(H, W)` float32, metres; water leaves where voids go on to the border, and flows around others.
        lake: `(H, W)` bool, not at the border.
        level_m: of the lake's surface.
        pixel_m: side of the pixels.
    """
    ground = np.where(lake, level_m, height.astype(np.float64))
    ground[np.isnan(ground)] = np.inf
    edge = _edge(np.isinf(ground)) & ~lake
    receiver = _steepest(ground, lake | edge)
    basin = _basins(receiver, lake, edge)
    basin[np.isinf(ground).ravel()] = -1
    tree = _Passes.find(ground.ravel(), basin, height.shape)
    inside = np.zeros(tree.count, dtype=bool)
    inside[_LAKE] = True
    for below in tree.order.tolist():
        above = tree.next[below]
        if above < 0 or below == _LAKE:
            continue
        inside[below] = inside[above]
        _cut(receiver, int(tree.out[below]), int(tree.into[below]))
    catchment = (basin >= 0) & inside[np.maximum(basin, 0)]
    way = _way(receiver, height.shape[1], pixel_m)
    shape = height.shape
    return Drainage(
        catchment=catchment.reshape(shape),
        way_m=np.where(catchment, way, np.nan).reshape(shape),
        complete=not (binary_dilation(edge | np.isnan(height), _EIGHT) & catchment.reshape(shape)).any(),
    )


def flow_path(height: npt.NDArray[np.float32], lake: npt.NDArray[np.bool_], pixel_m: float, longest_m: float) -> Ints:
    """Follows what leaves a lake.

    Args:
        height: `(H, W)` float32, metres; the path goes around voids, and ends at the border and at voids that go on to
            it.
        lake: `(H, W)` bool.
        pixel_m: side of the pixels.
        longest_m: length at which to end.

    Returns:
        Flat indices `(N,)` of the pixels passed, the first one on the lake; empty where it cannot leave.
    """
    void = np.isnan(height)
    columns = height.shape[1] + 2
    # A closed rim spares asking where the grid ends, and plain buffers are read much faster than arrays.
    ground = np.pad(height, 1).ravel().data
    closed = bytearray(np.pad(void | lake, 1, constant_values=True))
    end = bytes(np.pad(_edge(void) & ~lake, 1))
    around = [(down * columns + right, math.hypot(down, right) * pixel_m) for down, right in _AROUND]
    before: dict[int, int] = {}
    heap: list[tuple[float, int, int]] = []
    # The lake's outlet is the lowest pixel beside it, whatever the DEM says of its surface.
    ahead = np.flatnonzero(np.pad(lake & binary_dilation(~lake, _EIGHT), 1)).tolist()
    along = dict.fromkeys(ahead, 0.0)
    while ahead:
        for here in ahead:
            for step, length in around:
                there = here + step
                if not closed[there]:
                    closed[there] = True
                    before[there], along[there] = here, along[here] + length
                    heapq.heappush(heap, (ground[there], len(before), there))
        if not heap:
            break
        _, _, lowest = heapq.heappop(heap)
        if end[lowest] or along[lowest] >= longest_m:
            path = [lowest]
            while path[-1] in before:
                path.append(before[path[-1]])
            rows, cols = np.divmod(np.array(path[::-1], dtype=np.int64), columns)
            return (rows - 1) * height.shape[1] + cols - 1
        ahead = [lowest]
    return np.zeros(0, dtype=np.int64)


def _edge(void: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The outermost pixels: those at the border, in the voids that go on to it, and beside these."""
    border = np.ones(void.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    outside = binary_propagation(void & border, _EIGHT, mask=void)
    return border | binary_dilation(outside, _EIGHT)


def _steepest(ground: Floats, sink: npt.NDArray[np.bool_]) -> Ints:
    """The flat index of the pixel that each drains to: itself in sinks and pits."""
    rows, cols = ground.shape
    here = np.arange(ground.size).reshape(ground.shape)
    best, receiver = np.zeros(ground.shape), here.copy()
    inner = (slice(1, -1), slice(1, -1))
    for down, right in _AROUND:
        there = (slice(1 + down, rows - 1 + down), slice(1 + right, cols - 1 + right))
        with np.errstate(invalid="ignore"):
            fall = (ground[inner] - ground[there]) / math.hypot(down, right)
        steeper = fall > best[inner]
        best[inner][steeper] = fall[steeper]
        receiver[inner][steeper] = here[there][steeper]
    receiver[sink] = here[sink]
    flat = receiver.ravel()
    _over_level_ground(flat, ground.ravel(), sink.ravel(), cols)
    return flat


def _over_level_ground(receiver: Ints, ground: Floats, sink: npt.NDArray[np.bool_], columns: int) -> None:
    """Lets level ground drain to where it falls or meets a sink of the same height, the shortest way."""
    waiting = np.flatnonzero((receiver == np.arange(receiver.size)) & ~sink & np.isfinite(ground))
    still = np.zeros(receiver.size, dtype=bool)
    still[waiting] = True
    while waiting.size:
        to = np.full(waiting.size, -1)
        for down, right in _AROUND:
            there = waiting + down * columns + right
            to = np.where((to < 0) & (ground[there] == ground[waiting]) & ~still[there], there, to)
        found = to >= 0
        if not found.any():
            return
        receiver[waiting[found]] = to[found]
        still[waiting[found]] = False
        waiting = waiting[~found]


def _basins(receiver: Ints, lake: npt.NDArray[np.bool_], edge: npt.NDArray[np.bool_]) -> Ints:
    """The number of each pixel's basin."""
    pit = receiver.copy()
    while True:
        further = pit[pit]
        if (further == pit).all():
            break
        pit = further
    number = np.full(receiver.size, -1)
    own = np.flatnonzero((receiver == np.arange(receiver.size)) & ~lake.ravel() & ~edge.ravel())
    number[own] = np.arange(own.size) + 2
    number[edge.ravel()] = _OUTSIDE
    number[lake.ravel()] = _LAKE
    return number[pit]


@dataclass(frozen=True)
class _Passes:
    """Over which pass each basin empties, and into which.

    Attributes:
        count: basins.
        order: of the basins, from what lies outside inwards.
        next: the basin that each empties into; negative for none.
        out: last pixel of each basin on the way over its pass.
        into: the pixel after it.
    """

    count: int
    order: Ints
    next: Ints
    out: Ints
    into: Ints

    @classmethod
    def find(cls, ground: Floats, basin: Ints, shape: tuple[int, int]) -> "_Passes":
        count = max(int(basin.max()) + 1, 2)
        one, other = _neighbours(shape)
        apart = (basin[one] != basin[other]) & (basin[one] >= 0) & (basin[other] >= 0)
        one, other = one[apart], other[apart]
        swap = basin[one] > basin[other]
        one, other = np.where(swap, other, one), np.where(swap, one, other)
        top = np.maximum(ground[one], ground[other])
        pair = basin[one] * count + basin[other]
        lowest = np.lexsort((top, pair))
        lowest = lowest[np.append(True, np.diff(pair[lowest]) > 0)[: lowest.size]]
        one, other, top, pair = one[lowest], other[lowest], top[lowest], pair[lowest]
        # A weight of 0 would be no edge: passes are ranked, from 1 on.
        rank = np.unique(top, return_inverse=True)[1] + 1
        graph = coo_array((rank.astype(np.float64), (basin[one], basin[other])), shape=(count, count)).tocsr()
        tree = minimum_spanning_tree(graph)
        order, before = breadth_first_order(tree, _OUTSIDE, directed=False)
        out, into = np.full(count, -1), np.full(count, -1)
        ahead = before.astype(np.int64)
        each = order[1:].astype(np.int64)
        low, high = np.minimum(each, ahead[each]), np.maximum(each, ahead[each])
        which = np.searchsorted(pair, low * count + high)
        first = each == low
        out[each] = np.where(first, one[which], other[which])
        into[each] = np.where(first, other[which], one[which])
        return cls(count, order.astype(np.int64), ahead, out, into)


def _neighbours(shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """All pairs of neighbouring pixels, each once, as flat indices."""
    here = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = [
        (here[:, :-1], here[:, 1:]),
        (here[:-1], here[1:]),
        (here[:-1, :-1], here[1:, 1:]),
        (here[:-1, 1:], here[1:, :-1]),
    ]
    return tuple(np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))  # type: ignore[return-value]


def _cut(receiver: Ints, out: int, into: int) -> None:
    """Turns the way from a pass down to its pit around, so that the pit drains over the pass."""
    here, ahead = out, into
    while True:
        below = int(receiver[here])
        receiver[here] = ahead
        if below == here:
            return
        here, ahead = below, here


def _way(receiver: Ints, columns: int, pixel_m: float) -> Floats:
    """Length in metres from each pixel to where its water comes to rest, by doubling the step again and again."""
    here = np.arange(receiver.size)
    rows, cols = here // columns - receiver // columns, here % columns - receiver % columns
    way, ahead = np.hypot(rows, cols) * pixel_m, receiver
    while True:
        further = ahead[ahead]
        if (further == ahead).all():
            return way
        way, ahead = way + way[ahead], further
