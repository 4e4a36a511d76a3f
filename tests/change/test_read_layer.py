"""Layers of anybody: columns, dates, areas on the ellipsoid, and oddities by row."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.change.layer_dates import day_of, is_scene_name
from glofgeo.change.read_layer import layer_of, read_layer
from glofgeo.inventory import geodesic_size

from .lakes import UTM, disc, frame, layer, random_lakes, square


@pytest.mark.parametrize(
    "value, day",
    [
        ("LC08_L1TP_152035_20200729_20200908", "2020-07-29"),
        ("LT51400412010305KHC00", "2010-11-01"),
        ("S2A_MSIL2A_20231012T045701_N0509_R119_T45RVL_20231012T080000", "2023-10-12"),
        ("LC08_L1TP_146038_20180916_2011", "2018-09-16"),
        ("LC08_L1TP_145039_202010161", None),
        ("2008", "2008-07-02"),
        (2008.0, "2008-07-02"),
        ("Hi_MAG_2008", "2008-07-02"),
        ("2020/10/15", "2020-10-15"),
        ("2020-13-45", "2020-07-02"),
        ("15.10.2020", "2020-10-15"), ("5.4.2020", "2020-04-05"), ("10/15/2020", "2020-10-15"),
        ("15/10/2020", "2020-10-15"), ("03/04/2020", "2020-07-02"), ("31.02.2020", "2020-07-02"),
        (pd.Timestamp("2020-10-15T23:30:00-05:00"), "2020-10-16"),
        (None, None), (np.nan, None), (pd.NaT, None), ("", None), ("spring", None), ("1850-01-01", None),
    ],
)  # fmt: skip
def test_dates_are_read_from_whatever_says_them(value, day):
    found = day_of(value)
    assert (None if found is None else f"{found:%Y-%m-%d}") == day


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.dates(), st.datetimes()))
def test_no_value_breaks_the_dates(value):
    found = day_of(value)
    assert found is None or 1972 <= found.year <= 2100
    assert is_scene_name(str(value)) in (True, False)


@pytest.mark.parametrize(
    "columns, expected",
    [
        ({"GLIMS_ID": "GL086925E27898N", "Type": "M(e)", "Altitude": 5000, "Basin": "Dudh Koshi"},
         ("GL086925E27898N", "M(e)", 5000, "Dudh Koshi")),
        ({"GL_ID": 17.0, "Lake_type": "proglacial", "Elev": 5100, "Region": "Nepal_2010"},
         ("17", "proglacial", 5100, "Nepal")),
        ({"Code": "A1", "elevation": 0, "Subregion": None}, ("A1", "", None, "")),
    ],
)  # fmt: skip
def test_columns_of_other_inventories_are_recognised(columns, expected):
    lakes = gpd.GeoDataFrame({name: [value] for name, value in columns.items()}, geometry=[disc(1, 1, 0.1)], crs=UTM)
    row = layer_of(lakes, "x").lakes.iloc[0]
    found = (row["lake_id"], row["lake_type"], None if np.isnan(row["elev_m"]) else row["elev_m"], row["basin"])
    assert found == expected
    assert row["pixel_m"] == 30 and pd.isna(row["date"])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", UTM])
def test_areas_are_those_on_the_ellipsoid_in_any_crs(crs):
    lakes = frame([*random_lakes(20), disc(9, 9, 0.5).difference(disc(9, 9, 0.1))]).to_crs(crs)
    area, perimeter = geodesic_size(lakes.geometry.to_crs("EPSG:4326"))
    found = layer_of(lakes, "x").lakes
    np.testing.assert_allclose(found["area_m2"], area, rtol=1e-5)
    np.testing.assert_allclose(found["perim_m"], perimeter, rtol=1e-5)


def test_a_lake_across_180_degrees_is_measured_whole():
    across = gpd.GeoDataFrame(geometry=[shapely.box(179.99, 65, 180.01, 65.01)], crs="EPSG:4326")
    beside = gpd.GeoDataFrame(geometry=[shapely.box(170.99, 65, 171.01, 65.01)], crs="EPSG:4326")
    one, other = (layer_of(lakes, "x").lakes.iloc[0] for lakes in (across, beside))
    assert one["area_m2"] == pytest.approx(other["area_m2"], rel=1e-6)
    assert one["perim_m"] == pytest.approx(other["perim_m"], rel=1e-6)


def test_oddities_are_named_by_row_and_duplicates_left_out():
    ring = disc(5, 5, 0.2).difference(disc(5, 5, 0.05))
    outlines = [disc(1, 1, 0.1), disc(3, 3, 0.1), disc(1, 1, 0.1), ring, disc(8, 8, 0.1)]
    odd = frame(outlines, lake_id=["GL086925E27898N", "GL08692E", "x", "x", ""], Area=[0.1, 0.1, 0.1, 0.15, 0.3])
    odd["date"] = ["2020-10-15", "2010-10-15", None, "2020-01-01", "2020-02-02"]
    read = layer_of(odd, "lakes of 2020")
    assert read.lakes["row"].tolist() == [1, 2, 4, 5]
    told = {(issue.row, issue.issue) for issue in read.issues}
    assert told >= {
        (3, "same outline as another row"), (4, "outline has islands"), (2, "ID is malformed"),
        (3, "ID occurs more than once"), (4, "ID occurs more than once"), (1, "ID names a place far from the outline"),
        (5, "stored area is not that of the outline"), (2, "date is more than two years off the layer's"),
        (3, "no date can be read"),
    }  # fmt: skip


def test_ground_that_a_layer_has_twice_is_named():
    def overlaps(outlines):
        issues = layer_of(frame(outlines), "lakes").issues
        return [(issue.row, issue.value, issue.consequence) for issue in issues if "overlaps" in issue.issue]

    neighbours = [square(1, 1, 200), square(1.2, 1, 200), disc(4, 4, 0.1)]
    assert overlaps(neighbours) == []
    assert overlaps([*neighbours, square(1.1, 1.1, 400)]) == [(4, "1", "counted twice")]
    assert [row for row, *_ in overlaps([disc(1, 1, 0.1), disc(3, 3, 0.1), disc(1, 1, 0.11), disc(3, 3, 0.11)])] == [
        3,
        4,
    ]


def test_a_file_without_lakes_and_rejected_lakes_are_fine(tmp_path):
    frame([]).to_file(tmp_path / "none.gpkg")
    assert len(read_layer(tmp_path / "none.gpkg").lakes) == 0
    frame([disc(1, 1, 0.1), disc(3, 3, 0.1)], review=["reject", None]).to_file(tmp_path / "two.gpkg")
    assert read_layer(tmp_path / "two.gpkg").lakes["row"].tolist() == [2]
    assert layer([disc(1, 1, 0.1)]).lakes["pixel_m"].tolist() == [10]


def test_what_other_columns_hold_breaks_nothing():
    odd = frame([disc(1, 1, 0.1), disc(3, 3, 0.1)], Latitude=["27 53 N", None], Longitude=["86 55 E", None], Area=None)
    odd = odd.assign(Elevation=[-9999, "4,900"], dist_glacier_m=[-1, 12], touches_edge=["False", "true"])
    odd["date"] = [None, "15.10.2019"]
    odd["scene_id"] = ["S2A_MSIL2A_20231012T045701_N0509_R119_T45RVL_20231012T080000", "Sentinel-2"]
    read = layer_of(odd, "x")
    assert [f"{day:%Y-%m-%d}" for day in read.lakes["date"]] == ["2023-10-12", "2019-10-15"]
    assert read.lakes["pixel_m"].tolist() == [10, 10] and read.lakes["cut"].tolist() == [False, True]
    assert read.lakes["elev_m"].isna().all() and read.lakes["dist_glacier_m"].isna().tolist() == [True, False]
    assert layer_of(frame([disc(1, 1, 0.1)], Sensor="sentinel 2", scene="x"), "x").lakes["pixel_m"].tolist() == [10]


def test_a_year_alone_is_told():
    read = layer_of(frame([disc(1, 1, 0.1)] + [disc(3, i, 0.1) for i in (3, 5)], ["2010", "2010-07-02", "03/04/2010"]),
                    "x")  # fmt: skip
    told = [issue.row for issue in read.issues if "only the year" in issue.issue]
    assert told == [0]
    assert [f"{day:%m-%d}" for day in read.lakes["date"]] == ["07-02"] * 3


@pytest.mark.filterwarnings("error")
def test_a_layer_without_lakes_has_the_date_that_it_was_given():
    none, named = layer_of(frame([], Area=[]), "x", "2020-10-15"), layer_of(frame([]), "S2A_MSIL2A_20231012T045701")
    assert f"{none.middle:%Y-%m-%d} {named.middle:%Y-%m-%d}" == "2020-10-15 2023-10-12"
    assert pd.isna(layer_of(frame([]), "x").middle)
    # A file's name may tell when it was made; lakes without dates do not get theirs from it.
    assert pd.isna(layer_of(frame([disc(1, 1, 0.1)], None), "made 2023").middle)


@pytest.mark.filterwarnings("ignore:layer 1")
def test_a_frame_in_memory_is_cleaned_as_a_file_is(tmp_path):
    knot = shapely.Polygon([(500_000, 3_000_000), (500_500, 3_000_500), (500_500, 3_000_000), (500_000, 3_000_500)])
    odd = frame([disc(1, 1, 0.1), None, shapely.Point(500_000, 3_000_000), knot])
    found = layer_of(odd, "layer 1")
    assert found.lakes["row"].tolist() == [1, 4]
    assert [issue.row for issue in found.issues if issue.issue == "outline crosses itself"] == [4]
