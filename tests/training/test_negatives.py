import geopandas as gpd
import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt
from shapely import box

from datasets_def import open_scene
from glofgeo.training.negatives import find_hard, hard_points

LEFT, TOP = 300000, 3100000


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_nothing_is_marked_on_or_beside_a_lake_or_where_not_wanted(seed, classified, indexed):
    rng = np.random.default_rng(seed)
    classes = rng.choice([2, 3, 5, 6, 9, 11], (24, 30)).astype(np.uint8) if classified else None
    green, infrared = rng.uniform(0, 0.4, (2, 24, 30)).astype(np.float32)
    lake, land = rng.random((24, 30)) < 0.03, rng.random((24, 30)) < 0.8
    found = find_hard(classes, (green, infrared) if indexed else None, lake, land)
    assert set(found) == ({"shadow", "snow margin", "cloud edge"} if classified else set()) | (
        {"wet", "dark"} if indexed else set()
    )
    away = distance_transform_cdt(~lake, "chessboard") > 2 if lake.any() else np.ones_like(lake)
    for kind, mask in found.items():
        assert not mask[~land].any() and not mask[~away].any(), kind
    if classified:
        assert np.array_equal(found["shadow"], np.isin(classes, (2, 3)) & land & away)
        assert not found["cloud edge"][classes == 9].any()
    if indexed:
        assert np.array_equal(found["wet"], (green > infrared) & land & away)
        assert np.array_equal(found["dark"], (infrared < 0.05) & land & away)


def test_margins_lie_along_snow_and_clouds_only():
    classes = np.full((30, 60), 5, np.uint8)
    classes[:, :20] = 11
    classes[10:20, 40:50] = 9
    found = find_hard(classes, None, np.zeros((30, 60), bool), np.ones((30, 60), bool))
    assert np.flatnonzero(found["snow margin"].any(axis=0)).tolist() == [18, 19, 20, 21]
    edge = np.zeros((30, 60), bool)
    edge[8:22, 38:52] = True
    edge[10:20, 40:50] = False
    assert np.array_equal(found["cloud edge"], edge)


def test_points_lie_where_the_scene_shows_it(tmp_path, write_raster):
    image = np.full((5, 80, 90), 2000, np.uint16)
    image[3], image[4] = 4000, 5
    image[4, 50:60, 10:30] = 2  # cast shadow
    image[3, 5:15, 60:70] = 100  # dark in the infrared: a lake
    image[3, 60:65, 60:70] = 100  # and slush
    path = write_raster(tmp_path / "scene.tif", image, bands=("B02", "B03", "B04", "B08", "SCL"), scale=1e-4)
    lakes = gpd.GeoDataFrame(geometry=[box(LEFT + 600, TOP - 150, LEFT + 700, TOP - 50)], crs="EPSG:32645")
    region = box(LEFT, TOP - 800, LEFT + 650, TOP)
    found = hard_points(open_scene(path), region, lakes, seed=0)
    assert set(found) == {"shadow", "dark", "wet"}
    slush = ((60, 65), (60, 65))
    for kind, (rows, cols) in {"shadow": ((50, 60), (10, 30)), "dark": slush, "wet": slush}.items():
        col, row = (found[kind][:, 0] - LEFT) / 10, (TOP - found[kind][:, 1]) / 10
        assert len(row) == (rows[1] - rows[0]) * (cols[1] - cols[0])
        assert (row > rows[0]).all() and (row < rows[1]).all() and (col > cols[0]).all() and (col < cols[1]).all()
    again = hard_points(open_scene(path), region, lakes, seed=0)
    assert all(np.array_equal(found[kind], again[kind]) for kind in found)


def test_a_scene_without_anything_hard_gives_no_point(tmp_path, write_raster):
    image = np.full((4, 20, 20), 2000, np.uint16)
    image[3] = 4000
    scene = open_scene(write_raster(tmp_path / "scene.tif", image, scale=1e-4))
    lakes = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs="EPSG:32645")
    assert hard_points(scene, box(LEFT, TOP - 200, LEFT + 200, TOP), lakes, seed=0) == {}


def test_the_edges_of_every_kind_of_cloud_are_marked():
    for kind in (8, 9, 10):
        classes = np.full((20, 20), 5, np.uint8)
        classes[8:12, 8:12] = kind
        found = find_hard(classes, None, np.zeros((20, 20), bool), np.ones((20, 20), bool))
        assert found["cloud edge"].sum() == 8 * 8 - 4 * 4 and not found["cloud edge"][classes == kind].any()


def test_points_keep_to_a_region_of_any_form_that_starts_anywhere(tmp_path, write_raster):
    image = np.full((5, 80, 90), 2000, np.uint16)
    image[3], image[4] = 4000, 5
    image[4, 20:70, 15:80] = 2
    path = write_raster(tmp_path / "scene.tif", image, bands=("B02", "B03", "B04", "B08", "SCL"), scale=1e-4)
    lakes = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs="EPSG:32645")
    upper = box(LEFT + 100, TOP - 400, LEFT + 800, TOP - 300)
    lower = box(LEFT + 100, TOP - 600, LEFT + 200, TOP - 400)
    (points,) = hard_points(open_scene(path), upper | lower, lakes, seed=0).values()
    assert len(points) == 10 * 65 + 20 * 5  # ten rows of shadow across, and twenty rows of five columns
    assert shapely.contains_xy(upper | lower, *points.T).all()
    col, row = (points[:, 0] - LEFT) // 10, (TOP - points[:, 1]) // 10
    assert (image[4][row.astype(int), col.astype(int)] == 2).all()
