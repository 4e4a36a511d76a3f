import csv
import dataclasses
import json
import logging
import math
import os
import random
import warnings

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import torch
import yaml
from geopandas import GeoDataFrame
from rasterio.transform import from_origin
from rich.console import Console
from shapely import Point, box

from datasets_def import open_scene
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, load_checkpoint
from glofgeo.training import RunOptions, Sources, train_model
from glofgeo.training.crops import LakeCrops
from glofgeo.training.datamodule import LakeData
from glofgeo.training.fit import start_model
from glofgeo.training.samplers import Crop
from glofgeo.training.survey import survey

ZONE = "EPSG:32645"
LEFT, TOP, RES = 492000.0, 3090000.0, 10.0


def write_scene(path, rows=256, cols=512, left=LEFT, top=TOP, crs=ZONE, lakes=(), nodata_rows=0, seed=0):
    """Grey land and blue lakes, so that a lake is easy to tell."""
    rng = np.random.default_rng(seed)
    image = rng.integers(1500, 2500, (4, rows, cols)).astype(np.uint16)
    transform = from_origin(left, top, RES, RES)
    if len(lakes):
        lake = rasterio.features.rasterize(lakes, (rows, cols), transform=transform).astype(bool)
        image[3, lake] = 200
    image[:, :nodata_rows] = 0
    path.parent.mkdir(exist_ok=True, parents=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", count=4, width=cols, height=rows, crs=crs, transform=transform,
        nodata=0, tiled=True, blockxsize=128, blockysize=128,
    ) as target:  # fmt: skip
        target.write(image)
        target.descriptions = ("B02", "B03", "B04", "B08")
        target.scales = (1e-4,) * 4


def lakes_at(pixels, radius=60.0, crs=ZONE):
    shapes = [Point(LEFT + (col + 0.5) * RES, TOP - (row + 0.5) * RES).buffer(radius) for row, col in pixels]
    return GeoDataFrame({"name": [f"lake {i}" for i in range(len(shapes))]}, geometry=shapes, crs=crs)


@pytest.fixture
def place(tmp_path):
    """One scene, 2.56 by 5.12 km; the west half trains, the east half validates."""
    lakes = lakes_at([(r, c) for r in (40, 120, 200) for c in (40, 110, 180, 330, 400, 470)])
    write_scene(tmp_path / "scenes" / "one.tif", lakes=lakes.geometry, nodata_rows=10)
    lakes.to_file(tmp_path / "lakes.gpkg", layer="lakes")
    halves = [box(LEFT + c * RES, TOP - 2560, LEFT + (c + 256) * RES, TOP) for c in (0, 256)]
    return tmp_path, GeoDataFrame({"split": ["train", "val"]}, geometry=halves, crs=ZONE)


def config(epochs=2, **data):
    data = {"window": 112, "batch_size": 2, "crops": 6, "workers": 0} | data
    model = ModelConfig(variant="tiny", extra_blocks=0, image_size=112, decoder_channels=(32, 16, 16, 8, 8))
    return TrainConfig(model=model, data=DataConfig(**data), weights="none", epochs=epochs, lr=1e-3)


def start(folder, aoi, out=None, settings=None, resume=None, compare=None, **more):
    """Trains on the CPU, on the scenes and lakes of the folder unless others are given."""
    sources = Sources(aoi, "here", more.pop("scenes", folder / "scenes"), more.pop("lakes", folder / "lakes.gpkg"))
    options = RunOptions(**{"device": "cpu"} | more)
    return train_model(sources, settings or config(), out, resume=resume, compare=compare, options=options)


def process_state():
    """What a training must not change for those who called it."""
    loggers = [logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")]
    numbers = (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())
    return loggers, list(warnings.filters), numbers, torch.get_float32_matmul_precision(), dict(os.environ)


def load(folder, aoi, settings=None, scenes="scenes", lakes="lakes.gpkg"):
    settings = settings or config()
    sources = Sources(aoi, "here", folder / scenes, folder / lakes)
    data = LakeData(survey(sources, settings), settings, folder / "cache")
    data.prepare_data()
    data.setup("fit")
    return data


def dataset_and_crops(loader):
    """Each window with what is read there: random ones as the sampler draws them, the mapper's ones in order."""
    data = loader.dataset
    if isinstance(data, LakeCrops):
        return [(crop, data[crop]) for crop in loader.sampler]
    crops = []
    for sample in (data[number] for number in range(len(data))):
        area, row, col = sample["place"]
        plan = data.plans[area]
        (rows, cols), start = plan.plan.on_grid, (plan.plan.tops[row], plan.plan.lefts[col])
        crop = Crop(plan.scene, plan.row + start[0] - rows.start, plan.col + start[1] - cols.start)
        crops.append((crop, sample))
    return crops


def test_crops_hold_the_products_own_pixels_and_the_lakes(place):
    folder, aoi = place
    data = load(folder, aoi)
    scene = open_scene(folder / "scenes" / "one.tif")
    whole = scene.read()
    for crop, sample in dataset_and_crops(data.train_dataloader()):
        expected = whole[:, crop.row : crop.row + 112, crop.col : crop.col + 112]
        assert np.array_equal(sample["image"].numpy(), expected)
        seen = sample["mask"].numpy() != 255
        assert np.array_equal((expected[3] < 0.1)[seen], (sample["mask"].numpy() == 1)[seen])


def test_no_pixel_is_learned_in_one_split_and_judged_in_the_other(place):
    folder, aoi = place
    data = load(folder, aoi, config(crops=60))
    learned, judged = np.zeros((256, 512), int), np.zeros((256, 512), int)
    for loader, counts in ((data.train_dataloader(), learned), (data.val_dataloader(), judged)):
        for crop, sample in dataset_and_crops(loader):
            counts[crop.row : crop.row + 112, crop.col : crop.col + 112] += (sample["mask"] != 255).numpy()
    assert not learned[:, 256:].any() and learned.any()
    assert not judged[:, :256].any()
    assert not judged[:10].any() and (judged[10:, 256:] >= 1).all()


def test_a_lake_across_two_splits_is_neither_lake_nor_land(place):
    folder, aoi = place
    crossing = gpd.read_file(folder / "lakes.gpkg")
    crossing.loc[len(crossing)] = ["across", Point(LEFT + 2560, TOP - 1600).buffer(150)]
    crossing.set_crs(ZONE).to_file(folder / "across.gpkg", layer="lakes")
    data = load(folder, aoi, lakes="across.gpkg")
    assert data.survey.audit.lakes_left_out == 1
    for loader in (data.train_dataloader(), data.val_dataloader()):
        for crop, sample in dataset_and_crops(loader):
            row, col = 160 - crop.row, 256 - crop.col
            if 20 <= row < 92 and 20 <= col < 92:
                assert (sample["mask"][row - 10 : row + 10, col - 10 : col + 10] == 255).all()


def test_scenes_smaller_than_the_window_shrink_it_or_are_padded(tmp_path):
    lakes = lakes_at([(20, 20), (20, 220)])
    for number, col in enumerate((0, 200)):
        write_scene(tmp_path / "scenes" / f"{number}.tif", 40, 60 - number * 20, LEFT + col * RES, lakes=lakes.geometry)
    lakes.to_file(tmp_path / "lakes.gpkg")
    boxes = [box(LEFT + c * RES, TOP - 400, LEFT + (c + 60) * RES, TOP) for c in (0, 200)]
    data = load(tmp_path, GeoDataFrame({"split": ["train", "val"]}, geometry=boxes, crs=ZONE))
    assert data.survey.window == 56
    ((_, sample),) = dataset_and_crops(data.val_dataloader())
    assert sample["image"].shape == (4, 112, 112) and sample["image"].min() > 0  # reflected, as the mapper does it
    assert (sample["mask"] != 255).sum() == 40 * 40 and (sample["mask"][36:76, 36:76] != 255).all()
    for crop, sample in dataset_and_crops(data.train_dataloader()):
        assert (sample["mask"] != 255).sum() == 40 * 56 and crop.row <= 0


def test_two_utm_zones_and_two_dates_train_together_without_warping(tmp_path):
    here = gpd.GeoSeries([Point(84.0, 28.0)], crs="EPSG:4326")
    boxes = []
    for number, zone in enumerate(("EPSG:32644", "EPSG:32645", "EPSG:32645")):
        x, y = here.to_crs(zone).iloc[0].coords[0]
        left, top = round(x, -1) + (3000 if number else -5000), round(y, -1)
        lake = Point(left + 600, top - 600).buffer(150)
        write_scene(tmp_path / "scenes" / f"{number}.tif", 128, 128, left, top, zone, [lake], seed=number)
        boxes.append(gpd.GeoSeries([box(left, top - 1280, left + 1280, top)], crs=zone).to_crs("EPSG:4326").iloc[0])
        if number < 2:
            lake = gpd.GeoSeries([lake], crs=zone).to_crs("EPSG:4326")
            lake.to_file(tmp_path / "lakes.gpkg", layer="lakes", mode="a" if number else "w")
    aoi = GeoDataFrame({"split": ["train", "val"]}, geometry=boxes[:2], crs="EPSG:4326")
    data = load(tmp_path, aoi)
    assert {split: size.lakes for split, size in data.survey.audit.splits.items()} == {"train": 1, "val": 1}
    for loader in (data.train_dataloader(), data.val_dataloader()):
        for crop, sample in dataset_and_crops(loader):
            own = open_scene(data.survey.used[crop.scene].scene.path)
            expected = own.read()[:, crop.row : crop.row + 112, crop.col : crop.col + 112]
            assert np.array_equal(sample["image"].numpy(), expected)
            seen = (sample["mask"] != 255).numpy()
            assert seen.any() and ((expected[3] < 0.1) == (sample["mask"].numpy() == 1))[seen].mean() > 0.99


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_with_and_without_workers(place, workers):
    folder, aoi = place
    batches = list(load(folder, aoi, config(workers=workers)).train_dataloader())
    alone = list(load(folder, aoi).train_dataloader())
    assert [b["image"].shape for b in batches] == [(2, 4, 112, 112)] * 3
    for one, other in zip(alone, batches, strict=True):
        assert torch.equal(one["image"], other["image"]) and torch.equal(one["mask"], other["mask"])


def test_scenes_of_one_training_have_pixels_of_one_size(place):
    folder, aoi = place
    write_scene(folder / "scenes" / "two.tif", seed=1)
    assert load(folder, aoi).survey.pixel_m == pytest.approx(10, rel=2e-3)
    with rasterio.open(folder / "scenes" / "two.tif", "r+") as source:
        source.transform = from_origin(LEFT, TOP, 20, 20)
    with pytest.raises(GlofgeoError, match=r"two\.tif: its pixels are 20 m wide, those of .*one\.tif 10 m"):
        load(folder, aoi)


def test_input_that_does_not_fit_together_is_told_before_anything_is_written(place, tmp_path):
    folder, aoi = place
    far = aoi.translate(0, 2e5)
    elsewhere = gpd.read_file(folder / "lakes.gpkg").translate(0, 2e5)
    elsewhere.to_file(tmp_path / "far.gpkg")
    west = gpd.read_file(folder / "lakes.gpkg").cx[: LEFT + 2560, :]
    west.to_file(tmp_path / "west.gpkg")
    no_train = aoi.assign(geometry=[far.iloc[0], aoi.geometry[1]])
    known = {"aoi": aoi, "lakes": folder / "lakes.gpkg"}
    wrong = [
        ({"aoi": aoi.set_geometry(far)}, "lies outside all scenes"),
        ({"lakes": tmp_path / "far.gpkg"}, "none of its 18 lakes"),
        ({"lakes": tmp_path / "west.gpkg"}, "no lake in the val split"),
        ({"aoi": no_train}, "shows its train split"),
        ({"lakes": tmp_path / "absent.gpkg"}, "absent.gpkg"),
        ({"scenes": tmp_path / "nowhere"}, "nowhere"),
        ({"resume": tmp_path / "norun"}, "norun: no such run"),
        ({"strategy": "nonsense"}, "strategy nonsense"),
        ({"devices": 0}, "0 devices"),
        ({"wandb": " "}, "Weights & Biases has no name"),
    ]
    for change, message in wrong:
        out = tmp_path / "run"
        with pytest.raises(GlofgeoError, match=message):
            start(folder, out=out, **(known | change))
        assert not out.exists()


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_leaves_a_run_folder_that_explains_itself_and_resumes(place, capsys):
    folder, aoi = place
    out = folder / "runs" / "first"
    state = process_state()
    trained = start(folder, aoi, out=out, settings=config(2))
    best = trained.best
    assert process_state() == state

    assert best == out / "best.safetensors"
    loaded = load_checkpoint(best)
    rows = rows_of(out)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    ious = [float(row["val_iou"]) for row in rows]
    assert loaded.scorecard["iou"] == trained.iou == max(ious) and loaded.provenance["epoch"] == 1 + ious.index(
        max(ious)
    )
    assert loaded.provenance["aoi"] == "here" and loaded.provenance["scenes"] == ["one"]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    told = json.loads((out / "split.json").read_text())
    assert told["splits"]["train"]["lakes"] == told["splits"]["val"]["lakes"] == 9
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in out.iterdir()) == [
        "best.json", "best.safetensors", "config.yaml", "curves.png", "examples.png", "last.ckpt", "metrics.csv",
        "split.json", "tensorboard",
    ]  # fmt: skip

    with pytest.raises(GlofgeoError, match="holds a training run"):
        start(folder, aoi, out=out, settings=config(2))

    settings = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump(settings | {"epochs": 3}))
    start(folder, aoi, out=folder / "unused", settings=config(1), resume=out)
    resumed = rows_of(out)
    assert resumed[:2] == rows and [row["epoch"] for row in resumed] == ["1", "2", "3"]
    assert load_checkpoint(best).scorecard["iou"] == max(float(row["val_iou"]) for row in resumed)

    other = gpd.read_file(folder / "lakes.gpkg").iloc[:-1]
    other.to_file(folder / "other.gpkg")
    with pytest.raises(GlofgeoError, match="something else"):
        start(folder, aoi, lakes=folder / "other.gpkg", settings=config(1), resume=out)


def test_a_weight_file_is_reported_in_a_table(tmp_path, capsys):
    source = build_model(ModelConfig(variant="tiny", extra_blocks=0, image_size=112)).encoder.vit.state_dict()
    torch.save({"teacher": {f"backbone.{name}": tensor for name, tensor in source.items()}}, tmp_path / "old.pth")
    settings = dataclasses.replace(config(), weights=str(tmp_path / "old.pth"))
    model, kept = start_model(settings, Console(soft_wrap=True))
    assert torch.equal(model.encoder.vit.state_dict()["norm.weight"], source["norm.weight"]) and kept == settings
    said = capsys.readouterr().out
    for text in ("old.pth", "layout", "blocks", "left at initial value", "not used", f"{len(source)} tensors"):
        assert text in said
