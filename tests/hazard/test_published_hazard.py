"""The comparison with published tables finds the lakes it is about."""

import sys
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry import box

from glofgeo.hazard.lakes import LakeLayer

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


def test_a_published_lake_is_the_outline_that_lies_nearest(real_data):
    from published_hazard import nearest, with_places

    rows = with_places(pd.read_csv(real_data / "change" / "published.csv"))
    assert len(rows) == 19 + 8
    rounce = rows[rows["table"] == "rounce2016_5"].set_index("lake")
    assert rounce.loc["Imja", "lon"] == 86.923 and rounce["lon"].notna().sum() == 6
    shapes = gpd.GeoSeries([box(86.91, 27.89, 86.92, 27.90), box(86.925, 27.898, 86.935, 27.9)], crs="EPSG:4326")
    lakes = LakeLayer(["a", "b"], shapes, ["", ""], ["", ""])
    assert nearest(lakes, 86.923, 27.899) == 1
    assert nearest(lakes, 86.95, 27.85) is None and nearest(lakes, 10.0, 45.0) is None
