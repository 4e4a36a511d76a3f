"""How well the preset `chips` does on places it has not seen: `python benchmarks/crossval.py --chips FOLDER --out DIR`.

The chips overlap one another, so whole places are dealt into five groups of about equal numbers of chips. Each fold
tests on one group; of the others, `glofgeo train` keeps some places back itself to choose its epoch. A U-Net from
scratch trains on the same windows for the same wall time. Figures are pooled over the pixels of all folds; intervals
come from drawing places with replacement, because the chips of a place err together. A fold that was scored is not run
again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

FOLDS = 5
COUNTS = ["tp", "fp", "fn", "tn"]
METHODS = {"model": "preset `chips`", "unet": "U-Net, ResNet-18", "ndwi": "NDWI > 0", "ndwi_at": "NDWI, best on train"}
DRAWS = 10_000


def deal(chips: gpd.GeoDataFrame, seed: int) -> pd.Series:
    """Gives each chip the fold that tests it: the largest places first, each to the fold that has least."""
    sizes = chips["place"].value_counts()
    order = sizes.sample(frac=1, random_state=seed).sort_values(ascending=False, kind="stable")
    dealt, filled = {}, [0] * FOLDS
    for place, size in order.items():
        dealt[place] = int(np.argmin(filled))
        filled[dealt[place]] += size
    return chips["place"].map(dealt)


def run_fold(chips: gpd.GeoDataFrame, folds: pd.Series, fold: int, data: Path, out: Path) -> tuple[dict, float]:
    """Trains and scores one fold; gives its scorecard and the minutes it took."""
    folder = out / f"fold{fold}"
    minutes = out / f"fold{fold}.minutes"
    if not (folder / "scorecard.json").exists():
        aoi = out / f"fold{fold}.gpkg"
        chips.assign(split=np.where(folds == fold, "test", "train")).to_file(aoi, layer="aoi")
        started = time.perf_counter()
        command = [str(Path(sys.executable).with_name("glofgeo")), "train", "--config", "chips", "--baseline", "unet"]
        command += ["--aoi", str(aoi), "--scenes", str(data / "images"), "--lakes", str(data / "water.gpkg")]
        subprocess.run([*command, "--out", str(folder)], check=True)
        minutes.write_text(f"{(time.perf_counter() - started) / 60:.2f}")
    return json.loads((folder / "scorecard.json").read_text()), float(minutes.read_text())


def iou(counts: np.ndarray) -> np.ndarray:
    """IoU of `(..., 4)` counts."""
    return counts[..., 0] / counts[..., :3].sum(axis=-1)


def main() -> None:
    """Prints the figures of each fold and the pooled ones."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chips", type=Path, required=True, help="folder with images/, water.gpkg and chips.gpkg")
    arguments.add_argument("--out", type=Path, required=True, help="folder for the runs")
    arguments.add_argument("--seed", type=int, default=0, help="of the dealing")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chips = gpd.read_file(given.chips / "chips.gpkg")
    folds = deal(chips, given.seed)
    rows = []
    print(f"| fold | chips | places | minutes | {' | '.join(METHODS.values())} |")
    print(f"|---|---|---|---|{'---|' * len(METHODS)}")
    for fold in range(FOLDS):
        card, minutes = run_fold(chips, folds, fold, given.chips, given.out)
        for scene, methods in card["by_scene"].items():
            rows += [{"scene": scene, "method": name} | {c: one[c] for c in COUNTS} for name, one in methods.items()]
        tested = chips[folds == fold]
        assert len(card["by_scene"]) == len(tested), "a chip was not scored"
        figures = " | ".join(f"{card[name]['iou']:.3f}" for name in METHODS)
        print(f"| {fold} | {len(tested)} | {tested['place'].nunique()} | {minutes:.1f} | {figures} |", flush=True)
    table = pd.DataFrame(rows)
    place_of = {f"chip_{chip:03d}": place for chip, place in zip(chips["chip"], chips["place"], strict=True)}
    table["place"] = table["scene"].map(place_of)
    sums = table.groupby(["method", "place"])[COUNTS].sum()
    places = {name: sums.loc[name].sort_index().to_numpy(float) for name in METHODS}
    number = len(places["model"])
    draws = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), DRAWS)
    drawn = {name: iou(draws @ counts) for name, counts in places.items()}
    print(f"\n{len(chips)} chips, {number} places\n\n| method | pooled IoU | 95 % | preset less this, 95 % |")
    print("|---|---|---|---|")
    for name, label in METHODS.items():
        low, high = np.percentile(drawn[name], (2.5, 97.5))
        less = np.percentile(drawn["model"] - drawn[name], (2.5, 97.5))
        print(
            f"| {label} | {iou(places[name].sum(axis=0)):.3f} | {low:.3f} to {high:.3f} | "
            f"{less[0]:+.3f} to {less[1]:+.3f} |"
        )


if __name__ == "__main__":
    main()
