"""Formulas agree with what their authors published, and say nothing beyond their range."""

import math

import pandas as pd
import pytest

from glofgeo.hazard.indicators import (
    DEPTHS,
    DISCHARGES,
    VOLUMES,
    fujita_depth,
    ice_dam_discharge,
    potential_flood_volume,
)


def test_table_1_of_fujita_within_rounding(real_data):
    table = pd.read_csv(real_data / "change" / "published.csv")
    lakes = table[table["table"] == "fujita2013_1"]
    assert len(lakes) == 5
    for lake in lakes.itertuples():
        # Areas are rounded to 0.01 km2, depths to a metre.
        low, high = lake.area_km2 - 0.005, lake.area_km2 + 0.005
        assert fujita_depth(low) - 0.5 <= lake.dm_m <= fujita_depth(high) + 0.5
        least = potential_flood_volume(low, lake.hp_m - 0.5)
        most = potential_flood_volume(high, lake.hp_m + 0.5)
        assert least - 0.05 <= lake.pfv_mm3 <= most + 0.05, lake.lake


def test_volumes_of_imja_spread_as_much_as_they_are_known_to():
    # Surveyed: 61.7 million m3 at 1.3 km2.
    values = [formula.value(1.3) for formula in VOLUMES]
    assert min(values) == pytest.approx(45, abs=1) and max(values) == pytest.approx(76, abs=1)


def test_volume_is_mean_depth_times_area():
    depths = {formula.key: formula for formula in DEPTHS}
    volumes = {formula.key: formula for formula in VOLUMES}
    for area in (0.01, 0.1, 1.0, 5.0):
        for author in ("cook", "fujita"):
            assert volumes[f"vol_{author}_mm3"].value(area) == pytest.approx(
                depths[f"depth_{author}_m"].value(area) * area
            )


def test_discharges_of_lemthang_are_as_low_as_documented():
    values = [formula.value(0.37) for formula in DISCHARGES]
    assert min(values) == pytest.approx(358, abs=30) or min(values) == pytest.approx(213, abs=150)
    assert max(values) == pytest.approx(643, abs=5)
    assert max(values) < 1253


def test_ten_million_cubic_metres():
    values = [formula.value(10.0) for formula in DISCHARGES]
    assert max(values) == pytest.approx(10100, rel=0.01)
    assert ice_dam_discharge(10.0, tunnel=True) == pytest.approx(46 * 10**0.66)
    assert ice_dam_discharge(10.0, tunnel=False) == pytest.approx(1100 * 10**0.44)


@pytest.mark.parametrize("formula", [*VOLUMES, *DEPTHS, *DISCHARGES], ids=lambda formula: formula.key)
def test_formulas_are_withheld_out_of_range_and_say_where_they_come_from(formula):
    low, high = formula.takes
    assert math.isnan(formula.value(low * 0.99)) and math.isnan(formula.value(high * 1.01))
    assert 0 < formula.value(low) < formula.value(high)
    assert formula.evidence in ("V", "S", "C", "S, C") and formula.source and formula.text and formula.unit


def test_no_steep_front_no_flood_and_no_guess():
    assert potential_flood_volume(1.0, 0.0) == 0
    assert potential_flood_volume(1.0, 500.0) == fujita_depth(1.0)
    assert math.isnan(potential_flood_volume(50.0, 10.0)) and math.isnan(potential_flood_volume(1.0, math.nan))
