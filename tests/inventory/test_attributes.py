from datetime import UTC, datetime, timedelta, timezone

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.inventory import COLUMNS, describe_lakes, geodesic_size, lake_ids

UTM = Affine(10, 0, 480_000, 0, -10, 3_100_000)


def outlines(geometries, crs):
    rows = {"n_px": 9, "prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0, "touches_edge": False}
    frame = gpd.GeoDataFrame({name: [value] * len(geometries) for name, value in rows.items()})
    return frame.set_geometry([shapely.MultiPolygon([g]) for g in geometries], crs=crs)


def describe(lakes, transform=UTM, acquired=datetime(2023, 10, 12, 4, 57, 1), baseline="05.09"):
    return describe_lakes(lakes, transform, scene_id="S2A_X", acquired=acquired, baseline=baseline)


def named(*lon_lat, crs="EPSG:4326"):
    return lake_ids(outlines([shapely.Point(p).buffer(1e-4) for p in lon_lat], crs))


def test_lake_is_named_by_its_place():
    assert named((86.925, 27.898)) == ["GL086925E27898N"]
    assert named((-72.5004, -46.9)) == ["GL072500W46900S"]
    assert named((-0.0001, -0.0001)) == ["GL000000E00000N"]


def test_name_is_the_same_in_every_crs():
    lakes = outlines([shapely.Point(86.925, 27.898).buffer(1e-3)], "EPSG:4326")
    assert lake_ids(lakes.to_crs("EPSG:32645")) == lake_ids(lakes)
    across = outlines([shapely.box(1_000_000, 7_200_000, 1_050_000, 7_250_000)], "EPSG:3832")  # Pacific, 150 E
    assert lake_ids(across)[0].startswith("GL159")


def test_lake_across_180_degrees_is_named_by_its_middle():
    middle = gpd.GeoSeries([shapely.Point(180, 66)], crs="EPSG:4326").to_crs("EPSG:32660").item()
    assert lake_ids(outlines([middle.buffer(500)], "EPSG:32660"))[0] in {"GL180000E66000N", "GL180000W66000N"}
    assert describe(outlines([middle.buffer(500)], "EPSG:32660")).area_m2.item() == pytest.approx(7.85e5, rel=0.01)


def test_largest_of_equal_names_keeps_it_and_the_rest_get_letters():
    discs = [shapely.Point(86.925, 27.898).buffer(radius) for radius in (1e-5, 3e-5, 2e-5)]
    assert lake_ids(outlines(discs, "EPSG:4326")) == ["GL086925E27898Nb", "GL086925E27898N", "GL086925E27898Na"]


@given(st.integers(1, 60))
def test_names_never_repeat(count):
    names = lake_ids(outlines([shapely.Point(86.925, 27.898).buffer(1e-4)] * count, "EPSG:4326"))
    assert len(set(names)) == count


def test_area_and_shore_are_geodesic_whatever_the_crs():
    # One degree square on the equator: WGS 84 quarter meridian and equator give 110.574 km x 111.320 km.
    area, perimeter = geodesic_size(gpd.GeoSeries([shapely.box(0, 0, 1, 1)], crs="EPSG:4326"))
    assert area[0] == pytest.approx(12_308_778_361, rel=1e-6)
    assert perimeter[0] == pytest.approx(443_770.9, rel=1e-5)

    lake = outlines([shapely.Point(86.9, 27.9).buffer(0.01)], "EPSG:4326")
    degrees = describe(lake, Affine(1e-4, 0, 86.8, 0, -1e-4, 28.0))
    metres = describe(lake.to_crs("EPSG:32645"))
    assert metres.area_m2.item() == pytest.approx(degrees.area_m2.item(), rel=1e-5)
    assert metres.perim_m.item() == pytest.approx(degrees.perim_m.item(), rel=1e-5)
    # The UTM plane itself is off by 0.05 % to 0.1 % in area.
    assert metres.area_m2.item() != pytest.approx(lake.to_crs("EPSG:32645").area.item(), rel=2e-4)


@pytest.mark.parametrize("turn", [False, True])
def test_islands_shrink_the_area_and_lengthen_the_shore(turn):
    lake = shapely.box(480_000, 3_000_000, 481_000, 3_001_000)
    island = shapely.box(480_400, 3_000_400, 480_600, 3_000_600)
    hole = island.exterior.coords[::-1] if turn else island.exterior.coords
    found = describe(outlines([shapely.Polygon(lake.exterior, [hole])], "EPSG:32645"))
    assert found.area_m2.item() == pytest.approx(960_000, rel=2e-3)
    assert found.perim_m.item() == pytest.approx(4800, rel=2e-3)


@pytest.mark.parametrize(
    ("transform", "crs"), [(UTM, "EPSG:32645"), (Affine(1e-4, 0, 86.8, 0, -1e-4, 28.0), "EPSG:4326")]
)
def test_uncertainty_is_of_the_pixel_on_the_ground(transform, crs):
    lake = outlines([shapely.Point(486_000, 3_090_000).buffer(178.4)], "EPSG:32645").to_crs(crs)
    found = describe(lake, transform)
    # A pixel of 0.0001 degrees is 9.84 m x 11.08 m there.
    pixel = 10 if crs == "EPSG:32645" else np.sqrt(9.84 * 11.08)
    assert found.area_unc_m2.item() == pytest.approx(0.3436 * found.perim_m.item() * pixel, rel=2e-3)
    if crs == "EPSG:32645":  # a round lake of 0.1 km2 at 10 m: 3.9 %
        assert found.area_unc_m2.item() / found.area_m2.item() == pytest.approx(0.0385, abs=5e-4)
    assert "Hanshaw" in found.unc_method.item()


@pytest.mark.parametrize(
    "acquired",
    [
        datetime(2023, 10, 12, 4, 57, 1),
        datetime(2023, 10, 12, 4, 57, 1, tzinfo=UTC),
        datetime(2023, 10, 12, 10, 42, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_acquisition_time_is_utc(acquired):
    found = describe(outlines([shapely.box(480_000, 3_000_000, 480_100, 3_000_100)], "EPSG:32645"), acquired=acquired)
    assert found.acq_datetime.item() == pd.Timestamp("2023-10-12T04:57:01Z")


def test_columns_types_and_order_hold_with_and_without_lakes():
    some = describe(outlines([shapely.box(480_000, 3_000_000, 480_100, 3_000_100)], "EPSG:32645"))
    none = describe(outlines([], "EPSG:32645"))
    unknown = describe(some[[*outlines([], None).columns]], acquired=None, baseline=None)
    assert list(some.columns) == [*COLUMNS, "geometry"]
    assert len(none) == 0
    assert none.crs == some.crs
    assert (none.dtypes == some.dtypes).all()
    assert (unknown.dtypes == some.dtypes).all()
    assert unknown.acq_datetime.isna().all()
    assert unknown.proc_baseline.isna().all()
