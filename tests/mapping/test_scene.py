"""What a mapped scene leaves on disk, whatever the model."""

import json
import sqlite3

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import torch
from pyproj import Geod
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from rasterio.windows import Window
from shapely.geometry import Polygon, box

from datasets_def import open_scene
from glofgeo.config import MapConfig, ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping import map_scene
from glofgeo.models import torch_predictor

FILES = {
    "probability.tif",
    "probability.qml",
    "mask.tif",
    "mask.qml",
    "lakes.gpkg",
    "layers.qlr",
    "overview.png",
    "report.html",
    "run.json",
    "item.json",
}


class DarkInInfrared(torch.nn.Module):
    """Calls a pixel lake if its B08 is below 0.05: a model whose answer is known."""

    config = ModelConfig(variant="tiny", image_size=70)

    def forward(self, reflectance):
        return (0.05 - reflectance[:, 3:4]) * 400


def map_into(out, scene, network=None, **how):
    """Maps a scene with a known model, and gives its folder."""
    return map_scene(scene, torch_predictor(network or DarkInInfrared()), out=out, **how).folder


@pytest.fixture
def mapped(product, tmp_path):
    return map_into(tmp_path, open_scene(product[0]))


def read(path):
    with rasterio.open(path) as source:
        return source.read(1)


def test_rasters_lie_on_the_scenes_grid_and_say_what_was_observed(product, mapped):
    scene = open_scene(product[0])
    image, valid = scene.load()
    assert {path.name for path in mapped.iterdir()} == FILES
    for name in ("mask.tif", "probability.tif"):
        with rasterio.open(mapped / name) as source:
            assert (source.crs, source.transform, source.shape) == (scene.crs, scene.transform, scene.shape)
            assert source.nodata == 255
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert source.tags()["SCENE_ID"] == scene.id
        assert ((read(mapped / name) == 255) == ~valid).all()
    sure = valid & (np.abs(image[3] - 0.05) > 0.002)
    probability = read(mapped / "probability.tif")
    np.testing.assert_array_equal(probability[sure] > 50, image[3][sure] < 0.05)


def test_the_layer_agrees_with_the_mask_and_names_its_scene(product, mapped):
    scene, lakes = open_scene(product[0]), gpd.read_file(mapped / "lakes.gpkg", layer="lakes")
    mask = read(mapped / "mask.tif")
    assert lakes.crs == scene.crs
    assert lakes.n_px.sum() == (mask == 1).sum()
    assert (lakes.n_px >= 5).all()
    assert set(lakes.scene_id) == {scene.id}
    assert set(lakes.proc_baseline) == {"05.10"}
    assert {time.to_pydatetime().replace(tzinfo=None) for time in lakes.acq_datetime} == {
        scene.datetime.replace(tzinfo=None)
    }
    assert lakes.prob_mean.between(0.5, 1).all()
    assert lakes.area_m2.sum() == pytest.approx((mask == 1).sum() * 100, rel=0.15)
    record = json.loads((mapped / "run.json").read_text())
    assert record["lakes"] == len(lakes)
    assert record["observed_share"] == pytest.approx((mask != 255).mean(), abs=1e-5)


def test_gdal_and_qgis_both_see_the_style(mapped):
    assert "layer_styles" in [name for name, _ in pyogrio.list_layers(mapped / "lakes.gpkg")]
    with sqlite3.connect(mapped / "lakes.gpkg") as database:
        rows = database.execute(
            "SELECT f_table_schema, f_geometry_column, useAsDefault FROM layer_styles WHERE f_table_name = 'lakes'"
        ).fetchall()
        geometry = database.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = 'lakes'"
        ).fetchone()
    assert rows == [("", geometry[0], 1)]


def test_a_rerun_replaces_the_earlier_map(product, mapped, tmp_path):
    (mapped / "lakes.gpkg-wal").write_text("of a program that had the earlier layer open")
    before = (mapped / "mask.tif").read_bytes()
    again = map_into(tmp_path, open_scene(product[0]))
    assert again == mapped
    assert {path.name for path in again.iterdir()} == FILES
    assert (again / "mask.tif").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {mapped.name, "collection.json"}


def test_a_failure_keeps_the_earlier_map_and_nothing_half_done(product, mapped, tmp_path):
    class Broken(DarkInInfrared):
        def forward(self, reflectance):
            raise RuntimeError("the sky fell")

    before = (mapped / "run.json").read_bytes()
    with pytest.raises(RuntimeError):
        map_into(tmp_path, open_scene(product[0]), Broken())
    assert (mapped / "run.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {mapped.name, "collection.json"}


def test_an_area_of_interest_cuts_the_map_on_the_scenes_pixels(product, mapped, tmp_path):
    scene = open_scene(product[0])
    x, y = scene.transform * (57.3, 101.7)
    aoi = gpd.GeoDataFrame(geometry=[box(x, y - 906, x + 1204, y)], crs=scene.crs)
    cut = map_into(tmp_path / "cut", scene, aoi=aoi.to_crs("EPSG:4326"))
    whole = read(mapped / "mask.tif")
    with rasterio.open(cut / "mask.tif") as source:
        col, row = (round(v) for v in ~scene.transform * (source.transform.c, source.transform.f))
        assert (col, row) == (57, 101)
        inside = source.read(1)
    part = whole[row : row + inside.shape[0], col : col + inside.shape[1]]
    assert inside.shape == (92, 121)
    kept = inside[2:-2, 2:-2]
    # A lake that the cut leaves fewer than five pixels of is gone, so only what remains must agree.
    assert (kept == part[2:-2, 2:-2]).mean() > 0.995
    assert (inside[-1] == 255).mean() > 0.9
    corner = Polygon([(x, y), (x + 1204, y), (x, y - 906)])
    half = map_into(tmp_path / "half", scene, aoi=gpd.GeoDataFrame(geometry=[corner], crs=scene.crs))
    wanted = geometry_mask([corner], inside.shape, scene.grid.window(Window(57, 101, 121, 92)).transform, invert=True)
    share = (part[wanted] != 255).mean()
    assert json.loads((half / "run.json").read_text())["observed_share"] == pytest.approx(share, abs=1e-6)


def test_areas_are_right_on_a_geographic_grid(tmp_path, write_raster):
    array = np.full((4, 120, 160), 2000, np.uint16)
    array[3, 40:70, 50:90] = 100
    array[:, 0, 0] = 60
    path = write_raster(tmp_path / "degrees.tif", array, crs="EPSG:4326", origin=(-111.9, 57.1), pixel=1e-4)
    lakes = gpd.read_file(map_into(tmp_path / "maps", open_scene(path)) / "lakes.gpkg", layer="lakes")
    grid = from_origin(-111.9, 57.1, 1e-4, 1e-4)
    corners = [grid * corner for corner in ((50, 40), (90, 40), (90, 70), (50, 70))]
    true_area = abs(Geod(ellps="WGS84").polygon_area_perimeter(*zip(*corners, strict=True))[0])
    assert len(lakes) == 1
    # The outline cuts the four corner pixels, and runs along pixel edges else.
    assert lakes.area_m2[0] == pytest.approx(true_area, rel=0.01)


def test_a_map_of_another_place_is_not_replaced(tmp_path, write_raster):
    array = np.full((4, 40, 40), 2000, np.uint16)
    for folder, east in (("one", 300_000), ("same", 300_000), ("other", 400_000)):
        (tmp_path / folder).mkdir()
        write_raster(tmp_path / folder / "response.tif", array, origin=(east, 3_100_000))
    first, again, other = (open_scene(tmp_path / name / "response.tif") for name in ("one", "same", "other"))
    folder = map_into(tmp_path / "maps", first)
    assert map_into(tmp_path / "maps", again) == folder
    with pytest.raises(GlofgeoError, match="another place"):
        map_into(tmp_path / "maps", other)
    with rasterio.open(folder / "mask.tif") as mask:
        assert mask.bounds.left == 300_000


def test_oblong_pixels_are_noted(tmp_path, write_raster):
    array = np.full((4, 40, 40), 2000, np.uint16)
    for lat, noted in ((0.0, False), (57.1, True)):
        path = write_raster(tmp_path / f"at{lat:g}.tif", array, crs="EPSG:4326", origin=(-111.9, lat), pixel=1e-4)
        record = json.loads((map_into(tmp_path / "maps", open_scene(path)) / "run.json").read_text())
        assert ("times as long as wide" in (record["note"] or "")) is noted


def test_lakes_below_the_smallest_area_are_dropped(tmp_path, write_raster):
    array = np.full((4, 60, 60), 2000, np.uint16)
    array[3, 10:12, 10:12] = array[3, 30:33, 30:33] = 100
    array[:, 0, 0] = 60
    scene = open_scene(write_raster(tmp_path / "ponds.tif", array))
    for least, expected in ((500.0, 1), (300.0, 2), (2000.0, 0)):
        out = map_into(tmp_path / "maps", scene, settings=MapConfig(min_area=least))
        assert len(gpd.read_file(out / "lakes.gpkg", layer="lakes")) == expected


def test_no_lake_of_the_layer_is_below_the_smallest_area_and_the_mask_agrees(tmp_path, write_raster):
    """Ponds of five and of sixteen pixels, whose probability falls from sure to just above the threshold."""
    array = np.full((4, 60, 60), 2000, np.uint16)
    for row, infrared in zip(range(5, 55, 10), (60, 440, 450, 480, 495), strict=True):
        array[3, row, 10:15] = array[3, row : row + 2, 30:38] = infrared
    array[:, 0, 0] = 60
    scene = open_scene(write_raster(tmp_path / "ponds.tif", array))
    counts = []
    for least in (0.0, 300.0, 500.0, 1200.0):
        out = map_into(tmp_path / f"{least:g}", scene, settings=MapConfig(min_area=least))
        lakes = gpd.read_file(out / "lakes.gpkg", layer="lakes")
        assert (lakes.area_m2 >= least).all()
        assert len(gpd.read_file(out / "lakes.gpkg", layer="lakes_points")) == len(lakes)
        assert json.loads((out / "run.json").read_text())["lakes"] == len(lakes)
        assert (read(out / "mask.tif") == 1).sum() == lakes.n_px.sum()
        counts.append((int((lakes.n_px == 5).sum()), int((lakes.n_px == 16).sum())))
    # By their pixels alone, all ten would stay at 500 m2.
    assert counts == [(5, 5), (4, 5), (1, 5), (0, 4)]


def test_a_scene_opened_with_other_bands_is_refused(product, tmp_path):
    with pytest.raises(GlofgeoError, match="in this order"):
        map_into(tmp_path / "maps", open_scene(product[0], ("B08", "B04", "B03", "B02")))
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize(("pixel", "side"), [(20.0, 3), (5.0, 4)])
def test_the_smallest_area_is_of_ground_and_not_of_ten_metre_pixels(tmp_path, write_raster, pixel, side):
    """A pond of 3600 m2 in 9 pixels, and one of 400 m2 in 16."""
    array = np.full((4, 60, 60), 2000, np.uint16)
    array[3, 30 : 30 + side, 30 : 30 + side] = 100
    scene = open_scene(write_raster(tmp_path / "pond.tif", array, pixel=pixel, scale=1e-4))
    out = map_into(tmp_path / "maps", scene, settings=MapConfig(min_area=1000))
    assert len(gpd.read_file(out / "lakes.gpkg", layer="lakes")) == (pixel == 20)
    assert (read(out / "mask.tif") == 1).sum() == (side**2 if pixel == 20 else 0)
