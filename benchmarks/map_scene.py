"""What mapping a full-size product costs beside its model: `python benchmarks/map_scene.py --data FOLDER`.

The whole of `glofgeo map` but for importing and loading, against the sum of the pure forward time of the planned
windows and the pure decode time of the bands, each measured alone on all cores in the same run. The network's weights
are random, so its answer is replaced by that of NDWI, which costs next to nothing and gives some thousand lakes, more
than a tile of the Himalaya has.
"""

import argparse
import math
import platform
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import rasterio
import torch
from fullsize import full_product
from rasterio.windows import Window

from datasets_def import open_scene
from glofgeo.config import DataConfig, MapConfig, ModelConfig, TrainConfig
from glofgeo.inference.batches import auto_batch
from glofgeo.inference.devices import computes_in_bfloat16
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.job import plan_scene
from glofgeo.models import Header, LakeSegmenter, load_model, torch_predictor
from glofgeo.models.bundled import BUNDLED

WINDOW = 518
# One batch in this many is timed for the pure forward: they are all of one size.
EVERY = 8


class Known(LakeSegmenter):
    """A segmenter at full cost whose answer is that of NDWI > 0.5."""

    def forward(self, reflectance: torch.Tensor) -> torch.Tensor:
        """Returns logits `(B, 1, H, W)`."""
        logits = super().forward(reflectance)
        green, infrared = reflectance[:, 1:2], reflectance[:, 3:4]
        ndwi = (green - infrared) / (green + infrared).clamp_min(1e-3)
        return logits * 1e-6 + 40 * (ndwi - 0.5)


def main() -> None:
    """Prints one row a model."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=None, help="folder for the product; by default a temporary one")
    arguments.add_argument("--variants", nargs="+", default=["tiny", "small"])
    arguments.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = arguments.parse_args()
    device = torch.device(given.device)
    with tempfile.TemporaryDirectory() as folder:
        product = full_product(given.data or Path(folder))
        decode = decode_seconds(product)
        print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}\n")
        print("| variant | windows | least | forward (s) | decode (s) | sum (s) | map (s) | map : sum | peak (GiB) |")
        print("|---|---|---|---|---|---|---|---|---|")
        for variant in given.variants:
            print(row(variant, product, decode, Path(folder), device), flush=True)


def row(variant: str, product: Path, decode: float, folder: Path, device: torch.device) -> str:
    """Maps the product with one model."""
    torch.manual_seed(0)
    own = load_model(BUNDLED) if variant == BUNDLED else None
    window = own.window if own else WINDOW
    model = Known(own.card.config.model if own else ModelConfig(variant=variant)).eval()
    config = TrainConfig(model=model.config, data=DataConfig(window=window))
    predictor = torch_predictor(model, Header(config, {}, None, "random"))
    settings = MapConfig()
    plan = plan_scene(open_scene(product), predictor, settings).area.plan
    least = math.prod(-(-(side - settings.overlap) // (window - settings.overlap)) for side in plan.shape)
    before = forward_seconds(model, window, len(plan), device)
    started = time.perf_counter()
    report = map_scenes([product], predictor, out=folder / variant, device=device.type)
    seconds = time.perf_counter() - started
    for error in report.failed.values():
        raise error
    forward = (before + forward_seconds(model, window, len(plan), device)) / 2
    both = forward + decode
    peak = peak_gib()
    figures = (
        f"{forward:.1f}",
        f"{decode:.1f}",
        f"{both:.1f}",
        f"{seconds:.1f}",
        f"{seconds / both:.2f}",
        f"{peak:.2f}",
    )
    return " | ".join(["", variant, str(len(plan)), str(least), *figures, ""]).strip()


def forward_seconds(model: LakeSegmenter, side: int, windows: int, device: torch.device) -> float:
    """Time of the model alone for so many windows, in the batches that the mapper makes."""
    infer = torch_predictor(model).on(device.type, half=computes_in_bfloat16(device))
    size = auto_batch(device, side)
    batch = torch.rand(size, len(model.config.bands), side, side).mul(0.3).numpy()
    infer(batch)
    batches = max(1, windows // size // EVERY)
    started = time.perf_counter()
    for _ in range(batches):
        infer(batch)
    return (time.perf_counter() - started) / (batches * size) * windows


def decode_seconds(product: Path) -> float:
    """Time to decode the four bands once, row of blocks by row of blocks, on all cores."""
    scene = open_scene(product)
    scene = replace(scene, classification=None)
    rows, cols = scene.shape
    started = time.perf_counter()
    with rasterio.Env(GDAL_CACHEMAX=256 * 2**20):
        for top in range(0, rows, 1024):
            scene.load_dn(Window(0, top, cols, min(1024, rows - top)), scene.bands)
    return time.perf_counter() - started


def peak_gib() -> float:
    """Most memory that this process has held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
