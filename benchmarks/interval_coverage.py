"""How often the scorecard's 95 % intervals hold the truth: `python benchmarks/interval_coverage.py`.

Worlds of lakes are simulated whose errors correlate over a given length (Gaussian fields with the correlation
exp(-d^2 / 2 L^2)): lake is missed where one field is high, and land taken for lake where another is. Each world is
judged as a map is, in blocks; the truth is the IoU of all worlds together. Before: blocks of 2.5 km and percentiles 2.5
and 97.5, whatever the errors are. Now: as `glofgeo.evaluation.blocks` chooses.
"""

import argparse
import platform
from collections.abc import Mapping
from datetime import date

import numpy as np

from glofgeo.evaluation.blocks import RESAMPLES, bootstrap, choose_blocks, join_blocks

PIXEL_KM = 0.25
BLOCK = 10  # pixels: 2.5 km
LENGTHS_KM = (0.5, 1.5, 4.0)


def field(rng: np.random.Generator, size: int, length: float) -> np.ndarray:
    """A Gaussian field of `size` pixels a side, mean 0 and variance 1; it wraps around at its edges."""
    wave = 2 * np.pi * np.fft.fftfreq(size, PIXEL_KM)
    damping = np.exp(-(wave[:, None] ** 2 + wave**2) * length**2 / 4)
    smooth: np.ndarray = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * damping).real
    return smooth / np.sqrt((damping**2).mean())


def world(rng: np.random.Generator, km: float, length: float) -> np.ndarray:
    """One world's tp, fp and fn by block, `(rows, cols, 3)`."""
    size = int(km / PIXEL_KM) // BLOCK * BLOCK
    wide = size + int(8 * length / PIXEL_KM)
    lake = field(rng, size, 0.3) > 1.8
    missed = lake & (field(rng, wide, length)[:size, :size] > 1.0)
    false = ~lake & (field(rng, wide, length)[:size, :size] > 2.2) & (field(rng, size, 0.3) > 1)
    pixels = np.stack([lake & ~missed, false, missed], axis=-1).astype(float)
    return pixels.reshape(size // BLOCK, BLOCK, size // BLOCK, BLOCK, 3).sum(axis=(1, 3))


def iou(total: np.ndarray) -> Mapping[str, float | None]:
    """From tp, fp and fn."""
    return {"iou": float(total[0] / total.sum())}


def before(rng: np.random.Generator, counts: np.ndarray) -> tuple[float, float]:
    """The interval of blocks of 2.5 km."""
    draws = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES) @ counts
    low, high = np.percentile(draws[:, 0] / draws.sum(axis=1), (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Prints one row for each length and size."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--worlds", type=int, default=200)
    arguments.add_argument("--km", type=float, nargs="+", default=[110, 40], help="sides of the worlds")
    given = arguments.parse_args()
    print(f"{platform.machine()}, {date.today()}\n")
    print("| side (km) | errors correlate over (km) | before | now | without interval | chosen side (km), median |")
    print("|---|---|---|---|---|---|")
    for km in given.km:
        for length in LENGTHS_KM:
            rng = np.random.default_rng(0)
            worlds = [world(rng, km, length) for _ in range(given.worlds)]
            truth = iou(np.sum([one.sum(axis=(0, 1)) for one in worlds], axis=0))["iou"]
            assert truth is not None
            old, new, sides = [], [], []
            for one in worlds:
                counts, shape = one.reshape(-1, 3), one.shape[:2]
                low, high = before(rng, counts)
                old.append(low <= truth <= high)
                joined = choose_blocks([[counts]], [(shape[0], shape[1])])
                sides.append(joined.side_km)
                interval = bootstrap(join_blocks(counts, (shape[0], shape[1]), joined.times), iou, joined)["iou"]
                if interval is not None:
                    new.append(interval[0] <= truth <= interval[1])
            cells = (km, length, f"{np.mean(old):.0%}", f"{np.mean(new):.0%}", f"{1 - len(new) / len(worlds):.0%}")
            print("|", " | ".join(str(cell) for cell in (*cells, np.median(sides))), "|", flush=True)


if __name__ == "__main__":
    main()
