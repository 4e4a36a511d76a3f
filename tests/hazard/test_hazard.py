"""`glofgeo hazard` on a valley whose answers can be worked out by hand."""

import math
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.transform import from_origin
from shapely.geometry import box

from datasets_def.elevation import open_dem
from datasets_def.reproject import to_degrees
from glofgeo.hazard.assess import Sheet
from glofgeo.hazard.criteria import AREA_AUC, CRITERIA, RANKINGS
from glofgeo.hazard.ground import local_outline
from glofgeo.hazard.indicators import VOLUMES
from glofgeo.hazard.kept import KeptSheets
from glofgeo.hazard.lakes import assess_lakes, read_lakes
from glofgeo.hazard.sheet import INDICATORS
from glofgeo.inventory.glaciers import read_glaciers

COMMAND = Path(sys.executable).with_name("glofgeo")
UTM = CRS.from_epsg(32645)
# The middle of the lake, and how far the ground reaches from there.
EAST, NORTH, HALF = 500_000.0, 3_085_000.0, 20_000.0


def valley(x, y):
    """A valley that falls east by 5 % with flanks of 40 degrees, a lake in a flat of its floor, and ice on its head."""
    floor = 4000 - 0.05 * x
    flat = (x > -600) & (x < 600)
    floor = np.where(flat, 4030.0, floor)
    return floor + np.maximum(np.abs(y) - 300, 0) * math.tan(math.radians(40))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valley")
    size = int(2 * HALF / 30)
    rows, cols = np.indices((size, size))
    x, y = (cols + 0.5) * 30 - HALF, HALF - (rows + 0.5) * 30
    with rasterio.open(
        folder / "Copernicus_DSM_valley.tif", "w", driver="GTiff", width=size, height=size, count=1, dtype="float32",
        crs=UTM, transform=from_origin(EAST - HALF, NORTH + HALF, 30, 30),
    ) as target:  # fmt: skip
        target.write(valley(x, y).astype(np.float32), 1)
    lake = box(EAST - 500, NORTH - 200, EAST + 500, NORTH + 200)
    lakes = gpd.GeoDataFrame(
        {"GLIMS_ID": ["GL1", "GL1", None], "Type": ["M(e)", "I(s)", None]},
        geometry=[lake, box(EAST + 5000, NORTH - 50, EAST + 5100, NORTH + 50),
                  box(EAST + 6000, NORTH - 15, EAST + 6030, NORTH + 15)],
        crs=UTM,
    )  # fmt: skip
    lakes.to_crs("EPSG:4326").to_file(folder / "lakes.gpkg", layer="lakes")
    ice = box(EAST - 4500, NORTH - 200, EAST - 1500, NORTH + 200)
    gpd.GeoDataFrame({"rgi_id": ["G-1"]}, geometry=[ice], crs=UTM).to_crs("EPSG:4326").to_file(folder / "rgi.gpkg")
    return folder


@pytest.fixture(scope="module")
def written(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "hazard"
    words = ["hazard", inputs / "lakes.gpkg", "--dem", inputs, "--glaciers", inputs / "rgi.gpkg", "--out", out]
    done = subprocess.run([COMMAND, *map(str, words)], check=True, capture_output=True, text=True)
    assert "hazard.html: the sheets of 3 lakes" in done.stdout
    return out


def test_the_sheet_of_a_lake_in_a_valley_is_what_was_worked_out(written):
    lake = gpd.read_file(written / "hazard.gpkg", layer="lakes").iloc[0]
    # UTM lengths are 0.9996 of those on the ground at its central meridian.
    assert lake["area_km2"] == pytest.approx(0.4 / 0.9996**2, rel=1e-4)
    assert lake["level_m"] == 4030 and lake["uneven_m"] == 0
    assert lake["dist_glacier_m"] == pytest.approx(1000 / 0.9996, abs=1)
    assert lake["glacier_slope_deg"] == pytest.approx(math.degrees(math.atan(0.05)), abs=0.1)
    # Beyond the flat, the valley lies 60 m lower at 100 m from the shore, and falls by 5 %.
    away = 130.0  # the first pixel whose centre is more than 100 m away and beyond the flat
    assert lake["sla_deg"] == pytest.approx(math.degrees(math.atan((60 + 1.5) / away)), abs=4)
    assert lake["hp_m"] == pytest.approx(60 - away * math.tan(math.radians(10)), abs=6)
    assert lake["pfv_mm3"] == pytest.approx(lake["hp_m"] * lake["area_km2"], rel=1e-6)
    # The path begins on the lake's last pixel, 485 m east of its middle.
    assert lake["downstream_deg"] == pytest.approx(math.degrees(math.atan((30 + 0.05 * 1485) / 1000)), abs=0.1)
    assert lake["path_km"] == pytest.approx(15.0, abs=0.05)
    assert lake["path_drop_m"] == pytest.approx(4030 - (4000 - 0.05 * 15_480), abs=5)
    assert lake["rockfall_deg"] > 30 and lake["c_avalanche"] is not True
    assert lake["rgi_id"] == "G-1" and lake["dem_date"] == "2011-2015 (Copernicus GLO)"
    volumes = [formula.value(lake["area_km2"]) for formula in VOLUMES]
    assert (lake["vol_low_mm3"], lake["vol_high_mm3"]) == pytest.approx((min(volumes), max(volumes)))
    assert np.isnan(lake["q_ice_low_m3s"])


def test_paths_are_lines_down_the_valley(written):
    paths = gpd.read_file(written / "hazard.gpkg", layer="flow_paths")
    assert len(paths) == 3 and (paths.geom_type == "LineString").all()
    length = Geod(ellps="WGS84").geometry_length(paths.geometry[0])
    assert length == pytest.approx(15_000, rel=0.01)
    east = paths.geometry[0].coords[-1][0] - paths.geometry[0].coords[0][0]
    assert east > 0.14


def test_names_are_unique_ice_dams_are_known_and_what_is_out_of_range_is_withheld(written):
    lakes = gpd.read_file(written / "hazard.gpkg", layer="lakes")
    assert lakes["lake_id"].tolist()[:2] == ["GL1", "GL1a"] and lakes["lake_id"][2].startswith("GL087")
    assert lakes["q_ice_high_m3s"][1] > lakes["q_ice_low_m3s"][1] > 0
    assert lakes["area_km2"][2] < 0.005
    withheld = ["vol_low_mm3", "vol_huggel_mm3", "pfv_mm3", "depth_fujita_m"]
    assert lakes.loc[2, withheld].isna().all() and lakes.loc[0, withheld].notna().all()


def test_tables_put_area_beside_every_figure(written):
    indicators = pd.read_csv(written / "hazard.csv")
    assert (indicators.groupby("lake_id")["indicator"].nunique() == indicators["indicator"].nunique()).all()
    assert indicators["lake_area_km2"].notna().all() and indicators["source"].notna().all()
    assert set(indicators["evidence"]) <= {"V", "S", "C", "S, C"}
    criteria = pd.read_csv(written / "criteria.csv")
    assert len(criteria) == 3 * len(CRITERIA) and (criteria["auc_of_area"] == AREA_AUC).all()
    first = criteria[criteria["lake_id"] == "GL1"].set_index("criterion")["fires"]
    assert first["lakefront steeper than 10 degrees"] == "yes"
    assert first["less than 500 m from a glacier"] == "no"
    assert first["within reach of an avalanche of ice"] == "no"
    assert first["area over 0.2 km2"] == "yes"


def test_the_report_needs_nothing_but_itself(written):
    text = (written / "hazard.html").read_text(encoding="utf-8")
    assert "<script" not in text and "http" not in text and "src=" not in text
    assert "GL1a" in text and "No score is given" in text and "AUC alone" in text


def test_an_interrupted_run_goes_on_where_it_stopped(inputs, written, run, tmp_path):
    out, lakes, rgi = tmp_path / "hazard", inputs / "lakes.gpkg", inputs / "rgi.gpkg"
    layer, dem = read_lakes(lakes), open_dem([inputs])
    kept = KeptSheets(out, [lakes, *dem.files, rgi], layer.names)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assess_lakes(layer, dem, read_glaciers(rgi), None, stop, kept)
    with kept.path.open("a") as file:
        file.write('{"lake": 2, "val')  # killed in the middle of a line
    status, told, _ = run("hazard", lakes, "--dem", inputs, "--glaciers", rgi, "--out", out)
    assert status == 0 and "1 of 3 lakes were assessed before" in told
    for name in ("hazard.csv", "criteria.csv", "hazard.html", "hazard.gpkg"):
        assert (out / name).read_bytes() == (written / name).read_bytes(), name
    assert not kept.path.exists()


def test_sheets_of_other_inputs_are_not_taken_for_these(tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.gpkg"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    kept = KeptSheets(tmp_path, [first, second], ["A", "B"])
    kept.add(1, Sheet({"area_km2": 0.1, "hp_m": math.nan, "rgi_id": None}, ["doubtful"], None))
    (sheet,) = KeptSheets(tmp_path, [first, second], ["A", "B"]).read().values()
    assert sheet.values["area_km2"] == 0.1 and math.isnan(sheet.values["hp_m"]) and sheet.notes == ["doubtful"]
    assert not KeptSheets(tmp_path, [first], ["A", "B"]).read()
    assert not KeptSheets(tmp_path, [first, second], ["B", "A"]).read()
    first.write_bytes(b"11")
    assert not KeptSheets(tmp_path, [first, second], ["A", "B"]).read()


def test_qgis_opens_the_layers_styled(written):
    with closing(sqlite3.connect(written / "hazard.gpkg")) as database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault"))
        columns = {row[1] for row in database.execute("PRAGMA table_info(lakes)")}
    assert set(styles) == {"lakes", "flow_paths"}
    lakes = ET.fromstring(styles["lakes"])
    assert {alias.get("field") for alias in lakes.findall("aliases/alias")} == {i.key for i in INDICATORS} & columns
    assert set(re.findall(r'format_number\("(\w+)"', lakes.find("mapTip").text)) <= columns
    assert ET.fromstring(styles["flow_paths"]).find("temporal").get("enabled") == "0"


def test_what_fetch_left_needs_no_flags(inputs, run, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "data/dem.tif" in refused("hazard", inputs / "lakes.gpkg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/dem.tif").symlink_to(inputs / "Copernicus_DSM_valley.tif")
    (tmp_path / "data/glaciers.gpkg").symlink_to(inputs / "rgi.gpkg")
    status, _, err = run("hazard", inputs / "lakes.gpkg", "--out", "fetched")
    assert status == 0, err
    given = ("--dem", "data/dem.tif", "--glaciers", "data/glaciers.gpkg")
    assert run("hazard", inputs / "lakes.gpkg", *given, "--out", "given")[0] == 0
    assert (tmp_path / "fetched/hazard.csv").read_text() == (tmp_path / "given/hazard.csv").read_text()


@pytest.mark.parametrize("words", [("--glaciers", "gone.gpkg"), ("--dem", "gone.tif")])
def test_missing_inputs_are_named(inputs, refused, tmp_path, words):
    given = {"--dem": inputs / "Copernicus_DSM_valley.tif", "--glaciers": inputs / "rgi.gpkg"} | {words[0]: words[1]}
    flat = [word for pair in given.items() for word in pair]
    assert words[1] in refused("hazard", inputs / "lakes.gpkg", *flat, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["hazard.csv", "hazard.html"])
def test_what_others_wrote_stays(inputs, refused, tmp_path, name):
    words = ("--dem", inputs / "Copernicus_DSM_valley.tif", "--glaciers", inputs / "rgi.gpkg", "--out", tmp_path)
    (tmp_path / name).write_text("mine")
    told = refused("hazard", inputs / "lakes.gpkg", *words)
    assert name in told and "--out" in told and (tmp_path / name).read_text() == "mine"
    assert "is no folder" in refused("hazard", inputs / "lakes.gpkg", *words[:-1], tmp_path / name)


def test_names_are_never_given_twice_and_rejected_lakes_are_left_out(tmp_path):
    places = [box(87 + i / 100, 28, 87.001 + i / 100, 28.001) for i in range(4)]
    columns = {"lake_id": ["A", "A", "Aa", "B"], "review": [None, "accept", None, "reject"]}
    gpd.GeoDataFrame(columns, geometry=places, crs="EPSG:4326").to_file(tmp_path / "lakes.gpkg")
    assert read_lakes(tmp_path / "lakes.gpkg").names == ["A", "Ab", "Aa"]


def test_a_feature_that_holds_many_lakes_is_refused_before_the_ground_is_read(inputs, refused, tmp_path):
    far = [box(87, 28, 87.01, 28.01), box(87, 33, 87.01, 33.01)]
    gpd.GeoDataFrame(geometry=[far[0].union(far[1])], crs="EPSG:4326").to_file(tmp_path / "one.gpkg")
    words = ("--dem", inputs / "Copernicus_DSM_valley.tif", "--glaciers", inputs / "rgi.gpkg")
    assert "reaches over 555 km" in refused("hazard", tmp_path / "one.gpkg", *words, "--out", tmp_path / "out")


def test_ground_around_a_lake_across_180_degrees_is_there():
    lake = to_degrees(gpd.GeoSeries([box(179.99, 65, 180.01, 65.01)], crs="EPSG:4326")).iloc[0]
    outline, grid = local_outline(lake)
    assert max(map(abs, outline.bounds)) < 600 and max(grid.shape) * 30 < 36_000


def test_lakes_off_the_dem_are_refused(inputs, refused, tmp_path):
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 10.01, 45.01)], crs="EPSG:4326")
    away.to_file(tmp_path / "away.gpkg")
    words = ("--dem", inputs / "Copernicus_DSM_valley.tif", "--glaciers", inputs / "rgi.gpkg")
    assert "covers none of the lakes" in refused("hazard", tmp_path / "away.gpkg", *words)


def test_aucs_are_those_of_the_lakes_that_burst(real_data):
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    from criteria_auc import aucs, fired

    path = real_data / "change" / "glof_susceptibility.csv"
    measured = aucs(path)
    assert {name: auc for _, name, auc in RANKINGS} == pytest.approx(measured, abs=0.006)
    stated = {c.text: c.fired for c in CRITERIA if c.fired}
    shares = fired(path)
    assert set(stated) == set(shares)
    for name, pair in stated.items():
        assert pair == pytest.approx(shares[name], abs=0.006)
