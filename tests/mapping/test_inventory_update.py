"""Finished maps in an inventory: lasting names in the maps themselves, and no lake counted twice."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from affine import Affine
from shapely.geometry import Point

from glofgeo.inventory import describe_lakes, write_lakes
from glofgeo.mapping.inventory_update import add_to_inventory

RECORD = {
    "baseline": None, "observed_share": 1, "cloud_mask": False, "model": "bundled", "checkpoint_sha256": "0",
    "settings": {"threshold": 0.5, "min_area": 500}, "versions": {"glofgeo": "0"},
}  # fmt: skip


def lake(east, radius):
    return shapely.MultiPolygon([Point(490_000 + east, 3_086_000).buffer(radius)])


def mapped(folder, day, *outlines, **further):
    """The folder of a map with these lakes."""
    folder.mkdir(parents=True)
    pixels = {"n_px": 100, "prob_mean": 0.9, "prob_p10": 0.8, "valid_frac": 1.0, "touches_edge": False}
    rows = pd.DataFrame([pixels] * len(outlines))
    frame = gpd.GeoDataFrame(rows, geometry=list(outlines), crs="EPSG:32645")
    described = describe_lakes(
        frame, Affine(10, 0, 0, 0, -10, 0), scene_id=folder.name, acquired=datetime.fromisoformat(day), baseline=None
    )  # fmt: skip
    write_lakes(folder / "lakes.gpkg", described.assign(**further), "clouds were not masked")
    (folder / "run.json").write_text(json.dumps(RECORD | {"scene": folder.name, "acquired": day}))
    return folder


def test_maps_get_the_names_of_the_inventory_and_count_once(tmp_path):
    path = tmp_path / "inventory.gpkg"
    first = mapped(tmp_path / "a", "2020-10-15", lake(0, 200), lake(3000, 100))
    later = mapped(tmp_path / "b", "2022-10-15", lake(60, 260), lake(3040, 110), lake(6000, 90))
    for folders in ([first], [later], [later, first]):
        add_to_inventory(path, folders)
    names = [gpd.read_file(folder / "lakes.gpkg", layer="lakes")["lake_id"].tolist() for folder in (first, later)]
    assert names[0] == names[1][:2]
    current = gpd.read_file(path, layer="lakes").set_index("lake_id")
    assert current.loc[names[1], "observations"].tolist() == [2, 2, 1]
    assert pyogrio.read_dataframe(path, layer="run_metadata")["scene_id"].tolist() == ["a", "b"]
    points = gpd.read_file(later / "lakes.gpkg", layer="lakes_points")
    assert points["lake_id"].tolist() == names[1]


def test_what_a_dem_tells_is_kept_whatever_later_maps_know(tmp_path):
    path = tmp_path / "inventory.gpkg"
    plain = mapped(tmp_path / "a", "2019-10-15", lake(0, 200))
    add_to_inventory(path, [plain])
    assert "elev_m" not in gpd.read_file(path, layer="lakes"), "absent rather than empty"
    told = {"elev_m": [5010.0, 4800.0], "shadow_frac": [0.2, 0.0], "lake_type": ["ice-contact", None]}
    add_to_inventory(path, [mapped(tmp_path / "b", "2020-10-15", lake(0, 210), lake(3000, 100), **told)])
    add_to_inventory(path, [mapped(tmp_path / "c", "2021-10-15", lake(0, 220))])
    lakes = gpd.read_file(path, layer="lakes").sort_values("elev_m")
    assert lakes["elev_m"].tolist() == [4800.0, 5010.0]
    assert lakes["lake_type"].isna().tolist() == [True, False]
    # The shadow is that of a day.
    assert lakes["shadow_frac"].tolist()[0] == 0.0 and lakes["shadow_frac"].isna().tolist()[1]
    seen = gpd.read_file(path, layer="lake_observations").sort_values("acq_datetime")
    assert seen["elev_m"].isna().sum() == 2 and sorted(seen["elev_m"].dropna()) == [4800.0, 5010.0]
    with closing(sqlite3.connect(path)) as database:
        ((style,),) = database.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = 'lakes'")
    assert 'field="elev_m"' in style and 'field="review"' in style
