from itertools import islice

import numpy as np
import shapely
from affine import Affine
from geopandas import GeoDataFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from shapely import box

from datasets_def.grid import Grid
from glofgeo.training import samplers
from glofgeo.training.samplers import LakeSampler, SceneArea, clip_lakes

RES = 10.0
SIDES_M = {0.003: 55, 0.01: 100, 0.05: 224, 0.5: 707, 2.0: 1414}


def scene_area(rows=300, cols=400, region=None, lakes=(), scene=0, x=500000.0, y=3000000.0):
    """Lakes are (col, row, side in m); the region is (col0, row0, col1, row1) in pixels."""
    frame = GeoDataFrame(
        geometry=[box(x + c * RES, y - r * RES - side, x + c * RES + side, y - r * RES) for c, r, side in lakes],
        crs="EPSG:32645",
    )
    c0, r0, c1, r1 = region or (0, 0, cols, rows)
    area = box(x + c0 * RES, y - r1 * RES, x + c1 * RES, y - r0 * RES)
    grid = Grid((rows, cols), Affine(RES, 0, x, 0, -RES, y), CRS.from_epsg(32645))
    return SceneArea(scene, grid, area, clip_lakes(frame, area))


def pixel_box(crop, side, x=500000.0, y=3000000.0):
    return box(
        x + crop.col * RES, y - (crop.row + side) * RES, x + (crop.col + side) * RES, y - crop.row * RES
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(20, 300), cols=st.integers(20, 300), window=st.integers(28, 160), share=st.floats(0, 1))
def test_windows_stay_within_their_scene_or_hold_it(rows, cols, window, share):
    sampler = LakeSampler([scene_area(rows, cols, lakes=[(5, 5, 80)])], window, 40, share, 0)
    crops = list(sampler)
    assert len(crops) == len(sampler) == 40
    for crop in crops:
        for start, side in ((crop.row, rows), (crop.col, cols)):
            assert 0 <= start <= side - window if side >= window else side - window <= start <= 0


def test_windows_depend_on_seed_and_epoch_alone():
    places = [scene_area(lakes=[(50, 60, 100), (200, 100, 500)]), scene_area(scene=1, lakes=[(10, 10, 60)])]
    one, same, other = (LakeSampler(places, 56, 50, 0.5, seed) for seed in (1, 1, 2))
    assert list(one) == list(one) == list(same) != list(other)
    first = list(one)
    one.set_epoch(1)
    assert list(one) != first
    one.set_epoch(0)
    assert list(one) == first


def test_every_size_class_and_every_scene_gets_its_share():
    lakes = [(20, 20, SIDES_M[0.003])] * 30 + [(150, 50, SIDES_M[0.05])] + [(300, 150, SIDES_M[0.5])]
    places = [scene_area(lakes=lakes, scene=s) for s in (0, 1)]
    crops = list(LakeSampler(places, 42, 3000, 1.0, 0))
    small = np.mean([c.col + 42 > 20 and c.col < 26 and c.row < 26 for c in crops])
    large = np.mean([c.col > 250 for c in crops])
    assert abs(small - 1 / 3) < 0.05 and abs(large - 1 / 3) < 0.05
    assert abs(np.mean([c.scene for c in crops]) - 0.5) < 0.05


def test_lake_windows_show_a_lake_and_are_not_always_centred_on_it():
    place = scene_area(lakes=[(100, 100, 300), (300, 200, 60)])
    crops = list(LakeSampler([place], 56, 200, 1.0, 3))
    lakes = place.lakes.union_all()
    assert all(pixel_box(crop, 56).intersects(lakes) for crop in crops)
    assert np.std([crop.col for crop in crops if crop.col > 200]) > 5


def test_uniform_windows_fall_evenly_on_the_region_only():
    left, right = scene_area(region=(0, 0, 100, 300)), scene_area(region=(100, 0, 400, 300), scene=1)
    crops = list(LakeSampler([left, right], 28, 2000, 0.5, 0))
    assert abs(np.mean([crop.scene for crop in crops]) - 0.75) < 0.04
    assert all(pixel_box(c, 28).intersects((left, right)[c.scene].region) for c in crops)


def test_a_region_of_slivers_still_gives_windows():
    place = scene_area()
    thin = shapely.LineString([(500000, 3000000), (504000, 2997000)]).buffer(1e-3)
    sliver = SceneArea(0, place.grid, thin, place.lakes)
    assert len(list(islice(LakeSampler([sliver], 28, 10, 0.0, 0), 10))) == 10


def test_lakes_are_clipped_but_keep_their_size_class():
    place = scene_area(region=(0, 0, 110, 300), lakes=[(100, 100, 1414), (200, 10, 100)])
    assert len(place.lakes) == 1 and place.lakes.index[0] == 0
    assert abs(place.lakes.area_km2[0] - 2) < 0.02
    assert place.lakes.geometry[0].within(place.region)


def test_hard_negatives_get_their_share_and_every_kind_the_same():
    places = [scene_area(lakes=[(200, 150, 100)]), scene_area(scene=1)]
    many = np.column_stack([500000 + 10.0 * np.arange(20, 40), np.full(20, 3000000 - 10.0 * 30)])
    few = np.array([[500000 + 10 * 380.0, 3000000 - 10 * 270.0]])
    hard = [{"shadow": many}, {"shadow": many, "wet": few}]
    sampler = LakeSampler(places, 28, 4000, 0.3, 0, hard=hard, hard_share=0.4)
    crops = list(sampler)
    shadow = np.mean([c.row <= 30 < c.row + 28 and c.col < 40 for c in crops])
    wet = np.mean([c.scene == 1 and c.col <= 380 < c.col + 28 and c.row <= 270 < c.row + 28 for c in crops])
    lake = np.mean(
        [c.scene == 0 and c.col < 212 and c.col + 28 > 198 and c.row < 162 and c.row + 28 > 148 for c in crops]
    )
    assert abs(shadow - 0.2) < 0.03 and abs(wet - 0.2) < 0.03 and abs(lake - 0.3) < 0.03
    assert list(LakeSampler(places, 28, 50, 0.0, 0, hard=[{}, {}], hard_share=1.0))  # no place: anywhere


def test_processes_share_out_one_draw(monkeypatch):
    place = scene_area(lakes=[(50, 60, 100)])
    alone = list(LakeSampler([place], 56, 9, 0.5, 3))
    shares = []
    for rank in range(2):
        monkeypatch.setattr(samplers, "_world", lambda rank=rank: (rank, 2))
        sampler = LakeSampler([place], 56, 9, 0.5, 3)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1]) == 5
    assert [crop for pair in zip(*shares, strict=True) for crop in pair][:9] == alone


def test_a_point_stands_clear_of_the_edge_of_its_window():
    place = scene_area(lakes=[(200, 150, 1)])
    for crop in LakeSampler([place], 50, 300, 1.0, 0):
        assert 5 <= 200 - crop.col <= 45 and 5 <= 150 - crop.row <= 45


def test_every_part_of_a_long_shore_is_looked_at():
    place = scene_area(rows=400, lakes=[(100, 100, 2000)])
    crops = list(LakeSampler([place], 28, 200, 1.0, 0))
    corners = {(crop.row + 14 > 200, crop.col + 14 > 200) for crop in crops}
    assert len(corners) == 4


def test_another_seed_never_draws_what_this_one_draws_in_another_epoch():
    place = [scene_area(lakes=[(50, 60, 100)])]
    draws = set()
    for seed in range(3):
        sampler = LakeSampler(place, 56, 20, 0.5, seed)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            draws.add(tuple(sampler))
    assert len(draws) == 9


def test_a_lake_of_just_a_bound_is_in_the_upper_class_as_in_the_evaluation():
    place = scene_area(lakes=[(50, 60, 50), (150, 60, 50), (250, 60, 50)])
    areas = GeoDataFrame({"area_km2": [0.0049, 0.005, 0.006]}, geometry=place.lakes.geometry.to_numpy())
    sampler = LakeSampler([SceneArea(0, place.grid, place.region, areas)], 28, 1, 1.0, 0)
    assert [len(lakes) for lakes in sampler.classes] == [1, 2]
