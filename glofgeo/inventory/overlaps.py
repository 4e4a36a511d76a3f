"""Which outlines share area, and which hang together through that."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

# Outlines that merely touch share a rounding of this part of the smaller one.
_TOUCH = 1e-9

Outlines = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Overlaps:
    """Pairs of outlines that overlap, by number, and the area they share."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    common: npt.NDArray[np.float64]

    def take(self, which: npt.NDArray[np.bool_]) -> "Overlaps":
        """Some of the pairs."""
        return Overlaps(self.first[which], self.second[which], self.common[which])


def find_overlaps(outlines: Outlines, layer: npt.NDArray[np.int64]) -> Overlaps:
    """Finds the pairs of outlines of different scenes that overlap, each once, and the area they share."""
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    ours = (first < second) & (layer[first] != layer[second])
    first, second = first[ours], second[ours]
    common = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    area = shapely.area(outlines)
    shared = common > _TOUCH * np.minimum(area[first], area[second])
    return Overlaps(first[shared], second[shared], common[shared])


def neighbours(overlaps: Overlaps, count: int) -> list[list[int]]:
    """Lists for each outline those that overlap it."""
    near: list[list[int]] = [[] for _ in range(count)]
    for one, other in zip(overlaps.first.tolist(), overlaps.second.tolist(), strict=True):
        near[one].append(other)
        near[other].append(one)
    return near


def groups_of(links: list[list[int]]) -> Iterator[list[int]]:
    """Gathers the outlines that are linked, directly or through others."""
    seen: set[int] = set()
    for start in range(len(links)):
        if start in seen:
            continue
        group, ahead = {start}, [start]
        while ahead:
            new = set(links[ahead.pop()]) - group
            group |= new
            ahead += new
        seen |= group
        yield sorted(group)
