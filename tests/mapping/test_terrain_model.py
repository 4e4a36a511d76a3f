"""Maps by a model that reads slope and cast shadow beside the bands."""

import json

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from datasets_def import open_scene
from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping import map_scene
from glofgeo.mapping.batch import map_scenes
from glofgeo.models import torch_predictor

BANDS = ("B08", "slope", "shadow")


class LevelAndLit(torch.nn.Module):
    """Calls a pixel lake if its ground is level and lit: a model whose answer is known."""

    config = ModelConfig(variant="tiny", image_size=70, bands=BANDS)

    def forward(self, reflectance):
        return ((reflectance[:, 1:2] < 0.01) & (reflectance[:, 2:3] < 0.5)).float() * 80 - 40


@pytest.fixture(scope="module")
def dem(kept, tmp_path_factory):
    """A plain in the north, hills in the south; of the ground in the west no height is known."""
    grid = open_scene(kept).grid
    left, _, _, top = grid.bounds
    rows = np.indices((150, 150))[0]
    height = 4000 + (rows > 60) * 400 * np.sin(rows / 5) ** 2
    height[:, :60] = -9999
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=150, height=150, count=1, dtype="float32", crs=grid.crs, nodata=-9999,
        transform=from_origin(left - 1500, top + 1500, 30, 30),
    ) as target:  # fmt: skip
        target.write(height.astype(np.float32), 1)
    return path


def test_a_map_shows_what_the_terrain_says_and_nothing_where_that_is_silent(kept, dem, tmp_path):
    model = torch_predictor(LevelAndLit())
    folder = map_scene(kept, model, out=tmp_path, dem=[dem]).folder
    from datasets_def.elevation import open_dem

    image, valid = open_scene(kept, BANDS, dem=open_dem([dem])).load()
    with rasterio.open(folder / "probability.tif") as source:
        percent = source.read(1)
    assert (percent[~valid] == 255).all() and not valid[:, :28].any() and valid[:, 40:].any()
    level = (image[1] < 0.01) & (image[2] < 0.5)
    np.testing.assert_array_equal(percent[valid] == 100, level[valid])
    assert 0 < level[valid].mean() < 1
    record = json.loads((folder / "run.json").read_text())
    assert record["bands"] == list(BANDS)
    # Another DEM makes another map.
    dem.touch()
    again = map_scenes([kept], model, out=tmp_path, surroundings=_ground(dem))
    assert again.mapped and not again.kept
    assert map_scenes([kept], model, out=tmp_path, surroundings=_ground(dem)).kept


def test_without_a_dem_nothing_is_mapped(kept, tmp_path):
    with pytest.raises(GlofgeoError, match="slope and shadow must be computed from a DEM, and there is none") as error:
        map_scenes([kept], torch_predictor(LevelAndLit()), out=tmp_path / "maps")
    assert error.value.argument == "dem" and not (tmp_path / "maps").exists()
    with pytest.raises(GlofgeoError, match="has no slope, shadow"):
        map_scene(open_scene(kept, ("B08",)), torch_predictor(LevelAndLit()))


def test_a_dem_of_part_of_the_scene_is_told(kept, dem, tmp_path):
    with rasterio.open(dem) as source:
        part = tmp_path / "part.tif"
        profile = source.profile | {"width": 90}
        with rasterio.open(part, "w", **profile) as target:
            target.write(source.read(1)[:, :90], 1)
    folder = map_scene(kept, torch_predictor(LevelAndLit()), out=tmp_path / "maps", dem=[part]).folder
    note = json.loads((folder / "run.json").read_text())["note"]
    assert note == "the DEM covers 75% of it, and only that is mapped"


def _ground(dem):
    from glofgeo.mapping.surroundings import read_surroundings

    return read_surroundings([dem], None)
