import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from datasets_def.dates import day_in, decimal_year, mapped_in, require_one_date
from glofgeo.errors import GlofgeoError


def lakes(**columns):
    count = len(next(iter(columns.values())))
    return gpd.GeoDataFrame(columns, geometry=[Point(n, 0) for n in range(count)], crs="EPSG:4326")


@pytest.mark.parametrize(
    ("value", "year"),
    [
        ("LC08_L1TP_152035_20200729_20200908", 2020 + 210 / 366),
        ("S2A_MSIL2A_20231012T045701_N0509_R119_T45RVL_20231012T085701", 2023 + 284 / 365),
        ("2000-09-08", 2000 + 251 / 366),
        ("2015/01/01", 2015.0),
        (pd.Timestamp("2024-10-15T04:57:01", tz="UTC"), 2024 + 288 / 366),
        (2020, 2020.5),
        (2020.0, 2020.5),
        ("1990", 1990.5),
    ],
)
def test_dates_are_read_however_inventories_write_them(value, year):
    assert mapped_in(lakes(Image_ID=[value]), "x").tolist() == pytest.approx([year], abs=1e-6)


@given(st.dates(pd.Timestamp("1900-01-01").date(), pd.Timestamp("2099-12-31").date()), st.sampled_from(["-", "/", ""]))
def test_any_day_is_read(day, between):
    text = day.strftime(f"%Y{between}%m{between}%d")
    assert mapped_in(lakes(date=[text]), "x")[0] == pytest.approx(decimal_year(pd.Timestamp(day)))


def test_the_better_column_is_believed():
    assert mapped_in(lakes(image_id=["LT05_20000908"], Date=["2020-01-01"]), "x")[0] == 2020


def test_a_lake_without_a_date_has_none():
    for dates in (["2020-01-01", None], ["2020-01-01", "20201345"], [2020.0, float("nan")]):
        years = mapped_in(lakes(date=dates), "x")
        assert int(years[0]) == 2020 and pd.isna(years[1])


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"name": ["Imja"]}, "no column says when"),
        ({"date": ["20201345", "LC08_L1TP_202010161"]}, "no date can be read"),
    ],
)
def test_a_layer_without_dates_is_refused(columns, told):
    with pytest.raises(GlofgeoError, match=f"^inventory.gpkg: {told}"):
        mapped_in(lakes(**columns), "inventory.gpkg")


def test_the_icimod_inventories_tell_their_years(real_data):
    for year in (2000, 2010, 2020):
        frame = gpd.read_file(real_data / "lakes" / f"hkh_glacial_lakes_{year}.gpkg")
        found = mapped_in(frame, "hkh")
        assert found.notna().mean() > 0.98
        # The inventory of 2000 takes a few lakes from images as late as 2010.
        assert (found - year).abs().median() <= 1 and (found - year).abs().quantile(0.95) < 6


def test_a_text_is_asked_for_its_day():
    assert day_in("LT05_L1TP_152035_20000908_20200907") == "2000-09-08"
    assert (day_in("mapped in 2011"), day_in("2024-10-15 04:57:01+00:00"), day_in("")) == ("2011", "2024-10-15", "")


def test_the_first_column_that_holds_dates_counts():
    assert mapped_in(lakes(acq_datetime=[None, None], year=[2000, 2001]), "x").tolist() == [2000.5, 2001.5]
    assert mapped_in(lakes(year=[2000.0, float("inf")]), "x").isna().tolist() == [False, True]


def test_lakes_of_several_dates_in_one_place_are_no_layer_of_one_date():
    twice = lakes(date=["2020-09-08", "2021-09-08", "2021-09-08"]).buffer(0.4)
    apart = gpd.GeoDataFrame({"date": ["2020-09-08", "2021-09-08", "2021-09-08"]}, geometry=twice, crs="EPSG:4326")
    require_one_date(apart, "x")
    again = pd.concat([apart, apart.iloc[:1].assign(date="2022-09-08")], ignore_index=True)
    with pytest.raises(GlofgeoError, match=r"x: holds lakes of several dates in one place .2020-09-08 and 2022-09-08"):
        require_one_date(again, "x")
    require_one_date(again.drop(columns="date"), "x")
    require_one_date(apart.assign(date=["2020-09-08", None, float("nan")]), "x")
    require_one_date(again.assign(date="2020-09-08"), "x")
