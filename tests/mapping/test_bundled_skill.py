"""What the card of the bundled model says it can do, it does: on worlds that it has not seen, and on a real scene."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from datasets_def import open_scene
from datasets_def.indices import ndwi
from datasets_def.synthetic.worlds import KINDS, draw_world
from glofgeo.config import MapConfig
from glofgeo.evaluation import evaluate
from glofgeo.mapping import map_scene
from glofgeo.models import load_model

pytestmark = pytest.mark.filterwarnings("ignore")
SCENE = "scenes/dolomites_S2_L2A_2022-06_B02B03B04B08_10m.tif"


def test_it_beats_ndwi_by_far_on_worlds_it_has_not_seen():
    model = load_model("bundled")
    counts = pd.DataFrame(0, index=["model", "ndwi"], columns=["both", "either"])
    for kind in KINDS:
        world = draw_world(kind, 910_000, 224)
        found = {
            "model": model.predict(world.reflectance[None])[0] >= MapConfig().threshold,
            "ndwi": ndwi(*world.reflectance[[1, 3]]) > 0,
        }
        for name, mask in found.items():
            counts.loc[name] += [(mask & world.lake).sum(), (mask | world.lake).sum()]
    iou = counts["both"] / counts["either"]
    assert iou["model"] > 0.5
    assert iou["model"] > 2 * iou["ndwi"]


@pytest.fixture(scope="module")
def dolomites(real_data, tmp_path_factory):
    """A map of a real scene, and its five lakes with whether the map has each."""
    scene = open_scene(real_data / SCENE, offset=-1000)
    found = map_scene(scene, "bundled", out=tmp_path_factory.mktemp("map"))
    path = real_data / "scenes" / "dolomites_lakes.gpkg"
    lakes = gpd.read_file(path).to_crs(found.lakes.crs)
    lakes["found"] = lakes.intersects(found.lakes.union_all())
    return found, lakes, evaluate(found.folder / "mask.tif", path, scene=scene)


def test_it_finds_all_lakes_of_the_dolomites_and_draws_hardly_a_false_one(dolomites):
    found, lakes, card = dolomites
    assert card.model.pixels.iou >= 0.8
    assert card.model.lakes[-1].found == len(lakes)
    assert card.model.stray <= 1  # nine pixels that may be a pond or a roof
    assert lakes["found"].all()
    assert np.isfinite(found.lakes["area_m2"]).all()
