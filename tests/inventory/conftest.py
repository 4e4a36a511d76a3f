"""An inventory of three years."""

import pandas as pd
import pytest
from valley import small_world

from glofgeo.inventory.inventory_file import update_inventory


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "inventory.gpkg"
    for year in (2020, 2021, 2022):
        update_inventory(path, [small_world()[year]], pd.DataFrame({"scene_id": [f"S{year}"], "model": ["bundled"]}))
    return path
