"""What the lines of `bundled.py` share: maps of a place by several models, and how they compare with its lakes."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from geopandas import GeoDataFrame
from safetensors import safe_open
from safetensors.torch import load_file

from datasets_def.polygons import read_polygons
from datasets_def.scene import Scene
from glofgeo.config import MapConfig, ModelConfig
from glofgeo.evaluation import Case
from glofgeo.evaluation.blocks import Counts
from glofgeo.evaluation.calibration import Calibration, calibrate
from glofgeo.evaluation.evidence import gather
from glofgeo.evaluation.score import Score, score
from glofgeo.mapping import map_scene
from glofgeo.models import ComparisonUnet, Predictor, torch_predictor
from glofgeo.models.torch_runtime import describe_network
from glofgeo.settings import from_dict

THRESHOLD = 0.5
# The chips and the worlds have pixels of 10 to 30 m, and some models say that they were trained on one size.
ANY_PIXEL = MapConfig(any_resolution=True)


@dataclass(frozen=True)
class Place:
    """A scene to be judged on.

    Attributes:
        scene: what is mapped.
        lakes: layer of its reference lakes.
        group: places of one group err together.
        aoi: where the reference counts; everywhere by default.
    """

    scene: Scene
    lakes: Path
    group: str
    aoi: GeoDataFrame | None = None


@dataclass(frozen=True)
class Verdict:
    """How one method did; only a method with probabilities has a calibration."""

    score: Score
    calibration: Calibration | None


@dataclass(frozen=True)
class Tally:
    """What places add to the sums.

    Attributes:
        counts: of each method, `(K,)` as `glofgeo.evaluation.score.block_counts` tells.
        percents: of each method with probabilities, `(2, 101)` as `count_percents` tells.
    """

    counts: dict[str, Counts]
    percents: dict[str, Counts]

    def __add__(self, other: "Tally") -> "Tally":
        """Sums two places."""
        return Tally(
            {method: counts + other.counts[method] for method, counts in self.counts.items()},
            {method: percents + other.percents[method] for method, percents in self.percents.items()},
        )


def open_unet(path: Path) -> Predictor:
    """Opens the U-Net to beat: tensors of a `ComparisonUnet`, with its configuration and window as metadata."""
    with safe_open(path, "pt") as file:
        told = file.metadata()
    network = ComparisonUnet(from_dict(ModelConfig, json.loads(told["model"]), str(path)))
    network.load_state_dict(load_file(path))
    card = describe_network(network)
    data = dataclasses.replace(card.config.data, window=int(told["window"]))
    return torch_predictor(network, dataclasses.replace(card, config=dataclasses.replace(card.config, data=data)))


def tally(place: Place, models: dict[str, Predictor], out: Path) -> Tally:
    """Maps a place with every model and counts what is right, as the mapper draws its lakes; NDWI > 0 beside.

    Args:
        place: what to map.
        models: by name.
        out: folder for the maps.
    """
    reference = _read_once(place.lakes)
    counts, percents = {}, {}
    for name, model in models.items():
        found = map_scene(place.scene, model, out=out / name, settings=ANY_PIXEL)
        drawn, told = (
            gather(Case(found.folder / file, place.scene, place.aoi), reference, THRESHOLD, {"ndwi": 0.0})
            for file in ("mask.tif", "probability.tif")
        )
        counts[name], counts["ndwi"] = (drawn.counts[method].sum(axis=0) for method in ("model", "ndwi"))
        percents[name] = told.histogram.sum(axis=0)
    return Tally(counts, percents)


@cache
def _read_once(path: Path) -> GeoDataFrame:
    """Reads reference lakes: all chips share one layer."""
    return read_polygons(path, empty_ok=True)


def sum_groups(places: Sequence[Place], tallies: Sequence[Tally]) -> list[Tally]:
    """Sums the tallies of the places of each group."""
    grouped: dict[str, list[Tally]] = defaultdict(list)
    for place, one in zip(places, tallies, strict=True):
        grouped[place.group].append(one)
    return [sum(several[1:], several[0]) for several in grouped.values()]


def pool(tallies: Sequence[Tally]) -> dict[str, Verdict]:
    """Scores every method on all places together; intervals come from drawing tallies with replacement."""
    return {
        method: Verdict(
            score(np.stack([one.counts[method] for one in tallies])),
            calibrate(np.stack([one.percents[method] for one in tallies])) if method in tallies[0].percents else None,
        )
        for method in tallies[0].counts
    }
