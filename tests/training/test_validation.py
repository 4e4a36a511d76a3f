"""Validation counts what the mapper would draw."""

import dataclasses
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from shapely import Point, box

from datasets_def import open_scene
from datasets_def.grid import Grid
from glofgeo.config import DataConfig, MapConfig, ModelConfig, TrainConfig
from glofgeo.evaluation import evaluate
from glofgeo.inference.windows import plan_windows
from glofgeo.mapping.job import plan_scene
from glofgeo.mapping.scene import map_scene
from glofgeo.models import load_checkpoint, torch_predictor
from glofgeo.training import RunOptions, Sources, train_model
from glofgeo.training.samplers import SceneArea
from glofgeo.training.validation import LOGITS, AreaPlan, BlendedAreas, plan_area

LEFT, TOP = 492000.0, 3090000.0
CRS = "EPSG:32645"
SCENE_CRS = rasterio.crs.CRS.from_string(CRS)


def test_validation_figures_are_those_of_the_map(tmp_path, write_raster, monkeypatch):
    """Windows that overlap, an area of odd size off the pixel grid, nodata, and a second scene below a window."""
    monkeypatch.setattr("glofgeo.training.options.computes_in_bfloat16", lambda device: False)
    monkeypatch.setattr("glofgeo.inference.batches.computes_in_bfloat16", lambda device: False)
    rng = np.random.default_rng(0)
    shapes = {"west": (211, 470, 0.0), "east": (60, 75, 6000.0)}
    scenes, lakes = tmp_path / "scenes", []
    scenes.mkdir()
    for name, (rows, cols, shift) in shapes.items():
        image = rng.integers(1500, 2500, (4, rows, cols)).astype(np.uint16)
        for row, col in zip(rng.integers(5, rows - 5, 30), rng.integers(5, cols - 5, 30), strict=True):
            x, y = LEFT + shift + 10 * col + 5, TOP - 10 * row - 5
            lakes.append(Point(x, y).buffer(80))
            image[3, max(row - 6, 0) : row + 6, max(col - 6, 0) : col + 6] = 700
        image[:, 30:45, :60] = 0
        write_raster(scenes / f"{name}.tif", image, origin=(LEFT + shift, TOP), scale=1e-4)
    gpd.GeoDataFrame(geometry=lakes, crs=CRS).to_file(tmp_path / "lakes.gpkg")
    areas = [
        box(LEFT, TOP - 2110, LEFT + 2000, TOP), box(LEFT + 2313, TOP - 2003, LEFT + 4700, TOP),
        box(LEFT + 6000, TOP - 600, LEFT + 6750, TOP),
    ]  # fmt: skip
    aoi = gpd.GeoDataFrame({"split": ["train", "val", "val"]}, geometry=areas, crs=CRS)
    config = TrainConfig(
        model=ModelConfig("tiny", image_size=112, decoder_channels=(32, 16, 16, 8, 8)),
        data=DataConfig(window=112, batch_size=3, crops=36, workers=0), weights="none", epochs=3, lr=3e-3, patience=9,
    )  # fmt: skip
    sources = Sources(aoi, "here", scenes, tmp_path / "lakes.gpkg")
    best = train_model(sources, config, tmp_path / "run", options=RunOptions(device="cpu")).best
    loaded = load_checkpoint(best)
    assert 0.05 < loaded.temperature < 20 and loaded.temperature != 1
    plain = torch_predictor(loaded.model, dataclasses.replace(loaded, temperature=1.0))
    specks = MapConfig(min_area=0)  # validation counts those that a map leaves out
    counts = np.zeros(4, int)
    for name, part in (("west", aoi.iloc[1:2]), ("east", aoi.iloc[2:])):
        scene = open_scene(scenes / f"{name}.tif")
        folder = map_scene(scene, plain, out=tmp_path / "maps", aoi=part, settings=specks, device="cpu").folder
        pixels = evaluate(folder / "mask.tif", tmp_path / "lakes.gpkg", scene=scene, aoi=part).model.pixels
        counts += [pixels.tp, pixels.fp, pixels.fn, pixels.tn]
    tp, fp, fn, tn = counts
    assert tp > 0 and fp + fn > 0
    assert loaded.scorecard["iou"] == pytest.approx(tp / (tp + fp + fn), abs=1e-4)
    assert loaded.scorecard["accuracy"] == pytest.approx((tp + tn) / counts.sum(), abs=1e-6)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(8, 40), st.integers(0, 2**32 - 1))
def test_every_observed_pixel_counts_once_with_its_blended_probability(rows, cols, window, seed):
    rng = np.random.default_rng(seed)
    logits = np.clip(rng.normal(0, 6, (rows, cols)), -14, 14)
    truth = rng.choice([0, 1, 255], (rows, cols), p=[0.5, 0.3, 0.2]).astype(np.uint8)
    plan = plan_windows((rows, cols), window, window // 3)
    judged = BlendedAreas([AreaPlan(0, 0, 0, plan)] * 2)
    for number in range(2):
        for row, top in enumerate(plan.tops):
            for col, left in enumerate(plan.lefts):
                part = (slice(top, top + plan.height), slice(left, left + plan.width))
                probability, mask = np.full((window, window), 0.5, np.float32), np.full((window, window), 255, np.uint8)
                probability[plan.on_grid], mask[plan.on_grid] = expit(logits[part]), truth[part]
                judged.add((number, row, col), probability, mask)
    called, lake, seen = np.floor(expit(logits) * 100 + 0.5) >= 50, truth == 1, truth != 255
    expected = [called & lake, called & ~lake & seen, ~called & lake, ~called & ~lake & seen]
    near = np.abs(expit(logits) - 0.495) < 1e-6
    assert np.abs(judged.counts - [2 * one.sum() for one in expected]).max() <= 2 * near.sum()
    assert judged.histogram.sum(axis=1).tolist() == [2 * (truth == 0).sum(), 2 * lake.sum()]
    if lake.any():
        middle = (judged.histogram[1] * LOGITS).sum() / judged.histogram[1].sum()
        assert middle == pytest.approx(logits[lake].mean(), abs=0.06)


def test_figures_without_lake_or_area_are_zero_and_not_an_error():
    assert set(BlendedAreas([]).figures().values()) == {0.0}


def test_an_area_is_cut_as_the_mapper_cuts_it():
    region = box(1003, 1996, 1291, 2317)
    area = SceneArea(4, Grid((60, 80), Affine(10, 0, 900, 0, -10, 2400), SCENE_CRS), region, gpd.GeoDataFrame())
    found = plan_area(area, 28)
    assert (found.scene, found.row, found.col) == (4, 8, 10)
    assert found.plan == plan_windows((33, 30), 28, 14)


@pytest.mark.parametrize("window", [28, 70, 252])
def test_an_area_gets_the_very_windows_of_a_map_of_that_area(tmp_path, write_raster, window):
    array = np.full((4, 330, 400), 2000, np.uint16)
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, origin=(LEFT, TOP), scale=1e-4))
    region = box(LEFT + 213, TOP - 3131, LEFT + 3777, TOP - 95)
    area = SceneArea(0, scene.grid, region, gpd.GeoDataFrame())
    network = SimpleNamespace(config=ModelConfig("tiny", image_size=window), state_dict=dict)
    job = plan_scene(scene, torch_predictor(network), aoi=gpd.GeoDataFrame(geometry=[region], crs=CRS))
    found = plan_area(area, window)
    assert found.plan == job.area.plan
    assert (found.row, found.col) == (job.area.window.row_off, job.area.window.col_off) == (9, 21)
