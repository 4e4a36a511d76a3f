import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from geopandas import GeoDataFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, box

from glofgeo.config import DataConfig
from glofgeo.errors import GlofgeoError
from glofgeo.training.audit import audit
from glofgeo.training.geodesy import area_km2, grow, least_distance
from glofgeo.training.splits import Split, split_aoi

GEOD = pyproj.Geod(ellps="WGS84")


def degrees(least, most):
    return st.integers(round(least * 1000), round(most * 1000)).map(lambda number: number / 1000)


def features(boxes, **columns):
    return GeoDataFrame(columns, geometry=[box(*b) for b in boxes], crs="EPSG:4326")


def lakes_on(west, south, east, north, step=0.02, side=0.002):
    xs, ys = np.meshgrid(np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step))
    return features([(x, y, x + side, y + side) for x, y in zip(xs.ravel(), ys.ravel(), strict=True)])


@settings(max_examples=40, deadline=None)
@given(
    west=degrees(-170, 160),
    south=degrees(-60, 60),
    width=degrees(0.06, 1.5),
    height=degrees(0.06, 1.5),
    seed=st.integers(0, 5),
)
def test_blocks_are_disjoint_buffered_and_repeatable(west, south, width, height, seed):
    aoi = features([(west, south, west + width, south + height)])
    lakes = lakes_on(*aoi.total_bounds)
    ground = aoi.union_all()
    config = DataConfig()
    split = split_aoi(aoi, ground, lakes, config, seed)
    told = audit(split, lakes)
    assert set(split.areas) == {"train", "val"}
    assert all(size.lakes > 0 for size in told.splits.values())
    assert all(part.within(ground.buffer(1e-9)) for part in split.areas.values())
    promised = float(split.how.split(" km apart")[0].split()[-1]) * 1000
    assert 0 < promised <= config.buffer_m
    assert told.distance_m["train-val"] >= 0.98 * promised
    again = split_aoi(aoi, ground, lakes, config, seed)
    assert again.how == split.how and all(again.areas[name].equals(split.areas[name]) for name in split.areas)


def test_blocks_validate_about_the_share_asked_for():
    aoi = features([(85, 27, 87.5, 29)])
    lakes = lakes_on(*aoi.total_bounds, step=0.05)
    shares = []
    for seed in range(5):
        parts = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(), seed).areas
        shares.append(area_km2(parts["val"]) / area_km2(aoi.union_all()))
    assert all(0.1 < share < 0.35 for share in shares) and len(set(shares)) > 1


def test_blocks_shrink_with_the_ground_and_say_so():
    aoi = features([(86.9, 27.8, 87.0, 27.9)])
    split = split_aoi(aoi, aoi.union_all(), lakes_on(*aoi.total_bounds), DataConfig(), 0)
    assert "too small for 0.25 degrees" in split.how
    wide = features([(86, 27, 87.5, 28)])
    assert "too small" not in split_aoi(wide, wide.union_all(), lakes_on(*wide.total_bounds), DataConfig(), 0).how


def test_ground_that_cannot_be_split_is_refused():
    aoi = features([(86.9, 27.8, 87.0, 27.9)])
    one_lake = features([(86.95, 27.85, 86.951, 27.851)])
    with pytest.raises(GlofgeoError, match="too small an area"):
        split_aoi(aoi, aoi.union_all(), one_lake, DataConfig(), 0)


def test_given_splits_are_taken_where_the_scenes_are():
    aoi = features([(0, 0, 1, 1), (1, 0, 2, 1), (2, 0, 3, 1)], split=["train", "val", "test"]).to_crs("EPSG:3857")
    lakes = lakes_on(0, 0, 3, 1, step=0.2)
    split = split_aoi(aoi, box(0, 0, 1.5, 1), lakes, DataConfig(), 0)
    assert set(split.areas) == {"train", "val"}
    assert split.areas["train"].symmetric_difference(box(0, 0, 1, 1)).area < 1e-9
    assert split.areas["val"].symmetric_difference(box(1, 0, 1.5, 1)).area < 1e-9
    assert audit(split, lakes).distance_m == {"train-val": pytest.approx(0, abs=0.01)}


def test_only_train_given_is_split_by_blocks_and_test_stays_untouched():
    aoi = features([(0, 0, 1, 1), (2, 0, 3, 1)], split=["train", "test"])
    lakes = lakes_on(0, 0, 3, 1, step=0.1)
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(), 0)
    assert set(split.areas) == {"train", "val", "test"}
    assert split.areas["test"].equals(box(2, 0, 3, 1)) and split.areas["val"].within(box(0, 0, 1, 1).buffer(1e-9))
    audit(split, lakes)


def test_val_features_that_no_scene_shows_are_replaced_by_blocks_of_the_train_features():
    aoi = features([(0, 0, 1, 1), (2, 0, 3, 1), (4, 0, 5, 1)], split=["train", "val", "test"])
    lakes = lakes_on(0, 0, 5, 1, step=0.1)
    split = split_aoi(aoi, box(0, 0, 1, 1), lakes, DataConfig(), 0)
    assert set(split.areas) == {"train", "val"}
    assert split.areas["val"].within(box(0, 0, 1, 1).buffer(1e-9))
    assert "no scene shows its val features" in split.how
    audit(split, lakes)


def test_places_are_dealt_out_whole():
    corners = [(x, y) for x in range(5) for y in range(4)]
    aoi = features([(x, y, x + 0.1, y + 0.1) for x, y in corners], place=[(x + y) % 7 for x, y in corners])
    lakes = lakes_on(0, 0, 5, 4, step=0.05, side=0.01)
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(), 1)
    val = aoi.geometry.intersects(split.areas["val"])
    train = aoi.geometry.intersects(split.areas["train"])
    assert val.any() and train.any() and not (set(aoi.place[val]) & set(aoi.place[train]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": ["train", "valid"]}, "feature 1: split is 'valid'"),
        ({"split": ["train", None]}, "feature 1"),
        ({"split": ["val", "val"]}, "no AOI feature has split train"),
        ({"split": ["train", "val"], "place": ["Imja", "Imja"]}, "place Imja"),
    ],
)
def test_wrong_splits_are_named(columns, message):
    aoi = features([(0, 0, 1, 1), (2, 0, 3, 1)], **columns)
    with pytest.raises(GlofgeoError, match=message):
        split_aoi(aoi, aoi.union_all(), lakes_on(0, 0, 3, 1, step=0.2), DataConfig(), 0)


def test_features_of_different_split_must_not_overlap():
    aoi = features([(0, 0, 1, 1), (0.5, 0, 2, 1)], split=["train", "val"])
    with pytest.raises(GlofgeoError, match="overlap"):
        split_aoi(aoi, aoi.union_all(), lakes_on(0, 0, 2, 1, step=0.2), DataConfig(), 0)


def test_slivers_between_neighbours_go_to_the_part_that_judges():
    aoi = features([(0, 0, 1.0001, 1), (1, 0, 2, 1)], split=["train", "val"])
    split = split_aoi(aoi, aoi.union_all(), lakes_on(0, 0, 2, 1, step=0.2), DataConfig(), 0)
    assert (split.areas["train"] & split.areas["val"]).area == 0
    assert split.areas["val"].covers(box(1, 0, 2, 1))


def test_a_lake_across_two_splits_is_in_neither():
    aoi = features([(0, 0, 1, 1), (1, 0, 2, 1)], split=["train", "val"])
    lakes = features([(0.2, 0.2, 0.3, 0.3), (0.9, 0.4, 1.1, 0.6), (1.6, 0.2, 1.7, 0.3)])
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(), 0)
    assert split.lakes_left_out == 1
    told = audit(split, lakes)
    assert told.lakes_left_out == 1 and [size.lakes for size in told.splits.values()] == [1, 1]


def test_the_audit_finds_planted_leaks():
    lakes = features([(0.9, 0.4, 1.2, 0.6)])
    overlapping = {"train": MultiPolygon([box(0, 0, 1.1, 1)]), "val": MultiPolygon([box(1, 0, 2, 1)])}
    with pytest.raises(GlofgeoError, match="leak: train and val areas overlap"):
        audit(Split(overlapping, "", 0), lakes)
    astride = {"train": MultiPolygon([box(0, 0, 1, 1)]), "val": MultiPolygon([box(1.1, 0, 2, 1)])}
    with pytest.raises(GlofgeoError, match="leak: 1 lakes"):
        audit(Split(astride, "", 0), lakes)


@settings(max_examples=30, deadline=None)
@given(lon=degrees(-170, 170), lat=degrees(-65, 65), gap=degrees(0.001, 0.2))
def test_distances_and_buffers_are_metres_on_the_ground(lon, lat, gap):
    a, b = box(lon, lat, lon + 0.1, lat + 0.1), box(lon, lat + 0.1 + gap, lon + 0.1, lat + 0.2 + gap)
    metres = GEOD.inv(lon, lat + 0.1, lon, lat + 0.1 + gap)[2]
    assert least_distance(a, b) == pytest.approx(metres, rel=2e-3, abs=2)
    assert least_distance(b, MultiPolygon([a, box(lon, lat - 1, lon + 0.1, lat - 0.9)])) == pytest.approx(
        metres, rel=2e-3, abs=2
    )
    assert not grow(a, 0.99 * metres - 2).intersects(b) and grow(a, 1.01 * metres + 2).intersects(b)


def test_areas_are_geodesic():
    square = gpd.GeoSeries([shapely.Point(500000, 3000000).buffer(1000, cap_style="square")], crs="EPSG:32645")
    assert area_km2(square.to_crs("EPSG:4326").iloc[0]) == pytest.approx(4 / 0.9996**2, rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_a_place_far_larger_than_the_share_asked_for_never_validates(seed):
    boxes = [(85, 27, 86, 28), *[(86.2 + k / 4, 27, 86.4 + k / 4, 27.2) for k in range(8)]]
    aoi = features(boxes, place=[f"place {k}" for k in range(9)])
    lakes = lakes_on(85, 27, 88.4, 28, step=0.05)
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(), seed)
    assert not split.areas["val"].intersects(box(*boxes[0]))
    assert split.areas["val"].area / aoi.union_all().area < 0.3


@pytest.mark.parametrize("lat", [-65.0, 0.0, 64.9])
def test_distances_along_a_parallel_are_metres_too(lat):
    a, b = box(10, lat, 10.1, lat + 0.1), box(10.3, lat, 10.4, lat + 0.1)
    # The lines of longitude meet at the poles, so that the nearer pair of corners is the one further from the equator.
    metres = min(GEOD.inv(10.1, y, 10.3, y)[2] for y in (lat, lat + 0.1))
    assert least_distance(a, b) == pytest.approx(metres, rel=2e-3)
    assert not grow(a, 0.99 * metres).intersects(b) and grow(a, 1.01 * metres).intersects(b)


@pytest.mark.parametrize("turn", [1, -1])
def test_holes_are_no_area_whichever_way_they_run(turn):
    outer, hole = box(86, 27, 86.2, 27.2), box(86.05, 27.05, 86.15, 27.15)
    ring = shapely.Polygon(outer.exterior.coords, [hole.exterior.coords[::turn]])
    assert area_km2(ring) == pytest.approx(area_km2(outer) - area_km2(hole), rel=1e-9)


def test_ground_on_both_sides_of_180_is_split_as_anywhere():
    here = [(-180, 66, -179.4, 66.4), (179.4, 66, 180, 66.4)]
    aoi, lakes = features(here), pd.concat([lakes_on(*side) for side in here], ignore_index=True)
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(block_deg=0.2), 0)
    told = audit(split, lakes)
    assert "too small" not in split.how
    assert told.distance_m["train-val"] >= 0.98 * 1000 * float(split.how.split(" km apart")[0].split()[-1])
    assert all(part.within(aoi.union_all().buffer(1e-9)) for part in split.areas.values())
    away = features([(20, 66, 21.2, 66.4)])
    elsewhere = split_aoi(away, away.union_all(), lakes_on(20, 66, 21.2, 66.4), DataConfig(block_deg=0.2), 0)
    shares = [area_km2(s.areas["val"]) / area_km2(s.areas["train"]) for s in (split, elsewhere)]
    assert shares[0] == pytest.approx(shares[1], rel=0.5)


def test_a_buffer_reaches_across_180_and_a_distance_too():
    edge = grow(box(179.9, 66, 180, 66.1), 2000)
    assert edge.intersects(box(-180, 66, -179.97, 66.1)) and not edge.intersects(box(-179.9, 66, 0, 66.1))
    assert edge.bounds[0] == -180 and edge.bounds[2] == 180
    assert area_km2(edge) == pytest.approx(area_km2(grow(box(9.9, 66, 10, 66.1), 2000)), rel=1e-6)
    apart = GEOD.inv(179.99, 66, -179.98, 66)[2]
    assert least_distance(box(179.9, 65.9, 179.99, 66), box(-179.98, 65.9, -179.9, 66)) == pytest.approx(
        apart, rel=2e-3
    )


def test_ground_of_two_continents_is_cut_where_it_lies():
    there = [(86, 27, 86.4, 27.4), (-72, -10, -71.6, -9.6)]
    aoi, lakes = features(there), pd.concat([lakes_on(*side) for side in there], ignore_index=True)
    split = split_aoi(aoi, aoi.union_all(), lakes, DataConfig(block_deg=0.1), 0)
    assert all(size.lakes > 0 for size in audit(split, lakes).splits.values())
