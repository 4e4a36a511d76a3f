"""Names are given once: through growth, merging, splitting, draining, refilling, and an analyst's work."""

import itertools
import sqlite3
from contextlib import closing
from datetime import datetime

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from shapely.geometry import Point, box

from datasets_def.polygons import read_polygons, without_rejected
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import describe_lakes
from glofgeo.inventory.attributes import geodesic_size
from glofgeo.inventory.identity import name_lakes
from glofgeo.inventory.inventory_file import update_inventory

EAST, NORTH = 490_000, 3_086_000


def disc(east, north, radius):
    return Point(EAST + east, NORTH + north).buffer(radius)


def lakes(year, *outlines):
    shapes = [shapely.MultiPolygon([outline]) for outline in outlines]
    pixels = {"prob_mean": 0.9, "prob_p10": 0.8, "valid_frac": 1.0, "touches_edge": False}
    rows = pd.DataFrame([pixels] * len(shapes), columns=list(pixels))
    frame = gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:32645")
    frame["n_px"] = (shapely.area(np.array(shapes, dtype=object)) / 100).astype("int32")
    when = datetime(year, 10, 15)
    return describe_lakes(frame, Affine(10, 0, 0, 0, -10, 0), scene_id=f"S{year}", acquired=when, baseline=None)


def small_world():
    """Four years of one valley: two lakes that meet and part, one that drains and fills, one that moves on."""
    one, two = disc(0, 0, 200), disc(500, 0, 150)
    joined = one | two | box(EAST, NORTH - 50, EAST + 500, NORTH + 50)
    return {
        2020: lakes(2020, one, two, disc(3000, 0, 180), disc(6000, 0, 100)),
        2021: lakes(2021, joined, disc(3000, 0, 90), disc(6120, 0, 100)),
        2022: lakes(2022, disc(0, 0, 210), disc(500, 0, 240), disc(6240, 0, 100)),
        2023: lakes(2023, one, two, disc(3050, 0, 140), disc(6360, 0, 100), disc(0, 3000, 80)),
    }  # fmt: skip


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


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "inventory.gpkg"
    for year in (2020, 2021, 2022):
        update_inventory(path, [small_world()[year]], pd.DataFrame({"scene_id": [f"S{year}"], "model": ["bundled"]}))
    return path


def test_an_inventory_holds_current_lakes_all_observations_and_runs(inventory):
    layers = dict(pyogrio.list_layers(inventory))
    assert list(layers)[:4] == ["lakes", "lakes_points", "lake_observations", "run_metadata"]
    current, seen = gpd.read_file(inventory, layer="lakes"), gpd.read_file(inventory, layer="lake_observations")
    assert len(current) == 4 and current["lake_id"].is_unique and len(seen) == 10
    assert sorted(current["observations"]) == [2, 2, 3, 3]
    drained = current[current["last_seen"].dt.year == 2021]
    assert len(drained) == 1 and drained["area_m2"].iloc[0] == pytest.approx(np.pi * 90**2, rel=0.01)
    assert pyogrio.read_dataframe(inventory, layer="run_metadata")["scene_id"].tolist() == ["S2020", "S2021", "S2022"]


def save_lakes(inventory, lakes):
    """What QGIS does when an edited layer is saved."""
    with closing(sqlite3.connect(inventory)) as database, database:
        # The spatial index has functions of its own, which SQLite alone lacks.
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM lakes")
    pyogrio.write_dataframe(lakes, inventory, layer="lakes", driver="GPKG", append=True)


def test_lakes_that_an_analyst_drew_without_a_name_stay_and_are_measured(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    shapes = [shapely.multipolygons([lake.buffer(0.001)]) for lake in current.geometry[:2].union_all().geoms]
    columns = {"review": ["redraw"] * 2, "n_px": 0, "touches_edge": False}
    own = gpd.GeoDataFrame(columns, geometry=shapes, crs=current.crs)
    save_lakes(inventory, pd.concat([current, own], ignore_index=True))
    update_inventory(inventory, [small_world()[2023]], pd.DataFrame({"scene_id": ["S2023"], "model": ["bundled"]}))
    after = gpd.read_file(inventory, layer="lakes")
    after = after[after["lake_id"].isna()]
    assert sorted(after["area_m2"]) == sorted(geodesic_size(own.geometry)[0])


def test_what_an_analyst_wrote_and_drew_survives_the_next_run(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    redrawn = current.geometry[1].buffer(0.001)
    current["review"] = ["accept", "redraw", "reject", None]
    current["note"] = ["seen in the field", None, "shadow", None]
    current["analyst"] = ["T. S.", "T. S.", "T. S.", None]
    current.geometry = [current.geometry[0], shapely.multipolygons(shapely.get_parts(redrawn)), *current.geometry[2:]]
    save_lakes(inventory, current)
    update_inventory(inventory, [small_world()[2023]], pd.DataFrame({"scene_id": ["S2023"], "model": ["bundled"]}))
    after = gpd.read_file(inventory, layer="lakes").set_index("lake_id")
    kept = after.loc[current["lake_id"]]
    for name in ("review", "note", "analyst"):
        assert [None if pd.isna(value) else value for value in kept[name]] == [
            None if pd.isna(value) else value for value in current[name]
        ]
    assert kept.geometry.iloc[1].equals(current.geometry[1])
    area, perimeter = geodesic_size(kept.geometry.iloc[1:2])
    told, sigma = kept.iloc[1], current["area_unc_m2"][1] / current["perim_m"][1]
    assert (told["area_m2"], told["perim_m"], told["n_px"]) == (area[0], perimeter[0], 0)
    assert told["area_unc_m2"] == pytest.approx(sigma * perimeter[0]) and pd.isna(told["prob_mean"])
    assert len(after) == 5 and (kept["observations"] >= 3).all()
    labels = without_rejected(read_polygons(inventory))
    assert len(labels) == 4 and current["lake_id"][2] not in set(labels["lake_id"])


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
