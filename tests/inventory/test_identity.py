"""Names are given once: through growth, merging, splitting, draining, refilling, and an analyst's work."""

import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import box
from valley import EAST, NORTH, disc, lakes, small_world

from glofgeo.errors import GlofgeoError
from glofgeo.inventory.identity import name_lakes
from glofgeo.inventory.inventory_file import update_inventory


def names(layers):
    return {int(layer["acq_datetime"].dt.year.iloc[0]): layer["lake_id"].tolist() for layer in layers}


def test_names_go_on_in_any_order_of_layers():
    world = small_world()
    orders = list(itertools.permutations(world.values()))
    found = [names(name_lakes(order)) for order in orders]
    assert all(one == found[0] for one in found)
    a, b, c, d = found[0][2020]
    assert found[0][2021] == [a, c, d]  # merged: the larger one's name goes on
    assert found[0][2022] == [a, b, d]  # split: the other's name comes back; c is gone
    assert found[0][2023][:4] == [a, b, c, d] and found[0][2023][4] not in {a, b, c, d}


def test_new_parts_of_a_split_lake_get_names_of_their_own():
    whole = lakes(2020, box(EAST, NORTH, EAST + 1000, NORTH + 200))
    parts = lakes(2021, box(EAST, NORTH, EAST + 600, NORTH + 200), box(EAST + 700, NORTH, EAST + 1000, NORTH + 200))
    found = names(name_lakes([whole, parts]))
    assert found[2021][0] == found[2020][0] and found[2021][1] not in found[2020]


def test_a_new_lake_in_the_place_of_a_known_name_gets_a_letter():
    known = lakes(2020, disc(0, 0, 100))
    moved = known.assign(geometry=known.geometry.translate(5000, 0))
    (again,) = name_lakes([lakes(2021, disc(0, 0, 100))], moved)
    assert again["lake_id"].tolist() == [known["lake_id"][0] + "a"]


def test_an_inventory_holds_current_lakes_all_observations_and_runs(inventory):
    layers = dict(pyogrio.list_layers(inventory))
    assert list(layers)[:4] == ["lakes", "lakes_points", "lake_observations", "run_metadata"]
    current, seen = gpd.read_file(inventory, layer="lakes"), gpd.read_file(inventory, layer="lake_observations")
    assert len(current) == 4 and current["lake_id"].is_unique and len(seen) == 10
    assert sorted(current["observations"]) == [2, 2, 3, 3]
    drained = current[current["last_seen"].dt.year == 2021]
    assert len(drained) == 1 and drained["area_m2"].iloc[0] == pytest.approx(np.pi * 90**2, rel=0.01)
    assert pyogrio.read_dataframe(inventory, layer="run_metadata")["scene_id"].tolist() == ["S2020", "S2021", "S2022"]


def test_a_scene_that_is_mapped_again_counts_once(inventory):
    before = gpd.read_file(inventory, layer="lake_observations")
    update_inventory(inventory, [small_world()[2021]], pd.DataFrame({"scene_id": ["S2021"], "model": ["newer"]}))
    after = gpd.read_file(inventory, layer="lake_observations")
    assert sorted(after["lake_id"] + after["scene_id"]) == sorted(before["lake_id"] + before["scene_id"])
    assert pyogrio.read_dataframe(inventory, layer="run_metadata")["model"].tolist() == ["bundled", "newer", "bundled"]


def test_another_file_is_not_taken_for_an_inventory(tmp_path):
    for name in ("other.gpkg", "notes.txt"):
        (tmp_path / name).write_text("mine") if name.endswith("txt") else small_world()[2020].to_file(tmp_path / name)
        with pytest.raises(GlofgeoError, match="not an inventory"):
            update_inventory(tmp_path / name, [small_world()[2020]], pd.DataFrame({"scene_id": ["S2020"]}))
