"""`glofgeo change` as a user meets it: what it writes, and what it refuses."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from .lakes import disc, frame, mask, random_lakes


def change(*words):
    command = [sys.executable, "-c", "from glofgeo.cli import main; main()", "change", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("change")
    stay, grown = random_lakes(12, 3), disc(30, 45, 0.5)
    frame([*stay, grown, disc(35, 45, 0.1)], None, None, Elevation=4900, Type="M(e)").to_file(
        folder / "a <b> 2010.gpkg"
    )
    frame([*stay, disc(30, 45, 0.9)], None, None, Elevation=4900, Type="M(e)").to_file(folder / "2020.shp")
    frame([*(shapely.buffer(lake, 1) for lake in stay), disc(30, 45, 1)], "2023-10-01").to_file(folder / "2023.geojson")
    names = ("a <b> 2010.gpkg", "2020.shp", "2023.geojson")
    done = change(*(folder / name for name in names), "--dates", 2010, 2020, 2023, "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_one_call_writes_report_layers_and_tables(compared):
    out, told = compared
    assert {path.name for path in out.iterdir()} == {
        "report.html", "changes.gpkg", "summary.csv", "changes.csv", "links.csv", "alerts.csv", "series.csv",
        "trends.csv", "issues.csv",
    }  # fmt: skip
    assert "12 carried over" in told and "1 vanished" in told
    summary = pd.read_csv(out / "summary.csv")
    one = summary[summary["layer_after"] == "2020.shp"].set_index("class")
    assert one.loc["grew", "change_km2"] == pytest.approx(0.4, rel=0.01)
    assert one["change_km2"].sum() == pytest.approx(0.3, abs=0.01)


def test_layers_open_styled_and_play_over_time(compared):
    path = compared[0] / "changes.gpkg"
    layers = dict(pyogrio.list_layers(path))
    kinds = {"changes": "MultiPolygon", "gain_loss": "MultiPolygon", "lake_observations": "MultiPolygon"}
    assert kinds.items() <= layers.items() and layers["alerts"] == "Point"
    with closing(sqlite3.connect(path)) as database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault"))
    assert 'mode="2" startField="date_before" endField="date_after"' in styles["changes"]
    assert 'mode="1" startField="acq_datetime"' in styles["lake_observations"]
    changes = gpd.read_file(path, layer="changes")
    categories = set(re.findall(r'category [^>]*value="(\w+)"', styles["changes"]))
    assert set(changes["class"]) <= categories and changes["date_before"].notna().all()
    gain = gpd.read_file(path, layer="gain_loss")
    grown = gain[(gain["kind"] == "gain") & (gain["layer_after"] == "2020.shp")]
    assert grown["area_m2"].sum() == pytest.approx(0.4e6, rel=0.01)
    assert len(gpd.read_file(path, layer="lake_observations")) == 14 + 13 + 13


def test_the_axis_of_a_series_names_the_years_of_its_dates(compared):
    report = (compared[0] / "report.html").read_text()
    drawn = "".join(re.findall(r'<svg class="series".*?</svg>', report))
    # Not those of the nearest New Year.
    assert set(re.findall(r">(\d{4})<", drawn)) == {"2010", "2023"}


def test_the_report_stands_alone(compared):
    page = (compared[0] / "report.html").read_text()
    assert not re.search(r'(src|href)="?(http|//)|url\(|@import|fetch\(|XMLHttp', page)
    assert "a &lt;b&gt; 2010.gpkg" in page and "<b> 2010" not in page
    assert 'name="viewport"' in page and page.count("<svg") == page.count("</svg>") >= 5
    assert "missing" in page and "4500–5000 m" in page


def test_a_second_run_replaces_its_own_but_nothing_else(compared, tmp_path):
    a, b = tmp_path / "2010.gpkg", tmp_path / "2020.gpkg"
    frame([disc(1, 1, 0.1)], "2010-01-01").to_file(a)
    frame([disc(1, 1, 0.2)], "2020-01-01").to_file(b)
    for _ in range(2):
        assert change(a, b, "--out", tmp_path / "out").returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "changes.csv").write_text("mine")
    # Tables of more dates would pass for a part of this comparison.
    frame([disc(1, 1, 0.3)], "2023-01-01").to_file(tmp_path / "c.gpkg")
    assert change(a, b, tmp_path / "c.gpkg", "--out", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "series.csv").exists() and change(a, b, "--out", tmp_path / "out").returncode == 0
    assert not {"series.csv", "trends.csv"} & {path.name for path in (tmp_path / "out").iterdir()}
    refused = change(a, b, "--out", tmp_path / "mine")
    assert refused.returncode == 2 and "changes.csv" in refused.stderr and "--out" in refused.stderr
    assert (tmp_path / "mine" / "changes.csv").read_text() == "mine"


def test_maps_of_one_day_are_one_layer_and_clouds_hide_lakes(tmp_path):
    from datetime import datetime

    from affine import Affine

    from glofgeo.inventory import describe_lakes, write_lakes

    def write(day, name, outlines, hidden=None):
        folder = tmp_path / "maps" / name
        folder.mkdir(parents=True)
        pixels = {"n_px": 10, "prob_mean": 0.9, "prob_p10": 0.8, "valid_frac": 1.0, "touches_edge": False}
        shapes = [shapely.MultiPolygon([outline]) for outline in outlines]
        rows = pd.DataFrame([pixels] * len(shapes), columns=list(pixels))
        lakes = gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:32645")
        lakes["n_px"] = (lakes.area / 100).astype("int32")
        when = datetime.fromisoformat(day)
        described = describe_lakes(
            lakes, Affine(10, 0, 0, 0, -10, 0), scene_id=name, acquired=when, baseline=None
        )  # fmt: skip
        write_lakes(folder / "lakes.gpkg", described)
        (folder / "run.json").write_text(json.dumps({"scene": name, "acquired": day + "T05:00:00"}))
        mask(folder / "mask.tif", hidden)

    write("2020-10-01", "west", [disc(2, 2, 0.1)])
    write("2020-10-01", "east", [disc(2, 2, 0.1), disc(5, 5, 0.1)])
    write("2022-10-01", "late", [], hidden=disc(5, 5, 0.5))
    done = change("--maps", tmp_path / "maps", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    changes = pd.read_csv(tmp_path / "out" / "changes.csv")
    assert sorted(changes["class"]) == ["not_observed", "vanished"]
    assert pd.read_csv(tmp_path / "out" / "alerts.csv")["finding"].tolist() == ["drained"]
    assert not done.stderr

    record = tmp_path / "maps" / "late" / "run.json"
    told = json.loads(record.read_text()) | {"checkpoint_sha256": "ab" * 32, "cloud_mask": False}
    record.write_text(json.dumps(told))
    done = change("--maps", tmp_path / "maps", "--out", tmp_path / "out")
    assert done.returncode == 0 and "maps of different models" in done.stderr
    issues = pd.read_csv(tmp_path / "out" / "issues.csv")
    assert issues["issue"].str.contains("different models").sum() == 2 and issues["value"].str.contains("abab").any()
    # Without a cloud mask, the lake that is gone may lie below a cloud.
    assert "clouds were not masked" in done.stderr and "clouds were not masked" in set(issues["issue"])
    assert pd.read_csv(tmp_path / "out" / "alerts.csv")["finding"].tolist() == ["missing"]
    assert "a mask tells, but not of clouds" in (tmp_path / "out" / "report.html").read_text()
    assert pd.read_csv(tmp_path / "out" / "changes.csv")["class"].tolist() == changes["class"].tolist()
    done = change(tmp_path / "maps" / "west", tmp_path / "maps" / "late", "--out", tmp_path / "out")
    assert "missing" in pd.read_csv(tmp_path / "out" / "alerts.csv")["finding"].tolist()


def test_a_layer_without_lakes_stands_at_its_date(tmp_path):
    frame([disc(1, 1, 0.5)], "2023-09-20").to_file(tmp_path / "lake.gpkg")
    frame([]).to_file(tmp_path / "none.gpkg")
    done = change(tmp_path / "none.gpkg", tmp_path / "lake.gpkg", "--dates", "2023-10-05", "2023-09-20", "--out",
                  tmp_path / "out")  # fmt: skip
    assert done.returncode == 0 and "1 vanished" in done.stdout
    (alert,) = pd.read_csv(tmp_path / "out" / "alerts.csv").to_dict("records")
    assert (alert["tier"], alert["finding"], alert["days"]) == (1, "missing", 15)


@pytest.mark.parametrize("content, record", [(None, "{}"), (b"no database", "{}"), (None, "cut")])
def test_a_map_that_cannot_be_read_is_named(tmp_path, content, record):
    for name in ("a", "b"):
        (tmp_path / "maps" / name).mkdir(parents=True)
        (tmp_path / "maps" / name / "run.json").write_text(record)
        if content:
            (tmp_path / "maps" / name / "lakes.gpkg").write_bytes(content)
    done = change("--maps", tmp_path / "maps", "--out", tmp_path / "out")
    assert done.returncode == 2 and str(tmp_path / "maps" / "a") in done.stderr, done.stderr


@pytest.mark.parametrize(
    "words, told",
    [
        ([], "two lake layers or more"),
        (["gone.gpkg", "gone.gpkg"], "gone.gpkg: no such file"),
        (["{a}", "{a}", "--dates", "2010"], "1 dates for 2 layers"),
        (["{a}", "{a}", "--dates", "2010", "spring"], "spring: is no date"),
        (["{a}"], "give two or more"),
        (["--maps", "{empty}"], "maps of 0 dates"),
        (["--maps", "{empty}", "--dates", "2010", "2020"], "--dates is for lake layers"),
        (["{a}", "{empty}"], "is a folder: give a lake layer in it, or --maps"),
    ],
)
def test_wrong_input_is_told_on_a_line(tmp_path, words, told):
    frame([disc(1, 1, 0.1)], None).to_file(tmp_path / "a.gpkg")
    (tmp_path / "empty").mkdir()
    done = change(*(word.format(a=tmp_path / "a.gpkg", empty=tmp_path / "empty") for word in words),
                  "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
