import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from datetime import datetime

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine

from glofgeo.errors import GlofgeoError
from glofgeo.inventory import COLUMNS, describe_lakes, write_lakes
from glofgeo.inventory.styles import lake_points_qml, lakes_qml


def inventory(count=3, crs="EPSG:32645", **known):
    ring = shapely.Point(480_000, 3_090_000).buffer(300).difference(shapely.Point(480_000, 3_090_000).buffer(200))
    discs = [shapely.Point(481_000 + 700 * i, 3_090_000).buffer(20 * (i + 1)) for i in range(count - 1)]
    geometry = [shapely.MultiPolygon([g]) for g in [ring, *discs][:count]]
    lakes = gpd.GeoDataFrame(
        {"n_px": range(count), "prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0, "touches_edge": False},
        geometry=geometry,
        crs="EPSG:32645",
    ).to_crs(crs)
    known = {"acquired": datetime(2023, 10, 12, 4, 57, 1), "baseline": "05.09"} | known
    return describe_lakes(lakes, Affine(10, 0, 0, 0, -10, 0), scene_id="S2A_X", **known)


def query(path, sql):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


@pytest.fixture
def path(tmp_path):
    write_lakes(tmp_path / "lakes.gpkg", inventory())
    return tmp_path / "lakes.gpkg"


@pytest.mark.parametrize("crs", ["EPSG:32645", "EPSG:4326"])
@pytest.mark.parametrize("count", [0, 3])
def test_lakes_come_back_as_they_were(tmp_path, crs, count):
    lakes = inventory(count, crs)
    write_lakes(tmp_path / "lakes.gpkg", lakes)
    info = pyogrio.read_info(tmp_path / "lakes.gpkg", layer="lakes")
    assert list(info["fields"]) == list(COLUMNS)
    assert info["crs"] == crs
    assert info["geometry_type"] == "MultiPolygon"
    assert info["geometry_name"] == "geom"
    assert info["capabilities"]["fast_spatial_filter"]
    back = gpd.read_file(tmp_path / "lakes.gpkg", layer="lakes")
    for name in COLUMNS:
        assert list(back[name]) == list(lakes[name])
    assert back.geometry.geom_equals(lakes.geometry).all()


def test_types_are_the_same_with_and_without_lakes(tmp_path, path):
    write_lakes(tmp_path / "none.gpkg", inventory(0))
    table = [(name, kind) for _, name, kind, *_ in query(path, "PRAGMA table_info(lakes)")]
    assert table == [(name, kind) for _, name, kind, *_ in query(tmp_path / "none.gpkg", "PRAGMA table_info(lakes)")]
    kinds = dict(table)
    assert kinds["acq_datetime"] == "DATETIME"
    assert kinds["touches_edge"] == "BOOLEAN"
    assert kinds["area_m2"] == "REAL"


def test_acquisition_time_is_stored_in_utc(path):
    assert query(path, "SELECT DISTINCT acq_datetime FROM lakes") == [("2023-10-12T04:57:01.000Z",)]


def test_unknown_time_and_baseline_are_null(tmp_path):
    write_lakes(tmp_path / "lakes.gpkg", inventory(2, acquired=None, baseline=None))
    found = query(tmp_path / "lakes.gpkg", "SELECT DISTINCT acq_datetime, proc_baseline FROM lakes")
    assert found == [(None, None)]


def test_each_lake_has_a_point_inside(path):
    lakes, points = (gpd.read_file(path, layer=name) for name in ("lakes", "lakes_points"))
    assert (points.geom_type == "Point").all()
    assert list(points.lake_id) == list(lakes.lake_id)
    assert list(points.area_m2) == list(lakes.area_m2)
    # The first lake is a ring, whose centroid is on the island.
    assert lakes.geometry.contains(points.geometry).all()


def test_lakes_is_the_first_layer(path):
    assert pyogrio.list_layers(path)[0].tolist() == ["lakes", "MultiPolygon"]


def test_style_is_found_the_way_qgis_looks_for_it(path):
    for layer in ("lakes", "lakes_points"):
        ((qml,),) = query(
            path,
            "SELECT styleQML FROM layer_styles WHERE f_table_schema = '' "
            f"AND f_table_name = '{layer}' AND f_geometry_column = 'geom' AND useAsDefault = 1",
        )
        document = ET.fromstring(qml)
        assert document.tag == "qgis"
        assert document.find("renderer-v2") is not None
        temporal = document.find("temporal")
        assert (temporal.get("enabled"), temporal.get("startField")) == ("1", "acq_datetime")


def test_gdal_still_sees_the_styles_beside_another_table(path):
    notes = pd.DataFrame({"note": ["seen in the field"]})
    pyogrio.write_dataframe(notes, path, layer="notes", driver="GPKG", append=True)
    assert "layer_styles" in pyogrio.list_layers(path)[:, 0]
    assert query(path, "SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'") == [("attributes",)]


def test_version_is_one_that_older_qgis_reads_whole(path):
    assert query(path, "PRAGMA user_version") == [(10200,)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_equal_lakes_give_equal_bytes(tmp_path, path):
    again = tmp_path / "again.gpkg"
    for _ in range(50):  # one in a hundred differed, while GDAL dated its changes by the clock
        write_lakes(again, inventory())
        assert again.read_bytes() == path.read_bytes()
    assert query(path, "SELECT DISTINCT last_change FROM gpkg_contents") == [("2023-10-12T04:57:01.000Z",)]


def test_rewriting_replaces_and_leaves_nothing_beside(tmp_path, path):
    write_lakes(path, inventory(1))
    assert len(gpd.read_file(path, layer="lakes")) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["lakes.gpkg"]


def test_a_failed_write_keeps_the_earlier_layer(tmp_path, path):
    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_lakes(path, inventory().drop(columns="prob_mean"))
    unwritable = inventory()
    unwritable["area_m2"] = unwritable["area_m2"].astype(complex)
    with pytest.raises(Exception, match="complex"):
        write_lakes(path, unwritable)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["lakes.gpkg"]


def test_styles_name_only_fields_that_exist():
    for qml, fields in ((lakes_qml(), set(COLUMNS)), (lake_points_qml(), {"lake_id", "acq_datetime", "area_m2"})):
        aliases = ET.fromstring(qml).findall("aliases/alias")
        assert {alias.get("field") for alias in aliases} == fields


def test_the_file_is_dated_by_its_newest_lake(tmp_path):
    lakes = pd.concat([inventory(2), inventory(2, acquired=datetime(2020, 1, 2, 3, 4, 5))], ignore_index=True)
    write_lakes(tmp_path / "lakes.gpkg", gpd.GeoDataFrame(lakes))
    assert query(tmp_path / "lakes.gpkg", "SELECT DISTINCT update_time FROM layer_styles") == [
        ("2023-10-12T04:57:01.000Z",)
    ]


def change(path, sql):
    with closing(sqlite3.connect(path)) as database, database:
        # The spatial index has functions of its own, which SQLite alone lacks.
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE lakes SET area_m2 = 0 WHERE fid = 1",
        "DELETE FROM lakes WHERE fid = 2",
        "UPDATE lakes SET geom = x'00'",
        "ALTER TABLE lakes ADD COLUMN seen_in_the_field TEXT",
        "UPDATE layer_styles SET styleQML = 'mine'",
        "CREATE TABLE qgis_projects (name TEXT)",
    ],
)
def test_a_layer_that_somebody_has_changed_is_not_replaced(path, sql):
    change(path, sql)
    before = path.read_bytes()
    with pytest.raises(GlofgeoError, match=r"lakes\.gpkg.*not replaced"):
        write_lakes(path, inventory(1))
    assert path.read_bytes() == before


def test_a_layer_that_another_program_opened_or_an_earlier_version_wrote_is_replaced(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")  # as QGIS does
        database.execute("VACUUM")
    change(path, "DROP TABLE glofgeo")
    path.with_name("lakes.gpkg-wal").write_bytes(b"of the earlier layer")
    write_lakes(path, inventory(1))
    assert [p.name for p in path.parent.iterdir()] == ["lakes.gpkg"]
    assert len(gpd.read_file(path, layer="lakes")) == 1


@pytest.mark.parametrize("kind", ["text", "another layer", "folder", "link"])
def test_what_glofgeo_did_not_write_is_not_replaced(tmp_path, path, kind):
    other = tmp_path / "other [1]#?%.gpkg"
    if kind == "text":
        other.write_text("mine")
    elif kind == "another layer":
        gpd.read_file(path, layer="lakes").to_file(other, layer="lakes")
    elif kind == "folder":
        other.mkdir()
    else:
        other.symlink_to(path)
    with pytest.raises(GlofgeoError, match="other"):
        write_lakes(other, inventory(1))
    assert len(gpd.read_file(path, layer="lakes")) == 3
