"""Training on slope and cast shadow beside the bands."""

import numpy as np
import pytest
import rasterio
import torch

from datasets_def import open_scene
from datasets_def.elevation import open_dem
from datasets_def.reproject import to_degrees
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model
from glofgeo.models.weights import band_filters
from glofgeo.training.augment import Augment
from glofgeo.training.datamodule import LakeData
from glofgeo.training.sources import Sources
from glofgeo.training.survey import survey

BANDS = ("B02", "B03", "B04", "B08", "slope", "shadow")


@pytest.fixture(scope="module")
def ground(product, tmp_path_factory):
    """A DEM of waves around the product, and its area in two halves."""
    import geopandas as gpd
    from shapely.geometry import box

    folder = tmp_path_factory.mktemp("ground")
    grid = open_scene(product[0]).grid
    rows, cols = np.indices((140, 140))
    with rasterio.open(
        folder / "dem.tif", "w", driver="GTiff", width=140, height=140, count=1, dtype="float32", crs=grid.crs,
        transform=rasterio.transform.from_origin(grid.bounds[0] - 600, grid.bounds[3] + 600, 30, 30),
    ) as target:  # fmt: skip
        target.write((4500 + 300 * np.sin(rows / 6) + 200 * np.sin(cols / 9)).astype(np.float32), 1)
    left, bottom, right, top = grid.bounds
    middle = (left + right) / 2
    halves = gpd.GeoSeries([box(left, bottom, middle, top), box(middle, bottom, right, top)], crs=grid.crs)
    area = gpd.GeoDataFrame({"split": ["train", "val"]}, geometry=to_degrees(halves), crs="EPSG:4326")
    return folder / "dem.tif", area


@pytest.fixture(scope="module")
def data(product, ground, tmp_path_factory):
    dem, area = ground
    settings = TrainConfig(
        model=ModelConfig("tiny", bands=BANDS),
        data=DataConfig(window=112, batch_size=2, crops=4, workers=0),
        weights="none",
        allow_leaks=True,
    )
    sources = Sources(area, "here", product[0], product[1], dem=open_dem([dem]))
    data = LakeData(survey(sources, settings), settings, tmp_path_factory.mktemp("cache"))
    data.prepare_data()
    data.setup("fit")
    return data


def test_crops_carry_the_terrain_of_their_scene(data, product):
    (copy,), scene = data.opened, data.survey.used[0].scene
    assert copy.path != scene.path, "a product of JPEG 2000 is decoded once"
    window = scene.grid.nearest(copy.grid.bounds)
    found, seen = copy.load()
    wanted, known = scene.load(window)
    np.testing.assert_array_equal(seen, known)
    np.testing.assert_array_equal(found[:4], wanted[:4])
    # Its coarse pixels may begin a pixel or two beside the scene's.
    assert np.abs(found[4] - wanted[4]).max() < 0.1 and (found[5] != wanted[5]).mean() < 0.02
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (2, 6, 112, 112)
    assert 0 < batch["image"][:, 4].max() < 0.8 and set(batch["image"][:, 5].unique().tolist()) <= {0.0, 1.0, 0.1}


def test_light_and_haze_leave_the_terrain_alone():
    torch.manual_seed(0)
    image = torch.rand(4, 6, 8, 8)
    lit = Augment(BANDS).relight(image)
    assert torch.equal(lit[:, 4:], image[:, 4:]) and not torch.isclose(lit[:, :4], image[:, :4]).any()


def test_pretrained_filters_start_without_terrain_and_keep_what_they_know_of_it():
    weight = torch.rand(3, 3, 14, 14)
    light = band_filters(weight, ("B04", "B03", "B02"), BANDS[:4])
    both = band_filters(weight, ("B04", "B03", "B02"), BANDS)
    assert torch.equal(both[:, :4], light) and not both[:, 4:].any()
    own = torch.rand(3, 6, 14, 14)
    assert torch.equal(band_filters(own, BANDS, BANDS[:3] + BANDS[4:])[:, 3:], own[:, 4:])


def test_terrain_is_brought_to_the_scale_of_the_bands():
    model = build_model(ModelConfig("tiny", bands=BANDS))
    assert model.config.mean[4:] == (0.28, 0.1) and model.config.std[4:] == (0.17, 0.3)
    with pytest.raises(GlofgeoError, match="unknown band height"):
        ModelConfig(bands=("B02", "height"))
    with pytest.raises(GlofgeoError, match=r"unknown band \(none\)"):
        ModelConfig(bands=("slope", "shadow"))


def test_a_missing_or_needless_dem_stops_the_command(refused, product, ground):
    common = ("train", "--aoi", "khumbu", "--scenes", product[0], "--lakes", product[1])
    bands = ("--model.bands", "B02", "B03", "slope", "shadow")
    message = refused(*common, *bands)
    assert "slope and shadow must be computed from a DEM, and there is none; give one (--dem)" in message
    assert "need no DEM" in refused(*common, "--dem", ground[0])
    assert "gone.tif: no such DEM" in refused(*common, *bands, "--dem", "gone.tif")


def test_training_takes_the_dem_that_fetch_left(refused, product, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/dem.tif").write_text("broken")
    common = ("train", "--aoi", "khumbu", "--scenes", product[0], "--lakes", product[1])
    assert "data/dem.tif" in refused(*common, "--model.bands", "B02", "B03", "slope", "shadow")
