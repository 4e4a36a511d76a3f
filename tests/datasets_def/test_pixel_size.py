import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from datasets_def.pixel_size import pixel_area, pixel_side
from glofgeo.errors import GlofgeoError


@given(zone=st.integers(1, 60), south=st.booleans(), east=st.floats(2e5, 8e5), north=st.floats(1e5, 9e6),
       side=st.floats(1, 100))  # fmt: skip
def test_a_pixel_of_utm_is_as_large_as_its_zone_says_to_a_thousandth(zone, south, east, north, side):
    crs = CRS.from_epsg((32700 if south else 32600) + zone)
    assert pixel_side(crs, Affine(side, 0, east, 0, -side, north), (10, 10)) == pytest.approx(side, rel=2e-3)


def test_degrees_and_web_mercator_are_measured_on_the_ground():
    degree = Affine(1e-4, 0, 86.9, 0, -1e-4, 60.0)
    # 11.14 m from north to south, half of 11.13 m from west to east.
    assert pixel_area(CRS.from_epsg(4326), degree, (2, 2)) == pytest.approx(11.141 * 5.58, rel=1e-3)
    mercator = Affine(20, 0, 1e6, 0, -20, 8399738)
    assert pixel_side(CRS.from_epsg(3857), mercator, (2, 2)) == pytest.approx(10, rel=0.01)


def test_the_date_line_and_the_pole_are_no_edge():
    assert pixel_side(CRS.from_epsg(4326), Affine(1e-4, 0, 179.99995, 0, -1e-4, 0.0), (2, 2)) == pytest.approx(
        11.1, rel=0.01
    )
    assert pixel_side(CRS.from_epsg(3413), Affine(10, 0, -50, 0, -10, 50), (10, 10)) == pytest.approx(10.3, rel=0.01)


def test_a_grid_off_the_globe_is_told():
    with pytest.raises(GlofgeoError, match="Earth"):
        pixel_area(CRS.from_epsg(32645), Affine(10, 0, 1e30, 0, -10, 1e30), (2, 2))
    with pytest.raises(GlofgeoError, match="Earth"):
        pixel_area(CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]'), Affine(10, 0, 0, 0, -10, 0), (2, 2))
