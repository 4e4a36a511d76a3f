"""The steep lakefront on ground that can be worked out by hand."""

import math

import numpy as np
import pytest
import shapely

from glofgeo.hazard.lakefront import steep_lakefront


def falling_east(degrees, level=4000.0):
    """Flat but for a slope that falls to the east from the lake's shore at x = 90 on."""
    return lambda x, y: level - np.maximum(x - 90, 0) * math.tan(math.radians(degrees))


@pytest.mark.parametrize("degrees", [10.5, 15.0, 30.0])
def test_a_plane_below_the_shore_is_seen_at_its_slope(make_ground, degrees):
    front = steep_lakefront(make_ground(falling_east(degrees)))
    assert front.angle_deg == pytest.approx(degrees, abs=0.01)
    # Every pixel of the plane straight east is seen alike; the one that counts is between 100 and 1000 m away.
    drop = math.tan(math.radians(degrees)) - math.tan(math.radians(10))
    assert 100 * drop - 0.1 <= front.lowering_m <= 1000 * drop + 0.1


def test_gentle_ground_has_no_front(make_ground):
    front = steep_lakefront(make_ground(falling_east(9.0)))
    assert front.angle_deg == pytest.approx(9.0, abs=0.01)
    assert front.lowering_m == 0 and front.steep_km2 == 0


def test_a_dam_with_a_step_gives_the_lowering_of_the_step(make_ground):
    # Level for 300 m, then 200 m lower. The first pixels of the step stand 315 m from the shore at x = 405.
    ground = make_ground(lambda x, y: np.where(x > 390, 3800.0, 4000.0))
    front = steep_lakefront(ground)
    assert front.angle_deg == pytest.approx(math.degrees(math.atan(200 / 315)), abs=0.01)
    assert front.lowering_m == pytest.approx(200 - 315 * math.tan(math.radians(10)), abs=0.1)


def test_ground_that_rises_is_no_front_and_what_is_near_or_far_does_not_count(make_ground):
    up = steep_lakefront(make_ground(lambda x, y: 4000 + np.abs(x) * 0.8 * (np.abs(x) > 90)))
    assert up.angle_deg == 0 and up.lowering_m == 0
    near = make_ground(lambda x, y: np.where((x > 90) & (x < 180) & (np.abs(y) < 60), 3900.0, 4000.0))
    assert steep_lakefront(near).angle_deg == 0
    far = make_ground(lambda x, y: np.where(x > 1110, 3000.0, 4000.0))
    assert steep_lakefront(far).angle_deg == 0


def test_the_area_of_the_front_is_that_of_its_pixels(make_ground):
    # A round hole of 300 m depth around (600, 0): all of it is seen more than 10 degrees down, being nearer than 1 km.
    ground = make_ground(lambda x, y: np.where(np.hypot(x - 600, y) < 200, 3700.0, 4000.0))
    assert steep_lakefront(ground).steep_km2 == pytest.approx(math.pi * 0.2**2, rel=0.03)


def test_without_heights_there_is_no_answer(make_ground):
    assert steep_lakefront(make_ground(lambda x, y: np.where(np.hypot(x, y) < 200, np.nan, 4000.0))) is None
    assert steep_lakefront(make_ground(lambda x, y: np.where(x > 300, np.nan, 4000.0))) is None


def test_the_level_is_that_of_the_outline_of_the_dems_time(make_ground):
    # The lake has grown to the west since, where the DEM still has ice of 30 m height.
    def height(x, y):
        return np.where((x < 0) & (np.abs(y) < 90), 4030.0, 4000.0)

    now = shapely.box(-390, -90, 90, 90)
    assert make_ground(height, now).level_m == 4030 and make_ground(height, now).uneven_m == 0
    before = shapely.box(86.9 + 0.0001, 27.9 - 0.0008, 86.9 + 0.0009, 27.9 + 0.0008)
    assert make_ground(height, now, then=before).level_m == 4000
