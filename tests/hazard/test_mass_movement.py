"""Reach of avalanches and rockfalls on ground that can be worked out by hand."""

import math

import numpy as np
import pytest

from glofgeo.hazard.drainage import drain
from glofgeo.hazard.ground import PIXEL_M
from glofgeo.hazard.mass_movement import movements, reach_angle


def wall(x, y, degrees=50.0, foot=390.0, top=690.0):
    """A plain that rises gently to the west, and in the east, from `foot` to `top` metres, a wall."""
    slope = math.tan(math.radians(degrees))
    return 4000 + 0.02 * np.abs(x) + 0.02 * np.abs(y) + np.clip(x - foot, 0, top - foot) * slope


def measured(make_ground, ice, **how):
    ground = make_ground(lambda x, y: wall(x, y, **how))
    drainage = drain(ground.height, ground.lake, ground.level_m, PIXEL_M)
    rows, cols = np.indices(ground.height.shape)
    x, y = ground.grid.transform * (cols + 0.5, rows + 0.5)
    return movements(ground, drainage, ice(x, y))


def test_the_reach_angle_is_huggels_and_no_less_than_17():
    assert reach_angle(1e6) == pytest.approx(math.degrees(math.atan(1.111 - 0.118 * 6)))
    assert reach_angle(6.67e6) == pytest.approx(17.0, abs=0.05) and reach_angle(1e8) == 17.0


def test_ice_on_a_wall_near_the_lake_reaches_it(make_ground):
    # Seen from the lake's shore, the wall's top is 357 m higher and 585 m away, some 31 degrees.
    found = measured(make_ground, lambda x, y: (x > 390) & (np.abs(y) < 200))
    # The steepest way is that of the highest steep pixel straight east: x = 675, by way of 585 m.
    top = 4000 + 0.02 * (675 + 15) + (675 - 390) * math.tan(math.radians(50))
    expected = math.degrees(math.atan((top - 4000.6) / (675 - 75)))
    assert found.avalanche_deg == pytest.approx(expected, abs=2)
    # 12 x 10 pixels of 900 m2, 10 m deep: 1.1 million m3 need 21.9 degrees.
    assert found.avalanche_depth_m == 10
    assert found.rockfall_deg > 20  # the wall beside the ice


def test_ice_far_from_the_lake_does_not_reach_it_but_says_how_near_it_comes(make_ground):
    found = measured(make_ground, lambda x, y: x > 1200, foot=1200.0, top=1500.0)
    assert 10 < found.avalanche_deg < 17
    assert found.avalanche_depth_m == 0 and found.rockfall_deg == 0


def test_little_ice_counts_only_where_it_is_thick_enough(make_ground):
    # 4 pixels: 3,600 m2, so that 30 m come to 108,000 m3, which need 27.3 degrees.
    found = measured(make_ground, lambda x, y: (x > 600) & (x < 660) & (np.abs(y) < 30))
    assert found.avalanche_depth_m == 30


@pytest.mark.parametrize(("degrees", "ice", "rock"), [(20, False, False), (35, False, True), (70, False, True)])
def test_slopes_release_only_what_is_steep_enough(make_ground, degrees, ice, rock):
    assert (measured(make_ground, lambda x, y: x > 390, degrees=degrees).avalanche_deg > 0) is ice
    assert (measured(make_ground, lambda x, y: x > 1e9, degrees=degrees).rockfall_deg > 0) is rock


def test_what_stands_behind_a_ridge_does_not_count(make_ground):
    def ridge(x, y):
        return 4000 + np.where(x < 600, 0.1 * np.abs(x) + 0.02 * np.abs(y), 4060 - 4000 + (600 - x) * 1.2)

    ground = make_ground(ridge)
    drainage = drain(ground.height, ground.lake, ground.level_m, PIXEL_M)
    rows, cols = np.indices(ground.height.shape)
    x, _ = ground.grid.transform * (cols + 0.5, rows + 0.5)
    found = movements(ground, drainage, x > 630)
    assert found.avalanche_deg == 0 and found.rockfall_deg == 0
