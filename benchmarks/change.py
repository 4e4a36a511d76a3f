"""What `change` costs on a continent, and how often it is wrong: `python benchmarks/change.py [--quick]`.

Cost: 112,000 against 117,000 simulated lakes, as many as GIGLak has; each size is compared in a process of its own.
Nulls: the same lakes with shores drawn anew, each vertex moved by half a pixel (one sigma, correlated over a pixel),
for pixels of 10 and 30 m: the share that is called significant, by size class. Intervals: how many of 1,000 simulated
series have their true rate within the 95 % interval.
"""

import argparse
import platform
import resource
import subprocess
import sys
import time
from datetime import date

import geopandas as gpd
import numpy as np
import shapely

SIZES = (112_000, 117_000)
SERIES = 1000


def main() -> None:
    """Prints three tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the lakes")
    arguments.add_argument("--cost", type=int, nargs=2, default=None, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.cost:
        print(cost(*given.cost))
        return
    print(f"{platform.machine()}, {date.today()}\n")
    sizes = [size // 10 for size in SIZES] if given.quick else SIZES
    print("| lakes | read (s) | compare (s) | of a core (s) | peak (MiB) |\n|---|---|---|---|---|")
    command = [sys.executable, __file__, "--cost", *map(str, sizes)]
    print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout, flush=True)
    print("| pixel | size class, km² | lakes | significant |\n|---|---|---|---|")
    for pixel in (10, 30):
        for row in nulls(pixel, 200 if given.quick else 1000):
            print(row)
    print("\n| dates | intervals that hold the true rate |\n|---|---|")
    for dates in (*range(5, 13), 20):
        print(f"| {dates} | {coverage(dates):.1%} |")


def lakes(count: int, moved: int = 0) -> gpd.GeoDataFrame:
    """Simulated lakes on a lattice: log-normal areas, 50 vertices; `moved` draws their shores anew."""
    side = int(np.ceil(np.sqrt(max(SIZES))))
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    shapes = []
    for start in range(0, count, 10_000):  # all at once would take more memory than what is measured
        random = np.random.default_rng(start)
        number = np.arange(start, min(start + 10_000, count))
        row, column = np.divmod(number, side)
        radius = np.sqrt(np.clip(random.lognormal(-4, 1.3, 10_000), 0.0054, 1) / np.pi)[: len(number)]
        bays = 1 + 0.2 * np.sin(3 * angle + random.uniform(0, 6, (10_000, 1))[: len(number)])
        again = np.random.default_rng(moved + start).normal(1, 0.03, (len(number), 50)) if moved else 1.0
        x = 70 + 0.02 * column[:, None] + radius[:, None] * bays * again * np.cos(angle) / 98
        y = 28 + 0.02 * row[:, None] + radius[:, None] * bays * again * np.sin(angle) / 111
        shapes.append(shapely.polygons(np.stack([x, y], axis=2)))
    return gpd.GeoDataFrame(geometry=np.concatenate(shapes), crs="EPSG:4326")


def cost(before: int, after: int) -> str:
    """Reads and compares; gives a row of the table."""
    from glofgeo.change.classes import compare_layers
    from glofgeo.change.read_layer import layer_of

    started = time.perf_counter()
    layers = [layer_of(lakes(count, i), f"{i}", f"{2010 + 10 * i}") for i, count in enumerate((before, after))]
    read = time.perf_counter()
    rows, _ = compare_layers(*layers)
    done = time.perf_counter()
    busy = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    assert len(rows) == max(before, after)
    return f"| {before} and {after} | {read - started:.0f} | {done - read:.0f} | {busy:.0f} | {peak} |"


def nulls(pixel: float, count: int) -> list[str]:
    """Draws the same lakes twice and compares; gives rows of the table."""
    from glofgeo.change.classes import compare_layers
    from glofgeo.change.read_layer import layer_of
    from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, SIZE_CLASSES

    random = np.random.default_rng(0)
    areas = 10 ** random.uniform(np.log10(0.0054), np.log10(5), count)
    layers = [
        layer_of(gpd.GeoDataFrame({"scene_id": "S2A" if pixel == 10 else "LC08"}, index=range(count),
                                  geometry=_drawn(areas, pixel, seed), crs="EPSG:32645"), str(seed), f"{2010 + seed}")
        for seed in (1, 2)
    ]  # fmt: skip
    rows, _ = compare_layers(*layers)
    size = np.digitize(rows["area_before_m2"] / 1e6, SIZE_BOUNDS_KM2)
    told = []
    for number, name in enumerate(SIZE_CLASSES):
        part = rows[size == number]
        if len(part):
            told.append(f"| {pixel} m | {name} | {len(part)} | {part['significant'].mean():.1%} |")
    return told


def _drawn(areas: np.ndarray, pixel: float, seed: int) -> list[shapely.Polygon]:
    """Lakes of these areas with shores drawn by hand: each pixel's length of shore is off by half a pixel."""
    random = np.random.default_rng(seed)
    shapes = []
    for number, area in enumerate(areas):
        radius = 1000 * np.sqrt(area / np.pi)
        # All of a shore is off alike to some degree: the threshold, the light, the mapper.
        together = random.normal(0, 0.5 * pixel / np.sqrt(2))
        vertices = max(int(2 * np.pi * radius / pixel), 8)
        each = random.normal(0, 0.5 * pixel / np.sqrt(2), vertices)
        angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
        along = np.maximum(radius + together + each, 1)
        x, y = 300_000 + 8000 * (number % 40), 3_000_000 + 8000 * (number // 40)
        shapes.append(shapely.Polygon(np.stack([x + along * np.cos(angle), y + along * np.sin(angle)], axis=1)))
    return shapes


def coverage(dates: int) -> float:
    """The share of simulated series, at dates anyhow spread, whose true rate lies in the interval."""
    from glofgeo.change.series import sen_trend

    random = np.random.default_rng(0)
    held = 0
    for _ in range(SERIES):
        years = np.sort(random.uniform(0, 10, dates))
        trend = sen_trend(years, 2 * years + random.normal(0, 3, dates))
        held += trend["slope_low"] <= 2 <= trend["slope_high"]
    return held / SERIES


if __name__ == "__main__":
    main()
