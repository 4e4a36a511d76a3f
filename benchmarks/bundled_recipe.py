"""Makes the model that comes with the package: `python benchmarks/bundled_recipe.py --out FOLDER`.

Draws many synthetic worlds, trains the preset `bundled` on them, and puts the result into the package as float16. It
needs no data and no network. A broken-off recipe goes on where it stopped.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry import box

from datasets_def.aoi import read_aoi
from datasets_def.atomic import written_beside
from datasets_def.scene import open_scene
from datasets_def.synthetic.worlds import KINDS, write_world
from glofgeo.config import TrainConfig
from glofgeo.presets import PRESETS
from glofgeo.settings import from_dict
from glofgeo.training import RunOptions, Sources, train_model

VALIDATED = 4
"""Worlds of each kind that choose epoch and temperature, the first seeds."""


def write_worlds(out: Path, per_kind: int, size: int) -> tuple[Path, Path]:
    """Writes the worlds that are not there yet; gives the layers of their areas and of all their lakes."""
    jobs = [(out / "scenes", kind, seed, size) for seed in range(per_kind) for kind in KINDS]
    left = [job for job in jobs if not (job[0] / f"{job[1]}_{job[2]}.tif").exists()]
    with ProcessPoolExecutor() as pool:
        for number, _ in enumerate(pool.map(_write, left, chunksize=4), 1):
            if number % 50 == 0:
                print(f"{number} of {len(left)} worlds", flush=True)
    areas, lakes = [], []
    for folder, kind, seed, _ in jobs:
        scene = open_scene(folder / f"{kind}_{seed}.tif")
        split = "val" if seed < VALIDATED else "train"
        areas.append({"name": scene.id, "place": scene.id, "split": split, "geometry": box(*scene.grid.bounds)})
        lakes.append(gpd.read_file(folder / f"{kind}_{seed}_lakes.gpkg"))
    paths = out / "aoi.gpkg", out / "lakes.gpkg"
    for path, frame in zip(paths, (gpd.GeoDataFrame(areas, crs=scene.crs), pd.concat(lakes)), strict=True):
        with written_beside(path) as part:
            frame.to_file(part, layer=path.stem, driver="GPKG")
    return paths


def _write(job: tuple[Path, str, int, int]) -> None:
    write_world(*job, declared_m=10.0)


def main() -> None:
    """Runs the recipe."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="folder for worlds and runs")
    arguments.add_argument("--per-kind", type=int, default=100, help="worlds of each kind")
    arguments.add_argument("--size", type=int, default=504, help="pixels along each side of a world")
    arguments.add_argument("--epochs", type=int, default=None)
    arguments.add_argument("--crops", type=int, default=None, help="in each epoch")
    given = arguments.parse_args()
    areas, lakes = write_worlds(given.out, given.per_kind, given.size)
    wanted = dict(PRESETS["bundled"])
    if given.epochs:
        wanted["epochs"] = given.epochs
    if given.crops:
        wanted["data"] = wanted["data"] | {"crops": given.crops}
    config = from_dict(TrainConfig, wanted, "bundled")
    run = given.out / "run"
    resume = run if (run / "last.ckpt").exists() else None
    sources = Sources(read_aoi(areas), "synthetic worlds", given.out / "scenes", lakes)
    trained = train_model(sources, config, run, resume=resume, options=RunOptions(device="cpu", progress=True))
    print(trained.best, trained.iou)


if __name__ == "__main__":
    main()
