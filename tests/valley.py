"""Four years of lakes in one valley."""

from datetime import datetime

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from shapely.geometry import Point, box

from glofgeo.inventory import describe_lakes

EAST, NORTH = 490_000, 3_086_000


def disc(east, north, radius):
    return Point(EAST + east, NORTH + north).buffer(radius)


def lakes(year, *outlines):
    shapes = [shapely.MultiPolygon([outline]) for outline in outlines]
    pixels = {"prob_mean": 0.9, "prob_p10": 0.8, "valid_frac": 1.0, "touches_edge": False}
    rows = pd.DataFrame([pixels] * len(shapes), columns=list(pixels))
    frame = gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:32645")
    frame["n_px"] = (shapely.area(np.array(shapes, dtype=object)) / 100).astype("int32")
    when = datetime(year, 10, 15)
    return describe_lakes(frame, Affine(10, 0, 0, 0, -10, 0), scene_id=f"S{year}", acquired=when, baseline=None)


def small_world():
    """Four years of one valley: two lakes that meet and part, one that drains and fills, one that moves on."""
    one, two = disc(0, 0, 200), disc(500, 0, 150)
    joined = one | two | box(EAST, NORTH - 50, EAST + 500, NORTH + 50)
    return {
        2020: lakes(2020, one, two, disc(3000, 0, 180), disc(6000, 0, 100)),
        2021: lakes(2021, joined, disc(3000, 0, 90), disc(6120, 0, 100)),
        2022: lakes(2022, disc(0, 0, 210), disc(500, 0, 240), disc(6240, 0, 100)),
        2023: lakes(2023, one, two, disc(3050, 0, 140), disc(6360, 0, 100), disc(0, 3000, 80)),
    }  # fmt: skip
