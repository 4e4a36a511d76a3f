"""Outburst hazard in the report of `change`: the same sheets as `hazard` writes, of the lakes that the report names."""

import re
from html import unescape

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import box

import glofgeo
from glofgeo.hazard.assess import Sheet
from glofgeo.hazard.lakes import LakeLayer
from glofgeo.hazard.report import section_html, shown
from glofgeo.hazard.sheet import INDICATORS

from .lakes import EAST, NORTH, UTM, disc, frame, random_lakes

TITLE = "Outburst hazard: indicators"


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A slope that falls to the west by 100 m a km, with a flat at each km, and ice in the east; none beyond 8 km."""
    folder = tmp_path_factory.mktemp("ground")
    metres = np.arange(400, dtype=np.float32) * 30 - 4000
    height = np.tile(4000 + 100 * np.floor(metres / 1000) + np.maximum(metres % 1000 - 600, 0) / 4, (400, 1))
    with rasterio.open(
        folder / "Copernicus_DSM_slope.tif", "w", "GTiff", 400, 400, 1, UTM,
        from_origin(EAST - 4000, NORTH + 8000, 30, 30), "float32",
    ) as target:  # fmt: skip
        target.write(height.astype(np.float32), 1)
    ice = gpd.GeoDataFrame({"rgi_id": ["G1"]}, geometry=[box(EAST + 4500, NORTH, EAST + 7000, NORTH + 4000)], crs=UTM)
    ice.to_file(folder / "rgi.gpkg")
    return {"dem": [folder / "Copernicus_DSM_slope.tif"], "glaciers": folder / "rgi.gpkg"}


@pytest.fixture(scope="module")
def written(ground, tmp_path_factory):
    """Three dates: a lake that grew, one that drained in part, one that vanished, and one off the DEM."""
    out = tmp_path_factory.mktemp("out")
    areas = {"2010": (0.1, 0.3, 0.1, 0.1), "2015": (0.2, 0.3, 0.1, 0.1), "2020": (0.3, 0.1, None, 0.1)}
    places = ((1.3, 1), (1.3, 3), (3.3, 1), (60, 3))
    names = np.array(["grown", "drained", "vanished", "off"])
    paths = []
    for year, km2 in areas.items():
        there = [i for i, area in enumerate(km2) if area]
        lakes = frame([disc(*places[i], km2[i]) for i in there], f"{year}-10-15").assign(lake_id=names[there])
        paths.append(out / f"{year}.gpkg")
        lakes.to_file(paths[-1])
    glofgeo.compare(*paths, **ground).write(out / "change")
    return paths[-1], (out / "change" / "report.html").read_text(encoding="utf-8")


def sheet_of(page, name):
    """What a sheet says: indicators and their values as they are shown."""
    (found,) = re.findall(rf"<details><summary>{name}, .*?</details>", page)
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", found)
    return {unescape(re.sub("<.*?>", "", key)): unescape(re.sub("<.*?>", "", value)) for key, value in rows}


def test_the_sheets_are_those_of_hazard(written, ground, run, tmp_path):
    lakes, page = written
    words = ["--dem", *ground["dem"], "--glaciers", ground["glaciers"], "--out", tmp_path / "hazard"]
    assert run("hazard", lakes, *words)[0] == 0
    rows = gpd.read_file(tmp_path / "hazard" / "hazard.gpkg", layer="lakes").set_index("lake_id")
    assert sorted(rows.index) == ["drained", "grown", "off"]
    for name, row in rows.iterrows():
        told = sheet_of(page, name)
        for each in INDICATORS:
            value = shown(row[each.key], each.digits)
            unit = each.unit.replace("^", "")  # set above the line
            assert told[each.name] == (value if value == "–" else f"{value} {unit}"), (name, each.key)
    assert (
        rows.loc[["drained", "grown"], ["sla_deg", "path_km", "catchment_km2", "glacier_slope_deg"]]
        .notna()
        .all(axis=None)
    )
    assert TITLE in page and "2011-2015 (Copernicus GLO)" in page and "No score is given" in page


def test_what_the_dem_does_not_show_is_withheld_and_told(written):
    page = written[1]
    assert "it lies in a void of the DEM" in re.findall(r"<summary>off, .*?</details>", page)[0]
    assert sheet_of(page, "off")["steepest lakefront"] == "–" and "at the edge of the DEM" in page


def test_lakes_lead_to_their_sheets_and_those_that_are_gone_to_none(written):
    page = written[1]
    links = re.findall(r'<a href="?#(\w+)"?>([^<]*)</a>', page)
    assert {place for place, _ in links} <= set(re.findall(r'id="?(\w+)', page))
    for name in ("grown", "drained"):
        (place,) = {place for place, told in links if told == name}
        assert re.search(rf'<summary>{name}, [^<]*</summary><div id="{place}">', page)
        # In the overview, and in the table of an earlier or later interval.
        assert [told for _, told in links].count(name) >= 2
    assert "<td>vanished</td>" in page and "vanished" not in [told for _, told in links]


def test_the_page_still_stands_alone(written):
    assert not re.search(r'(src|href)="?(http|//)|url\(|@import|fetch\(|XMLHttp', written[1])


@pytest.mark.parametrize("given", [(), ("dem",), ("glaciers",)])
def test_without_dem_and_glaciers_a_sentence_tells_where_it_is(ground, tmp_path, given):
    lakes = [frame([disc(1.3, 1, km2)], f"{year}-10-15") for year, km2 in ((2010, 0.1), (2020, 0.2))]
    glofgeo.compare(*lakes, **{name: ground[name] for name in given}).write(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert TITLE not in page and page.count("<code>glofgeo hazard</code>") == 1 and "#hazard" not in page


def test_names_are_told_apart_and_shown_as_text(ground, tmp_path):
    lakes = [frame([disc(1.3, 1, 0.2 + grown), disc(1.3, 3, 0.1 + grown)], f"{year}-10-15").assign(lake_id="<i>x</i>")
             for year, grown in ((2010, 0), (2020, 0.1))]  # fmt: skip
    glofgeo.compare(*lakes, **ground).write(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<i>x" not in page and "<summary>&lt;i&gt;x&lt;/i&gt;a, 2020-10-15: 0.200 km²" in page


def test_a_last_date_without_lakes_has_no_sheets(ground, tmp_path):
    lakes = [frame([disc(1.3, 1, 0.2)], "2010-10-15"), frame([])]
    glofgeo.compare(*lakes, dates=["2010", "2020"], **ground).write(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{TITLE}</h2><p>No lakes.</p>" in page


def test_a_feature_of_many_lakes_is_left_out(ground, tmp_path):
    many = disc(1.3, 1, 0.1).union(disc(1.3, 400, 0.1))
    lakes = [frame([many, disc(1.3, 3, 0.1)], f"{year}-10-15") for year in (2010, 2020)]
    glofgeo.compare(*lakes, **ground).write(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 features reach too far to be one lake" in page and "<summary>L1, " in page and "<summary>L0" not in page


def test_sheets_of_as_many_lakes_as_are_shown_stay_small():
    values = {each.key: 12345.678 for each in INDICATORS} | {"rgi_id": "RGI2000-v7.0-G-15-00001"}
    outlines = gpd.GeoSeries(random_lakes(200), crs=UTM).to_crs("EPSG:4326")
    lakes = LakeLayer([f"GL087{i:03d}E27898N" for i in range(200)], outlines, ["2020-10-15"] * 200, [""] * 200)
    page = section_html(lakes, [Sheet(values, ["it may have grown since"], None)] * 200, {"DEM": "dem.tif"}, "")
    assert len(page.encode()) < 1_500_000
