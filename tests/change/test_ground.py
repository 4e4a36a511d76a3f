"""What a DEM, glaciers and regions add to layers that do not tell it themselves."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import box

import glofgeo
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.regions import add_regions, read_regions

from .lakes import EAST, NORTH, UTM, disc, frame


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """Ground that rises by 100 m a km to the east, a glacier in the west, two basins and a country."""
    folder = tmp_path_factory.mktemp("ground")
    height = np.tile(4000 + 3 * np.arange(1000, dtype=np.float32), (600, 1))
    with rasterio.open(
        folder / "dem.tif", "w", "GTiff", 1000, 600, 1, UTM, from_origin(EAST - 2000, NORTH + 9000, 30, 30), "float32"
    ) as target:
        target.write(height, 1)
    ice = gpd.GeoDataFrame({"rgi_id": ["G1"]}, geometry=[box(EAST - 3000, NORTH, EAST + 900, NORTH + 4000)], crs=UTM)
    ice.to_file(folder / "rgi.gpkg")
    halves = [
        box(EAST - 9e3, NORTH - 9e3, EAST + 4e3, NORTH + 9e4),
        box(EAST + 4e3, NORTH - 9e3, EAST + 9e4, NORTH + 9e4),
    ]
    gpd.GeoDataFrame({"Sub_Basin": ["Dudh Koshi", "Tama Koshi"]}, geometry=halves, crs=UTM).to_file(folder / "b.gpkg")
    gpd.GeoDataFrame({"ADMIN": ["Nepal"]}, geometry=[box(80, 20, 95, 35)], crs="EPSG:4326").to_file(
        folder / "c.geojson"
    )
    return folder


def layers(**columns):
    places = ((1, 1), (6, 2), (25, 3))
    return [
        frame([disc(*place, km2) for place in places], f"{year}-10-15", **columns)
        for year, km2 in ((2010, 0.1), (2020, 0.12))
    ]


def test_layers_that_tell_nothing_get_it_from_the_ground(ground):
    found = glofgeo.compare(
        *layers(),
        dem=[ground / "dem.tif"],
        glaciers=ground / "rgi.gpkg",
        regions=[ground / "b.gpkg", ground / "c.geojson"],
    )
    rows = found.changes
    assert rows["elev_m"].tolist() == pytest.approx([4300, 4800, 6700], abs=5)
    assert rows["lake_type"].tolist() == ["ice-contact", "unconnected", "non-glacial"]
    assert rows["dist_glacier_m"][0] == 0 and rows["dist_glacier_m"][1] == pytest.approx(5100 - 178, abs=10)
    assert np.isnan(rows["dist_glacier_m"][2])
    assert rows["basin"].tolist() == ["Dudh Koshi", "Tama Koshi", "Tama Koshi"] and set(rows["country"]) == {"Nepal"}


def test_what_a_layer_tells_stays(ground):
    own = layers(elev_m=[5000.0, np.nan, 0.0], Type="M(e)", basin=["", "Arun", ""], dist_glacier_m=[7.0, np.nan, 9.0])
    rows = glofgeo.compare(
        *own, dem=[ground / "dem.tif"], glaciers=ground / "rgi.gpkg", regions=[ground / "b.gpkg"]
    ).changes
    assert rows["elev_m"].tolist() == pytest.approx([5000, 4800, 6700], abs=5)
    assert set(rows["lake_type"]) == {"M(e)"} and rows["basin"].tolist() == ["", "Arun", ""]
    assert rows["dist_glacier_m"].tolist() == pytest.approx([7, 5100 - 178, 9], abs=10)
    assert set(glofgeo.compare(*own).changes["country"]) == {""}


def test_the_report_and_the_layers_tell_it(ground, tmp_path):
    regions = [ground / "b.gpkg", ground / "c.geojson"]
    files = {"dem": [ground / "dem.tif"], "glaciers": ground / "rgi.gpkg", "regions": regions}
    glofgeo.compare(*layers(), **files).write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    for told in ("4000–4500 m", "0–0.1 km", "2–5 km", "ice-contact", "Tama Koshi", "Nepal"):
        assert f"<td>{told}</td>" in page, told
    seen = gpd.read_file(tmp_path / "changes.gpkg", layer="lake_observations")
    assert set(seen["country"]) == {"Nepal"} and seen["elev_m"].notna().all()


@pytest.mark.parametrize(
    "files, told",
    [
        ({"dem": "dem.tif"}, "covers none of the lakes"),
        ({"glaciers": "rgi.gpkg"}, "no glacier lies within 10 km"),
        ({"regions": "rgi.gpkg"}, "rgi.gpkg: no column names basins or countries"),
    ],
)
def test_ground_of_elsewhere_is_told(ground, files, told):
    away = [frame([disc(90, 90, 0.1)], f"{year}-10-15") for year in (2010, 2020)]
    given = {name: ground / file if name == "glaciers" else [ground / file] for name, file in files.items()}
    with pytest.raises(GlofgeoError, match=told):
        glofgeo.compare(*away, **given)


def test_lakes_outside_all_regions_and_nameless_regions(ground):
    regions = read_regions([ground / "b.gpkg", ground / "c.geojson"])
    lakes = gpd.GeoDataFrame(geometry=[disc(1, 1, 0.1), disc(1, -20, 0.1)], crs=UTM)
    named = add_regions(lakes, regions)
    assert named["basin"].tolist() == ["Dudh Koshi", ""] and named["country"].tolist() == ["Nepal", "Nepal"]
    assert add_regions(lakes.iloc[:0], regions)["basin"].tolist() == []


def test_ground_that_was_fetched_for_another_area_is_left_out(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    frame([disc(1, 1, 0.1)], "2010-10-15").to_file("a.gpkg")
    frame([disc(1, 1, 0.1)], "2020-10-15").to_file("b.gpkg")
    with rasterio.open(
        "data/dem.tif", "w", "GTiff", 40, 40, 1, UTM, from_origin(EAST + 900_000, NORTH, 30, 30), "int16"
    ) as away:
        away.write(np.full((1, 40, 40), 900, np.int16))
    status, out, err = run("change", "a.gpkg", "b.gpkg", "--out", "found")
    assert status == 0, err
    assert "Left out: data/dem.tif" in out
    assert run("change", "a.gpkg", "b.gpkg", "--out", "named", "--dem", "data/dem.tif")[0] == 2
