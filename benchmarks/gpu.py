"""What each size of model costs on a GPU: `python benchmarks/gpu.py --data FOLDER`.

Mapping is the whole of `glofgeo map` on a full-size product but for importing, start of the GPU included; the network's
answer is replaced by that of NDWI, as in `map_scene.py`. Training is the median step of the preset's batch on random
reflectance, forward, backward and optimiser, in bfloat16, without reading crops.
"""

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import get_args

import torch
from fullsize import full_product
from map_scene import WINDOW, Known

from glofgeo.config import DataConfig, ModelConfig, TrainConfig, Variant
from glofgeo.mapping.batch import map_scenes
from glofgeo.models import Header, build_model
from glofgeo.models.predictor import torch_predictor

STEPS = 12


def main() -> None:
    """Prints one row a size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=None, help="folder for the product; by default a temporary one")
    arguments.add_argument("--variants", nargs="+", choices=get_args(Variant), default=get_args(Variant))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        product = full_product(given.data or Path(folder))
        print(f"product ready after {time.perf_counter() - started:.0f} s", flush=True)
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {date.today()}\n")
        print("| variant | map (s) | GPU, map (GiB) | batch | step (s) | epoch (min) | GPU, train (GiB) |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for variant in given.variants:
            seconds, mapping = map_seconds(variant, product, Path(folder))
            config = preset(variant)
            step, training = step_seconds(config)
            epoch = step * config.data.crops / config.data.batch_size / 60
            batch = config.data.batch_size
            print(
                f"| {variant} | {seconds:.1f} | {mapping:.1f} | {batch} | {step:.3f} | {epoch:.1f} | {training:.1f} |",
                flush=True,
            )


def preset(variant: Variant) -> TrainConfig:
    """The settings of `--config large`, or of `small`, for another size."""
    size = 8 if variant in ("tiny", "small") else DataConfig().batch_size
    return TrainConfig(model=ModelConfig(variant=variant), data=DataConfig(batch_size=size))


def map_seconds(variant: Variant, product: Path, folder: Path) -> tuple[float, float]:
    """Seconds that mapping takes, and the most GPU memory that torch held, in GiB."""
    torch.manual_seed(0)
    torch.cuda.reset_peak_memory_stats()
    model = Known(ModelConfig(variant=variant)).eval()
    card = Header(TrainConfig(model=model.config, data=DataConfig(window=WINDOW)), {}, None, "random")
    started = time.perf_counter()
    report = map_scenes([product], torch_predictor(model, card), out=folder / variant, device="cuda")
    seconds = time.perf_counter() - started
    for error in report.failed.values():
        raise error
    return seconds, torch.cuda.max_memory_allocated() / 2**30


def step_seconds(config: TrainConfig) -> tuple[float, float]:
    """Seconds of a training step, and the most GPU memory that torch held, in GiB."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = build_model(config.model).train().cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    side = config.data.window
    image = torch.rand(config.data.batch_size, len(config.model.bands), side, side, device="cuda")
    lake = (image[:, :1] > 0.9).float()
    times = []
    for _ in range(STEPS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(image), lake)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return median(times[2:]), torch.cuda.max_memory_allocated() / 2**30


if __name__ == "__main__":
    main()
