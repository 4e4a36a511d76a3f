"""Lake layers of simple shapes near Imja Tso, for the tests of `change`."""

import geopandas as gpd
import numpy as np
import rasterio.features
from rasterio.transform import from_origin
from shapely import affinity
from shapely.geometry import Point, box

from glofgeo.change.read_layer import layer_of

UTM = "EPSG:32645"
EAST, NORTH = 490_000, 3_086_000


def disc(east, north, km2, stretch=1.0):
    """An ellipse of this area, its centre in km from a corner; `stretch` is its length over its width."""
    circle = Point(EAST + 1000 * east, NORTH + 1000 * north).buffer(np.sqrt(km2 * 1e6 / np.pi), 32)
    return affinity.scale(circle, np.sqrt(stretch), 1 / np.sqrt(stretch))


def square(east, north, side_m):
    x, y = EAST + 1000 * east, NORTH + 1000 * north
    return box(x, y, x + side_m, y + side_m)


def frame(outlines, date="2020-10-15", scene="S2A_MSIL2A_x", **columns):
    """A layer as anybody may have it: outlines, dates, names."""
    data = {"lake_id": [f"L{i}" for i in range(len(outlines))], "date": date, "scene_id": scene} | columns
    return gpd.GeoDataFrame(data, geometry=list(outlines), crs=UTM)


def layer(outlines, date="2020-10-15", masks=(), **columns):
    return layer_of(frame(outlines, date, **columns), f"lakes of {date}", masks=masks)


def shifted(layer, east_m, north_m):
    return [affinity.translate(outline, east_m, north_m) for outline in layer]


def random_lakes(count=60, seed=0, span_km=40):
    """Lakes of 0.0006 to 2 km2 that do not meet."""
    random = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    found = []
    for i in range(count):
        km2 = 10 ** random.uniform(-3.2, 0.3)
        east, north = (i % side + 0.5) * span_km / side, (i // side + 0.5) * span_km / side
        found.append(disc(east, north, km2, random.uniform(1, 2.5)))
    return found


def mask(path, hidden=None):
    """Everything around the lakes was seen, but for what `hidden` covers."""
    values = np.zeros((400, 400), np.uint8)
    transform = from_origin(EAST - 500, NORTH + 7500, 20, 20)
    if hidden is not None:
        values[rasterio.features.geometry_mask([hidden], values.shape, transform, invert=True)] = 255
    with rasterio.open(path, "w", "GTiff", 400, 400, 1, UTM, transform, "uint8", nodata=255) as raster:
        raster.write(values, 1)
    return path
