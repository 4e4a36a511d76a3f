"""What mapping a whole tile costs without a model: a Markdown table of time and memory, beside other pipelines.

    python benchmarks/map_overhead.py --data FOLDER --peers PEERS/bin/python --out overhead.md

Every pipeline reads the same GeoTIFF (10980 x 10980, four bands of uint16, 512 x 512 tiles, uncompressed; made by
`fullsize.py`), turns DN into reflectance, runs the same handful of elementwise operations as its model on 625 windows
of 512 px that overlap by 64, eight at once on the CPU, and writes one GeoTIFF of uint8:

- `ours`: probability in percent, blended, nodata marked.
- `floor`: probability in percent, not blended: a loop over rows of windows that crops half the overlap. It knows
  nothing of nodata, areas or other containers. No rival, but what the reading, the model and the writing cost.
- `omnicloudmask`: `predict_from_array` on the array that rasterio read: class mask, with its own nodata mask, in
  float32 (bfloat16 was no faster and took a tenth less memory). Its z-score of each patch, `channel_norm`, is replaced
  by the scaling to reflectance that the others do. That, and writing the mask with rasterio, are ours.
- `geoai`: `predict_geotiff` with its default blending, spline, and an argmax as its `postprocess_fn`: class mask.

Each run is a process of its own; the pipelines take turns, so that a slow minute of the machine hits all. Seconds
start after the imports and end with the closed file; the input lies in the page cache. Where other programs keep the
cores busy, CPU seconds, of all threads together, tell more. Peak is the resident memory of the whole process, GDAL's
block cache (by default 5 % of the machine's memory) and the imports included; what the imports alone take stands beside
it. "Same class" is the share of pixels with the class of `ours`, pixels that it gives 50 % left out. Seconds, CPU
seconds and memory are medians.

The peers' class masks compress to a tenth of a probability: they have less to write. The model looks at single pixels,
so "same class" finds windows put in the wrong place or left out, not seams.

Torch's threads wait passively (`OMP_WAIT_POLICY=PASSIVE`) in all four.

The peers need an environment of their own: `uv venv PEERS`, `uv pip install --python PEERS torch torchvision
omnicloudmask geoai-py`.
"""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from map_pipelines import DISTRIBUTIONS, IMPORTS, PIPELINES

# Nothing heavy is imported here or in `map_pipelines.py`: Linux counts the memory of the starting process into that of
# a child.

REPETITIONS = 3
HEADINGS = (
    "pipeline", "seconds", "all runs", "times ours", "CPU seconds", "peak RSS (GiB)", "times ours",
    "after imports (GiB)", "same class",
)  # fmt: skip


def run_here(name: str, tif: Path, out: Path) -> dict[str, Any]:
    """Runs a pipeline in this process, which did nothing before."""
    from importlib.metadata import version

    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    for module in IMPORTS[name]:
        importlib.import_module(module)
    imports = peak_gib()
    start, cpu = time.perf_counter(), time.process_time()
    PIPELINES[name](tif, out)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak": peak_gib(),
        "imports": imports,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "title": f"{name} {version(DISTRIBUTIONS[name])}" if name in DISTRIBUTIONS else name,
    }


def peak_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def run_apart(python: str, *arguments: object) -> Any:
    """Runs this script in a process of its own and gives what it prints last."""
    command = [python, __file__, "--apart", *map(str, arguments)]
    # The command line of glofgeo sets it for itself; here all have it.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def make_tif(folder: Path) -> str:
    from fullsize import full_tif

    return str(full_tif(folder))


def same_class(mine: Path, theirs: Path, percent: bool) -> float:
    """Gives the share of pixels with the same class; `percent` tells that theirs is no mask but a probability."""
    import numpy as np
    import rasterio

    with rasterio.open(mine) as a, rasterio.open(theirs) as b:
        probability, other = a.read(1), b.read(1)
    decided = (probability != 50) & (probability != 255)
    return float(np.mean((probability > 50)[decided] == (other > (50 if percent else 0))[decided]))


def measure(data: Path, peers: str | None) -> str:
    """Runs all pipelines in turn.

    Returns:
        The table, under a line about the machine.
    """
    tif = Path(run_apart(sys.executable, "tif", data))
    load = os.getloadavg()[0]
    with tif.open("rb") as file:
        while file.read(2**24):
            pass
    pythons = {"ours": sys.executable, "floor": sys.executable}
    if peers:
        pythons |= {"omnicloudmask": peers, "geoai": peers}
    outputs = {name: data / f"{name}.tif" for name in pythons}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for _ in range(REPETITIONS):
        for name, python in pythons.items():
            outputs[name].unlink(missing_ok=True)
            runs[name].append(run_apart(python, name, tif, outputs[name]))
            print(f"{name}: {runs[name][-1]['seconds']:.1f} s", file=sys.stderr)
    first = runs["ours"][0]
    where = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores (load {load:.1f} before), "
        f"{first['threads']} torch threads, torch {first['torch']}, {date.today()}, "
        f"`{' '.join(['python', *sys.argv])}`"
    )
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(line(name, runs, outputs) for name in pythons)]
    note = "" if peers else "\nWithout omnicloudmask and geoai: no `--peers` environment was given.\n"
    return f"{where}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n" + note


def line(name: str, runs: dict[str, list[dict[str, Any]]], outputs: dict[str, Path]) -> tuple[str, ...]:
    """Gives a row of the table."""
    own, here = middle(runs["ours"]), middle(runs[name])
    same = run_apart(sys.executable, "same", outputs["ours"], outputs[name], name in ("ours", "floor"))
    return (
        runs[name][0]["title"],
        f"{here['seconds']:.1f}",
        ", ".join(f"{run['seconds']:.1f}" for run in runs[name]),
        f"{here['seconds'] / own['seconds']:.2f}",
        f"{here['cpu']:.1f}",
        f"{here['peak']:.2f}",
        f"{here['peak'] / own['peak']:.2f}",
        f"{here['imports']:.2f}",
        f"{same:.4%}",
    )


def middle(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {key: median(run[key] for run in runs) for key in ("seconds", "cpu", "peak", "imports")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the input and the outputs; by default one that vanishes")
    parser.add_argument("--peers", help="python of an environment with omnicloudmask and geoai-py")
    parser.add_argument("--out", type=Path, help="also write the table here")
    parser.add_argument("--apart", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    match args.apart or []:
        case ["tif", folder]:
            return print(json.dumps(make_tif(Path(folder))))
        case ["same", mine, theirs, percent]:
            return print(json.dumps(same_class(Path(mine), Path(theirs), percent == "True")))
        case [name, tif, out]:
            return print(json.dumps(run_here(name, Path(tif), Path(out))))
    with tempfile.TemporaryDirectory() as temporary:
        text = measure(args.data or Path(temporary), args.peers)
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
