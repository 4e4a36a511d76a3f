"""How right areas and perimeters of mapped lakes are: a Markdown table of errors on circles of known size.

    python benchmarks/circles.py --out circles.md

Each circle is drawn as probability, the share of each 10 m pixel that it covers in whole percent, at centres that are
random within a pixel. The outline is what `glofgeo map` would write; the pixel stairs are the outlines of the same
pixels of lake. Errors are relative, mean and standard deviation over the centres; a bias shows as a mean that is more
than twice its standard error (deviation / sqrt(centres)) away from zero.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.windows import Window

from glofgeo.mapping.components import LakeRuns
from glofgeo.mapping.polygons import lake_polygons

PIXEL = 10.0
RADII = (30, 50, 100, 300, 1000, 3000)
COLUMNS = 16  # a pixel is integrated in as many columns, exactly along each


def circle(radius: float, centre: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Coverage in percent, `(H, W)`, of a circle; radius, and centre from the middle of the image, in pixels."""
    size = 2 * math.ceil(radius) + 8
    x = (np.arange(size * COLUMNS) + 0.5) / COLUMNS - size / 2 - centre[0]
    half = np.sqrt(np.maximum(radius**2 - x**2, 0))
    top = np.arange(size)[:, None] - size / 2 - centre[1]
    inside = np.maximum(np.minimum(half, top + 1) - np.maximum(-half, top), 0)
    return np.rint(inside.reshape(size, size, COLUMNS).mean(2) * 100).astype(np.uint8)


def measure(percent: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Area and perimeter of the outline, then of the pixel stairs, in pixels."""

    def read(window: Window) -> NDArray[np.uint8]:
        return percent[window.toslices()]

    runs = LakeRuns(percent.shape)
    runs.add(0, percent)
    clean = runs.clean(5)
    outline = lake_polygons(read, clean.lakes, Affine.identity(), None).geometry.item()
    mask = clean.mask(0, percent)
    stairs = shapely.union_all([shapely.geometry.shape(shape) for shape, _ in shapes(mask, mask=mask == 1)])
    return outline.area, outline.length, stairs.area, stairs.length


def row(radius: float, centres: int) -> str:
    rng = np.random.default_rng(0)
    pixels = radius / PIXEL
    truth = np.array([math.pi * pixels**2, 2 * math.pi * pixels] * 2)
    errors = [np.array(measure(circle(pixels, rng.uniform(-0.5, 0.5, 2)))) / truth - 1 for _ in range(centres)]
    mean, spread = np.mean(errors, axis=0) * 100, np.std(errors, axis=0) * 100
    cells = [f"{m:+.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)]
    return f"| {radius:g} | {' | '.join(cells)} | {2 * spread[0] / math.sqrt(centres):.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--centres", type=int, default=400, help="random centres of each radius")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    arguments = parser.parse_args()
    lines = [
        "| radius, m | outline area, % | outline perimeter, % | stairs area, % | stairs perimeter, % "
        "| 2 standard errors of the outline's area, % |",
        "|---|---|---|---|---|---|",
    ]
    lines += [row(radius, arguments.centres) for radius in RADII]
    table = "\n".join(lines)
    print(table)
    if arguments.out:
        arguments.out.write_text(table + "\n")


if __name__ == "__main__":
    main()
