"""What slope and cast shadow add to the bands: `python benchmarks/terrain.py --out terrain.json`.

The same network learns from the same crops of synthetic mountain worlds: from the bands alone, and with terrain from a
DEM of 30 m. Lakes are draped over the ground of these worlds, so that the DEM tells nothing of the lakes themselves.
Judged are other worlds: IoU, share of the lakes found by size class, and the pixels in cast shadow.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label

from datasets_def.bands import DEFAULT_BANDS
from datasets_def.elevation import Spacing, cast_shadow, slope
from datasets_def.synthetic.worlds import World, draw_world
from glofgeo.config import AugmentConfig, LossConfig, ModelConfig
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, SIZE_CLASSES
from glofgeo.models import build_model
from glofgeo.presets import PRESETS
from glofgeo.training.augment import Augment
from glofgeo.training.losses import LakeLoss

KINDS = ("debris", "icefield", "alps")
ARMS = ("bands", "terrain")
DEM_M = 30.0
# Of the heights of a DEM against one another, metres.
NOISE_M = 1.0
CROP, BATCH = 84, 8


@dataclass(frozen=True)
class Sample:
    """A world as each arm sees it: channels by name of the arm, where its lakes are, what lies in cast shadow."""

    image: dict[str, np.ndarray]
    lake: np.ndarray
    shadow: np.ndarray
    pixel_m: float


def terrain(world: World, seed: int) -> np.ndarray:
    """Slope and cast shadow from a DEM of 30 m, `(2, H, W)`, in the units of the bands."""
    height = world.height
    factor = max(1, round(DEM_M / world.pixel_m))
    rows, cols = (-(-side // factor) * factor for side in height.shape)
    padded = np.pad(height, ((0, rows - height.shape[0]), (0, cols - height.shape[1])), mode="edge")
    dem = padded.reshape(rows // factor, factor, cols // factor, factor).mean((1, 3))
    dem = (dem + np.random.default_rng(seed).normal(0, NOISE_M, dem.shape)).astype(np.float32)
    pixel = Spacing(world.pixel_m * factor, world.pixel_m * factor)
    both = np.stack([slope(dem, pixel) / 90, cast_shadow(dem, pixel, *world.sun)]).astype(np.float32)
    return both.repeat(factor, 1).repeat(factor, 2)[:, : height.shape[0], : height.shape[1]]


def draw(kind: str, seed: int, size: int) -> Sample:
    world = draw_world(kind, seed, size)
    both = np.concatenate([world.reflectance, terrain(world, seed)])
    image = {"bands": world.reflectance, "terrain": both}
    return Sample(image, world.lake, world.light <= 0.02, world.pixel_m)


def train(arm: str, samples: list[Sample], steps: int) -> torch.nn.Module:
    bands = DEFAULT_BANDS if arm == "bands" else (*DEFAULT_BANDS, "slope", "shadow")
    torch.manual_seed(0)
    network = {name: tuple(v) if isinstance(v, list) else v for name, v in PRESETS["bundled"]["model"].items()}
    model = build_model(ModelConfig(**network, bands=bands))
    augment, loss_of = Augment(bands, AugmentConfig()), LakeLoss(LossConfig())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.1)
    rng, started = np.random.default_rng(0), time.monotonic()
    for step in range(1, steps + 1):
        images, masks = zip(*(crop(rng, samples, arm) for _ in range(BATCH)), strict=True)
        image, mask = augment(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks)))
        loss = loss_of(model(image), mask)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 40 == 0:
            rate = step / (time.monotonic() - started)
            left = (steps - step) / rate / 60
            print(f"{arm}: {step} of {steps}, loss {loss:.3f}, {rate:.2g} steps/s, {left:.0f} min left", flush=True)
    return model.eval()


def crop(rng: np.random.Generator, samples: list[Sample], arm: str) -> tuple[np.ndarray, np.ndarray]:
    """A crop, every other one around a lake where the world has one; the same for all arms."""
    sample = samples[rng.integers(len(samples))]
    size = sample.lake.shape[0]
    row, col = rng.integers(0, size - CROP + 1, 2)
    pick, around = rng.random(), rng.integers(-CROP // 3, CROP // 3, 2)
    places = np.argwhere(sample.lake)
    if rng.random() < 0.5 and len(places):
        row, col = np.clip(places[int(pick * len(places))] + around - CROP // 2, 0, size - CROP)
    part = (slice(row, row + CROP), slice(col, col + CROP))
    return sample.image[arm][:, *part], sample.lake[part].astype(np.uint8)


def judge(model: torch.nn.Module, samples: list[Sample], arm: str) -> dict:
    both, either = np.zeros(2), np.zeros(2)
    wrong, shaded = 0, 0
    found, there = np.zeros(len(SIZE_CLASSES), int), np.zeros(len(SIZE_CLASSES), int)
    for sample in samples:
        with torch.inference_mode():
            said = model(torch.from_numpy(sample.image[arm])[None])[0, 0].numpy() > 0
        for place, part in enumerate((np.ones_like(said), sample.shadow)):
            both[place] += (said & sample.lake & part).sum()
            either[place] += ((said | sample.lake) & part).sum()
        wrong += int((said & ~sample.lake & sample.shadow).sum())
        shaded += int((~sample.lake & sample.shadow).sum())
        lakes, count = label(sample.lake)
        pixels = np.bincount(lakes.ravel(), minlength=count + 1)[1:]
        hit = np.bincount(lakes[said], minlength=count + 1)[1:] >= 0.5 * pixels
        size = np.searchsorted(SIZE_BOUNDS_KM2, pixels * sample.pixel_m**2 / 1e6, side="right")
        np.add.at(there, size, 1)
        np.add.at(found, size, hit)
    ious = both / np.maximum(either, 1)
    return {
        "iou": round(float(ious[0]), 3),
        "iou_in_shadow": round(float(ious[1]), 3),
        "false_lake_share_of_shadow": round(wrong / max(shaded, 1), 5),
        "found": {name: f"{f}/{n}" for name, f, n in zip(SIZE_CLASSES, found.tolist(), there.tolist(), strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--worlds", type=int, default=30, help="of each kind, to learn from")
    parser.add_argument("--judged", type=int, default=8, help="of each kind")
    parser.add_argument("--steps", type=int, default=240)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.worlds)
    samples = [draw(kind, seed, 252) for seed in seeds for kind in KINDS]
    others = [draw(kind, 10_000 + seed, 504) for seed in range(options.judged) for kind in KINDS]
    print(f"{len(samples)} worlds to learn from, {len(others)} to judge", flush=True)
    results = {}
    for arm in ARMS:
        results[arm] = judge(train(arm, samples, options.steps), others, arm)
        print(arm, results[arm], flush=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
