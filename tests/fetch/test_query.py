"""The pieces in which a catalogue is asked cover what is wanted, and nothing twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from datasets_def.reproject import wrap
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.query import Query, check_query, parse_day, parse_months, season_of

DAYS = st.dates(date(2015, 7, 1), date(2030, 12, 31))
MONTHS = st.lists(st.integers(1, 12), min_size=1, unique=True).map(tuple)
EVERY_MONTH = tuple(range(1, 13))


def query(area=None, first=date(2023, 9, 15), last=date(2024, 11, 30), months=EVERY_MONTH, max_cloud=20.0):
    return Query(box(86, 27, 87, 28) if area is None else area, first, last, months, max_cloud)


@given(DAYS, st.integers(0, 900), MONTHS)
def test_slices_hold_every_wanted_day_once_and_no_other(first, days, months):
    last = first + timedelta(days)
    covered = [
        start + timedelta(i)
        for start, end in query(first=first, last=last, months=months).slices()
        for i in range((end - start).days + 1)
    ]
    wanted = [first + timedelta(i) for i in range(days + 1) if (first + timedelta(i)).month in months]
    assert sorted(covered) == wanted


@pytest.mark.parametrize(
    ("text", "months"), [("9-11", (9, 10, 11)), ("11-2", (11, 12, 1, 2)), (" 6, 9 - 10", (6, 9, 10)), ("3", (3,))]
)
def test_months(text, months):
    assert parse_months(text) == months


@given(st.text(max_size=8))
def test_months_are_read_or_refused(text):
    try:
        months = parse_months(text)
    except GlofgeoError as error:
        assert error.argument == "months"
    else:
        assert set(months) <= set(EVERY_MONTH)


@pytest.mark.parametrize("text", ["", "0-3", "9-13", "9-", "sep", "9;10", "١"])
def test_other_months_are_refused(text):
    with pytest.raises(GlofgeoError, match="months"):
        parse_months(text)


def test_a_day_that_is_none_is_refused():
    with pytest.raises(GlofgeoError, match="2024-11-31"):
        parse_day("2024-11-31", "to")


def test_a_season_across_new_year_is_one():
    months = parse_months("11-2")
    assert {season_of(date(2023, 11, 1), months), season_of(date(2024, 2, 29), months)} == {2023}
    assert season_of(date(2024, 11, 1), months) == 2024
    assert season_of(date(2024, 2, 1), parse_months("2-11")) == 2024


boxes = st.tuples(st.floats(-200, 200), st.floats(-60, 60), st.floats(0.1, 30), st.floats(0.1, 20))


@given(st.lists(boxes, min_size=1, max_size=20))
def test_boxes_hold_the_area_and_none_crosses_the_antimeridian(corners):
    area = shapely.union_all([wrap(box(x, y, x + width, y + height)) for x, y, width, height in corners])
    asked = query(area).boxes()
    assert all(-180 <= west < east <= 180 for west, _, east, _ in asked)
    assert shapely.union_all([box(*one) for one in asked]).buffer(1e-9).covers(area)


def test_an_area_across_the_antimeridian_is_asked_in_two_narrow_boxes():
    asked = query(wrap(box(179, -17, 181, -16))).boxes()
    assert sorted(asked) == [(-180, -17, -179, -16), (179, -17, 180, -16)]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"first": date(2025, 1, 1)}, "after the last"), ({"max_cloud": 120.0}, "percent"),
     ({"first": date(2024, 10, 1), "months": (3,)}, "none of the months"), ({"max_cloud": float("nan")}, "percent")],
)  # fmt: skip
def test_a_query_that_nothing_can_answer_is_refused(wrong, words):
    with pytest.raises(GlofgeoError, match=words):
        check_query(query(**wrong))


def test_what_a_catalogue_lists_is_checked(add_scene):
    from datasets_def.stac_item import read_item

    item = read_item(add_scene("2024-10-15", cloud=12.0))
    place = item.geometry.centroid.buffer(0.001)
    assert query(place).takes(item)
    assert not query(place, max_cloud=11).takes(item)
    assert not query(place, months=(11,)).takes(item)
    assert not query(place, last=date(2024, 10, 14)).takes(item)
    assert not query(box(0, 0, 1, 1)).takes(item)
    assert item.datetime == datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
