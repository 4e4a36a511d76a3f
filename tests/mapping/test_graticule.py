import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS

from datasets_def.grid import Grid
from glofgeo.mapping.graticule import edge_ticks


@given(st.sampled_from([32645, 32632, 4326, 3857]), st.floats(0.3, 300), st.integers(20, 2000), st.integers(20, 2000))
def test_ticks_stand_where_the_edges_meet_their_meridians_and_parallels(epsg, metres, rows, cols):
    x, y = Transformer.from_crs(4326, 32645, always_xy=True).transform(86.9, 27.9)
    x, y = Transformer.from_crs(32645, epsg, always_xy=True).transform(x, y)
    pixel = metres / 111_000 if epsg == 4326 else metres
    grid = Grid((rows, cols), Affine(pixel, 0, x, 0, -pixel, y), CRS.from_epsg(epsg))
    back = Transformer.from_crs(epsg, 4326, always_xy=True)
    for ticks, axis, end in zip(edge_ticks(grid, (6, 6)), (0, 1), (cols, rows), strict=True):
        assert 2 <= len(ticks) <= 6 and [place for place, _ in ticks] == sorted(place for place, _ in ticks)
        for place, text in ticks:
            assert -1e-6 <= place <= end + 1e-6
            corner = (place, rows) if axis == 0 else (0, place)
            degrees = back.transform(*grid.transform * corner)[axis]
            assert degrees == pytest.approx(float(text.split("°")[0]), abs=0.02 * pixel * (1 if epsg == 4326 else 1e-5))


def test_longitudes_go_on_beyond_180_degrees():
    grid = Grid((100, 100), Affine(0.01, 0, 179.55, 0, -0.01, 66), CRS.from_epsg(4326))
    below, _ = edge_ticks(grid, (6, 6))
    assert [text for _, text in below] == ["179.6° E", "179.8° E", "180.0° W", "179.8° W", "179.6° W"]


def test_around_a_pole_there_are_no_ticks_rather_than_wrong_ones():
    grid = Grid((100, 100), Affine(1000, 0, -50_000, 0, -1000, 50_000), CRS.from_epsg(3413))
    _, beside = edge_ticks(grid, (6, 6))
    assert beside == []
