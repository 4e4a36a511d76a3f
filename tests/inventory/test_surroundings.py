"""What a DEM and glacier outlines add to a lake layer."""

from datetime import UTC, datetime

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.transform import from_origin
from shapely.geometry import box

from datasets_def.elevation import open_dem
from datasets_def.grid import Grid
from glofgeo.inventory.glaciers import add_glaciers, read_glaciers
from glofgeo.inventory.quality import qa_flags
from glofgeo.inventory.terrain import add_terrain
from glofgeo.inventory.zonal import cells_within

UTM = CRS.from_epsg(32645)
LEFT, TOP = 480000, 3090000
SCENE = Grid((200, 200), from_origin(LEFT, TOP, 10, 10), UTM)


def lakes_at(*boxes):
    """Lakes by their corners in metres right of and below the scene's corner."""
    shapes = [box(LEFT + x0, TOP - y1, LEFT + x1, TOP - y0) for x0, y0, x1, y1 in boxes]
    return gpd.GeoDataFrame(geometry=shapes, crs=UTM)


@pytest.fixture
def write_dem(tmp_path):
    def write(height, pixel=30.0, left=LEFT - 3000, top=TOP + 3000):
        path = tmp_path / "dem.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=height.shape[1], height=height.shape[0], count=1, dtype="float32",
            crs=UTM, transform=from_origin(left, top, pixel, pixel), nodata=-9999,
        ) as target:  # fmt: skip
            target.write(height.astype(np.float32), 1)
        return open_dem([path])

    return write


def test_parts_of_cells_count_by_their_area():
    values = np.array([[1, 2], [3, np.nan]], np.float32)
    grid = Grid((2, 2), from_origin(0, 20, 10, 10), UTM)
    shapes = gpd.GeoSeries([box(5, 10, 15, 20), box(0, 0, 20, 10), box(10, 0, 20, 10)], crs=UTM)
    found = cells_within(values, grid, shapes)
    assert [cells.mean for cells in found][:2] == [1.5, 3.0] and np.isnan(found[2].mean)
    assert [cells.shares.sum() for cells in found] == [1.0, 1.0, 0.0]
    assert np.isnan(found[2].quantile(0.5))


def test_quantiles_of_level_ground_are_its_height():
    values = np.full((4, 4), 5000.0, np.float32)
    values[0] = 5040
    grid = Grid((4, 4), from_origin(0, 40, 10, 10), UTM)
    (cells,) = cells_within(values, grid, gpd.GeoSeries([box(0, 0, 40, 40)], crs=UTM))
    assert [cells.quantile(q) for q in (0.25, 0.5, 0.74, 0.76)] == [5000, 5000, 5000, 5040]
    (upper,) = cells_within(values, grid, gpd.GeoSeries([box(0, 25, 40, 40)], crs=UTM))
    assert upper.quantile(0.5) == 5040 and upper.quantile(0.3) == 5000


def test_height_slope_and_shadow_of_known_ground(write_dem):
    height = np.full((260, 260), 4000.0)
    height[:, 200:] += 0.5 * 30 * np.arange(60)  # a slope of 26.6 degrees in the east, from x = 3000 m on
    height[130, :190] = 4300.0  # a wall of 300 m in the west, from y = 900 to 930 m
    height[220:, :20] = -9999
    dem = write_dem(height)
    lakes = lakes_at((500, 700, 560, 760), (500, 1000, 560, 1060), (1500, 200, 1505, 205), (-2900, 3700, -2800, 3800))
    found = add_terrain(lakes, dem, SCENE, (45.0, 180.0))
    assert found["elev_m"].tolist()[:3] == [4000.0, 4000.0, 4000.0] and np.isnan(found["elev_m"][3])
    assert (found["elev_iqr"][:3] == 0).all() and (found["mean_slope"][:3] < 0.01).all()
    assert found["shadow_frac"].tolist()[:3] == [1.0, 0.0, 0.0] and np.isnan(found["shadow_frac"][3])
    steep = add_terrain(
        lakes_at((4000, 500, 4200, 700)), dem, SCENE.window(rasterio.windows.Window(0, 0, 900, 200)), None
    )
    assert steep["mean_slope"][0] == pytest.approx(26.57, abs=0.05)
    assert np.isnan(steep["shadow_frac"][0])


def test_a_dem_from_elsewhere_knows_nothing_here(write_dem):
    dem = write_dem(np.zeros((20, 20)), left=LEFT + 200_000)
    assert not dem.meets(SCENE) and write_dem(np.zeros((20, 20)), left=LEFT).meets(SCENE) is False
    assert write_dem(np.zeros((200, 20)), left=LEFT).meets(SCENE)
    assert add_terrain(lakes_at((0, 0, 50, 50)), dem, SCENE, None)["elev_m"].isna().all()


def glaciers_at(*boxes, **columns):
    return gpd.GeoDataFrame(columns, geometry=lakes_at(*boxes).geometry, crs=UTM)


@pytest.fixture
def rgi(tmp_path):
    frame = glaciers_at((0, 0, 400, 400), (0, 1800, 300, 2000), RGIId=["RGI60-15.1", "RGI60-15.2"],
                        BgnDate=["20001101", "-9999999"])  # fmt: skip
    frame.to_crs("EPSG:4326").to_file(tmp_path / "rgi.shp")
    return read_glaciers(tmp_path / "rgi.shp")


def test_types_and_distances_follow_the_outlines(rgi):
    assert rgi["rgi_id"].tolist() == ["RGI60-15.1", "RGI60-15.2"]
    assert rgi["year"][0] == 2000 and np.isnan(rgi["year"][1])
    lakes = lakes_at((100, 100, 200, 200), (400, 100, 500, 200), (350, 0, 450, 100), (700, 400, 800, 500),
                     (415, 200, 515, 300), (0, 20000, 100, 20100))  # fmt: skip
    found = add_glaciers(lakes, rgi, 10.0, datetime(2020, 1, 1, tzinfo=UTC))
    assert found["lake_type"].tolist() == [
        "supraglacial", "ice-contact", "ice-contact", "unconnected", "ice-contact", "non-glacial",
    ]  # fmt: skip
    assert found["dist_glacier_m"].tolist()[:5] == pytest.approx([0, 0, 0, 300, 15], abs=0.5)
    assert np.isnan(found["dist_glacier_m"][5]) and found["rgi_id"].isna().tolist() == [False] * 5 + [True]
    # Of the second, a side of 100 m lies on the ice, and 20 m of each side that leaves it.
    assert found["ice_contact"][1] == pytest.approx(140 / 400, abs=0.01)
    assert found["ice_contact"][0] == pytest.approx(1) and found["ice_contact"][3] == 0
    assert found["lake_type_conf"].tolist() == ["low", "low", "low", "high", "low", "high"]
    fresh = add_glaciers(lakes, rgi, 10.0, datetime(2008, 1, 1, tzinfo=UTC))
    assert (fresh["lake_type_conf"] == "high").all()


def test_no_lakes_and_no_glaciers_near_are_answers_too(rgi):
    none = add_glaciers(lakes_at().set_crs(UTM), rgi, 10.0, None)
    assert len(none) == 0 and "lake_type" in none
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 10.01, 45.01)], crs="EPSG:4326")
    assert add_glaciers(away, rgi, 10.0, None)["lake_type"].tolist() == ["non-glacial"]


def test_flags_name_what_there_is_to_doubt():
    lakes = gpd.GeoDataFrame(
        {
            "touches_edge": [True, False, False],
            "valid_frac": [0.5, 1.0, 1.0],
            "n_px": [100, 5, 100],
            "shadow_frac": [np.nan, 0.8, 0.1],
            "mean_slope": [np.nan, 25.0, 2.0],
            "elev_m": [np.nan, 4000.0, 4000.0],
        },
        geometry=[shapely.Point(0, 0)] * 3,
    )
    assert qa_flags(lakes) == ["cut, partly observed, DEM void", "few pixels, in shadow, steep", ""]
    assert qa_flags(lakes[["touches_edge", "geometry"]]) == ["cut", "", ""]


def test_a_lake_of_two_scenes_keeps_what_is_known_of_its_parts():
    from glofgeo.inventory import combine_lakes, describe_lakes

    def layer(shape, scene, **further):
        frame = gpd.GeoDataFrame(
            {"n_px": [100], "prob_mean": [0.9], "prob_p10": [0.8], "valid_frac": [0.9], "touches_edge": [True]},
            geometry=[shapely.MultiPolygon([shape])], crs=UTM,
        )  # fmt: skip
        when = datetime(2024, 10, 15, tzinfo=UTC)
        lakes = describe_lakes(frame, SCENE.transform, scene_id=scene, acquired=when, baseline="05.11")
        return lakes.assign(**further)

    west = layer(box(480000, 3089000, 480300, 3089100), "A", elev_m=5000.0, qa_flag="cut", area_hi_m2=33000.0)
    east = layer(box(480200, 3089000, 480300, 3089100), "B", elev_m=5100.0, qa_flag="cut, steep", area_hi_m2=11000.0)
    other = layer(box(490000, 3089000, 490100, 3089100), "C", elev_m=4000.0, qa_flag="", area_hi_m2=1.0)
    (lake, alone) = combine_lakes([west, east, other]).sort_values("area_m2", ascending=False).itertuples()
    assert lake.scene_id == "A + B" and 5000 < lake.elev_m < 5100
    assert lake.qa_flag == "cut, steep" and lake.area_hi_m2 == pytest.approx(33000, rel=0.01)
    assert alone.elev_m == 4000
    assert "elev_m" not in combine_lakes([west, east.drop(columns="elev_m")])
    assert isinstance(lake.acq_datetime, pd.Timestamp)


def test_a_glacier_beside_a_lake_across_180_degrees_is_as_near_as_elsewhere():
    def distance(west):
        lake = gpd.GeoDataFrame(geometry=[box(west, 65, west + 0.02, 65.01)], crs="EPSG:4326")
        ice = [box(-179.95, 65, -179.9, 65.01) if west > 175 else box(west + 0.06, 65, west + 0.11, 65.01)]
        glaciers = gpd.GeoDataFrame({"rgi_id": ["G"], "year": [2020.0]}, geometry=ice, crs="EPSG:4326")
        return add_glaciers(lake, glaciers, 10, None)["dist_glacier_m"][0]

    assert distance(179.99) == pytest.approx(distance(170.0), rel=1e-3) == pytest.approx(1886, abs=3)
