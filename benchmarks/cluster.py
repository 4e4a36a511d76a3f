"""What Dask costs: the same scenes by workers of `--dask auto` and by as many plain processes, one thread each.

    python benchmarks/cluster.py --data DATA

By turns, on cores that do nothing else. A scene a worker alone is the start, which Dask has twice, for itself and for
its workers; the throughput is that of all further scenes. The maps are compared.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import rasterio
from rasterio.transform import from_origin

COMMAND = [sys.executable, "-c", "from glofgeo.cli import main; main()", "map", "--checkpoint", "bundled"]


def write_scene(path: Path, size: int, seed: int) -> None:
    """Random reflectance: what a model makes of it takes as long as any other."""
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", count=4, height=size, width=size, crs="EPSG:32645", nodata=0,
        transform=from_origin(200_000 + 10 * size * seed, 3_100_000, 10, 10), tiled=True, compress="deflate",
    ) as target:  # fmt: skip
        target.write(np.random.default_rng(seed).integers(1, 6000, (4, size, size), dtype=np.uint16))
        target.descriptions = ("B02", "B03", "B04", "B08")
        target.update_tags(BOA_ADD_OFFSET=0)


def seconds(commands: list[list[str]]) -> float:
    """Runs commands side by side."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    processes = [subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) for words in commands]
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise SystemExit("a run failed")
    return time.perf_counter() - started


def plain(scenes: list[str], out: Path, workers: int) -> float:
    shares = {str(out / str(number)): scenes[number::workers] for number in range(workers)}
    return seconds([[*COMMAND, "--out", folder, "--scene", *share] for folder, share in shares.items()])


def dask(scenes: list[str], out: Path, workers: int) -> float:
    return seconds([[*COMMAND, "--out", str(out), "--dask", "auto", "--scene", *scenes]])


def maps(out: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in out.rglob("*/*.tif")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--data", type=Path, required=True)
    chosen = parser.parse_args()
    workers = os.cpu_count() or 1
    chosen.data.mkdir(parents=True, exist_ok=True)
    scenes = [chosen.data / f"{chosen.size}-{number}.tif" for number in range(chosen.scenes)]
    for number, path in enumerate(scenes):
        if not path.exists():
            write_scene(path, chosen.size, number)
    names = [str(path) for path in scenes]
    took: dict[tuple[str, int], list[float]] = {}
    out = chosen.data / "maps"
    for _ in range(chosen.repetitions):
        for some in (names[:workers], names):
            made = []
            for run in (plain, dask):
                shutil.rmtree(out, ignore_errors=True)
                took.setdefault((run.__name__, len(some)), []).append(run(some, out, workers))
                made.append(maps(out))
            if made[0] != made[1]:
                raise SystemExit("the maps differ")
    print(f"{platform.machine()}, {workers} cores, load {os.getloadavg()[0]:.1f}, {date.today()}\n")
    print(f"| scenes of {chosen.size}² | {workers} plain processes (s) | {workers} workers (s) |\n|---|---|---|")
    for count in (workers, chosen.scenes):
        cells = [f"{median(took[name, count]):.1f} ({listed(took[name, count])})" for name in ("plain", "dask")]
        print(f"| {count} | {' | '.join(cells)} |")
    further = {name: median(took[name, chosen.scenes]) - median(took[name, workers]) for name in ("plain", "dask")}
    print(f"\nthroughput beyond the start, Dask : plain = {further['plain'] / further['dask']:.2f}")


def listed(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    main()
