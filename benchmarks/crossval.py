"""How well the preset `chips` does on ground it has not seen: `python benchmarks/crossval.py --chips FOLDER --out DIR`.

Chips of one place overlap, and so do chips of some places that are called different: places that share pixels are
joined to areas. Whole areas are dealt into five groups of about equal numbers of chips. Each fold tests on one group;
of the others, `glofgeo train` keeps some areas back itself to judge its epoch. A U-Net from scratch trains on the same
windows for the same wall time. Figures are pooled over the pixels of all folds; intervals come from drawing areas with
replacement, because the chips of an area err together. A fold that was scored is not run again, and one that was broken
off starts anew; `--done` pools the folds that are there.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FOLDS = 5
COUNTS = ["tp", "fp", "fn", "tn"]
METHODS = {"model": "preset `chips`", "unet": "U-Net, ResNet-18", "ndwi": "NDWI > 0", "ndwi_at": "NDWI, best on train"}
DRAWS = 10_000


def join_places(chips: gpd.GeoDataFrame, images: Path) -> tuple[pd.Series, int]:
    """Gives each chip its area, and the number of pairs of chips of different places that share ground.

    Chips share ground where four neighbouring pixels of a row or column, not all alike, agree in all bands: sixteen
    numbers that do not agree by chance. On the chips at hand each such pair agrees in the whole of its overlap.
    """
    seen = pd.concat(
        [_runs_of_four(images / f"chip_{chip:03d}.tif").assign(number=i) for i, chip in enumerate(chips["chip"])]
    )
    seen = seen[seen.duplicated("run", keep=False)]
    pairs = seen.merge(seen, on="run")[["number_x", "number_y"]].drop_duplicates().to_numpy().T
    place = chips["place"].to_numpy()
    foreign = int(np.count_nonzero((place[pairs[0]] != place[pairs[1]]) & (pairs[0] < pairs[1])))
    code = pd.factorize(place)[0]
    links = coo_array((np.ones(pairs.shape[1], bool), (code[pairs[0]], code[pairs[1]])), shape=(code.max() + 1,) * 2)
    return pd.Series(connected_components(links, directed=False)[1][code], chips.index), foreign


def _runs_of_four(path: Path) -> pd.DataFrame:
    """The distinct runs of four pixels of a chip, along rows and columns, as bytes."""
    with rasterio.open(path) as source:
        pixels = source.read().transpose(1, 2, 0)
    found: set[bytes] = set()
    for lines in (pixels, pixels.transpose(1, 0, 2)):
        runs = np.stack([lines[:, k : lines.shape[1] - 3 + k] for k in range(4)], axis=2)
        runs = runs[(runs != runs[:, :, :1]).any(axis=(2, 3))]
        found.update(map(bytes, runs))
    return pd.DataFrame({"run": list(found)})


def deal(chips: gpd.GeoDataFrame, seed: int) -> pd.Series:
    """Gives each chip the fold that tests it: the largest areas first, each to the fold that has least."""
    sizes = chips["area"].value_counts()
    order = sizes.sample(frac=1, random_state=seed).sort_values(ascending=False, kind="stable")
    dealt, filled = {}, [0] * FOLDS
    for area, size in order.items():
        dealt[area] = int(np.argmin(filled))
        filled[dealt[area]] += size
    return chips["area"].map(dealt)


def run_fold(chips: gpd.GeoDataFrame, folds: pd.Series, fold: int, data: Path, out: Path) -> tuple[dict, float]:
    """Trains and scores one fold; gives its scorecard and the minutes it took."""
    folder = out / f"fold{fold}"
    minutes = out / f"fold{fold}.minutes"
    if not _is_done(out, fold):
        shutil.rmtree(folder, ignore_errors=True)
        aoi = out / f"fold{fold}.gpkg"
        chips.assign(place=chips["area"], split=np.where(folds == fold, "test", "train")).to_file(aoi, layer="aoi")
        started = time.perf_counter()
        command = [str(Path(sys.executable).with_name("glofgeo")), "train", "--config", "chips", "--compare", "unet"]
        command += ["--aoi", str(aoi), "--scenes", str(data / "images"), "--lakes", str(data / "water.gpkg")]
        # The chips' numbers carry no offset, and do not say so.
        subprocess.run([*command, "--offset", "0", "--out", str(folder)], check=True)
        minutes.write_text(f"{(time.perf_counter() - started) / 60:.2f}")
    return json.loads((folder / "scorecard.json").read_text()), float(minutes.read_text())


def _is_done(out: Path, fold: int) -> bool:
    """The minutes are written last."""
    return (out / f"fold{fold}.minutes").exists()


def iou(counts: np.ndarray) -> np.ndarray:
    """IoU of `(..., 4)` counts."""
    return counts[..., 0] / counts[..., :3].sum(axis=-1)


def main() -> None:
    """Prints the figures of each fold and the pooled ones."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chips", type=Path, required=True, help="folder with images/, water.gpkg and chips.gpkg")
    arguments.add_argument("--out", type=Path, required=True, help="folder for the runs")
    arguments.add_argument("--seed", type=int, default=0, help="of the dealing")
    arguments.add_argument("--done", action="store_true", help="train nothing: pool the folds that are there")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chips = gpd.read_file(given.chips / "chips.gpkg")
    chips["area"], pairs = join_places(chips, given.chips / "images")
    print(f"{len(chips)} chips, {chips['place'].nunique()} places, {chips['area'].nunique()} areas")
    print(f"{pairs} pairs of chips of different places share ground\n")
    folds = deal(chips, given.seed)
    rows = []
    print(f"| fold | chips | areas | minutes | {' | '.join(METHODS.values())} |")
    print(f"|---|---|---|---|{'---|' * len(METHODS)}")
    for fold in (fold for fold in range(FOLDS) if not given.done or _is_done(given.out, fold)):
        card, minutes = run_fold(chips, folds, fold, given.chips, given.out)
        for scene, methods in card["by_scene"].items():
            rows += [{"scene": scene, "method": name} | {c: one[c] for c in COUNTS} for name, one in methods.items()]
        tested = chips[folds == fold]
        assert len(card["by_scene"]) == len(tested), "a chip was not scored"
        figures = " | ".join(f"{card[name]['iou']:.3f}" for name in METHODS)
        print(f"| {fold} | {len(tested)} | {tested['area'].nunique()} | {minutes:.1f} | {figures} |", flush=True)
    table = pd.DataFrame(rows)
    area_of = {f"chip_{chip:03d}": area for chip, area in zip(chips["chip"], chips["area"], strict=True)}
    table["area"] = table["scene"].map(area_of)
    sums = table.groupby(["method", "area"])[COUNTS].sum()
    areas = {name: sums.loc[name].sort_index().to_numpy(float) for name in METHODS}
    number = len(areas["model"])
    draws = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), DRAWS)
    drawn = {name: iou(draws @ counts) for name, counts in areas.items()}
    print(f"\n{table['scene'].nunique()} chips, {number} areas")
    print("\n| method | pooled IoU | 95 % | preset less this, 95 % |")
    print("|---|---|---|---|")
    for name, label in METHODS.items():
        low, high = np.percentile(drawn[name], (2.5, 97.5))
        less = np.percentile(drawn["model"] - drawn[name], (2.5, 97.5))
        print(
            f"| {label} | {iou(areas[name].sum(axis=0)):.3f} | {low:.3f} to {high:.3f} | "
            f"{less[0]:+.3f} to {less[1]:+.3f} |"
        )


if __name__ == "__main__":
    main()
