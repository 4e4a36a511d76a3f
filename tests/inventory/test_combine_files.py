"""The layer of a region from files: what combining all at once gives, in any order, one date in memory at a time."""

import random
from datetime import UTC, datetime, timedelta

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from geopandas.testing import assert_geodataframe_equal

import glofgeo.inventory.combine_by_date as combining
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import combine_files, combine_lakes, describe_lakes, write_lakes

NOON = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)


def layer(scene, day, crs="EPSG:32645", count=30):
    """Discs, many of which overlap those of the other scenes, some of one name."""
    numbers = np.random.default_rng([ord(letter) for letter in scene])
    places = numbers.uniform([400_000, 3_050_000], [404_000, 3_054_000], (count, 2))
    merged = shapely.union_all(shapely.buffer(shapely.points(places), numbers.uniform(30, 250, count)))
    shapes = [shapely.multipolygons([part]) for part in shapely.get_parts(merged)]
    frame = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32645").to_crs(crs)
    frame["n_px"] = [round(shape.area / 100) for shape in shapes]
    frame["touches_edge"] = numbers.random(len(shapes)) < 0.3
    frame = frame.assign(prob_mean=0.9, prob_p10=0.6, valid_frac=1.0)
    acquired = None if day is None else NOON + timedelta(days=day)
    return describe_lakes(frame, Affine(10, 0, 0, 0, -10, 0), scene_id=scene, acquired=acquired, baseline="05.11")


def written(folder, layers):
    paths = [folder / f"{number}.gpkg" for number in range(len(layers))]
    for path, one in zip(paths, layers, strict=True):
        write_lakes(path, one)
    return paths


@pytest.mark.parametrize("east", ["EPSG:32645", "EPSG:32644"])
def test_it_is_the_layer_of_all_at_once_in_any_order(tmp_path, east):
    days = {"A": 0, "B": 0, "C": 0, "D": 5, "E": 5, "F": None, "G": -400}
    layers = [layer(name, day, east if name in "BDG" else "EPSG:32645") for name, day in days.items()]
    layers.append(layers[0][:0].assign(scene_id="H"))
    paths = written(tmp_path, layers)
    combine_files(paths, tmp_path / "all.gpkg", "a note")
    expected = combine_lakes([gpd.read_file(path, layer="lakes") for path in paths])
    write_lakes(tmp_path / "expected.gpkg", expected)
    found, there = (gpd.read_file(tmp_path / name, layer="lakes") for name in ("all.gpkg", "expected.gpkg"))
    assert_geodataframe_equal(found, there)
    assert len(found) == len(gpd.read_file(tmp_path / "all.gpkg", layer="lakes_points")) < sum(map(len, layers))
    for seed in range(3):
        shuffled = random.Random(seed).sample(paths, len(paths))
        combine_files(shuffled, tmp_path / "again.gpkg", "a note")
        assert (tmp_path / "again.gpkg").read_bytes() == (tmp_path / "all.gpkg").read_bytes()


def test_one_date_is_in_memory_at_a_time(tmp_path, monkeypatch):
    paths = written(tmp_path, [layer(name, day, count=5) for name, day in zip("ABCDE", [0, 0, 5, 5, 10], strict=True)])
    held = []

    def counted(layers, crs=None):
        held.append(len(layers))
        return combine_lakes(layers, crs)

    monkeypatch.setattr(combining, "combine_lakes", counted)
    combine_files(paths, tmp_path / "all.gpkg")
    assert held == [2, 2, 1]


def test_no_lakes_at_all_are_a_layer_too(tmp_path):
    paths = written(tmp_path, [layer("A", 0)[:0], layer("B", 0)[:0]])
    combine_files(paths, tmp_path / "all.gpkg")
    found = gpd.read_file(tmp_path / "all.gpkg", layer="lakes")
    assert len(found) == 0 and found.crs == "EPSG:32645"


def test_a_scene_that_occurs_twice_is_named(tmp_path):
    paths = written(tmp_path, [layer("A", 0, count=3), layer("A", 0, count=3)])
    with pytest.raises(GlofgeoError, match=r"scene A occurs in two lake layers, .*0\.gpkg and .*1\.gpkg"):
        combine_files(paths, tmp_path / "all.gpkg")
    assert not (tmp_path / "all.gpkg").exists()
