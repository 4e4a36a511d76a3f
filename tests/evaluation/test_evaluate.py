from io import StringIO

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rich.console import Console

from datasets_def import open_scene
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import blocks, evaluate, evidence, print_scorecard

LEFT, TOP, SIDE = 300000, 3100000, 60


def block(left, top, right, bottom):
    """A polygon from pixel edges."""
    return shapely.box(LEFT + 10 * left, TOP - 10 * bottom, LEFT + 10 * right, TOP - 10 * top)


def layer(path, polygons, crs="EPSG:32645"):
    gpd.GeoDataFrame({"id": range(len(polygons))}, geometry=polygons, crs="EPSG:32645").to_crs(crs).to_file(path)
    return path


def test_a_mask_is_judged_where_it_was_observed(place):
    card = evaluate(place / "mask.tif", place / "reference.gpkg")
    pixels = card.model.pixels
    assert (pixels.tp, pixels.fp, pixels.fn) == (100, 126, 60)
    assert pixels.tn == 50 * 60 - 286
    assert card.observed_share == pytest.approx(50 / 60)
    assert (card.reference_lakes, card.not_observed, card.too_small) == (3, 1, 0)
    noticed, drawn = card.model.lakes
    assert (noticed.iou, noticed.found, noticed.missed, noticed.false) == (0.1, 1, 1, 1)
    assert (drawn.iou, drawn.found, drawn.missed, drawn.false) == (0.5, 0, 2, 2)
    assert card.ndwi is None
    assert card.threshold is None


def test_a_map_cut_out_of_its_scene_is_judged_like_that_part_of_a_whole_map(place, scene, write_raster):
    with rasterio.open(place / "mask.tif") as source:
        part = source.read()[:, 3:47, 2:41]
    (place / "cut").mkdir()
    origin = (LEFT + 20, TOP - 30)
    cut = write_raster(place / "cut" / "mask.tif", part, bands=("mask",), nodata=255, origin=origin)
    area = gpd.GeoDataFrame(geometry=[block(2, 3, 41, 47)], crs="EPSG:32645")
    whole = evaluate(place / "mask.tif", place / "reference.gpkg", scene=scene, aoi=area)
    card = evaluate(cut, place / "reference.gpkg", scene=scene)
    assert card.model.pixels == whole.model.pixels
    assert card.ndwi.pixels == whole.ndwi.pixels
    assert card.ndwi.pixels.tp > 0


def test_layer_mask_and_probability_of_one_map_get_the_same_figures(place):
    predicted = [block(5, 5, 26, 15), block(40, 40, 44, 44)]
    cards = [
        evaluate(place / "mask.tif", place / "reference.gpkg"),
        evaluate(place / "probability.tif", place / "reference.gpkg"),
        evaluate(layer(place / "lakes.gpkg", predicted), place / "reference.gpkg"),
        evaluate(layer(place / "lakes.geojson", predicted, "EPSG:4326"), place / "reference.gpkg"),
    ]
    assert all(card.model == cards[0].model for card in cards)
    assert all(card.observed_share == cards[0].observed_share for card in cards)
    assert cards[2].grid == "mask.tif"


def test_the_threshold_moves_a_probability(place):
    reference = place / "reference.gpkg"
    assert evaluate(place / "probability.tif", reference, threshold=0.6).model.pixels.tp == 100
    assert evaluate(place / "probability.tif", reference, threshold=0.61).model.pixels.tp == 0
    assert evaluate(place / "probability.tif", reference, threshold=0.2).model.pixels.fn == 0
    with pytest.raises(GlofgeoError, match="threshold"):
        evaluate(place / "probability.tif", reference, threshold=60)


def test_outside_the_area_nothing_counts(place):
    area = gpd.GeoDataFrame(geometry=[block(0, 0, 30, 50)], crs="EPSG:32645").to_crs(4326)
    card = evaluate(place / "mask.tif", place / "reference.gpkg", aoi=area)
    pixels = card.model.pixels
    assert (pixels.tp, pixels.fp, pixels.fn) == (100, 110, 0)
    assert card.aoi_share == pytest.approx(30 * 50 / 3600, rel=0.05)
    assert card.observed_share == 1
    assert card.model.lakes[0].missed == card.model.lakes[0].false == 0
    assert (card.reference_lakes, card.not_observed) == (3, 2)


def test_an_area_without_lakes_leaves_recall_undefined(place):
    area = gpd.GeoDataFrame(geometry=[block(45, 0, 60, 30)], crs="EPSG:32645")
    pixels = evaluate(place / "mask.tif", place / "reference.gpkg", aoi=area).model.pixels
    assert pixels.recall is pixels.iou is pixels.precision is None
    assert pixels.accuracy == 1


def test_ndwi_stands_beside_the_model_on_the_same_pixels(place, scene):
    card = evaluate(place / "mask.tif", place / "reference.gpkg", scene=scene)
    assert (card.ndwi.pixels.tp, card.ndwi.pixels.fp, card.ndwi.pixels.fn) == (100, 4, 60)
    model, water = card.model.pixels, card.ndwi.pixels
    assert model.tp + model.fp + model.fn + model.tn == water.tp + water.fp + water.fn + water.tn == 50 * 59
    # Four pixels are a speck, no lake.
    assert (card.ndwi.lakes[0].found, card.ndwi.lakes[0].missed, card.ndwi.lakes[0].false) == (1, 1, 0)
    assert card.scene == scene.id


def test_a_scene_without_the_bands_leaves_ndwi_out(place, write_raster):
    path = write_raster(place / "red.tif", np.full((1, SIDE, SIDE), 1000, np.uint16), bands=("B04",))
    card = evaluate(place / "mask.tif", place / "reference.gpkg", scene=open_scene(path, bands=("B04",)))
    assert card.ndwi is None
    assert "B03" in card.notes[0]
    assert str(place) not in card.notes[0]
    path = write_raster(place / "rgb.tif", np.full((3, SIDE, SIDE), 1000, np.uint16), bands=("B04", "B03", "B02"))
    card = evaluate(place / "mask.tif", place / "reference.gpkg", scene=path)
    assert card.ndwi is None and "no NDWI" in card.notes[0]


def test_a_layer_alone_is_judged_on_the_grid_of_the_scene(place, scene):
    alone = place / "alone"
    alone.mkdir()
    lakes = layer(alone / "lakes.gpkg", [block(5, 5, 25, 15)])
    card = evaluate(lakes, place / "reference.gpkg", scene=scene)
    assert (card.grid, card.observed_share) == ("scene", pytest.approx(59 / 60))
    assert (card.model.pixels.tp, card.model.pixels.fp, card.model.pixels.fn) == (100, 100, 120)


@pytest.mark.parametrize("crs", ["EPSG:32645", "EPSG:4326"])
def test_a_layer_alone_gets_a_grid_of_its_own(place, crs):
    alone = place / "alone"
    alone.mkdir()
    pixels = evaluate(layer(alone / "lakes.gpkg", [block(5, 5, 25, 15)], crs), place / "reference.gpkg").model.pixels
    assert (pixels.tp, pixels.fp, pixels.fn) == pytest.approx((100, 100, 120), abs=8)
    area = gpd.GeoDataFrame(geometry=[block(30, 0, 40, 40)], crs="EPSG:32645")
    card = evaluate(alone / "lakes.gpkg", place / "reference.gpkg", aoi=area)
    assert (card.model.pixels.tp, card.model.pixels.fn) == (0, pytest.approx(60, abs=4))
    assert "area of interest" in card.grid


def test_a_layer_in_web_mercator_is_judged_with_metres_of_the_ground(place):
    alone = place / "alone"
    alone.mkdir()
    pond = shapely.box(LEFT, TOP + 3e6, LEFT + 20, TOP + 3e6 + 20)  # 55 N
    large = shapely.box(LEFT + 500, TOP + 3e6, LEFT + 600, TOP + 3e6 + 100)
    drawn, reference = (layer(alone / name, [pond, large], "EPSG:3857") for name in ("lakes.gpkg", "reference.gpkg"))
    card = evaluate(drawn, reference)
    assert card.too_small == 1 and card.crs == "EPSG:32644"
    assert card.model.pixels.tp == pytest.approx(104, abs=6)


def test_a_mask_may_have_probability_in_its_name(place):
    card = evaluate(place / "mask.tif", place / "reference.gpkg")
    (place / "mask.tif").rename(place / "prob_mask.tif")
    assert evaluate(place / "prob_mask.tif", place / "reference.gpkg").model == card.model


def test_a_map_without_lakes_is_judged(place):
    card = evaluate(layer(place / "lakes.gpkg", []), place / "reference.gpkg")
    assert (card.model.pixels.tp, card.model.pixels.precision, card.model.lakes[0].missed) == (0, None, 2)


@pytest.mark.parametrize("height", [1, 7, 59, 60])
def test_the_height_of_strips_changes_nothing(place, scene, height, monkeypatch):
    whole = evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene)
    monkeypatch.setattr(evidence, "READ_ROWS", height)
    assert evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene) == whole


def test_names_of_files_do_and_nothing_is_printed(place, scene, capsys):
    area = layer(place / "area.gpkg", [block(0, 0, 30, 50)])
    mask, lakes = place / "mask.tif", place / "reference.gpkg"
    card = evaluate(str(mask), str(lakes), scene=str(scene.path), aoi=str(area))
    assert card == evaluate(mask, lakes, scene=scene, aoi=gpd.read_file(area))
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_wrong_input_is_told_in_one_line(place, scene, write_raster):
    reference, mask = place / "reference.gpkg", place / "mask.tif"
    (place / "notes.txt").write_text("hello")
    (place / "broken.tif").write_bytes(b"II*\0broken")
    odd = np.full((1, SIDE, SIDE), 7, np.uint8)
    write_raster(place / "mask_odd.tif", odd, bands=("mask",))
    write_raster(place / "prob_odd.tif", odd * 20, bands=("x",))
    write_raster(place / "float.tif", odd.astype(np.float32), bands=("x",))
    write_raster(place / "bare.tif", odd, bands=("x",), crs=None)
    write_raster(place / "moved.tif", odd // 7, bands=("x",), origin=(LEFT + 20, TOP))
    write_raster(place / "flipped.tif", odd // 7, bands=("x",))
    with rasterio.open(place / "flipped.tif", "r+") as target:
        target.transform = Affine(10, 0, LEFT, 0, 10, TOP)
    gpd.GeoDataFrame(geometry=[block(1, 1, 9, 9)]).to_file(place / "nowhere.shp")
    layer(place / "elsewhere.gpkg", [block(900, 900, 950, 950)])
    away = gpd.GeoDataFrame(geometry=[shapely.box(10, 46, 11, 47)], crs=4326)
    cases = [
        (place / "none.tif", reference, {}, "none.tif"),
        (place / "notes.txt", reference, {}, "notes.txt"),
        (place / "broken.tif", reference, {}, "broken.tif"),
        (place / "mask_odd.tif", reference, {}, "value 7"),
        (place / "prob_odd.tif", reference, {}, "value 140"),
        (place / "float.tif", reference, {}, "float32"),
        (place / "bare.tif", reference, {}, "CRS"),
        (place / "moved.tif", reference, {"scene": scene}, "grid of scene"),
        (place / "flipped.tif", reference, {}, "flipped"),
        (mask, place / "none.gpkg", {}, "none.gpkg"),
        (mask, place / "nowhere.shp", {}, "CRS"),
        (mask, place / "elsewhere.gpkg", {}, "no lake lies on the grid"),
        (mask, reference, {"aoi": away}, "area of interest"),
    ]
    for prediction, lakes, more, told in cases:
        with pytest.raises(GlofgeoError, match=told) as error:
            evaluate(prediction, lakes, **more)
        assert "\n" not in str(error.value)


def test_polygons_across_a_continent_are_refused(place):
    alone = place / "alone"
    alone.mkdir()
    far = gpd.GeoDataFrame(geometry=[shapely.box(70, 36, 70.1, 36.1)], crs=4326)
    far.to_file(alone / "far.gpkg")
    with pytest.raises(GlofgeoError, match="too far apart"):
        evaluate(alone / "far.gpkg", place / "reference.gpkg")


def test_another_ndwi_stands_beside_the_model_where_a_threshold_is_given(place, scene):
    card = evaluate(place / "mask.tif", place / "reference.gpkg", scene=scene, ndwi_threshold=-0.6)
    assert card.ndwi_at.pixels.recall == 1  # all ground is above it
    assert card.ndwi_at.pixels.tn == 0
    assert card.ndwi == evaluate(place / "mask.tif", place / "reference.gpkg", scene=scene).ndwi
    assert list(card.methods) == ["model", "NDWI > 0", "NDWI > -0.6 (given)"]
    assert card.to_dict()["ndwi_at"]["recall"] == 1
    for more in ({"ndwi_threshold": 0.3}, {"ndwi_threshold": 30, "scene": scene}):
        with pytest.raises(GlofgeoError, match="NDWI threshold"):
            evaluate(place / "mask.tif", place / "reference.gpkg", **more)


def test_a_probability_is_judged_for_calibration_and_a_mask_is_not(place, scene):
    assert evaluate(place / "mask.tif", place / "reference.gpkg").calibration is None
    found = evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene).calibration
    low, high = found.bins[2], found.bins[6]
    assert (low.pixels, high.pixels) == (50 * 59 - 226, 226)
    assert (low.probability, low.lake_share) == pytest.approx((0.2, 60 / low.pixels))
    assert (high.probability, high.lake_share) == pytest.approx((0.6, 100 / 226))
    assert sum(one.pixels for one in found.bins) == 50 * 59
    assert found.ece == pytest.approx(((0.2 * low.pixels - 60) + (0.6 * 226 - 100)) / (50 * 59))


def test_intervals_hold_the_figure_and_come_out_the_same_each_time(place, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_METRES", 100.0)
    card = evaluate(place / "probability.tif", place / "reference.gpkg")
    assert card == evaluate(place / "probability.tif", place / "reference.gpkg")
    assert card.blocks == 30
    for name in ("iou", "recall", "boundary_f1", "accuracy"):
        low, high = card.model.intervals[name]
        assert low < card.model.figures()[name] < high
    assert card.calibration.interval[0] < card.calibration.ece < card.calibration.interval[1]


def test_one_block_of_ground_gives_no_interval_and_says_so(place):
    card = evaluate(place / "probability.tif", place / "reference.gpkg")
    assert card.blocks == 1
    assert set(card.model.intervals.values()) == {card.calibration.interval} == {None}
    console = Console(record=True, width=120, file=StringIO())
    print_scorecard(card, console)
    assert "fewer than 10 blocks" in console.export_text()


@pytest.mark.parametrize(("threshold", "lakes"), [(0.28, 2), (0.285, 1), (0.29, 1), (0.07, 3), (0.071, 2)])
def test_a_pixel_is_lake_from_the_threshold_on_and_not_from_the_percent_below(place, write_raster, threshold, lakes):
    """0.29 * 100 is 28.999999999999996, and 0.07 * 100 is 7.000000000000001."""
    percent = np.zeros((SIDE, SIDE), np.uint8)
    percent[0], percent[1], percent[2] = 7, 28, 29
    write_raster(place / "prob.tif", percent[None], bands=("lake probability",), nodata=255)
    pixels = evaluate(place / "prob.tif", place / "reference.gpkg", threshold=threshold).model.pixels
    assert pixels.fp == lakes * SIDE


def test_lakes_below_five_pixels_count_on_neither_side(place):
    alone = place / "alone"
    alone.mkdir()
    reference = layer(alone / "reference.gpkg", [block(5, 5, 15, 15), block(30, 30, 32, 32)])
    drawn = layer(alone / "lakes.gpkg", [block(5, 5, 15, 15), block(40, 40, 42, 42)])
    card = evaluate(drawn, reference)
    assert card.too_small == 1
    for level in card.model.lakes:
        assert (level.found, level.missed, level.right, level.false) == (1, 0, 1, 0)


def test_what_a_method_says_under_a_cloud_belongs_to_none_of_its_lakes(place, write_raster):
    """NDWI takes the cloud over a lake's end for water, three times as long as the lake."""
    image = np.full((5, SIDE, SIDE), 1000, np.uint16)
    image[3], image[4] = 3000, 5
    image[3, 20:30, 10:40] = 200
    image[4, 20:30, 20:40] = 9
    names = ("B02", "B03", "B04", "B08", "SCL")
    cloudy = open_scene(write_raster(place / "cloudy.tif", image, bands=names, scale=1e-4))
    reference = layer(place / "one.gpkg", [block(10, 20, 20, 30)])
    card = evaluate(place / "mask.tif", reference, scene=cloudy)
    assert [(level.found, level.missed, level.false) for level in card.ndwi.lakes] == [(1, 0, 0)] * 2
