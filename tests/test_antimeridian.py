"""A scene across 180 degrees, from the product to the figures."""

import geopandas as gpd
import numpy as np
import pytest
import torch
from pyproj import Transformer
from shapely import MultiPolygon, box

from datasets_def import open_scene
from datasets_def.aoi import read_aoi
from datasets_def.reproject import to_degrees
from datasets_def.synthetic.product import write_product
from glofgeo.config import DataConfig, MapConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import evaluate
from glofgeo.mapping import map_scene
from glofgeo.mapping.job import OffSceneError, plan_scene
from glofgeo.models import torch_predictor
from glofgeo.training.sources import Sources
from glofgeo.training.survey import survey

SIDE, LAT = 300, 66.0
EAST, WEST = box(-180, 65, -179, 67), box(179, 65, 180, 67)


class DarkInInfrared(torch.nn.Module):
    """Calls a pixel lake if its B08 is below 0.05: a model whose answer is known."""

    config = ModelConfig(variant="tiny", image_size=70)

    def forward(self, reflectance):
        return (0.05 - reflectance[:, 3:4]) * 400


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A product of UTM zone 1 with 180 degrees through its middle, and its lakes in EPSG:4326."""
    folder = tmp_path_factory.mktemp("antimeridian")
    product, layer = write_product(folder / "scenes", size=SIDE, lon=180.0, lat=LAT, zone=1, seed=3, clouds=0.0)
    lakes = gpd.read_file(layer)
    lakes = lakes[["lake_id"]].set_geometry(to_degrees(lakes.geometry), crs=4326)
    lakes.to_file(folder / "lakes.gpkg", layer="lakes")
    layer.unlink()
    return open_scene(product), folder / "lakes.gpkg"


def area(*shapes, **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=4326)


def wanted(scene, aoi):
    """The pixels of the scene that the mapper is to map."""
    found = plan_scene(scene, torch_predictor(DarkInInfrared()), aoi=aoi).area
    pixels = np.zeros(scene.shape, bool)
    rows, cols = found.window.toslices()
    pixels[rows, cols] = True if found.mask is None else found.mask.rows(0, found.window.height)
    return pixels


def test_an_area_across_180_is_the_same_however_it_counts(ground, tmp_path):
    scene = ground[0]
    areas = [MultiPolygon([EAST, WEST]), box(179, 65, 181, 67), box(-181, 65, -179, 67), box(-180, -90, 180, 90)]
    for shape in areas:
        area(shape).to_file(tmp_path / "aoi.gpkg")
        aoi = read_aoi(tmp_path / "aoi.gpkg")
        assert aoi.total_bounds[0] >= -180 and aoi.total_bounds[2] <= 180
        assert wanted(scene, aoi).all()
    sides = [wanted(scene, area(side)) for side in (EAST, WEST)]
    cols, rows = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    longitude, _ = Transformer.from_crs(scene.crs, 4326, always_xy=True).transform(*scene.transform * (cols, rows))
    assert (sides[0] == (longitude < 0)).all() and (sides[1] == (longitude > 0)).all()
    with pytest.raises(OffSceneError):
        wanted(scene, area(box(0, 60, 170, 70)))


def test_every_lake_is_judged_on_both_sides(ground, tmp_path):
    scene, lakes = ground
    everywhere = area(box(-180, -90, 180, 90))
    model = torch_predictor(DarkInInfrared())
    folder = map_scene(scene, model, out=tmp_path, aoi=everywhere, settings=MapConfig(min_area=0)).folder
    there = gpd.read_file(lakes)
    sides = [there.intersects(side).sum() for side in (EAST, WEST)]
    assert min(sides) > 0
    card = evaluate(folder / "mask.tif", lakes, scene=scene)
    assert card.reference_lakes == len(there)
    assert card.model.pixels.recall > 0.2
    east = evaluate(folder / "mask.tif", lakes, scene=scene, aoi=area(EAST))
    assert 0.4 < east.aoi_share < 0.6
    (folder / "mask.tif").unlink()
    (folder / "probability.tif").unlink()
    alone = evaluate(folder / "lakes.gpkg", lakes)
    assert alone.crs == "EPSG:32601" and alone.reference_lakes == len(there)


@pytest.mark.parametrize("split", [None, ["train", "val"]])
def test_training_looks_at_both_sides(ground, split):
    scene, lakes = ground
    shapes = [box(179.0, 65, 179.999, 67), box(-179.999, 65, -179, 67)]
    aoi = area(MultiPolygon(shapes)) if split is None else area(*shapes, split=split)
    data = {"window": 56, "batch_size": 2, "crops": 4, "workers": 0, "block_deg": 0.04, "buffer_m": 100.0}
    config = TrainConfig(model=ModelConfig("tiny"), data=DataConfig(**data), weights="none")
    found = survey(Sources(aoi, "here", scene.path, lakes), config)
    regions = {split: found.of(split)[0][1] for split in ("train", "val")}
    for name, region in regions.items():
        assert scene.outline.buffer(1e-6).covers(region)
        assert region.area / 1e6 == pytest.approx(found.audit.splits[name].area_km2, rel=2e-3)
        assert found.audit.splits[name].lakes > 0
    assert not regions["train"].intersects(regions["val"])
    covered = sum(region.area for region in regions.values()) / scene.outline.area
    assert 0.6 < covered < 1 and 0 < found.audit.distance_m["train-val"] < 3000
    with pytest.raises(GlofgeoError, match="outside all scenes"):
        survey(Sources(area(box(86, 27, 88, 29)), "here", scene.path, lakes), config)
