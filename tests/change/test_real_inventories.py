"""The three inventories of ICIMOD, unedited: what was measured of them holds."""

from collections import Counter

import numpy as np
import pytest
import shapely

from glofgeo.change.classes import compare_layers
from glofgeo.change.links import clusters_of
from glofgeo.change.read_layer import read_layer
from glofgeo.change.significance import READINGS, Total


@pytest.fixture(scope="module")
def layers(real_data):
    return {year: read_layer(real_data / "lakes" / f"hkh_glacial_lakes_{year}.gpkg") for year in (2000, 2010, 2020)}


@pytest.mark.parametrize(
    "years, counts, copies",
    [
        ((2000, 2010), (1408, 107, 45, 13, 5, 0), 445),
        ((2010, 2020), (1504, 80, 18, 5, 2, 2), 841),
        ((2000, 2020), (1396, 174, 49, 15, 5, 1), 468),
    ],
)
def test_lakes_are_linked_as_counted(layers, years, counts, copies):
    before, after = (layers[year] for year in years)
    rows, _ = compare_layers(before, after)
    found = Counter(rows["relation"])
    assert tuple(found[name] for name in ("one_to_one", "new", "vanished", "merged", "split", "complex")) == counts
    assert (rows["class"] == "carried_over").sum() == copies
    assert rows["change_m2"].sum() == after.lakes["area_m2"].sum() - before.lakes["area_m2"].sum()


def test_areas_and_what_stands_out(layers):
    assert [round(layer.lakes["area_m2"].sum() / 1e6, 2) for layer in layers.values()] == [192.06, 218.05, 234.81]
    rows, _ = compare_layers(layers[2000], layers[2020])
    counted = rows[~rows["class"].isin(["carried_over", "new", "vanished"]) & (rows["n_before"] > 0)
                   & (rows["n_after"] > 0)]  # fmt: skip
    sigmas = [counted[name].to_numpy() for name in ("change_m2", "sigma_before_m2", "sigma_after_m2")]
    assert [int(reading(*sigmas).sum()) for reading in READINGS.values()] == [126, 244, 193]
    linked = rows[(rows["n_before"] > 0) & (rows["n_after"] > 0)]
    total = Total.of(rows["change_m2"].to_numpy(), np.hypot(linked["sigma_before_m2"], linked["sigma_after_m2"]))
    assert total.value / 1e6 == pytest.approx(42.75, abs=0.01)
    assert 1 < total.independent / 1e6 < 2 and 40 < total.correlated / 1e6 < 50


def test_with_the_link_rule_of_the_first_counts_as_many_stand_out(layers):
    """Outlines grown by 10 m that share more than a tenth of the smaller one: two lakes that moved are linked too."""

    def clusters(before, after):
        ours, theirs = (shapely.buffer(layers[year].lakes.geometry.to_numpy(), 10) for year in (before, after))
        i, j = shapely.STRtree(theirs).query(ours, predicate="intersects")
        smaller = np.minimum(shapely.area(ours[i]), shapely.area(theirs[j]))
        linked = shapely.area(shapely.intersection(ours[i], theirs[j])) > 0.1 * smaller
        count, label = clusters_of(i[linked], len(ours) + j[linked], len(ours) + len(theirs))
        lakes = [layers[year].lakes for year in (before, after)]
        sides = list(zip(lakes, (label[: len(ours)], label[len(ours) :]), strict=True))
        area = [np.bincount(which, frame["area_m2"], count) for frame, which in sides]
        sigma = [np.sqrt(np.bincount(which, frame["sigma_m2"] ** 2, count)) for frame, which in sides]
        return *area, *sigma

    first, last, *sigmas = clusters(2000, 2020)
    anew = (first > 0) & (last > 0) & (np.abs(last / np.maximum(first, 1) - 1) > 1e-5)
    counts = [reading(*(part[anew] for part in (last - first, *sigmas))).sum() for reading in READINGS.values()]
    assert counts == [126, 246, 195]
    narrow = list(READINGS.values())[2]
    for years, alerts in (((2000, 2010), 34), ((2010, 2020), 25)):
        first, last, *sigmas = clusters(*years)
        assert (narrow(last - first, *sigmas) & (first >= 20_000) & (last < 0.7 * first)).sum() == alerts


def test_oddities_are_named_by_row(layers):
    told = {year: Counter(issue.issue for issue in layer.issues if issue.row) for year, layer in layers.items()}
    assert told[2010]["same outline as another row"] == 2
    assert told[2020]["name of the scene is not as its agency writes it"] == 653
    assert told[2010]["no scene"] == 1
    assert told[2000]["date is more than two years off the layer's"] == 29
    assert [told[year]["outline has islands"] for year in told] == [17, 19, 20]
    assert [told[year]["ID occurs more than once"] for year in told] == [25, 25, 22]
    assert any(issue.value.startswith("GL075813N36590E") for issue in layers[2000].issues)
    assert sum(count["elevation is 0"] for count in told.values()) == 1
    assert all(190 < count["label point lies outside the outline"] < 230 for count in told.values())
    whole = {issue.issue.split(" (")[0] for issue in layers[2000].issues if not issue.row}
    assert whole == {"outline runs clockwise", "name of the region carries a year", "outline has heights"}
    assert set(layers[2020].lakes["basin"]) & {"Kosi", "Kokcha"}
