"""A small map and its scene, to be judged."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from datasets_def import open_scene

LEFT, TOP, SIDE = 300000, 3100000, 60


def block(left, top, right, bottom):
    """A polygon from pixel edges."""
    return shapely.box(LEFT + 10 * left, TOP - 10 * bottom, LEFT + 10 * right, TOP - 10 * top)


def layer(path, polygons, crs="EPSG:32645"):
    gpd.GeoDataFrame({"id": range(len(polygons))}, geometry=polygons, crs="EPSG:32645").to_crs(crs).to_file(path)
    return path


@pytest.fixture
def place(tmp_path, write_raster):
    """60 x 60 pixels with two reference lakes, one of them predicted, a false one, and 10 rows not observed."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[5:15, 5:26] = 1  # more than twice the first lake
    mask[40:44, 40:44] = 1
    mask[50:] = 255
    probability = np.where(mask == 255, 255, np.where(mask == 1, 60, 20)).astype(np.uint8)
    write_raster(tmp_path / "mask.tif", mask[None], bands=("mask",), nodata=255)
    write_raster(tmp_path / "probability.tif", probability[None], bands=("lake probability",), nodata=255)
    layer(tmp_path / "reference.gpkg", [block(5, 5, 15, 15), block(30, 20, 36, 30), block(10, 52, 20, 58)], "EPSG:4326")
    return tmp_path


@pytest.fixture
def scene(place, write_raster):
    """Its scene: NDWI > 0 on the whole first lake and one more speck; nothing valid in column 0."""
    image = np.full((4, SIDE, SIDE), 0.1, np.float32)
    image[3] = 0.3
    image[3, 5:15, 5:15] = 0.02
    image[3, 30:32, 50:52] = 0.02
    image[:, :, 0] = 0
    return open_scene(write_raster(place / "scene.tif", np.round(image * 10000).astype(np.uint16)))
