"""What Dask costs: the same scenes by workers of `--dask auto` and by as many plain processes, one thread each.

    python benchmarks/cluster.py --scenes 8 --size 2500 --data DATA

Seconds from start to end, start-up included: both sides load everything once a process. The maps are compared.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

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


def seconds(commands: list[list[str]], threads: int) -> float:
    """Runs commands side by side."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    processes = [subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL) for words in commands]
    if any(process.wait() for process in processes):
        raise SystemExit("a run failed")
    return time.perf_counter() - started


def maps(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/*.tif"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--size", type=int, default=2500)
    parser.add_argument("--data", type=Path, required=True)
    chosen = parser.parse_args()
    workers = os.cpu_count() or 1
    chosen.data.mkdir(parents=True, exist_ok=True)
    paths = [chosen.data / f"{number}.tif" for number in range(chosen.scenes)]
    for number, path in enumerate(paths):
        if not path.exists():
            write_scene(path, chosen.size, number)
    names = [str(path) for path in paths]
    plain, dask = chosen.data / "plain", chosen.data / "dask"
    for out in (plain, dask):
        shutil.rmtree(out, ignore_errors=True)
    apart = [[*COMMAND, "--out", str(plain), "--scene", *names[number::workers]] for number in range(workers)]
    alone = seconds(apart, 1)
    together = seconds([[*COMMAND, "--out", str(dask), "--dask", "auto", "--scene", *names]], 1)
    if maps(plain) != maps(dask):
        raise SystemExit("the maps differ")
    print(
        "| scenes | pixels | workers | plain processes (s) | Dask (s) | throughput of Dask |\n|---|---|---|---|---|---|"
    )
    print(f"| {chosen.scenes} | {chosen.size}² | {workers} | {alone:.0f} | {together:.0f} | {alone / together:.2f} |")


if __name__ == "__main__":
    main()
