"""What an analyst writes and draws in an inventory survives the next run, however QGIS saves it."""

import sqlite3
from contextlib import closing

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from valley import small_world

from datasets_def.polygons import read_polygons, without_rejected
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import geodesic_size
from glofgeo.inventory.inventory_file import update_inventory


def save_lakes(inventory, lakes):
    """What QGIS does when an edited layer is saved."""
    with closing(sqlite3.connect(inventory)) as database, database:
        # The spatial index has functions of its own, which SQLite alone lacks.
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM lakes")
    pyogrio.write_dataframe(lakes, inventory, layer="lakes", driver="GPKG", append=True)


def map_again(inventory, year=2023):
    """Adds a year and gives the layer `lakes` by name."""
    update_inventory(inventory, [small_world()[year]], pd.DataFrame({"scene_id": [f"S{year}"], "model": ["bundled"]}))
    lakes = gpd.read_file(inventory, layer="lakes")
    assert lakes["lake_id"].is_unique and lakes["lake_id"].notna().all()
    return lakes.set_index("lake_id")


def whole(outline):
    return shapely.multipolygons(shapely.get_parts(outline))


@pytest.mark.parametrize("year", [2022, 2023])
def test_an_outline_that_was_reshaped_stays_without_a_word_in_review(inventory, year):
    current = gpd.read_file(inventory, layer="lakes")
    current.loc[0, "geometry"] = whole(current.geometry[0].buffer(0.001))
    save_lakes(inventory, current)
    for _ in range(2):
        after = map_again(inventory, year).loc[current["lake_id"][0]]
        assert after.geometry.equals(current.geometry[0])
        assert after["area_m2"] == geodesic_size(current.geometry[:1])[0][0]


def test_words_about_a_lake_whose_outline_was_emptied_stay_and_the_outline_comes_back(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    current["note"] = ["shadow", None, None, None]
    current.loc[0, "geometry"] = shapely.MultiPolygon()
    save_lakes(inventory, current)
    after = map_again(inventory).loc[current["lake_id"][0]]
    assert after["note"] == "shadow" and after.geometry.area > 0


def test_parts_of_a_lake_that_was_split_stay_and_get_names(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    west, south, east, north = current.geometry[0].bounds
    small = current.geometry[0].intersection(shapely.box(west, south, west + (east - west) / 3, north))
    large = current.geometry[0].difference(small)
    halves = current.iloc[[0, 0]].assign(geometry=[whole(small), whole(large)], note=["north", None])
    save_lakes(inventory, pd.concat([halves, current[1:]], ignore_index=True))
    after = map_again(inventory)
    assert after.loc[current["lake_id"][0]].geometry.equals(whole(large))
    (part,) = after[after["note"] == "north"].geometry
    assert part.equals(whole(small))
    again = map_again(inventory)
    assert again.index.tolist() == after.index.tolist()


@pytest.mark.parametrize("said", [{}, {"note": "ice-covered"}, {"review": "accept"}])
def test_lakes_that_an_analyst_drew_stay_get_names_and_are_measured(inventory, said):
    current = gpd.read_file(inventory, layer="lakes")
    drawn = whole(shapely.affinity.translate(current.geometry[0], 0.1, 0))
    own = gpd.GeoDataFrame([said], geometry=[drawn], crs=current.crs)
    save_lakes(inventory, pd.concat([current, own], ignore_index=True).astype({"touches_edge": object}))
    for year in (2023, 2023, 2022):
        after = map_again(inventory, year)
        (own,) = after.index.difference(gpd.read_file(inventory, layer="lake_observations")["lake_id"])
        assert after.geometry[own].equals(drawn) and after["observations"][own] == 0
        assert after["area_m2"][own] == geodesic_size(gpd.GeoSeries([drawn]))[0][0]
        assert all(after[name][own] == text for name, text in said.items())


def test_a_lake_that_was_renamed_or_pasted_twice_is_the_lake_of_the_maps(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    names = set(current["lake_id"])
    current.loc[0, ["lake_id", "note"]] = ["Imja Tso", "renamed"]
    save_lakes(inventory, pd.concat([current, current.iloc[1:2]], ignore_index=True))
    after = map_again(inventory, 2022)
    assert set(after.index) == names and (after["note"] == "renamed").sum() == 1


def test_a_map_that_finds_a_drawn_lake_takes_its_name(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    (new,) = small_world()[2023].to_crs(current.crs).geometry[4:]
    drawn = gpd.GeoDataFrame({"note": ["mine"]}, geometry=[whole(new.buffer(1e-4))], crs=current.crs)
    save_lakes(inventory, pd.concat([current, drawn], ignore_index=True).astype({"touches_edge": object}))
    after = map_again(inventory)
    (mine,) = after.index[after["note"] == "mine"]
    assert after["observations"][mine] == 1 and after.geometry[mine].equals(drawn.geometry[0])
    assert len(after) == 5


def test_columns_of_an_analyst_stay_and_further_tables_are_refused(inventory):
    current = gpd.read_file(inventory, layer="lakes")
    with closing(sqlite3.connect(inventory)) as database, database:
        database.execute("ALTER TABLE lakes ADD COLUMN prio INTEGER")
    save_lakes(inventory, current.assign(prio=[3, 1, 2, 5]))
    assert map_again(inventory).loc[current["lake_id"], "prio"].tolist() == [3, 1, 2, 5]
    pyogrio.write_dataframe(pd.DataFrame({"where": ["ford"]}), inventory, layer="field_notes", append=True)
    before = inventory.read_bytes()
    with pytest.raises(GlofgeoError, match="field_notes"):
        map_again(inventory)
    assert inventory.read_bytes() == before


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
