"""`benchmarks/bundled.py`: its own parts give the right figures for maps that are known to be right or wrong."""

import json
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import torch
from affine import Affine
from safetensors.torch import save_file
from shapely import box

from datasets_def.grid import Grid
from datasets_def.scene import open_scene
from glofgeo.config import ModelConfig
from glofgeo.models import ComparisonUnet, torch_predictor

SIDE = 64
GRID = Grid((SIDE, SIDE), Affine(10, 0, 300_000, 0, -10, 3_100_000), "EPSG:32645")
LAKE = (slice(10, 30), slice(20, 40))


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """The scripts as modules."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")


class DarkInInfrared(torch.nn.Module):
    """Calls lake, or land, what is dark in the near infrared."""

    def __init__(self, right):
        super().__init__()
        self.config = ModelConfig(variant="tiny", image_size=56)
        self.sign = 1000 if right else -1000

    def forward(self, reflectance):
        return self.sign * (0.1 - reflectance[:, 3:])


@pytest.fixture
def place(tmp_path, write_raster):
    """A square lake that is dark in the near infrared and too bright there for NDWI."""
    from judge_maps import Place

    dn = np.full((4, SIDE, SIDE), 3000, np.uint16)
    dn[:, *LAKE] = 500
    dn[1, *LAKE] = 400
    scene = open_scene(write_raster(tmp_path / "scene.tif", dn))
    rows, cols = LAKE
    (left, top), (right, bottom) = (
        GRID.transform * corner for corner in ((cols.start, rows.start), (cols.stop, rows.stop))
    )
    lakes = tmp_path / "lakes.gpkg"
    gpd.GeoDataFrame(geometry=[box(left, bottom, right, top)], crs=scene.crs).to_file(lakes, layer="lakes")
    return Place(scene, lakes, "one")


def test_a_right_map_has_all_and_a_wrong_one_nothing(place, tmp_path):
    from judge_maps import pool, tally

    models = {"model": torch_predictor(DarkInInfrared(True)), "unet": torch_predictor(DarkInInfrared(False))}
    found = pool([tally(place, models, tmp_path / "maps")])
    right, wrong, ndwi = (found[name].score for name in ("model", "unet", "ndwi"))
    assert (right.pixels.iou, right.lakes[1].found, right.stray) == (1, 1, 0)
    assert found["model"].calibration.ece == pytest.approx(0)
    assert (wrong.pixels.iou, wrong.lakes[1].found) == (0, 0)
    assert found["unet"].calibration.ece == pytest.approx(1)
    assert (ndwi.pixels.recall, found["ndwi"].calibration) == (0, None)


def test_places_of_a_group_count_as_one(place):
    from judge_maps import Tally, sum_groups

    tallies = [Tally({"model": np.array([float(n)])}, {"model": np.array([10.0 * n])}) for n in (1, 2)]
    (one,) = sum_groups([place, place], tallies)
    assert (one.counts["model"].tolist(), one.percents["model"].tolist()) == ([3], [30])


def test_a_unet_file_answers_as_the_network_that_was_saved(tmp_path):
    from judge_maps import open_unet

    torch.manual_seed(0)
    network = ComparisonUnet(ModelConfig(variant="tiny", bands=("B03", "B08"))).eval()
    told = {"model": json.dumps(asdict(network.config)), "window": "96"}
    save_file(network.state_dict(), tmp_path / "unet.safetensors", told)
    opened = open_unet(tmp_path / "unet.safetensors")
    assert (opened.window, opened.bands) == (96, ("B03", "B08"))
    image = np.random.default_rng(0).random((1, 2, 64, 64), np.float32)
    assert np.allclose(opened.predict(image), torch_predictor(network).predict(image), atol=1e-6)


def test_textures_show_the_class_and_around_blobs_rock_of_the_same_place():
    from judge_pixels import textures

    random = np.random.default_rng(0)
    pixels = pd.DataFrame(random.random((40, 4)).round(4), columns=["B02", "B03", "B04", "B08"])
    pixels["class"] = ["rock", "snow"] * 20
    pixels["site"], pixels["date"] = ["here"] * 20 + ["there"] * 20, 20210701
    made = list(textures(pixels, random))
    kinds = [(one.kind, one.order, one.setting) for one in made]
    assert len(kinds) == 2 * (2 + 4) and len(set(kinds)) == 6

    def spectra(image):
        return {tuple(spectrum) for spectrum in image.T.round(4).tolist()}

    for one in made:
        labelled = pixels[pixels["site"] == one.name.split("-")[0]].set_index("class")[["B02", "B03", "B04", "B08"]]
        known = {kind: spectra(labelled.loc[kind].to_numpy(np.float32).T) for kind in ("rock", "snow")}
        assert spectra(one.image[:, one.own]) == known[one.kind]
        assert spectra(one.image[:, ~one.own]) <= known["rock"]
        assert one.own.all() == (one.setting == "alone")


def test_smooth_textures_have_neighbours_that_are_alike():
    from judge_pixels import arrange, smooth_field

    random = np.random.default_rng(0)
    spectra = random.random((100, 4), np.float32)
    steps = {}
    for order in ("smooth", "shuffled"):
        field = smooth_field(random, order)
        steps[order] = np.abs(np.diff(arrange(spectra, field.ravel(), random).mean(axis=0).reshape(field.shape))).mean()
    assert steps["smooth"] < steps["shuffled"] / 2


def test_even_pictures_show_one_surface_with_as_much_grain_as_asked_for():
    from judge_even import GROUND, WATERS, pictures, texture

    even, rough = (texture(np.random.default_rng(1), np.full(4, 0.3), much).std(axis=(1, 2)) for much in (0.0, 0.1))
    assert (even < 0.004).all()
    assert (rough > 0.015).all()
    drawn = pictures(np.random.default_rng(0))
    first = [next(drawn) for _ in range(len(WATERS) + 2 * len(GROUND))]
    assert len({one.kind for one in first}) == len({one.name for one in first}) == len(first)
    shaded, lit = (
        np.mean([one.image for one in first if one.kind.endswith(place)]) for place in ("in shadow", "in the sun")
    )
    assert shaded < 0.5 * lit


def test_false_lakes_of_any_size_are_patches_that_touch_no_lake():
    from judge_scenes import count_false

    mask = np.zeros(GRID.shape, np.bool_)
    lake = np.array([box(*GRID.transform * (10, 20), *GRID.transform * (20, 10))], dtype=object)
    assert count_false(mask, lake, GRID) == 0
    mask[5:12, 15] = True
    assert count_false(mask, lake, GRID) == 0
    mask[40, 40] = mask[41, 41] = mask[50, 3] = True
    assert count_false(mask, lake, GRID) == 2


def test_the_outline_of_a_mask_covers_just_its_pixels():
    from judge_scenes import outline

    from glofgeo.evaluation.pixels import bring, burn

    mask = np.random.default_rng(0).random(GRID.shape) > 0.4
    assert (burn(bring(outline(mask, GRID), GRID), GRID) == mask).all()


def test_the_ponds_are_where_the_scene_is():
    from judge_scenes import ALBERTA_PONDS

    ponds = gpd.read_file(ALBERTA_PONDS, layer="ponds")
    assert set(ponds["confidence"]) == {"clear", "doubtful", "river"}
    assert ponds.crs.to_epsg() == 4326 and ponds.is_valid.all()
    west, south, east, north = ponds.total_bounds
    assert (-111.932 < west < east < -111.681) and (56.921 < south < north < 57.106)


def test_a_table_has_a_column_for_each_method_and_a_dash_where_there_is_no_figure():
    from judge_table import Row, number, table

    text = table("Chips", [Row("IoU", {"model": number(0.5, (0.4, 0.6))}, ">= 0.4")], ["model", "ndwi"])
    assert text.splitlines()[-1] == "| IoU | 0.500 (0.400 to 0.600) | – | >= 0.4 |"
    assert number(None) == "–"
