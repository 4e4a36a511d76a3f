"""Neither a map nor a training step depends on the number that a file writes where it has no data."""

import numpy as np
import pytest
import rasterio
import shapely
import torch
from affine import Affine

from datasets_def import GlacialLakes, open_scene
from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.inference.windows import plan_windows
from glofgeo.mapping import map_scene
from glofgeo.models import build_model, export_onnx, load_checkpoint, load_model
from glofgeo.training.crops import LakeCrops, LakeWindows, Reader
from glofgeo.training.samplers import Crop
from glofgeo.training.task import LakeTask
from glofgeo.training.validation import AreaPlan

# Type, what the holes hold, what is declared.
SENTINELS = (
    (np.uint16, 0, 0), (np.uint16, 65535, 65535), (np.int16, -9999, -9999), (np.int16, -32768, -32768),
    (np.float32, np.nan, np.nan), (np.float32, 1e20, 1e20), (np.uint16, 0, 65535), (np.float32, 0, np.nan),
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes(product, tmp_path_factory):
    """One scene with a hole and a strip without data, written in eight ways."""
    scene = open_scene(product[0])
    pixels = scene.load_dn()
    hole = ~pixels.present
    hole[90:130, 60:150] = hole[:, :17] = True
    part = (slice(60, 196), slice(0, 170))
    folder = tmp_path_factory.mktemp("sentinels")
    opened = []
    for number, (dtype, sentinel, declared) in enumerate(SENTINELS):
        written = np.clip(pixels.dn[:, *part], 1, 32000).astype(dtype)
        written[:, hole[part]] = sentinel
        path = folder / str(number) / "scene.tif"
        path.parent.mkdir()
        with rasterio.open(
            path, "w", driver="GTiff", dtype=written.dtype, count=4, height=136, width=170, crs=scene.crs,
            transform=scene.transform * Affine.translation(0, 60), nodata=declared,
        ) as target:  # fmt: skip
            target.write(written)
            target.descriptions = scene.bands
            target.scales, target.offsets = [1e-4] * 4, [-0.1] * 4
        opened.append(open_scene(path))
    return opened, hole[part]


def test_the_map_is_the_same_to_the_last_pixel(scenes, checkpoint, tmp_path):
    maps = []
    for number, scene in enumerate(scenes[0]):
        folder = map_scene(scene, checkpoint, out=tmp_path / str(number), device="cpu").folder
        with rasterio.open(folder / "probability.tif") as source:
            maps.append(source.read(1))
    assert ((maps[0] == 255) == scenes[1]).all()
    assert len(np.unique(maps[0])) > 2
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


def reader(scene, lakes):
    rows, cols = scene.shape
    (x0, y1), (x1, y0) = scene.transform * (0, 0), scene.transform * (cols, rows)
    return Reader([scene], [GlacialLakes(lakes, crs=scene.crs)], {0: shapely.box(x0, y0, x1, y1)})


def test_a_training_step_and_a_validation_window_are_the_same(scenes, product):
    torch.manual_seed(0)
    config = TrainConfig(model=ModelConfig(variant="tiny", image_size=126))
    task = LakeTask(build_model(config.model), config)
    plan = AreaPlan(0, 20, 0, plan_windows((100, 100), 126, 0))
    losses, seen = [], []
    for scene in scenes[0]:
        read = reader(scene, product[1])
        crop = LakeCrops(read, 126)[Crop(0, 10, -10)]
        torch.manual_seed(1)
        image, mask = task.augment(crop["image"][None], crop["mask"][None])
        losses.append(task.loss(task(image), mask).item())
        seen.append(LakeWindows(read, [plan])[0]["image"])
    assert np.isfinite(losses[0])
    assert losses == losses[:1] * len(losses)
    assert all(torch.equal(window, seen[0]) for window in seen[1:])


def test_an_exported_model_answers_alike_beside_a_hole(checkpoint, tmp_path):
    """Deepness feeds it what the stack holds, in which 0 is no data; the mapper what it feeds every model."""
    loaded = load_checkpoint(checkpoint)
    export_onnx(loaded, tmp_path / "model.onnx")
    exported = load_model(tmp_path / "model.onnx").predict
    window = np.random.default_rng(0).uniform(0.01, 0.4, (1, 4, 126, 126)).astype(np.float32)
    means = np.array([0.16, 0.17, 0.17, 0.26], np.float32)
    mapped, stacked = window.copy(), window.copy()
    mapped[:, :, 40:60, 30:90] = means[:, None, None]
    stacked[:, :, 40:60, 30:90] = (0 - np.float32(1000)) / np.float32(10000)
    np.testing.assert_array_equal(exported(stacked), exported(mapped))
    assert np.abs(exported(window) - exported(mapped)).max() > 1e-4
