"""Several maps under one scorecard, and the NDWI that is tuned on other ground."""

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_def import open_scene
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import Case, evaluate, evaluate_all, tune_ndwi, write_scorecard

LEFT, TOP, SIDE = 300000, 3100000, 40
CRS = "EPSG:32645"


def lake(number, row, col, side):
    """A square of pixels on the grid of map `number`; grids lie apart, west to east."""
    x, y = LEFT + number * 10 * (SIDE + 10) + 10 * col, TOP - 10 * row
    return shapely.box(x, y - 10 * side, x + 10 * side, y)


@pytest.fixture
def maps(tmp_path, write_raster):
    """Two scenes of 40 x 40 pixels, each with a lake, a model that is right on the first, and a U-Net that is not."""
    cases = []
    for number in range(2):
        origin = (LEFT + number * 10 * (SIDE + 10), TOP)
        image = np.full((4, SIDE, SIDE), 1000, np.uint16)
        image[3] = 3000
        image[3, 5:15, 5:15] = 200
        image[:, 30:] = 0
        scene = open_scene(write_raster(tmp_path / f"scene{number}.tif", image, origin=origin, scale=1e-4))
        percent = np.zeros((2, 1, SIDE, SIDE), np.uint8)
        percent[0, 0, 5:15, 5 : 15 - 5 * number] = 80
        percent[1, 0, 20:25, 20:25] = 90
        percent[:, :, 30:] = 255
        paths = [tmp_path / f"{name}{number}" / "probability.tif" for name in ("model", "unet")]
        for path, one in zip(paths, percent, strict=True):
            path.parent.mkdir()
            write_raster(path, one, bands=("lake probability",), nodata=255, origin=origin)
        cases.append(Case(paths[0], scene, unet=paths[1]))
    reference = tmp_path / "reference.gpkg"
    gpd.GeoDataFrame(geometry=[lake(n, 5, 5, 10) for n in range(2)], crs=CRS).to_crs("EPSG:4326").to_file(reference)
    return cases, reference


def test_figures_are_pooled_over_pixels_and_not_averaged(maps):
    cases, reference = maps
    card = evaluate_all(cases, reference, ndwi_threshold=-0.9, ndwi_origin="best on train", notes=("read this",))
    assert (card.model.pixels.tp, card.model.pixels.fn, card.model.pixels.fp) == (150, 50, 0)
    assert card.model.pixels.tn == 2 * 30 * 40 - 200
    assert card.model.pixels.iou == 0.75
    assert (card.unet.pixels.tp, card.unet.pixels.fp) == (0, 50)
    assert (card.ndwi.pixels.tp, card.ndwi.pixels.fp, card.ndwi.pixels.fn) == (200, 0, 0)
    assert card.ndwi_at.pixels.fp == 2 * 30 * 40 - 200
    assert (card.reference_lakes, card.observed_share) == (2, 0.75)
    assert (card.model.lakes[0].found, card.model.lakes[0].missed) == (2, 0)
    assert list(card.methods) == ["model", "U-Net", "NDWI > 0", "NDWI > -0.9 (best on train)"]
    assert card.notes == ("read this",)
    assert (card.blocks, card.block_km) == (2, 2.5)
    assert card.model.intervals["iou"] is None


def test_each_scene_is_told_by_itself(maps, tmp_path):
    cases, reference = maps
    card = evaluate_all(cases, reference)
    alone = [evaluate(case.prediction, reference, scene=case.scene) for case in cases]
    assert [card.by_scene[case.scene.id]["model"] for case in cases] == [one.model.pixels for one in alone]
    write_scorecard(card, folder=tmp_path / "out")
    told = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    assert [told["by_scene"][case.scene.id]["model"]["iou"] for case in cases] == [1.0, 0.5]
    assert "U-Net" in (tmp_path / "out" / "scorecard.md").read_text()
    assert alone[0].by_scene == {}


def test_two_scenes_of_one_name_are_told_together(maps, write_raster):
    cases, reference = maps
    card = evaluate_all([cases[0], cases[0]], reference)
    ((_, methods),) = card.by_scene.items()
    assert methods["model"].tp == 200


def test_a_comparison_on_another_grid_is_refused(maps):
    cases, reference = maps
    with pytest.raises(GlofgeoError, match="not on the grid"):
        evaluate_all([Case(cases[0].prediction, unet=cases[1].unet)], reference)


def test_no_lake_on_any_map_is_told_and_on_one_of_them_is_not(maps, tmp_path):
    cases, reference = maps
    one = gpd.read_file(reference).iloc[:1]
    one.to_file(tmp_path / "one.gpkg")
    assert evaluate_all(cases, tmp_path / "one.gpkg").reference_lakes == 1
    one.translate(1).to_file(tmp_path / "far.gpkg")
    with pytest.raises(GlofgeoError, match="no lake lies on the grid of the 2 maps"):
        evaluate_all(cases, tmp_path / "far.gpkg")


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_no_other_threshold_has_a_better_lake_iou_on_that_ground(tmp_path, write_raster, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(100, 4000, (2, 4, SIDE, SIDE)).astype(np.uint16)
    shapes = [lake(n, *rng.integers(0, 25, 2), int(rng.integers(3, 15))) for n in range(2)]
    ground, indexes, lakes = [], [], []
    for number, (one, shape) in enumerate(zip(image, shapes, strict=True)):
        one[3, 20:] //= 8
        one[:, :3] = 0
        origin = (LEFT + number * 10 * (SIDE + 10), TOP)
        scene = open_scene(write_raster(tmp_path / f"{number}.tif", one, origin=origin, scale=1e-4))
        ground.append((scene, shapely.box(origin[0] + 20, TOP - 390, origin[0] + 350, TOP)))
        green, infrared = one[1, 3:39, 2:35].astype(float), one[3, 3:39, 2:35].astype(float)
        indexes.append(((green - infrared) / (green + infrared)).ravel())
        x, y = np.meshgrid(origin[0] + 10 * np.arange(2, 35) + 5, TOP - 10 * np.arange(3, 39) - 5)
        lakes.append(shapely.contains_xy(shape, x, y).ravel())
    index, reference = np.concatenate(indexes), np.concatenate(lakes)
    frame = gpd.GeoDataFrame(geometry=shapes, crs=CRS).to_crs("EPSG:4326")
    found = tune_ndwi(ground, frame)
    if not reference.any():
        assert found is None
        return

    def iou(cut):
        return (reference & (index > cut)).sum() / (reference | (index > cut)).sum()

    assert iou(found) == pytest.approx(max(iou(k / 200 - 1) for k in range(1, 400)), abs=1e-3)


def test_a_pixel_counts_for_ndwi_when_it_is_tuned_as_when_it_is_judged(tmp_path, write_raster):
    """Index in the five columns: 0.5, beyond 1, beyond -1, undefined, exactly 0.3 (which is not above 0.3)."""
    green = np.array([3000, 1000, -500, 0, 6500], np.int16)
    infrared = np.array([1000, -500, 1000, -1, 3500], np.int16)
    image = np.zeros((4, SIDE, 5), np.int16)
    image[1], image[3] = green, infrared
    scene = open_scene(write_raster(tmp_path / "scene.tif", image, nodata=-9999, scale=1e-4))
    everywhere = shapely.box(LEFT, TOP - 10 * SIDE, LEFT + 50, TOP)
    percent = write_raster(
        tmp_path / "probability.tif", np.zeros((1, SIDE, 5), np.uint8), bands=("lake probability",), nodata=255
    )

    def judged(columns):
        lakes = [shapely.box(LEFT + 10 * c, TOP - 10 * SIDE, LEFT + 10 * c + 10, TOP) for c in columns]
        reference = gpd.GeoDataFrame(geometry=lakes, crs=CRS)
        reference.to_file(tmp_path / "reference.gpkg")
        cut = tune_ndwi([(scene, everywhere)], reference)
        pixels = evaluate(percent, tmp_path / "reference.gpkg", scene=scene, ndwi_threshold=cut).ndwi_at.pixels
        return cut, pixels.tp // SIDE, pixels.fp // SIDE, pixels.fn // SIDE

    assert judged([1])[1:] == (1, 0, 0)
    assert judged([1])[0] >= 0.5
    assert judged([0, 1])[1:] == (2, 0, 0)
    assert judged([0, 1])[0] >= 0.3
    assert judged([0, 1, 3, 4])[1:] == (3, 0, 1)
    # To find the lake beyond -1, all that is defined would have to be lake, and -1 itself is no threshold.
    assert judged([0, 1, 2, 4])[1:] == (3, 0, 1)


def test_without_infrared_there_is_nothing_to_tune(tmp_path, write_raster):
    path = write_raster(
        tmp_path / "rgb.tif", np.full((3, 9, 9), 500, np.uint16), bands=("B02", "B03", "B04"), scale=1e-4
    )
    scene = open_scene(path, ("B02", "B03", "B04"))
    lakes = gpd.GeoDataFrame(geometry=[lake(0, 1, 1, 4)], crs=CRS)
    assert tune_ndwi([(scene, lake(0, 0, 0, 9))], lakes) is None


def test_both_networks_are_judged_only_where_both_saw_the_ground(maps):
    cases, reference = maps
    with rasterio.open(cases[0].unet, "r+") as target:
        percent = target.read()
        percent[:, :8] = 255
        target.write(percent)
    card = evaluate_all(cases[:1], reference)
    for score in (card.model, card.unet):
        pixels = score.pixels
        assert pixels.tp + pixels.fp + pixels.fn + pixels.tn == (30 - 8) * SIDE
    assert (card.model.pixels.tp, card.unet.pixels.fn) == (70, 70)
