"""Maps with a DEM and glacier outlines: columns that are there only then."""

import re
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import torch
from shapely.geometry import box

from datasets_def import open_scene
from glofgeo.config import MapConfig, ModelConfig
from glofgeo.inventory.attributes import COLUMNS, FURTHER_COLUMNS
from glofgeo.mapping import map_scene
from glofgeo.models import torch_predictor

COMMAND = Path(sys.executable).with_name("glofgeo")
TERRAIN = ["elev_m", "elev_iqr", "mean_slope", "shadow_frac"]
GLACIERS = ["rgi_id", "dist_glacier_m", "ice_contact", "lake_type", "lake_type_conf"]
ALWAYS = ["area_lo_m2", "area_hi_m2", "qa_flag"]


class DarkInInfrared(torch.nn.Module):
    """Calls a pixel lake if its B08 is below 0.05: a model whose answer is known."""

    config = ModelConfig(variant="tiny", image_size=70)

    def forward(self, reflectance):
        return (0.05 - reflectance[:, 3:4]) * 400


@pytest.fixture(scope="module")
def dem(product, tmp_path_factory):
    """A plain at 5000 m in degrees around the scene."""
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    west, south, east, north = open_scene(product[0]).grid.footprint.bounds
    transform = rasterio.transform.from_bounds(west - 0.1, south - 0.1, east + 0.1, north + 0.1, 400, 400)
    with rasterio.open(
        path, "w", driver="GTiff", width=400, height=400, count=1, dtype="int16", crs="EPSG:4326", transform=transform
    ) as target:
        target.write(np.full((1, 400, 400), 5000, np.int16))
    return path


@pytest.fixture(scope="module")
def glaciers(product, tmp_path_factory):
    """One glacier, the northern half of the scene."""
    path = tmp_path_factory.mktemp("rgi") / "rgi.gpkg"
    grid = open_scene(product[0]).grid
    left, bottom, right, top = grid.bounds
    half = gpd.GeoDataFrame(
        {"rgi_id": ["RGI2000-v7.0-G-15-1"], "src_date": ["2000-10-01"]},
        geometry=[box(left, (bottom + top) / 2, right, top)], crs=grid.crs,
    )  # fmt: skip
    half.to_crs("EPSG:4326").to_file(path)
    return path


def lakes_of(product, **given):
    return map_scene(open_scene(product[0]), torch_predictor(DarkInInfrared()), **given).lakes


def test_columns_are_there_only_with_what_fills_them(product, dem, glaciers):
    plain = lakes_of(product)
    assert list(plain.columns) == [*COLUMNS, "geometry"]
    high = lakes_of(product, dem=[dem])
    assert list(high.columns) == [*COLUMNS, *TERRAIN, *ALWAYS, "geometry"]
    assert (high.elev_m == 5000).all() and (high.mean_slope < 0.01).all() and (high.shadow_frac == 0).all()
    icy = lakes_of(product, glaciers=glaciers)
    assert list(icy.columns) == [*COLUMNS, *GLACIERS, *ALWAYS, "geometry"]
    middle = open_scene(product[0]).grid.outline.centroid.y
    north = icy.geometry.bounds.miny > middle
    assert north.any() and (icy.lake_type[north] == "supraglacial").all() and (icy.lake_type_conf[north] == "low").all()
    assert (icy.lake_type[icy.geometry.bounds.maxy < middle - 20] == "unconnected").all()
    assert (icy.area_lo_m2 <= icy.area_m2 * 1.001).all() and (icy.area_hi_m2 >= icy.area_m2 * 0.999).all()


def test_map_with_all_from_the_command_line(product, dem, glaciers, checkpoint, tmp_path):
    world = gpd.GeoDataFrame({"Basin": ["Kosi"], "NAME_0": ["Nepal"]}, geometry=[box(80, 20, 95, 35)], crs="EPSG:4326")
    world.to_file(tmp_path / "world.gpkg")
    words = ["map", "--scene", product[0], "--checkpoint", checkpoint, "--out", tmp_path, "--dem", dem.parent]
    words += ["--glaciers", glaciers, "--regions", tmp_path / "world.gpkg"]
    subprocess.run([COMMAND, *map(str, words)], check=True, capture_output=True)
    lakes = gpd.read_file(next(tmp_path.glob("*/lakes.gpkg")), layer="lakes")
    assert [*lakes.columns] == [*COLUMNS, *FURTHER_COLUMNS, "geometry"]
    assert set(zip(lakes["basin"], lakes["country"], strict=True)) <= {("Kosi", "Nepal")}


def test_a_dem_from_elsewhere_stops_the_map(product, checkpoint, tmp_path, refused, write_raster):
    away = write_raster(tmp_path / "away.tif", np.full((1, 40, 40), 900, np.int16), bands=None, origin=(600000, 10000))
    message = refused("map", "--scene", product[0], "--checkpoint", checkpoint, "--out", tmp_path / "m", "--dem", away)
    assert "away.tif: the DEM does not cover S2" in message
    assert "gone.gpkg: no such file" in refused("map", "--scene", product[0], "--glaciers", tmp_path / "gone.gpkg")


def test_what_fetch_left_is_used_without_being_named(product, dem, glaciers, tmp_path, run, monkeypatch, write_raster):
    monkeypatch.chdir(tmp_path)
    words = ("map", "--scene", product[0], "--checkpoint", "bundled", "--out", "maps", "--min-area", "50000")

    def columns():
        return set(gpd.read_file(next(tmp_path.glob("maps/S2*/lakes.gpkg")), layer="lakes").columns)

    assert run(*words)[0] == 0
    assert columns().isdisjoint(FURTHER_COLUMNS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/dem.tif").symlink_to(dem)
    (tmp_path / "data/glaciers.gpkg").symlink_to(glaciers)
    status, out, _ = run(*words)
    assert status == 0 and "data/dem.tif, data/glaciers.gpkg" in out
    assert {*TERRAIN, *GLACIERS} <= columns()
    # Fetched for another area: nobody asked for it here.
    (tmp_path / "data/dem.tif").unlink()
    write_raster("data/dem.tif", np.full((1, 40, 40), 900, np.int16), bands=None, origin=(600000, 10000))
    assert run(*words)[0] == 0
    assert columns().isdisjoint(TERRAIN) and set(GLACIERS) <= columns()


def test_the_report_has_the_sheets_of_hazard_with_both_and_else_says_where_they_are(
    product, dem, glaciers, run, tmp_path
):
    scene, model = open_scene(product[0]), torch_predictor(DarkInInfrared())
    # Each lake takes half a second, here and in hazard.
    few = MapConfig(min_area=20_000)
    lakes = map_scene(scene, model, out=tmp_path, dem=[dem], glaciers=glaciers, settings=few).lakes
    assert 0 < len(lakes) < 20
    page = (tmp_path / scene.id / "report.html").read_text(encoding="utf-8")
    words = ("--dem", dem, "--glaciers", glaciers, "--out", tmp_path / "hazard")
    assert run("hazard", tmp_path / scene.id / "lakes.gpkg", *words)[0] == 0
    whole = (tmp_path / "hazard" / "hazard.html").read_text(encoding="utf-8")
    largest = lakes.sort_values("area_m2", ascending=False).lake_id.head(20)
    assert page.count("<summary>GL") == len(largest)
    for name in largest:
        # The numbers of the sheets differ where hazard has more of them.
        one, other = (re.findall(rf'<summary>{name}, .*?</summary><div id="\w+">(.*?)</details>', p)
                      for p in (page, whole))  # fmt: skip
        assert one == other and len(one) == 1
        (link,) = set(re.findall(rf'<a href="#(\w+)">{name}</a>', page))
        assert f'<div id="{link}">' in page
    assert "Outburst hazard: indicators" in page and not re.search(r'(src|href)="?(http|//)', page)
    map_scene(scene, model, out=tmp_path / "dem", dem=[dem], settings=few)
    without = (tmp_path / "dem" / scene.id / "report.html").read_text(encoding="utf-8")
    assert "Outburst hazard: indicators" not in without and without.count("glofgeo hazard") == 1
