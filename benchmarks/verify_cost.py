"""What comparing a product's checksums costs beside decoding its pixels: a Markdown table.

    python benchmarks/verify_cost.py --data FOLDER --out verify.md

One 10 m band of a full-size product (made by `fullsize.py`): decoding all of it with GDAL on all cores, its SHA3-256
and its MD5 as `glofgeo` computes them, and both at once as mapping does it, decoding in one thread and SHA3-256 in
another. They take turns, so that a slow minute of the machine hits all; the file lies in the page cache. Seconds and
CPU seconds, of all threads together, are medians.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from threading import Thread

import rasterio
from fullsize import full_product

from datasets_def.archive import StoredFile
from datasets_def.manifest import compute

REPETITIONS = 5


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the product; made if it is not there")
    parser.add_argument("--out", type=Path, help="file of the table")
    arguments = parser.parse_args()
    path = next(full_product(arguments.data).rglob("*_B08_10m.jp2"))
    seconds = measure(path)
    base = seconds["decode"]
    lines = [
        f"{platform.machine()}, {os.cpu_count()} threads, {date.today()}, "
        "`python benchmarks/verify_cost.py --data DATA`",
        "",
        "| 10980 x 10980 px, one band | seconds | CPU seconds | CPU, share of decoding |",
        "|---|---|---|---|",
        *(f"| {name} | {wall:.2f} | {cpu:.2f} | {cpu / base[1]:.3f} |" for name, (wall, cpu) in seconds.items()),
        "",
        f"File of {path.stat().st_size / 1e6:.0f} MB, medians of {REPETITIONS} in turn.",
    ]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


def measure(path: Path) -> dict[str, tuple[float, float]]:
    """Gives median seconds and CPU seconds of each way to read a file."""
    file = StoredFile(path)

    def both() -> None:
        thread = Thread(target=compute, args=(file, "SHA3-256"))
        thread.start()
        decode(path)
        thread.join()

    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(path),
        "SHA3-256": lambda: compute(file, "SHA3-256"),
        "MD5": lambda: compute(file, "MD5"),
        "decode and SHA3-256 at once": both,
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: (median(w for w, _ in runs), median(c for _, c in runs)) for name, runs in found.items()}


def decode(path: Path) -> None:
    """Decodes a file as mapping does, 1024 rows at a time."""
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"), rasterio.open(path) as source:
        for top in range(0, source.height, 1024):
            source.read(1, window=((top, min(top + 1024, source.height)), (0, source.width)))


if __name__ == "__main__":
    main()
