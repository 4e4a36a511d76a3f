import geopandas as gpd
import pytest
import shapely

from datasets_def.aoi import find_aoi, read_aoi
from glofgeo.errors import GlofgeoError

SQUARE = shapely.box(86.92, 27.89, 86.93, 27.9)


def frame(*geometries, crs="EPSG:4326", **columns):
    return gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs)


def test_an_area_is_found_as_a_path_then_in_aoi_then_ready_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ready = find_aoi("himalaya")
    assert find_aoi("himalaya.geojson") == ready
    assert ready.is_file()
    (tmp_path / "aoi").mkdir()
    frame(SQUARE).to_file("aoi/himalaya.geojson")
    assert find_aoi("himalaya").resolve() == tmp_path / "aoi" / "himalaya.geojson"
    frame(SQUARE).to_file("himalaya.geojson")
    assert find_aoi("himalaya.geojson").resolve() == tmp_path / "himalaya.geojson"
    assert find_aoi(tmp_path / "himalaya.geojson") == tmp_path / "himalaya.geojson"
    with pytest.raises(GlofgeoError, match=r"atlantis.*himalaya, khumbu"):
        find_aoi("atlantis")


def test_an_area_keeps_its_names_and_refuses_other_splits(tmp_path):
    path = tmp_path / "x.geojson"
    frame(SQUARE, SQUARE, name=["a", "b"], split=["train", "test"], colour=[1, 2]).to_file(path)
    assert list(read_aoi(path).columns) == ["name", "split", "geometry"]
    for split in ("valid", None, ""):
        frame(SQUARE, SQUARE, split=["train", split]).to_file(path)
        with pytest.raises(GlofgeoError, match="on feature 2 of 2; give train, val, test"):
            read_aoi(path)


@pytest.mark.parametrize("column", ["SPLIT", "Split", "split ", " sPlit"])
def test_the_columns_of_an_area_are_known_however_they_are_written(tmp_path, column):
    path = tmp_path / "x.geojson"
    frame(SQUARE, SQUARE, **{column: [" Train ", "VAL"], "Place": ["a ", "b"], "NAME": ["x", "y"]}).to_file(path)
    aoi = read_aoi(path)
    assert list(aoi.columns) == ["name", "split", "place", "geometry"]
    assert list(aoi["split"]) == ["train", "val"] and list(aoi["place"]) == ["a", "b"]
    assert aoi.crs == "EPSG:4326"


def test_two_columns_of_one_name_and_a_missing_place_are_refused(tmp_path):
    path = tmp_path / "x.geojson"
    frame(SQUARE, **{"split": ["train"], "Split ": ["val"]}).to_file(path)
    with pytest.raises(GlofgeoError, match="'split', 'Split '; keep one"):
        read_aoi(path)
    for place in (None, " "):
        frame(SQUARE, SQUARE, place=["Imja", place]).to_file(path)
        with pytest.raises(GlofgeoError, match="place is missing on feature 2 of 2"):
            read_aoi(path)
