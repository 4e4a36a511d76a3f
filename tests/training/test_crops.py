"""Windows for training and validation lie where their place says, and count only within their split."""

import geopandas as gpd
import numpy as np
import pytest
from shapely import MultiPolygon, box

from datasets_def import GlacialLakes, open_scene
from glofgeo.training.crops import LakeWindows, Reader
from glofgeo.training.samplers import SceneArea
from glofgeo.training.validation import plan_area

LEFT, TOP, ROWS, COLS, CRS = 492000, 3090000, 90, 120, "EPSG:32645"


def area_of(rows, cols):
    return box(LEFT + 10 * cols[0], TOP - 10 * rows[1], LEFT + 10 * cols[1], TOP - 10 * rows[0])


@pytest.fixture
def place(tmp_path, write_raster):
    """A scene whose every pixel tells its row and column, and a lake over rows 40-49, columns 60-79."""
    row, col = np.indices((ROWS, COLS))
    image = np.stack([1000 + row, 1000 + col, 2000 + row, 2000 + col]).astype(np.uint16)
    path = write_raster(tmp_path / "scene.tif", image, origin=(LEFT, TOP), scale=1e-4)
    gpd.GeoDataFrame(geometry=[area_of((40, 50), (60, 80))], crs=CRS).to_file(tmp_path / "lakes.gpkg")
    return open_scene(path), GlacialLakes(tmp_path / "lakes.gpkg"), image / np.float32(10_000)


def lake_on(rows, cols):
    row, col = np.mgrid[rows, cols]
    return (row >= 40) & (row < 50) & (col >= 60) & (col < 80)


def test_validation_windows_lie_where_the_area_does(place):
    scene, lakes, image = place
    region = area_of((23, 81), (37, 110))
    area = SceneArea(0, scene.grid, region, gpd.GeoDataFrame())
    plan = plan_area(area, 28)
    assert (plan.row, plan.col) == (23, 37) and len(plan.plan) > 4
    windows = LakeWindows(Reader([scene], [lakes], {0: region}), [plan])
    counted = np.zeros((ROWS, COLS), int)
    for number in range(len(windows)):
        sample = windows[number]
        _, row, col = sample["place"]
        top, left = 23 + plan.plan.tops[row], 37 + plan.plan.lefts[col]
        rows, cols = slice(top, top + 28), slice(left, left + 28)
        np.testing.assert_allclose(sample["image"], image[:, rows, cols], atol=1e-7)
        assert np.array_equal(sample["mask"] == 1, lake_on(rows, cols))
        counted[rows, cols] += sample["mask"].numpy() != 255
    assert (counted[23:81, 37:110] > 0).all() and counted.sum() == counted[23:81, 37:110].sum()


@pytest.mark.parametrize("at", [(0, 0), (30, 45), (-9, 100), (60, -14)])
def test_what_lies_outside_the_part_is_neither_lake_nor_land(place, at):
    scene, lakes, _ = place
    parts = [((35, 46), (50, 70)), ((70, 90), (0, 25))]
    region = MultiPolygon([area_of(*part) for part in parts])
    _, mask = Reader([scene], [lakes], {0: region}).read(0, *at, (30, 40))
    rows, cols = np.arange(at[0], at[0] + 30)[:, None], np.arange(at[1], at[1] + 40)
    inside = np.zeros((30, 40), bool)
    for (top, bottom), (left, right) in parts:
        inside |= (rows >= top) & (rows < bottom) & (cols >= left) & (cols < right)
    assert np.array_equal(mask.numpy() != 255, inside)
    lake = lake_on(slice(at[0], at[0] + 30), slice(at[1], at[1] + 40))
    assert np.array_equal(mask.numpy() == 1, inside & lake)
