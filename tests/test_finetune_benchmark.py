"""What `benchmarks/finetune.py` takes for labels: as many lakes as asked for, none cut, and no leak between splits."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import Point

SIDE_M = 19_200.0


@pytest.fixture
def finetune(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import finetune

    return finetune


@pytest.fixture
def lakes():
    rng = np.random.default_rng(0)
    places, radii = rng.uniform(0, SIDE_M, (150, 2)), rng.uniform(20, 300, 150)
    shores = [Point(place).buffer(radius) for place, radius in zip(places, radii, strict=True)]
    return gpd.GeoDataFrame(geometry=shores, crs="EPSG:32646")


@pytest.mark.parametrize("count", [5, 20, 100])
def test_areas_hold_the_number_of_lakes_and_never_share_one(finetune, lakes, count):
    aoi = finetune.label_lakes(lakes, (0, 0, SIDE_M, SIDE_M), count, seed=0).set_index("split")
    assert aoi["lakes"].to_dict() == {"train": 0.8 * count, "val": 0.2 * count}
    train, val = (lakes.intersects(aoi.geometry[split]) for split in ("train", "val"))
    assert (train.sum(), val.sum()) == (0.8 * count, 0.2 * count)
    assert not (train & val).any()
    assert aoi.geometry["train"].distance(aoi.geometry["val"]) >= finetune.GAP_M


def test_another_seed_labels_other_lakes(finetune, lakes):
    areas = [finetune.label_lakes(lakes, (0, 0, SIDE_M, SIDE_M), 5, seed).union_all() for seed in (0, 1)]
    assert areas[0].intersection(areas[1]).area < 0.5 * areas[0].area


def test_a_start_from_random_weights_differs_in_weights_and_rates_alone(finetune):
    tuned, random = (finetune.settings(start, seed=0, epochs=2, crops=16) for start in ("bundled", "none"))
    assert (tuned.weights, random.weights) == ("bundled", "none")
    assert random.lr > tuned.lr
    assert (tuned.model, tuned.data, tuned.epochs) == (random.model, random.data, random.epochs)
