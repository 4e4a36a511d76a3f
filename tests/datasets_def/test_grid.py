import math

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.windows import Window

from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid

UTM = CRS.from_epsg(32645)
SIDES = st.sampled_from([0.5, 10, 20, 60])
GRIDS = st.builds(
    lambda rows, cols, side, east, north: Grid((rows, cols), Affine(side, 0, east, 0, -side, north), UTM),
    st.integers(1, 400), st.integers(1, 400), SIDES, st.integers(2 * 10**5, 8 * 10**5), st.integers(0, 9 * 10**6),
)  # fmt: skip
WINDOWS = st.builds(Window, *[st.integers(-500, 500)] * 2, *[st.integers(1, 500)] * 2)


def pixels(grid, window):
    """The pixels of a grid that a window covers, counted one by one."""
    rows, cols = grid.shape
    (top, bottom), (left, right) = window.toranges()
    return {(r, c) for r in range(rows) for c in range(cols) if top <= r < bottom and left <= c < right}


@given(GRIDS, WINDOWS)
def test_what_is_clipped_lies_on_the_grid_and_loses_nothing_of_it(grid, window):
    clipped = grid.clip(window)
    rows, cols = grid.shape
    (top, bottom), (left, right) = clipped.toranges()
    assert 0 <= top <= bottom <= rows and 0 <= left <= right <= cols
    expected = grid.outline.intersection(grid.window(window).outline).area / grid.transform.a**2
    assert clipped.width * clipped.height == pytest.approx(expected, abs=1e-6)


@given(GRIDS, WINDOWS, st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_the_nearest_window_is_found_however_bounds_are_rounded(grid, window, east, north):
    left, bottom, right, top = grid.window(window).bounds
    side = grid.transform.a
    moved = (left + east * side, bottom + north * side, right + east * side, top + north * side)
    assert grid.nearest(moved) == window


@given(GRIDS, WINDOWS)
def test_intersect_gives_what_bounds_touch_whatever_lies_beyond(grid, window):
    assert pixels(grid, grid.intersect(grid.window(window).bounds)) == pixels(grid, window)


@given(GRIDS, WINDOWS, st.sampled_from([-1e-6, 1e-6]))
def test_bounds_that_went_through_another_crs_touch_no_further_pixel(grid, window, off):
    left, bottom, right, top = grid.window(window).bounds
    off *= grid.transform.a
    assert pixels(grid, grid.intersect((left - off, bottom - off, right + off, top + off))) == pixels(grid, window)


@given(GRIDS, WINDOWS, st.integers(0, 30))
def test_a_margin_is_added_as_far_as_the_grid_goes(grid, window, margin):
    inside = grid.clip(window)
    if inside.width and inside.height:
        wider = Window(inside.col_off - margin, inside.row_off - margin,
                       inside.width + 2 * margin, inside.height + 2 * margin)  # fmt: skip
        assert grid.intersect(grid.window(inside).bounds, margin) == grid.clip(wider)


@given(GRIDS, st.integers(1, 400))
def test_strips_cover_every_row_once(grid, height):
    tops = [strip.row_off for strip in grid.strips(height)]
    assert tops == list(range(0, grid.shape[0], height))
    assert sum(strip.height for strip in grid.strips(height)) == grid.shape[0]
    assert shapely.union_all([grid.window(strip).outline for strip in grid.strips(height)]).equals(grid.outline)


@given(GRIDS, st.integers(1, 9))
def test_a_coarser_grid_covers_the_finer_and_less_than_a_pixel_more(grid, factor):
    coarse = grid.coarser(factor)
    assert coarse.bounds[0] == grid.bounds[0] and coarse.bounds[3] == grid.bounds[3]
    assert coarse.transform.a == factor * grid.transform.a
    for side, fine in zip(coarse.shape, grid.shape, strict=True):
        assert 0 <= side * factor - fine < factor


@given(GRIDS, st.floats(-5, 5), st.floats(-5, 5), st.floats(0.5, 2))
def test_distance_and_size_are_told_in_pixels(grid, east, north, scale):
    other = Grid(grid.shape, grid.transform * Affine.translation(east, north) * Affine.scale(scale), UTM)
    shift, size = grid.apart(other)
    assert shift == pytest.approx(max(abs(east), abs(north)), abs=1e-6)
    assert size == pytest.approx(abs(scale - 1), abs=1e-6)


def test_grids_of_two_crs_are_infinitely_apart():
    grid = Grid((4, 4), Affine(10, 0, 3e5, 0, -10, 3e6), UTM)
    other = Grid(grid.shape, grid.transform, CRS.from_epsg(32644))
    assert grid.apart(other) == (math.inf, math.inf)
    assert grid.apart(grid) == (0, 0)


def test_a_footprint_holds_the_corners_in_degrees():
    grid = Grid((1098, 1098), Affine(10, 0, 4.9e5, 0, -10, 3.09e6), UTM)
    west, south, east, north = grid.footprint.bounds
    assert 86.8 < west < east < 87.1 and 27.7 < south < north < 28
    assert np.isclose(grid.pixel_area, 100, rtol=2e-3)


@given(zone=st.integers(1, 60), south=st.booleans(), east=st.floats(2e5, 8e5), north=st.floats(1e5, 9e6),
       side=st.floats(1, 100))  # fmt: skip
def test_a_pixel_of_utm_is_as_large_as_its_zone_says_to_a_thousandth(zone, south, east, north, side):
    crs = CRS.from_epsg((32700 if south else 32600) + zone)
    assert Grid((10, 10), Affine(side, 0, east, 0, -side, north), crs).pixel_side == pytest.approx(side, rel=2e-3)


def test_degrees_and_web_mercator_are_measured_on_the_ground():
    degree = Affine(1e-4, 0, 86.9, 0, -1e-4, 60.0)
    # 11.14 m from north to south, half of 11.13 m from west to east.
    assert Grid((2, 2), degree, CRS.from_epsg(4326)).pixel_area == pytest.approx(11.141 * 5.58, rel=1e-3)
    assert Grid((2, 2), degree, CRS.from_epsg(4326)).oblongness == pytest.approx(11.141 / 5.58, rel=1e-3)
    mercator = Affine(20, 0, 1e6, 0, -20, 8399738)
    assert Grid((2, 2), mercator, CRS.from_epsg(3857)).pixel_side == pytest.approx(10, rel=0.01)


def test_the_date_line_and_the_pole_are_no_edge():
    at_line = Grid((2, 2), Affine(1e-4, 0, 179.99995, 0, -1e-4, 0.0), CRS.from_epsg(4326))
    assert at_line.pixel_side == pytest.approx(11.1, rel=0.01)
    at_pole = Grid((10, 10), Affine(10, 0, -50, 0, -10, 50), CRS.from_epsg(3413))
    assert at_pole.pixel_side == pytest.approx(10.3, rel=0.01)


@pytest.mark.parametrize("crs", [UTM, CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')])
def test_a_pixel_off_the_earth_has_no_area(crs):
    with pytest.raises(GlofgeoError, match="Earth"):
        _ = Grid((2, 2), Affine(10, 0, 1e30, 0, -10, 1e30), crs).pixel_area
