"""What the network costs at 518 px, size by size: a Markdown table of time, memory and arithmetic on this machine.

    python benchmarks/model_cost.py --variants tiny small base large --out cost.md

Times are medians of three on all cores, one tile at a time. Every training step runs in a process of its own, whose
peak resident memory is told whole: Python and the libraries are part of it. "Decoder + stem" is the share of the
forward time that is not the transformer's: stem, pyramid, decoder and head.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Literal, get_args

import torch
from torch.utils.flop_counter import FlopCounterMode

from glofgeo.config import ModelConfig, TrainConfig, Variant
from glofgeo.models import build_model
from glofgeo.training.adapt import adapt
from glofgeo.training.losses import LakeLoss
from glofgeo.training.task import parameter_groups

SIDE = 518
Tune = Literal["full", "frozen", "lora"]
HEADINGS = (
    "variant",
    "parameters (M)",
    "GFLOPs",
    "s a tile, fp32",
    "s a tile, bf16",
    "decoder + stem, fp32",
    "decoder + stem, bf16",
    *(f"step, {tune} (GiB)" for tune in get_args(Tune)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=get_args(Variant), default=get_args(Variant))
    parser.add_argument("--out", type=Path, help="also write the table here")
    parser.add_argument("--step", nargs=2, metavar=("VARIANT", "TUNE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    if args.step:
        print(peak_of_step(*args.step))
        return
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(measure(variant) for variant in args.variants)]
    where = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = f"{where}, {date.today()}, `{' '.join(['python', *sys.argv])}`\n\n{table}\n"
    print(text)
    if args.out:
        args.out.write_text(text)


@torch.inference_mode()
def measure(variant: Variant) -> tuple[str, ...]:
    """Gives a row of the table."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(variant=variant)).eval().to(memory_format=torch.channels_last)
    tile = torch.rand(1, 4, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    with FlopCounterMode(display=False) as counter:
        model(tile)
    times, shares = [], []
    for bf16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            whole = seconds(lambda: model(tile))
            transformer = seconds(lambda: model.encoder.tokens(tile, model.encoder.pyramid_blocks))
        times.append(f"{whole:.2f}")
        shares.append(f"{1 - transformer / whole:.0%}")
    return (
        variant,
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}",
        f"{counter.get_total_flops() / 1e9:.0f}",
        *times,
        *shares,
        *(f"{float(run_step(variant, tune)):.2f}" for tune in get_args(Tune)),
    )


def seconds(run: Callable[[], object]) -> float:
    """Takes the median time of three runs after one to warm up."""
    run()
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return median(taken)


def run_step(variant: str, tune: str) -> str:
    """Measures a training step in a process of its own, because peak memory never falls again."""
    command = [sys.executable, __file__, "--step", variant, tune]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def peak_of_step(variant: Variant, tune: Tune) -> float:
    """Takes one training step in fp32, batch 1, and gives this process's peak resident memory in GiB."""
    config = TrainConfig(model=ModelConfig(variant=variant), tune=tune)
    model = build_model(config.model).train()
    adapt(model, config)
    optimizer = torch.optim.AdamW(parameter_groups(model, config.lr, config.encoder_lr))
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    mask[:, :99, :99] = 1
    LakeLoss(config.loss)(model(torch.rand(1, 4, SIDE, SIDE)), mask).backward()
    optimizer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


if __name__ == "__main__":
    main()
