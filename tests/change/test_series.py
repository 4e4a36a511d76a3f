"""Series, trends and alerts: published cases, and what must not be taken for a trend or a drainage."""

import numpy as np
import pytest

import glofgeo
from glofgeo.change.series import sen_trend

from .lakes import disc, layer, mask


def alerts(*layers):
    found = glofgeo.compare(*layers).alerts
    return list(zip(found["tier"], found["finding"], found["layer_after"], strict=True))


def lost(before_km2, after_km2, dates, masks=(), stretch=1.0):
    later = [disc(3, 3, after_km2, stretch)] if after_km2 else []
    return layer([disc(3, 3, before_km2, stretch)], dates[0], masks), layer(later, dates[1], masks)


def test_published_losses_raise_their_tier(tmp_path):
    seen = [mask(tmp_path / "mask.tif")]
    south_lhonak = lost(1.62, 1.44, ("2023-09-20", "2023-10-10"), stretch=3)
    assert alerts(*south_lhonak) == [(1, "drained", "lakes of 2023-10-10")]
    lemthang = lost(0.053, 0, ("2015-07-01", "2016-10-01"), seen)
    assert alerts(*lemthang) == [(2, "drained", "lakes of 2016-10-01")]
    gandukh = lost(0.199, 0.042, ("2013-01-01", "2013-12-01"))
    assert alerts(*gandukh) == [(2, "drained", "lakes of 2013-12-01")]
    gongbatongsha = lost(0.0076, 0.0027, ("2016-06-01", "2016-07-20"))
    assert alerts(*gongbatongsha) == []
    slow = lost(1.62, 1.44, ("2022-09-20", "2023-10-10"), stretch=3)
    assert alerts(*slow) == []


def test_a_lake_that_a_layer_merely_lacks_is_not_called_drained():
    other = disc(6, 6, 0.1)
    thorthormi = [
        layer([other, disc(3, 3, km2)] if km2 else [other], f"{year}-10-15")
        for year, km2 in ((2010, 1.086), (2020, 0), (2023, 4.33))
    ]
    assert alerts(*thorthormi[:2]) == [(2, "missing", "lakes of 2020-10-15")]
    assert alerts(*thorthormi) == [(2, "left_out", "lakes of 2020-10-15")]
    found = glofgeo.compare(*thorthormi)
    states = found.series[found.series["area_m2"] > 1e6]["state"].tolist()
    assert states == ["seen", "seen"] and "unknown" in found.series["state"].tolist()


def test_a_lake_that_refills_stays_one_lake_in_any_order_of_layers(tmp_path):
    seen = [mask(tmp_path / "mask.tif")]
    areas = {2007: 0.117, 2008: 0.026, 2009: 0, 2010: 0.073, 2011: 0.08}
    passu = [layer([disc(3, 3, km2)] if km2 else [], f"{year}-08-01", seen) for year, km2 in areas.items()]
    orders = [glofgeo.compare(*(passu[i] for i in order)).series for order in ((0, 1, 3, 4), (4, 1, 0, 3))]
    for series in orders:
        assert series["series_id"].nunique() == 1
        assert (series["area_m2"] / 1e6).tolist() == pytest.approx([0.117, 0.026, 0.073, 0.08], rel=5e-3)


def test_trends_leave_out_copies_and_what_was_not_seen(tmp_path):
    cloudy = mask(tmp_path / "cloud.tif", disc(3, 3, 5))
    years = range(2015, 2022)
    layers = [layer([disc(3, 3, 0.1 + 0.01 * (year - 2015))], f"{year}-10-15") for year in years]
    layers[3] = layer([disc(3, 3, 0.12)], "2018-10-15")  # copied from the year before
    layers[5] = layer([disc(3, 3, 0.02)], "2020-10-15", [cloudy])
    found = glofgeo.compare(*layers)
    assert found.series["state"].tolist() == ["seen"] * 3 + ["carried_over", "seen", "not_observed", "seen"]
    (trend,) = found.trends.to_dict("records")
    assert trend["points"] == 5 and trend["slope_m2_per_year"] == pytest.approx(10_000, rel=0.01)
    assert trend["slope_low"] <= trend["slope_m2_per_year"] <= trend["slope_high"] and trend["p_value"] < 0.05
    assert trend["seasons"] == "Sep-Nov"


def test_below_five_points_there_is_no_interval_and_no_p_value():
    four, five = (sen_trend(np.arange(float(n)), np.arange(float(n)) ** 2) for n in (4, 5))
    assert np.isnan([four["p_value"], four["slope_low"], four["slope_high"]]).all() and four["slope_m2_per_year"] == 3
    assert five["p_value"] == pytest.approx(2 / 120)


@pytest.mark.parametrize("points", [5, 6, 7, 9, 12, 20])
def test_the_interval_of_few_points_holds_as_often_as_it_says(points):
    from glofgeo.change.series import _bounding_slopes

    random = np.random.default_rng(points)
    years = np.sort(random.uniform(0, 10, (2000, points)), axis=1)
    values = random.normal(0, 3, (2000, points))
    one, other = np.triu_indices(points, 1)
    slopes = np.sort((values[:, other] - values[:, one]) / (years[:, other] - years[:, one]), axis=1)
    rank, inward = _bounding_slopes(points)
    low, high = (ends[:, rank] + inward * (ends[:, rank + 1] - ends[:, rank]) for ends in (slopes, slopes[:, ::-1]))
    assert 0.93 < ((low <= 0) & (high >= 0)).mean() < 0.97
    trend = sen_trend(years[0], values[0])
    assert (trend["slope_low"], trend["slope_high"]) == pytest.approx((low[0], high[0]))


def test_the_interval_turns_with_the_values_and_grows_with_them():
    years, values = np.array([0, 1, 2.5, 4, 5, 7]), np.array([1, 3, 2, 6, 5, 9.0])
    trend, turned, wide = (sen_trend(years, k * values) for k in (1, -1, 10))
    assert (turned["slope_low"], turned["slope_high"]) == pytest.approx((-trend["slope_high"], -trend["slope_low"]))
    assert wide["slope_low"] == pytest.approx(10 * trend["slope_low"])


def test_two_points_of_one_day_have_an_interval_too():
    trend = sen_trend(np.array([0, 1, 1, 2, 3, 4.0]), np.array([0, 1, 1.1, 2, 3, 4]))
    assert trend["slope_low"] <= 1 <= trend["slope_high"]


def test_a_cloud_between_two_dates_hides_no_drainage(tmp_path):
    clear, cloudy = mask(tmp_path / "clear.tif"), mask(tmp_path / "cloudy.tif", disc(3, 3, 5))
    lonak = [layer([disc(3, 3, km2)] if km2 else [], f"2023-{day}", [seen])
             for day, km2, seen in (("09-20", 1.62, clear), ("10-01", 0, cloudy), ("10-10", 0.5, clear))]  # fmt: skip
    found = glofgeo.compare(*lonak)
    assert found.changes["class"].tolist() == ["not_observed"] * 2
    (alert,) = found.alerts.to_dict("records")
    assert (alert["tier"], alert["finding"], alert["class"], alert["days"]) == (1, "drained", "shrank", 20)
    assert (alert["layer_before"], alert["layer_after"]) == ("lakes of 2023-09-20", "lakes of 2023-10-10")
    assert alert["change_m2"] == pytest.approx(-1.12e6, rel=0.01)
    page = (found.write(tmp_path / "out") / "report.html").read_text()
    alerts_shown = page.split("<h2 id=alerts>")[1].split("<h2>")[0]
    assert alerts_shown.count('class="shape"') == 1 and "2023-09-20 to 2023-10-10" in alerts_shown


def test_what_was_hidden_and_came_back_whole_raises_no_alert(tmp_path):
    clear, cloudy = mask(tmp_path / "clear.tif"), mask(tmp_path / "cloudy.tif", disc(3, 3, 5))
    years = ((2020, 0.5, clear), (2021, 0, cloudy), (2022, 0.52, clear), (2023, 0.1, clear))
    layers = [layer([disc(3, 3, km2)] if km2 else [], f"{year}-10-01", [seen]) for year, km2, seen in years]
    assert alerts(*layers) == [(2, "drained", "lakes of 2023-10-01")]


@pytest.mark.parametrize(
    "dates, tiers",
    [
        (("2023-09-20", "2023-10-10"), [1]),
        (("2023-09-20", "2023-09-20"), []),  # two who drew the same scene
        (("2023", "2023"), []),
        (("2023-07-01", "2023"), []),
        (("20.09.2023", "10.10.2023"), [1]),
    ],
)
def test_tier_1_needs_two_known_days(dates, tiers):
    assert [tier for tier, *_ in alerts(*lost(1.62, 1.44, dates, stretch=3))] == tiers
