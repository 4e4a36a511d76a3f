"""When a scene was acquired is told by tags, its STAC item or its name."""

import numpy as np
import pytest

from datasets_def import open_scene
from glofgeo.errors import GlofgeoError

PRODUCT = "S2A_MSIL2A_20221005T115411_{}_R023_T29UNU_20221005T162759"
DN = np.full((4, 32, 32), 1500, np.uint16)


@pytest.mark.parametrize(
    ("name", "tags", "told"),
    [
        (PRODUCT.format("N0400"), {"TIFFTAG_DATETIME": "2025:01:31 10:00:00"}, "2022-10-05T11:54:11+00:00"),
        ("T29UNU_20221005T115411_stack_2025-01-31", {}, "2022-10-05T11:54:11+00:00"),
        ("a", {"ACQUISITION_DATETIME": "2024-10-15T04:57:01.024Z"}, "2024-10-15T04:57:01.024000+00:00"),
        ("a", {"ACQUISITION_DATETIME": "2024-10-15 10:42:01+05:45"}, "2024-10-15T04:57:01+00:00"),
        ("a", {"TIFFTAG_DATETIME": "2025:01:31 10:00:00"}, None),
        ("tile_20221345_x", {}, None),
        ("lake_20221005_x", {}, "2022-10-05T00:00:00+00:00"),
        ("20229905T115411_2022-10-05", {}, "2022-10-05T00:00:00+00:00"),
    ],
)
def test_when_a_scene_was_acquired(tmp_path, write_raster, name, tags, told):
    path = write_raster(tmp_path / f"{name}.tif", DN, scale=1e-4, offset=-0.1, **tags)
    scene = open_scene(path)
    assert (scene.datetime and scene.datetime.isoformat()) == told


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        (PRODUCT.format("N0400"), {"ACQUISITION_DATETIME": "2019-06-01T04:57:01"}),
        (f"{PRODUCT.format('N0400')}_B02_B03_B04_B08", {"PRODUCT_START_TIME": "2019-06-01T04:57:01"}),
        ("a", {"PRODUCT_START_TIME": "2022-10-05T11:54:11", "ACQUISITION_DATETIME": "2019-06-01T04:57:01"}),
    ],
)
def test_times_that_disagree_are_refused(tmp_path, write_raster, name, tags):
    path = write_raster(tmp_path / f"{name}.tif", DN, scale=1e-4, offset=-0.1, **tags)
    with pytest.raises(GlofgeoError, match=f"{name}.*2019-06-01, 2022-10-05"):
        open_scene(path)
