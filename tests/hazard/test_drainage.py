"""Catchments, ways of water and paths on ground that can be worked out by hand."""

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glofgeo.hazard.drainage import drain, flow_path


def path_of(height, lake, longest=1e9):
    """Rows and columns of the path, `(N, 2)`."""
    return np.stack(np.unravel_index(flow_path(height, lake, 30.0, longest), height.shape), axis=1)


def bowl(size=41, rise=10.0):
    """A cone that opens upwards around a lake in its middle, with a gap in the east through which it drains."""
    rows, cols = np.indices((size, size)) - size // 2
    height = 1000 + rise * np.hypot(rows, cols)
    lake = np.hypot(rows, cols) < 2
    return rows, cols, height, lake


def test_a_cone_drains_into_the_lake_in_its_middle():
    rows, cols, height, lake = bowl()
    edge = np.hypot(rows, cols) > 15
    height[edge] = 1300 - 10 * np.hypot(rows, cols)[edge]  # beyond the rim it falls outwards
    found = drain(height.astype(np.float32), lake, 1000.0, 30.0)
    inside = np.hypot(rows, cols) <= 15
    # Of a rim one pixel wide it is open to which side it drains.
    assert found.catchment[np.hypot(rows, cols) <= 14].all() and not found.catchment[np.hypot(rows, cols) > 17].any()
    assert found.complete
    assert found.way_m[20, 20 + 10] == pytest.approx(9 * 30)  # from column 10 to column 1, straight
    assert found.way_m[20 + 8, 20 + 8] == pytest.approx(7 * 30 * math.sqrt(2))
    assert np.isnan(found.way_m[~found.catchment]).all() and inside[found.catchment].mean() > 0.9


def test_a_lake_behind_a_dam_empties_over_its_lowest_place_and_down_the_valley():
    # A valley that falls to the east, closed by a dam at column 30, lowest in row 9.
    rows, cols = np.indices((25, 80))
    height = 2000 - 5.0 * cols + 40.0 * np.abs(rows - 12)
    dam = cols == 30
    height[dam] = 1940 + 10.0 * np.abs(rows[dam] - 9)
    lake = (cols > 20) & (cols < 30) & (np.abs(rows - 12) < 2)
    found = drain(height.astype(np.float32), lake, 1900.0, 30.0)
    path = path_of(height.astype(np.float32), lake)
    assert lake[tuple(path[0])] and tuple(path[-1])[1] == 79
    (crossing,) = path[path[:, 1] == 30]
    assert crossing[0] == 9
    # Back on the floor of the valley it runs straight east, and nowhere twice.
    assert (path[path[:, 1] > 36][:, 0] == 12).all()
    assert len({*map(tuple, path.tolist())}) == len(path)
    steps = np.abs(np.diff(path, axis=0)).max(axis=1)
    assert (steps == 1).all()
    # All ground up the valley drains into the lake.
    assert found.catchment[12, 1:20].all() and not found.catchment[:, 35:].any()


def test_water_leaves_hollows_and_flows_around_voids():
    rows, cols = np.indices((21, 60))
    height = (2000 - 5.0 * cols + 30.0 * np.abs(rows - 10)).astype(np.float32)
    lake = (cols >= 5) & (cols <= 7) & (np.abs(rows - 10) < 2)
    height[10, 30] -= 100  # a pit on the floor
    height[9:12, 40] = np.nan
    found = drain(height, lake, 1970.0, 30.0)
    path = path_of(height, lake)
    assert [10, 30] in path.tolist() and path[-1][1] == 59
    assert not np.isnan(height[tuple(path.T)]).any()
    assert not found.complete  # the head of the valley lies beyond the border


def test_over_level_ground_the_way_is_straight_and_the_path_short():
    rows, cols = np.indices((41, 81))
    height = np.full((41, 81), 1000.0, np.float32)  # a plain at the level of the lake, open in the east
    height[:, 60:] -= 5 * (cols[:, 60:] - 59)
    height[[0, -1]] = height[:, 0] = 1100
    lake = (np.abs(rows - 20) < 3) & (np.abs(cols - 20) < 3)
    path = path_of(height, lake)
    assert len(path) <= 81 - 22 + 1
    assert path_of(height, lake, longest=600)[-1].tolist()[1] <= 22 + 21
    found = drain(height, lake, 1000.0, 30.0)
    assert found.catchment[20, 5] and found.way_m[20, 5] == pytest.approx(13 * 30)


def test_where_the_dem_ends_water_leaves():
    rows, cols = np.indices((21, 60))
    height = (2000 - 5.0 * cols + 30.0 * np.abs(rows - 10)).astype(np.float32)
    height[:, 45:] = np.nan
    lake = (cols >= 5) & (cols <= 7) & (np.abs(rows - 10) < 2)
    path = path_of(height, lake)
    assert (path[path[:, 1] > 10][:, 0] == 10).all() and path[-1].tolist() == [10, 44]


def flooded(height, lake, level):
    """The catchment by the plain way: a priority flood from the border and the lake at once."""
    ground = np.where(lake, level, height.astype(float))
    rows, cols = ground.shape
    parent, heap, done = {}, [], set()
    border = np.ones(lake.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    for start, ours in ((border, False), (lake, True)):
        heap += [(ground[r, c], r, c, ours) for r, c in np.argwhere(start).tolist()]
    heapq.heapify(heap)
    while heap:
        top, r, c, ours = heapq.heappop(heap)
        if (r, c) in done:
            continue
        done.add((r, c))
        parent[r, c] = ours
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                n = (r + dr, c + dc)
                if 0 <= n[0] < rows and 0 <= n[1] < cols and n not in done:
                    heapq.heappush(heap, (max(top, ground[n]), *n, ours))
    return np.array([[parent[r, c] for c in range(cols)] for r in range(rows)])


@given(st.integers(0, 2**32), st.sampled_from([0.0, 1.0, 30.0]))
@settings(max_examples=25)
def test_on_any_ground_water_runs_down_but_to_a_pass(seed, roughness):
    rng = np.random.default_rng(seed)
    size = 24
    rows, cols = np.indices((size, size)) - size // 2
    height = (1000 + 8 * np.hypot(rows, cols) + 6 * cols + roughness * rng.normal(size=(size, size))).astype(np.float32)
    lake = np.maximum(np.abs(rows), np.abs(cols)) <= 1
    found = drain(height, lake, float(height[lake].min()) - 1, 30.0)
    assert found.catchment[lake].all()
    path = flow_path(height, lake, 30.0, 1e9)
    assert lake.ravel()[path[0]] and len(set(path.tolist())) == len(path)
    last = np.unravel_index(path[-1], height.shape)
    assert min(last) == 0 or max(last) == size - 1
    way = found.way_m
    assert (way[found.catchment & ~lake] > 0).all() and (way[lake] == 0).all()
    # The highest ground on the path is the lowest that any path out must pass.
    ground = np.where(lake, -np.inf, height).ravel()
    assert ground[path].max() == pytest.approx(lowest_pass(height, lake))


def lowest_pass(height, lake):
    """The least height over which the lake can leave the ground: by trying all heights."""
    from scipy.ndimage import label

    for top in np.sort(height.ravel()):
        groups, _ = label((height <= top) | lake, structure=np.ones((3, 3)))
        edge = np.concatenate([groups[0], groups[-1], groups[:, 0], groups[:, -1]])
        if groups[lake].max() in edge:
            return top
    raise AssertionError


def test_the_catchment_is_that_of_a_flood_from_border_and_lake():
    rng = np.random.default_rng(4)
    rows, cols = np.indices((30, 30)) - 15
    height = (1000 + 20 * np.hypot(rows, cols) + 3 * rng.normal(size=(30, 30))).astype(np.float32)
    rim = np.hypot(rows, cols) > 9
    height[rim] = (1360 - 20 * np.hypot(rows, cols) + 3 * rng.normal(size=(30, 30)))[rim]
    lake = np.hypot(rows, cols) < 2
    found = drain(height, lake, 990.0, 30.0).catchment
    # On the divide itself the two may differ: one looks at the steepest way down, the other at the lowest.
    sure = np.abs(np.hypot(rows, cols) - 9) > 1.5
    np.testing.assert_array_equal(found[sure], flooded(height, lake, 990.0)[sure])
