"""What labelled lakes of a new region add to the bundled model: `python benchmarks/finetune.py --out FOLDER`.

The region is synthetic, from another generator than the worlds that the model comes from (see `write_product`): one
place to learn from, two to judge on, which no training sees. Labels are what somebody with little time draws: some
lakes, a box around each, and whatever other lakes touch the boxes. Four fifths of them, in the west, train; the others
validate. Each number of lakes is learned from twice with the same crops: from the bundled model, as `glofgeo train
--aoi AOI --weights bundled` does it, and from random weights, at the higher rates that the bundled model had.
Prints Markdown; figures in brackets are 95 % intervals. What is done in the folder is not done again.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
from judge_table import number
from kept_settings import keep_settings
from shapely import Polygon
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

import glofgeo
from datasets_def.atomic import written_beside
from datasets_def.polygons import read_polygons
from datasets_def.scene import Scene, open_scene
from datasets_def.synthetic.product import write_product
from glofgeo.config import TrainConfig
from glofgeo.evaluation import Case, Scorecard, evaluate_all
from glofgeo.evaluation.score import Score, lake_figure
from glofgeo.models import Predictor, load_model
from glofgeo.models.bundled import BUNDLED
from glofgeo.presets import PRESETS, load_preset
from glofgeo.settings import from_dict

LEARNED, *JUDGED = 27, 28, 29
"""Seeds of the places; the swath covers all of each."""
MARGIN_M = 600.0
"""Between a lake and the edge of the box drawn around it."""
TRAIN_SHARE = 0.8
GAP_M = 1000.0
"""Between the boxes that train and those that validate."""
FIGURES = {
    "lake IoU": ("iou", 3),
    "F1 of lakes of 0.005-0.02 km² at IoU 0.5": (lake_figure(0.5, "0.005-0.02", "f1"), 3),
    "false lakes on 100 km²": ("false_per_100_km2", 1),
}
STARTS = {BUNDLED: "bundled, fine-tuned", "none": "random weights"}


@dataclass(frozen=True)
class Place:
    """A product, and the layer of all its lakes."""

    product: Path
    lakes: Path


def write_place(folder: Path, size: int, seed: int) -> Place:
    """Writes a place that is not there yet."""
    own = folder / str(seed)
    product = next(own.glob("*.SAFE"), None)
    if product is None:
        # Side by side in one UTM zone.
        product, _ = write_product(own, size=size, lon=90.5 + 0.5 * (seed - LEARNED), lat=28.1, seed=seed)
    return Place(product, product.with_name(f"{product.stem}_lakes.gpkg"))


def label_lakes(
    lakes: gpd.GeoDataFrame, bounds: tuple[float, float, float, float], count: int, seed: int
) -> gpd.GeoDataFrame:
    """Draws an area of interest that holds a number of lakes, or as many of them as there are.

    Args:
        lakes: all of a place, in a CRS in metres.
        bounds: of the place, in that CRS: left, bottom, right, top.
        count: lakes to label, those that validate included.
        seed: which of them.

    Returns:
        Two features with the columns `split` and `lakes`, how many touch it.
    """
    left, bottom, right, top = bounds
    border = left + TRAIN_SHARE * (right - left)
    validating = round(count * (1 - TRAIN_SHARE))
    sides = {
        "train": (box(left, bottom, border, top), count - validating),
        "val": (box(border + GAP_M, bottom, right, top), validating),
    }
    rows = []
    for split, (side, wanted) in sides.items():
        area: BaseGeometry = Polygon()
        for lake in lakes.geometry[lakes.within(side)].sample(frac=1, random_state=seed):
            grown = (area | box(*lake.buffer(MARGIN_M).bounds)) & side
            if lakes.intersects(grown).sum() <= wanted:
                area = grown
        rows.append({"split": split, "lakes": int(lakes.intersects(area).sum()), "geometry": area})
    return gpd.GeoDataFrame(rows, crs=lakes.crs)


def settings(start: str, seed: int, epochs: int, crops: int) -> TrainConfig:
    """Gives the settings of `--weights bundled`, or from random weights the rates of the preset `bundled`."""
    values = load_preset("finetune")
    if start == "none":
        values |= {name: PRESETS[BUNDLED][name] for name in ("weights", "lr", "encoder_lr")}
        values["start_share"] = 0.0
    values |= {"epochs": epochs, "seed": seed, "data": values["data"] | {"crops": crops}}
    return from_dict(TrainConfig, values, start)


def train(run: Path, aoi: Path, place: Place, config: TrainConfig) -> Predictor:
    """Trains a run, or what is left of it."""
    # Written last.
    if not (run / "scorecard.json").exists():
        if (run / "config.yaml").exists():
            glofgeo.train(resume=run, device="cpu")
        else:
            glofgeo.train(aoi, scenes=place.product, lakes=place.lakes, out=run, config=config, device="cpu")
    return load_model(run / "best.safetensors")


def judge(model: Predictor, scenes: Sequence[Scene], lakes: Path, out: Path) -> Scorecard:
    """Maps the places that are not mapped yet, and compares the maps with the lakes."""
    for scene in scenes:
        if not (out / scene.id).exists():
            glofgeo.map_scene(scene, model, out=out, device="cpu")
    return evaluate_all([Case(out / scene.id / "mask.tif", scene) for scene in scenes], lakes)


def row(labels: str, start: str, score: Score, minutes: str = "") -> str:
    """Words a row of the table."""
    found = score.figures()
    cells = [number(found[name], score.intervals.get(name), digits) for name, digits in FIGURES.values()]
    return f"| {' | '.join([labels, start, minutes, *cells])} |"


def told_labels(run: Path) -> tuple[str, str]:
    """Words how many lakes a run trained and validated on, and how many minutes its epochs took."""
    splits = json.loads((run / "split.json").read_text())["splits"]
    with (run / "metrics.csv").open() as file:
        seconds = float([*csv.DictReader(file)][-1]["seconds"])
    lakes = {name: split["lakes"] for name, split in splits.items()}
    area = sum(split["area_km2"] for split in splits.values())
    return f"{lakes['train']} + {lakes['val']} on {area:.0f} km²", f"{seconds / 60:.1f}"


def main() -> None:
    """Prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True, help="folder for places, runs and maps")
    arguments.add_argument("--lakes", type=int, nargs="+", default=[5, 20, 100], help="numbers of labelled lakes")
    arguments.add_argument("--seed", type=int, default=0, help="of the choice of lakes and of the training")
    arguments.add_argument("--size", type=int, default=1920, help="pixels along each side of a place")
    arguments.add_argument("--epochs", type=int, default=PRESETS["finetune"]["epochs"])
    arguments.add_argument("--crops", type=int, default=80, help="in each epoch")
    given = arguments.parse_args()
    bundled = load_model(BUNDLED)
    keep_settings(
        given.out, {"size": given.size, "epochs": given.epochs, "crops": given.crops, "bundled": bundled.sha256}
    )
    learned, *judged = (write_place(given.out / "places", given.size, seed) for seed in (LEARNED, *JUDGED))
    scenes, lakes = [open_scene(place.product) for place in judged], given.out / "judged.gpkg"
    with written_beside(lakes) as part:
        pd.concat([read_polygons(place.lakes) for place in judged]).to_file(part, layer="lakes", driver="GPKG")
    print(f"| labelled lakes (train + val) | start | minutes | {' | '.join(FIGURES)} |")
    print(f"|---|---|---|{'---|' * len(FIGURES)}")
    card = judge(bundled, scenes, lakes, given.out / "maps" / BUNDLED)
    if card.ndwi is not None:
        print(row("none", "NDWI > 0", card.ndwi))
    print(row("none", "bundled, as it is", card.model), flush=True)
    known, bounds = read_polygons(learned.lakes), open_scene(learned.product).grid.bounds
    for count in given.lakes:
        aoi = given.out / f"{count}-{given.seed}.gpkg"
        with written_beside(aoi) as part:
            label_lakes(known, bounds, count, given.seed).to_file(part, layer="aoi", driver="GPKG")
        for start, name in STARTS.items():
            run = given.out / "runs" / f"{count}-{given.seed}-{start}"
            model = train(run, aoi, learned, settings(start, given.seed, given.epochs, given.crops))
            card = judge(model, scenes, lakes, given.out / "maps" / run.name)
            labels, minutes = told_labels(run)
            print(row(labels, name, card.model, minutes), flush=True)


if __name__ == "__main__":
    main()
