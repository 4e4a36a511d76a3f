"""Sentinel2 and GlacialLakes, alone and combined, as TorchGeo users expect."""

import geopandas as gpd
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely.geometry import box
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples
from torchgeo.samplers import GridGeoSampler, RandomGeoSampler

from datasets_def import GlacialLakes, Sentinel2, open_scene
from datasets_def.sentinel2 import fill
from datasets_def.synthetic.product import write_product
from glofgeo.errors import GlofgeoError


def test_they_combine_and_feed_a_loader(product):
    both = Sentinel2(product[0]) & GlacialLakes(product[1])
    sampler = RandomGeoSampler(both, size=64, length=4)
    batch = next(iter(DataLoader(both, sampler=sampler, batch_size=4, collate_fn=stack_samples)))
    assert set(batch) == {"image", "valid", "mask", "bounds"}
    assert batch["image"].shape == (4, 4, 64, 64)
    assert batch["image"].dtype == torch.float32
    assert batch["mask"].shape == batch["valid"].shape == (4, 64, 64)
    assert set(batch["mask"].unique().tolist()) <= {0, 1}


def test_a_sample_says_where_and_when_it_is(product):
    both = Sentinel2(product[0]) & GlacialLakes(product[1])
    scene = open_scene(product[0])
    left, top = scene.transform * (100, 100)
    bounds = both[left : left + 640, top - 320 : top]["bounds"].tolist()
    assert bounds[:6] == [left, left + 640, 10, top - 320, top, 10]
    assert bounds[6:8] == [scene.datetime.timestamp()] * 2


def test_imagery_comes_first_in_either_order(product):
    scenes, lakes = Sentinel2(product[0]), GlacialLakes(product[1])
    assert (lakes & scenes).datasets[0] is scenes
    with pytest.raises(GlofgeoError, match="never warped"):
        scenes.crs = "EPSG:4326"


def test_a_whole_scene_is_the_scene(product):
    scenes = Sentinel2(product[0])
    query = next(iter(GridGeoSampler(scenes, size=300)))
    sample = scenes[query]
    image, valid = open_scene(product[0]).load()
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["valid"], valid)


@settings(max_examples=20)
@given(row=st.integers(-60, 290), col=st.integers(-60, 290), height=st.integers(70, 120), width=st.integers(70, 120))
def test_a_window_over_the_edge_is_padded_and_lakes_stay_in_place(product, row, col, height, width):
    scene = open_scene(product[0])
    left, top = scene.transform * (col, row)
    query = (slice(left, left + width * 10), slice(top - height * 10, top))
    sample = Sentinel2(product[0]) & GlacialLakes(product[1], crs=scene.crs)
    image, mask = sample.datasets[0][query], sample.datasets[1][query]["mask"].numpy()
    whole, valid = scene.load()
    lakes = rasterize(gpd.read_file(product[1], layer="lakes").geometry, scene.shape, transform=scene.transform)
    rows = slice(max(row, 0), min(row + height, 300))
    cols = slice(max(col, 0), min(col + width, 300))
    inside = (slice(rows.start - row, rows.stop - row), slice(cols.start - col, cols.stop - col))
    np.testing.assert_array_equal(image["image"].numpy()[(slice(None), *inside)], whole[:, rows, cols])
    np.testing.assert_array_equal(image["valid"].numpy()[inside], valid[rows, cols])
    np.testing.assert_array_equal(mask[inside], lakes[rows, cols])
    assert image["valid"].sum() == valid[rows, cols].sum()


def test_scenes_of_two_zones_are_two_datasets(tmp_path):
    for zone in (44, 45):
        write_product(tmp_path, size=64, lon=84.0, zone=zone, seed=zone)
    datasets = Sentinel2.by_grid(tmp_path)
    assert [d.crs.to_epsg() for d in datasets] == [32644, 32645]
    with pytest.raises(GlofgeoError, match="by_grid"):
        Sentinel2(tmp_path)
    assert len(Sentinel2(tmp_path, crs=datasets[1].crs)) == 1


def test_a_time_slice_picks_one_date(tmp_path, write_raster):
    for day, value in (("2024-01-01", 100), ("2024-02-01", 200)):
        write_raster(tmp_path / f"s_{day}.tif", np.full((4, 16, 16), value, np.uint16))
    scenes = Sentinel2(tmp_path)
    x, y, _ = scenes.bounds
    for interval, value in zip(scenes.index.index, (0.01, 0.02), strict=True):
        image = scenes[x, y, interval.left : interval.right]["image"]
        torch.testing.assert_close(image, torch.full_like(image, value))


def test_lakes_in_degrees_land_on_the_utm_grid(product, tmp_path):
    lakes = gpd.read_file(product[1], layer="lakes")
    lakes.to_crs("EPSG:4326").to_file(tmp_path / "lakes.geojson")
    scene = open_scene(product[0])
    degrees = GlacialLakes(tmp_path / "lakes.geojson", crs=scene.crs)
    x0, y1 = scene.transform * (0, 0)
    mask = degrees[x0 : x0 + 3000, y1 - 3000 : y1]["mask"].numpy()
    expected = rasterize(lakes.geometry, scene.shape, transform=scene.transform)
    # Seven decimals of a degree are a centimetre: at most a pixel whose centre lies on the shore changes.
    assert (mask != expected).sum() <= 2


def test_the_real_inventory_on_a_scene_at_imja_tso(real_data, product):
    both = Sentinel2(product[0]) & GlacialLakes(real_data / "lakes" / "hkh_glacial_lakes_2020.gpkg")
    x, y, _ = both.datasets[0].bounds
    mask = both.datasets[1][x, y]["mask"]
    here = both.datasets[1].polygons.clip(box(x.start, y.start, x.stop, y.stop))
    assert len(here) >= 1
    assert mask.sum().item() * 100 == pytest.approx(here.area.sum(), rel=0.02)
    assert here.area.max() > 1e6


def test_what_an_earlier_scene_showed_stays_and_a_later_one_fills_the_rest(product):
    scene = open_scene(product[0])
    image, valid = torch.full((4, 20, 30), -1.0), torch.zeros(20, 30, dtype=torch.bool)
    valid[:, :12] = True
    fill(scene, Window(-2, 40, 30, 20), image, valid)
    assert (image[:, :, :12] == -1).all()
    pixels, seen = scene.load(Window(10, 40, 18, 20))
    assert (image[:, :, 12:].numpy() == pixels).all()
    assert (valid[:, 12:].numpy() == seen).all()
