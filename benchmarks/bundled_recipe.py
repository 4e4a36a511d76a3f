"""Makes the model that comes with the package: `python benchmarks/bundled_recipe.py --out FOLDER`.

Draws synthetic worlds, trains the preset `bundled` on them, trains the outcome further on more of them at lower rates,
and writes the mean of three such trainings as float16. It needs no data and no network, and a broken-off recipe goes on
where it stopped. `--chips` adds real water chips, and `--plant` copies of them with synthetic lakes planted in their
ground; chips of fold 0 are kept back for judging. `--unet SECONDS` trains the U-Net to compare with instead.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import geopandas as gpd
import lightning
import numpy as np
import pandas as pd
import rasterio
import torch
from affine import Affine
from crossval import deal, join_places
from kept_settings import keep_settings
from rasterio.features import rasterize
from safetensors.torch import save_file
from shapely.geometry import box

from datasets_def.aoi import read_aoi
from datasets_def.atomic import written_beside
from datasets_def.scene import open_scene
from datasets_def.synthetic.worlds import KINDS, draw_sheet, draw_world, plant_lakes, write_image, write_world
from glofgeo.config import TrainConfig
from glofgeo.models import LakeSegmenter, fit_temperature, load_checkpoint, save_checkpoint
from glofgeo.presets import PRESETS
from glofgeo.settings import from_dict
from glofgeo.training import RunOptions, Sources, train_model
from glofgeo.training.datamodule import LakeData
from glofgeo.training.survey import survey
from glofgeo.training.unet import train_unet
from glofgeo.version import __version__

VALIDATED = 4
"""Worlds of each kind on which progress is watched, the first seeds; at most half of them."""
CALIBRATED, CALIBRATED_FROM = 4, 800_000
"""Worlds of each kind that the temperature is fitted to, and the first of their seeds."""
# What a network sees is pixels; a run takes scenes of one pixel size, so that all of them claim this one.
PIXEL_M = 10.0
# Small windows show more worlds a step. What was learned from them holds in large ones, which cost less to map with.
MAP_WINDOW = 504


@dataclass(frozen=True)
class Stage:
    """A training, from where another ended.

    Attributes:
        name: of its folder.
        per_kind: worlds of each kind, the first seeds.
        epochs: of `crops` each.
        crops: in an epoch.
        rates: share of the learning rates of the preset.
        seed: of the crops.
        start: name of the stage that it starts from; empty for random weights.
        window: side of the crops in pixels.
        batch: crops in a step.
        sheets: images of one surface, beside the worlds.
    """

    name: str
    per_kind: int
    epochs: int
    crops: int
    rates: float
    seed: int
    start: str = ""
    window: int = PRESETS["bundled"]["data"]["window"]
    batch: int = PRESETS["bundled"]["data"]["batch_size"]
    sheets: int = 0

    @property
    def words(self) -> str:
        """What it learned from."""
        images = f"{self.per_kind * len(KINDS)} worlds" + (f" and {self.sheets} sheets" if self.sheets else "")
        return f"{self.name}: {self.epochs * self.crops} crops of {self.window} px of {images}, seed {self.seed}"


STAGES = (
    Stage("first", 150, PRESETS["bundled"]["epochs"], PRESETS["bundled"]["data"]["crops"], 1.0, 0),
    Stage("second", 150, 1, 25_000, 0.5, 1, "first"),
    Stage("third", 220, 1, 26_000, 0.5, 1, "second"),
    Stage("fourth", 280, 1, 64_000, 0.5, 1, "third"),
    Stage("fifth", 90, 1, 9_000, 0.25, 2, "fourth"),
    Stage("sixth", 280, 1, 64_000, 0.5, 3, "fifth"),
    Stage("seventh", 110, 1, 12_000, 0.25, 4, "sixth"),
    Stage("eighth", 250, 3, 30_000, 0.5, 7, "seventh", sheets=160),
    Stage("ninth", 100, 1, 8_000, 0.25, 8, "eighth", window=252, batch=8, sheets=400),
    Stage("tenth", 200, 1, 8_000, 0.25, 9, "eighth", window=252, batch=8, sheets=400),
    Stage("eleventh", 40, 1, 3_200, 0.25, 5, "seventh", window=252, batch=8, sheets=80),
)
SHARES = {"ninth": 0.3, "tenth": 0.3, "eleventh": 0.4}  # of the shipped weights


@dataclass(frozen=True)
class Image:
    """A training image: its name, its split, and the area it shares with others."""

    name: str
    split: str
    place: str


def write_worlds(folder: Path, per_kind: int, size: int) -> list[Image]:
    """Writes the worlds that are not there yet."""
    wanted = [(kind, seed) for seed in range(per_kind) for kind in KINDS]
    left = [(folder, kind, seed, size) for kind, seed in wanted if not (folder / f"{kind}_{seed}.tif").exists()]
    with ProcessPoolExecutor() as pool:
        for number, _ in enumerate(pool.map(_write, left, chunksize=4), 1):
            if number % 50 == 0:
                print(f"{number} of {len(left)} worlds", flush=True)
    validated = min(VALIDATED, per_kind // 2)
    names = [(f"{kind}_{seed}", "val" if seed < validated else "train") for kind, seed in wanted]
    return [Image(name, split, name) for name, split in names]


def _write(job: tuple[Path, str, int, int]) -> None:
    write_world(*job, declared_m=PIXEL_M)


def write_sheets(folder: Path, count: int, size: int) -> list[Image]:
    """Writes the images of one surface that are not there yet."""
    names = [f"sheet_{seed}" for seed in range(count)]
    left = [(folder, seed, size) for seed in range(count) if not (folder / f"{names[seed]}.tif").exists()]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write_sheet, left, chunksize=4))
    return [Image(name, "train", name) for name in names]


def _write_sheet(job: tuple[Path, int, int]) -> None:
    folder, seed, size = job
    sheet, north = draw_sheet(seed, size), 8e6 + seed // 30 * 20_000  # of the chips
    corner = Affine(PIXEL_M, 0, 200_000 + seed % 30 * 20_000, 0, -PIXEL_M, north)
    write_image(folder, f"sheet_{seed}", sheet.reflectance, sheet.lake, corner)


def write_chips(folder: Path, data: Path, *, plant: bool) -> list[Image]:
    """Writes the water chips of folds 1 to 4, and if wanted a copy of each with planted lakes."""
    chips = gpd.read_file(data / "chips.gpkg")
    chips["area"], _ = join_places(chips, data / "images")
    chips = chips[deal(chips, 0) > 0]
    water = gpd.read_file(data / "water.gpkg")
    images = []
    for number, (chip, area) in enumerate(zip(chips["chip"], chips["area"], strict=True)):
        with rasterio.open(data / "images" / f"chip_{chip:03d}.tif") as source:
            dn, place = source.read(), source.transform
            near = water.cx[slice(*source.bounds[::2]), slice(*source.bounds[1::2])].geometry
        seen = (dn > 0).all(axis=0)
        lake = np.zeros(seen.shape, bool) if near.empty else rasterize(near, seen.shape, transform=place).astype(bool)
        reflectance = np.where(seen, dn / np.float32(10000), np.nan).astype(np.float32)
        rng = np.random.default_rng((chip, 7))
        variants = {"chip": (reflectance, lake)}
        if plant:
            variants["planted"] = plant_lakes(rng, reflectance, lake, int(rng.integers(2, 12)))
        for row, (name, (image, lakes)) in enumerate(variants.items()):
            # North of the worlds.
            corner = Affine(
                PIXEL_M, 0, 200_000 + number % 200 * 2000, 0, -PIXEL_M, 7e6 + number // 200 * 2000 + row * 1e5
            )
            if not (folder / f"{name}_{chip}.tif").exists():
                write_image(folder, f"{name}_{chip}", image, lakes, corner)
            images.append(Image(f"{name}_{chip}", "train", f"chips {area}"))
    return images


def gather(out: Path, images: list[Image]) -> Sources:
    """Writes the layers of all areas and all lakes."""
    folder, areas, lakes = out / "scenes", [], []
    for image in images:
        scene = open_scene(folder / f"{image.name}.tif")
        areas.append(
            {"name": image.name, "place": image.place, "split": image.split, "geometry": box(*scene.grid.bounds)}
        )
        lakes.append(gpd.read_file(folder / f"{image.name}_lakes.gpkg"))
    paths = out / "aoi.gpkg", out / "lakes.gpkg"
    for path, frame in zip(paths, (gpd.GeoDataFrame(areas, crs=scene.crs), pd.concat(lakes)), strict=True):
        with written_beside(path) as part:
            frame.to_file(part, layer=path.stem, driver="GPKG")
    return Sources(read_aoi(paths[0]), "synthetic worlds", folder, paths[1])


def compare(out: Path, images: list[Image], seconds: float) -> None:
    """Trains the U-Net for a while and writes its weights."""
    config = from_dict(TrainConfig, PRESETS["bundled"], "bundled")
    sources, options = gather(out, images), RunOptions(device="cpu", progress=True)
    data = LakeData(survey(sources, config), config, out / "cache", progress=True)
    data.prepare_data()
    data.setup("fit")
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    unet = train_unet(data, config, seconds, options)
    told = {"model": json.dumps(asdict(unet.config)), "window": str(config.data.window)}
    save_file({name: tensor.contiguous() for name, tensor in unet.state_dict().items()}, out / "unet.safetensors", told)


def train_stage(out: Path, stage: Stage, images: list[Image]) -> None:
    """Trains one stage, or goes on with it, and writes the checkpoint of its last epoch.

    By then the rate has fallen to nothing, and validation has too few worlds to choose an epoch by.

    Args:
        out: folder of the recipe.
        stage: what to do.
        images: to train on.
    """
    path, run = out / f"{stage.name}.safetensors", out / stage.name
    if path.exists():
        return
    preset = PRESETS["bundled"]
    rates = dict.fromkeys(("lr", "encoder_lr"), preset["lr"] * stage.rates)
    if stage.start:
        rates |= {"weights": str(out / f"{stage.start}.safetensors"), "layer_decay": 1.0}
    data = preset["data"] | {"crops": stage.crops, "window": stage.window, "batch_size": stage.batch}
    wanted = preset | rates | {"epochs": stage.epochs, "seed": stage.seed, "data": data}
    resume = run if (run / "config.yaml").exists() else None
    config = from_dict(TrainConfig, wanted, "bundled")
    train_model(gather(out, images), config, run, resume=resume, options=RunOptions(device="cpu", progress=True))
    best = load_checkpoint(run / "best.safetensors")
    callbacks = torch.load(run / "last.ckpt", weights_only=True, map_location="cpu")["callbacks"]
    best.model.load_state_dict(best.model.state_dict() | callbacks["RunningMean"]["mean"])
    save_checkpoint(path, best.model, best.config, best.provenance, None, 1.0, best.pixel_m, half=True)


def finish(out: Path, stages: Sequence[Stage], size: int) -> Path:
    """Writes the mean of the last stages with its temperature, for large windows, and what it learned from."""
    path, parts = out / "lakes.safetensors", {name: load_checkpoint(out / f"{name}.safetensors") for name in SHARES}
    last = next(iter(parts.values()))
    weights = {name: part.model.state_dict() for name, part in parts.items()}
    mean = {
        key: sum(share * weights[name][key] for name, share in SHARES.items()) if value.is_floating_point() else value
        for key, value in last.model.state_dict().items()
    }
    last.model.load_state_dict(mean)
    told = {"stages": [each.words for each in stages], "shares": SHARES, "window in training": last.config.data.window}
    # Of the last stage alone.
    provenance = {name: value for name, value in last.provenance.items() if name not in ("split", "scenes", "epoch")}
    config = replace(last.config, weights="none", data=replace(last.config.data, window=MAP_WINDOW))
    temperature = calibrate(last.model, size)
    save_checkpoint(path, last.model, config, provenance | told, None, temperature, last.pixel_m, half=True)
    return path


def calibrate(model: LakeSegmenter, size: int) -> float:
    """Fits the temperature to worlds that are neither trained on nor judged."""
    logits, labels = [], []
    for kind in KINDS:
        for seed in range(CALIBRATED_FROM, CALIBRATED_FROM + CALIBRATED):
            world = draw_world(kind, seed, size)
            with torch.inference_mode():
                logits.append(model(torch.from_numpy(world.reflectance)[None])[0, 0].numpy())
            labels.append(world.lake)
    return fit_temperature(np.stack(logits), np.stack(labels))


def main() -> None:
    """Runs the recipe."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="folder for images and runs")
    arguments.add_argument("--per-kind", type=int, default=10**6, help="at most so many worlds of each kind")
    arguments.add_argument("--size", type=int, default=400, help="pixels along each side of a world")
    arguments.add_argument("--chips", type=Path, help="folder with images/, water.gpkg and chips.gpkg")
    arguments.add_argument("--plant", action="store_true", help="with --chips: plant lakes into copies of them")
    arguments.add_argument("--crops", type=int, default=10**6, help="at most so many in each epoch")
    arguments.add_argument("--unet", type=float, metavar="SECONDS", help="train the U-Net instead")
    given = arguments.parse_args()
    if given.per_kind < 2 or given.crops < 1:
        arguments.error("--per-kind is 2 or more, --crops 1 or more")
    decides = ("per_kind", "size", "chips", "plant", "crops")
    stages = [
        replace(
            each,
            per_kind=min(each.per_kind, given.per_kind),
            crops=min(each.crops, given.crops),
            sheets=min(each.sheets, given.per_kind),
        )
        for each in STAGES
    ]
    told = {"stages": "; ".join(each.words for each in stages), "glofgeo": __version__}
    keep_settings(given.out, {name: str(getattr(given, name)) for name in decides} | told)
    scenes = given.out / "scenes"
    chips = write_chips(scenes, given.chips, plant=given.plant) if given.chips else []
    if given.unet:
        images = write_worlds(scenes, stages[0].per_kind, given.size) + chips
        return compare(given.out, images, given.unet)
    for stage in stages:
        images = write_worlds(scenes, stage.per_kind, given.size) + write_sheets(scenes, stage.sheets, given.size)
        train_stage(given.out, stage, images + chips)
    print(finish(given.out, stages, given.size))


if __name__ == "__main__":
    main()
