"""What each part of the network is worth on synthetic scenes: a Markdown table, mean and range over seeds.

    python benchmarks/ablation.py --out ablation.md

Every arm starts from random weights and sees the same crops of one place in the same order; lake IoU and the recall of
small lakes are those of two places never seen. Skill on synthetic scenes says nothing about skill on real ones.
"""

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import shapely
import torch
from rasterio.windows import Window

from datasets_def.bands import DEFAULT_BANDS
from datasets_def.grid import Grid
from datasets_def.polygons import read_polygons
from datasets_def.scene import Image, Mask, Scene, open_scene
from datasets_def.synthetic.product import write_product
from glofgeo.config import LossConfig, ModelConfig
from glofgeo.evaluation.lakes import countable, match_lakes, outline_lakes
from glofgeo.evaluation.pixels import PixelCounts, Polygons, bring, burn, count_pixels
from glofgeo.inference.batches import Batcher
from glofgeo.inference.stream import Area, stream_probability
from glofgeo.inference.windows import plan_windows
from glofgeo.models import LakeSegmenter, build_model, torch_predictor
from glofgeo.percent import NOT_OBSERVED, is_lake
from glofgeo.training.augment import Augment
from glofgeo.training.losses import LakeLoss
from glofgeo.training.task import parameter_groups, rate

WINDOW = 126
BATCH = 8
LAKE_SHARE = 0.6
LR = 2e-3
TRAIN_PLACE = 0
TEST_PLACES = (2, 4)
SMALL_M2 = 20_000.0
NOTICED_IOU = 0.1

FULL = ModelConfig(variant="tiny", image_size=WINDOW)
WITHOUT_STEM = "without the stem"
ARMS = {
    "whole": FULL,
    WITHOUT_STEM: FULL,
    "without the added block": replace(FULL, extra_blocks=0),
    "`zeros` instead of `copy`": replace(FULL, extra_init="zeros"),
    "3 bands (without B08)": ModelConfig(variant="tiny", image_size=WINDOW, bands=("B02", "B03", "B04")),
}


@dataclass(frozen=True)
class Place:
    """A scene in memory: reflectance `(C, H, W)`, validity and lakes `(H, W)`, lake polygons in the scene's CRS."""

    scene: Scene
    image: Image
    valid: Mask
    truth: Mask
    lakes: Polygons
    grid: Grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--size", type=int, default=1260, help="side of the scenes in pixels")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    figures: dict[str, list[tuple[float, float]]] = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        train_place, *test_places = (
            open_place(Path(folder) / str(seed), args.size, seed) for seed in (TRAIN_PLACE, *TEST_PLACES)
        )
        for seed in range(args.seeds):
            for arm, config in ARMS.items():
                model = start(arm, config, seed)
                train(model, train_place, args.steps, seed)
                figures[arm].append(score(model, test_places))
                print(
                    f"seed {seed}, {arm}: IoU {figures[arm][-1][0]:.3f}, recall {figures[arm][-1][1]:.3f}", flush=True
                )
    where = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    rows = [
        "| | lake IoU | recall of lakes under 0.02 km² |",
        "|---|---|---|",
        *(f"| {arm} | {spread(found, 0)} | {spread(found, 1)} |" for arm, found in figures.items()),
    ]
    text = f"{where}, {date.today()}, `{' '.join(['python', *sys.argv])}`\n\n" + "\n".join(rows) + "\n"
    print(text)
    args.out.write_text(text)


def open_place(folder: Path, size: int, seed: int) -> Place:
    """Writes a synthetic scene and reads it back."""
    product, layer = write_product(folder, size=size, seed=seed)
    scene = open_scene(product)
    image, valid = scene.load()
    lakes = bring(read_polygons(layer), scene.grid)
    return Place(scene, image, valid, burn(lakes, scene.grid), lakes, scene.grid)


def start(arm: str, config: ModelConfig, seed: int) -> LakeSegmenter:
    """Builds an arm's network."""
    torch.manual_seed(seed)
    model = build_model(config)
    if arm == WITHOUT_STEM:
        model.encoder.stem.register_forward_hook(lambda _, __, maps: tuple(torch.zeros_like(m) for m in maps))
    return model


def train(model: LakeSegmenter, place: Place, steps: int, seed: int) -> None:
    """Trains for a number of steps on crops that depend on the seed alone."""
    crops = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels = [DEFAULT_BANDS.index(band) for band in model.config.bands]
    loss, augment = LakeLoss(LossConfig()), Augment(model.config.bands)
    optimizer = torch.optim.AdamW(parameter_groups(model, LR, LR), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, 0.05))
    target = np.where(place.valid, place.truth, NOT_OBSERVED).astype(np.uint8)
    model.train()
    for _ in range(steps):
        windows = [draw(crops, place) for _ in range(BATCH)]
        images = np.stack([place.image[channels][:, rows, cols] for rows, cols in windows])
        masks = np.stack([target[rows, cols] for rows, cols in windows])
        image, mask = augment(torch.from_numpy(images), torch.from_numpy(masks))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(image)
        loss(logits, mask).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def draw(crops: np.random.Generator, place: Place) -> tuple[slice, slice]:
    """Draws a window: around a point of a random lake's shore, or anywhere."""
    row, col = (int(crops.integers(side)) for side in place.grid.shape)
    if crops.random() < LAKE_SHARE:
        shore = shapely.get_coordinates(place.lakes[crops.integers(len(place.lakes))])
        x, y = ~place.grid.transform * tuple(shore[crops.integers(len(shore))])
        row, col = int(y), int(x)
    top, left = (
        min(max(at - WINDOW // 2, 0), side - WINDOW) for at, side in zip((row, col), place.grid.shape, strict=True)
    )
    return slice(top, top + WINDOW), slice(left, left + WINDOW)


def score(model: LakeSegmenter, places: list[Place]) -> tuple[float, float]:
    """Gives lake IoU and recall of small lakes, pooled over places."""
    pixels, found, missed = PixelCounts(), 0, 0
    for place in places:
        predicted = predict(model, place.scene) & place.valid
        pixels += count_pixels(predicted, place.truth, place.valid)
        outlined = outline_lakes(predicted, place.grid.transform)
        seen, large = countable(place.lakes, place.valid, place.grid)
        small = shapely.area(place.lakes) < SMALL_M2
        counts = match_lakes(place.lakes, outlined, seen & large & small, NOTICED_IOU)
        found, missed = found + counts.found, missed + counts.missed
    return pixels.iou or 0.0, found / (found + missed)


def predict(model: LakeSegmenter, scene: Scene) -> Mask:
    """Maps a scene as `glofgeo map` does; True where lake is at least as likely as not."""
    percent = Kept(np.zeros(scene.shape, np.uint8))
    plan = plan_windows(scene.shape, WINDOW, WINDOW // 4)
    whole = Window(0, 0, scene.shape[1], scene.shape[0])
    area = Area(open_scene(scene.path, model.config.bands), whole, plan)
    stream_probability(area, Batcher(torch_predictor(model).predict, BATCH), [percent])
    return is_lake(percent.values, 50)


@dataclass(frozen=True)
class Kept:
    """Sink that keeps what is added."""

    values: np.ndarray

    def add(self, first_row: int, percent: np.ndarray) -> None:
        """Takes a strip."""
        self.values[first_row : first_row + len(percent)] = percent


def spread(found: list[tuple[float, float]], figure: int) -> str:
    """Words mean and range."""
    values = [figures[figure] for figures in found]
    return f"{np.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


if __name__ == "__main__":
    main()
