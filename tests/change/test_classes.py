"""What becomes of lakes between two layers: classes, budget, symmetry, shifts, masks."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.change.classes import CLASSES, compare_layers
from glofgeo.change.compare import compare
from glofgeo.errors import GlofgeoError

from .lakes import EAST, NORTH, disc, layer, mask, random_lakes, shifted, square

LATER = "2021-10-15"


def classes(before, after, **masks):
    rows, _ = compare_layers(before, after)
    return dict(rows["class"].value_counts())


def test_each_class_is_told_by_what_happened():
    before = layer(
        [
            disc(1, 1, 0.5),  # persists
            disc(4, 1, 0.2),  # grows
            disc(7, 1, 0.4),  # shrinks
            disc(10, 1, 0.05),  # vanishes
            square(1, 5, 200), square(1.25, 5, 200),  # merge
            square(4, 5, 450),  # splits
            square(7, 5, 200), square(7.25, 5, 200),  # become two others
            disc(10, 5, 0.1),  # copied
            square(13, 5, 100),  # moves so that corners overlap
        ],
        "2020-10-15",
    )  # fmt: skip
    after = layer(
        [
            disc(1, 1, 0.505), disc(4, 1, 0.4), disc(7, 1, 0.2), disc(13, 1, 0.3),
            square(1, 5, 450), square(4, 5, 200), square(4.25, 5, 200),
            shapely.box(*square(7, 5, 450).bounds[:3], square(7, 5, 450).bounds[1] + 90),
            shapely.box(square(7, 5, 450).bounds[0], square(7, 5, 450).bounds[1] + 110, *square(7, 5, 450).bounds[2:]),
            disc(10, 5, 0.1), square(13.09, 5.09, 100),
        ],
        LATER,
    )  # fmt: skip
    found = classes(before, after)
    assert found == {name: 1 for name in CLASSES if name != "not_observed"}


def test_the_budget_of_area_is_exact_and_dates_may_be_swapped():
    before, after = layer(random_lakes(40, 1)), layer(random_lakes(36, 1) + random_lakes(9, 5, 33), LATER)
    there, back = compare_layers(before, after)[0], compare_layers(after, before)[0]
    difference = after.lakes["area_m2"].sum() - before.lakes["area_m2"].sum()
    by_class = there.groupby("class")["change_m2"].sum()
    assert by_class.sum() == difference == -back["change_m2"].sum()
    mirrored = {"new": "vanished", "vanished": "new", "merged": "split", "split": "merged",
                "grew": "shrank", "shrank": "grew"}  # fmt: skip
    assert sorted(there["class"]) == sorted(mirrored.get(name, name) for name in back["class"])
    assert sorted(there["z"].abs()) == pytest.approx(sorted(back["z"].abs()))
    assert {"new", "vanished"} <= set(there["class"])


def test_a_layer_against_itself_carries_everything_over():
    lakes = layer(random_lakes(30, 2))
    rows, links = compare_layers(lakes, lakes)
    assert set(rows["class"]) == {"carried_over"} and len(rows) == len(lakes.lakes)
    assert rows["change_m2"].abs().max() == 0 and rows["rate_m2_per_year"].isna().all()
    assert links.table["overlap_before"].min() > 0.999999 and (links.table["n_after"] == 1).all()


@given(st.integers(0, 1000), st.sampled_from([(10, 0), (0, -10), (10, 10), (-10, 10)]))
def test_a_shift_by_a_pixel_is_no_change(seed, shift):
    outlines = random_lakes(12, seed)
    # A lake of one row of pixels only touches itself after a shift across it.
    outlines += [shapely.box(EAST, NORTH - 500, EAST + 500, NORTH - 490)]
    rows, _ = compare_layers(layer(outlines), layer(shifted(outlines, *shift), LATER))
    assert not {"new", "vanished"} & set(rows["class"])
    assert not rows["significant"].any()


@pytest.mark.parametrize("hide_before", [True, False])
@pytest.mark.parametrize("drained", [True, False])
def test_a_lake_under_cloud_at_either_date_is_not_observed(tmp_path, hide_before, drained):
    lake, other = disc(2, 2, 0.1), disc(5, 5, 0.1)
    cloud = shapely.buffer(shapely.centroid(lake), 400)
    masks = mask(tmp_path / "cloudy.tif", cloud), mask(tmp_path / "clear.tif")
    before = layer([lake, other], masks=[masks[not hide_before]])
    after = layer(([] if drained else [disc(2, 2, 0.03)]) + [disc(5, 5, 0.05)], LATER, masks=[masks[hide_before]])
    assert classes(before, after) == {"not_observed": 1, "shrank": 1}
    seen = layer([lake, other], masks=[masks[1]]), layer([disc(5, 5, 0.05)], LATER, masks=[masks[1]])
    assert classes(*seen) == {"vanished": 1, "shrank": 1}


def test_beyond_the_mask_nothing_was_observed(tmp_path):
    seen = mask(tmp_path / "mask.tif")
    before, after = layer([disc(30, 30, 0.2)], masks=[seen]), layer([disc(2, 2, 0.1)], LATER, masks=[seen])
    rows, _ = compare_layers(before, after)
    assert dict(zip(rows["class"], rows["observed_after"], strict=True)) == {"not_observed": 0, "new": 1}


def test_a_lake_cut_by_the_scene_is_not_compared():
    before = layer([disc(2, 2, 0.4)], touches_edge=[True])
    assert classes(before, layer([disc(2, 2, 0.1)], LATER, touches_edge=[False])) == {"not_observed": 1}


def test_rates_need_two_dates_in_order():
    before = layer([disc(2, 2, 0.1), disc(5, 5, 0.1)], ["2020-10-15", "2022-10-15"])
    after = layer([disc(2, 2, 0.121), disc(5, 5, 0.13)], "2022-10-15")
    rows, _ = compare_layers(before, after)
    assert rows["rate_percent_per_year"][0] == pytest.approx(10, rel=1e-3)
    assert rows["rate_m2_per_year"][0] == pytest.approx(10_500, rel=2e-3)
    assert np.isnan(rows["rate_m2_per_year"][1]) and rows["years"][1] == 0


def test_a_layer_without_lakes_loses_all_or_gains_all():
    none, some = layer([]), layer(random_lakes(5), LATER)
    assert classes(none, some) == {"new": 5}
    assert classes(some, none) == {"vanished": 5}
    assert classes(none, none) == {}


def test_lakes_without_names_have_none():
    rows, _ = compare_layers(layer([disc(2, 2, 0.1)], lake_id=[None]), layer([disc(2, 2, 0.2)], LATER, lake_id=[None]))
    assert rows[["lake_id", "lake_type", "basin"]].iloc[0].tolist() == ["", "", ""]


def test_a_lake_that_grows_into_the_area_is_not_new_there():
    import geopandas as gpd

    import glofgeo

    from .lakes import UTM, frame

    area = gpd.GeoDataFrame(geometry=[shapely.box(EAST + 1150, NORTH, EAST + 5000, NORTH + 5000)], crs=UTM)
    before, after = frame([disc(1, 1, 0.05), disc(0.2, 4, 0.01)], "2010-01-01"), frame([disc(1, 1, 0.2)], "2020-01-01")
    for pair, names in (((before, after), ["grew"]), ((after, before), ["grew"])):
        assert glofgeo.compare(*pair, aoi=area).changes["class"].tolist() == names


def test_lakes_beyond_the_other_layer_are_named_and_those_among_its_lakes_are_not(tmp_path):
    near, far = random_lakes(30, span_km=10), shifted(random_lakes(4, 5, 10), 30_000, 0)
    before, after = layer([*near, *far], "2018-10-15"), layer(near[1:], "2020-10-15")

    def told(*layers):
        issues = compare(*layers).issues
        return issues[issues["issue"].str.contains("lie beyond")]

    one = told(before, after)
    assert list(one["layer"]) == [after.name] and one["row"].item() == 0
    assert one["issue"].item().startswith("4 lakes of lakes of 2018") and "called vanished" in one["consequence"].item()
    turned = told(layer([*near, *far], "2022-10-15"), after)
    assert (
        turned["issue"].item().startswith("4 lakes of lakes of 2022") and "called new" in turned["consequence"].item()
    )
    assert told(layer(near, "2018-10-15"), after).empty
    # A mask tells what was covered.
    mask(tmp_path / "mask.tif")
    assert told(before, layer(near[1:], "2020-10-15", masks=(tmp_path / "mask.tif",))).empty


def test_layers_of_different_places_are_refused_unless_masks_tell_what_they_show(tmp_path):
    near, far = random_lakes(5, span_km=5), shifted(random_lakes(5, span_km=5), 300_000, 0)
    with pytest.raises(GlofgeoError, match="show different places"):
        compare(layer(near, "2018-10-15"), layer(far, "2020-10-15"))
    mask(tmp_path / "mask.tif")
    masks = (tmp_path / "mask.tif",)
    found = compare(layer(near, "2018-10-15", masks=masks), layer(far, "2020-10-15", masks=masks))
    assert set(found.changes["class"]) == {"vanished", "not_observed"}
