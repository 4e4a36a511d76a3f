"""The ready-made areas of interest."""

import itertools
import json
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from datasets_def.aoi import SPLITS, find_aoi, read_aoi

READY = sorted(path.stem for path in find_aoi("himalaya").parent.glob("*.geojson"))

# Longitude and latitude as published for the lakes.
LAKES = {
    "Imja": (86.925, 27.898),
    "Tsho Rolpa": (86.477, 27.861),
    "Thorthormi": (90.27, 28.10),
    "Lugge": (90.30, 28.09),
    "Raphstreng": (90.25, 28.10),
    "South Lhonak": (88.20, 27.91),
    "Cirenmaco": (86.066, 28.067),
    "Galongco": (85.84, 28.32),
    "Jialongco": (85.85, 28.21),
}
HOMES = {
    "khumbu": ["Imja"],
    "lunana": ["Thorthormi", "Lugge", "Raphstreng"],
    "south_lhonak": ["South Lhonak"],
    "poiqu": ["Cirenmaco", "Galongco", "Jialongco"],
}


@pytest.fixture(scope="module")
def himalaya():
    return read_aoi("himalaya.geojson")


@pytest.mark.parametrize("name", READY)
def test_every_area_is_named_and_follows_rfc_7946(name):
    path = find_aoi(name)
    raw = json.loads(Path(path).read_text(encoding="utf-8"))
    for feature in raw["features"]:
        polygon = shapely.geometry.shape(feature["geometry"])
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        assert feature["properties"]["name"]
    assert "crs" not in raw
    assert path.stat().st_size < 20_000
    assert read_aoi(name).crs == "EPSG:4326"


def test_the_himalaya_is_split_by_whole_sub_ranges(himalaya):
    assert len(himalaya) >= 10
    assert himalaya["name"].is_unique
    assert set(himalaya["split"]) == set(SPLITS)


def test_no_place_is_in_two_splits_or_near_another(himalaya):
    for (_, a), (_, b) in itertools.combinations(himalaya.iterrows(), 2):
        assert a.geometry.intersection(b.geometry).area == pytest.approx(0, abs=1e-12)
        if a["split"] == b["split"] or a.geometry.distance(b.geometry) > 1:
            continue
        near = shapely.shortest_line(a.geometry, b.geometry).centroid
        metres = f"+proj=aeqd +lat_0={near.y} +lon_0={near.x}"
        first, second = gpd.GeoSeries([a.geometry, b.geometry], crs=4326).segmentize(0.01).to_crs(metres)
        assert first.distance(second) > 10_000, (a["name"], b["name"])


def test_every_famous_lake_lies_in_the_himalaya_and_in_its_place_only(himalaya):
    whole = himalaya.union_all()
    assert set(HOMES) | {"himalaya"} == set(READY)
    for lake, position in LAKES.items():
        point = shapely.Point(position)
        assert whole.contains(point), lake
        homes = [name for name in HOMES if read_aoi(name).union_all().contains(point)]
        assert homes == [name for name, members in HOMES.items() if lake in members], lake


def test_the_himalaya_holds_the_inventory(himalaya, real_data):
    lakes = gpd.read_file(real_data / "lakes" / "hkh_glacial_lakes_2020.gpkg").representative_point()
    assert lakes.within(himalaya.union_all()).mean() > 0.95
