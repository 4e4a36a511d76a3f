import json

import geopandas as gpd
import pytest
import shapely

from datasets_def.vectors import find_aoi, read_aoi, read_polygons
from glofgeo.errors import GlofgeoError

SQUARE = shapely.box(86.92, 27.89, 86.93, 27.9)


def frame(*geometries, crs="EPSG:4326", **columns):
    return gpd.GeoDataFrame(columns, geometry=list(geometries), crs=crs)


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".shp"])
def test_the_usual_formats_give_the_same_polygons(tmp_path, ending):
    frame(SQUARE, name=["Imja"]).to_file(tmp_path / f"x{ending}")
    lakes = read_polygons(tmp_path / f"x{ending}")
    assert lakes.crs == "EPSG:4326"
    assert lakes.geometry.iloc[0].equals(SQUARE)
    assert list(lakes["name"]) == ["Imja"]


def test_geometries_come_valid_flat_and_polygonal(tmp_path):
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    spike = shapely.Polygon([(2, 0), (3, 0), (3, 1), (3, 3), (3, 1), (2, 1)])
    high = shapely.force_3d(shapely.box(5, 5, 6, 6), 5000)
    frame(bowtie, spike, high, shapely.Polygon(), None, shapely.Point(1, 1)).to_file(tmp_path / "x.geojson")
    lakes = read_polygons(tmp_path / "x.geojson")
    assert [round(area, 6) for area in shapely.area(lakes.geometry)] == [0.5, 1, 1]
    assert lakes.is_valid.all()
    assert not lakes.has_z.any()
    assert list(lakes.index) == [0, 1, 2]
    assert lakes.crs is not None


def test_the_layer_called_lakes_is_taken_else_the_first_of_polygons(tmp_path):
    path = tmp_path / "x.gpkg"
    frame(shapely.Point(0, 0)).to_file(path, layer="points")
    frame(SQUARE, of=["first"]).to_file(path, layer="first")
    assert read_polygons(path)["of"].tolist() == ["first"]
    frame(SQUARE, of=["lakes"]).to_file(path, layer="lakes")
    assert read_polygons(path)["of"].tolist() == ["lakes"]
    assert read_polygons(path, layer="first")["of"].tolist() == ["first"]
    with pytest.raises(GlofgeoError, match="no layer ponds; it has points, first, lakes"):
        read_polygons(path, layer="ponds")
    with pytest.raises(GlofgeoError, match="no polygons"):
        read_polygons(path, layer="points")


def test_an_empty_layer_is_refused_unless_emptiness_is_an_answer(tmp_path):
    frame(SQUARE).iloc[:0].to_file(tmp_path / "x.gpkg", layer="lakes", geometry_type="Polygon")
    with pytest.raises(GlofgeoError, match="is empty"):
        read_polygons(tmp_path / "x.gpkg")
    assert read_polygons(tmp_path / "x.gpkg", empty_ok=True).empty
    assert read_polygons(tmp_path / "x.gpkg", empty_ok=True).crs == "EPSG:4326"


def test_what_is_no_layer_of_polygons_is_told_in_one_line(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    (tmp_path / "x.geojson").write_text('{"type": "FeatureCollection", "features": [')
    (tmp_path / "x.gpkg").write_bytes(b"SQLite format 3\0 and no more")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    frame(shapely.Point(0, 0)).to_file(tmp_path / "points.gpkg")
    cut = tmp_path / "cut.gpkg"
    frame(*[SQUARE] * 2000).to_file(cut)
    cut.write_bytes(cut.read_bytes()[:50000])
    for name in ("none.gpkg", "x.txt", "x.geojson", "x.gpkg", "table.csv", "points.gpkg", "cut.gpkg"):
        with pytest.raises(GlofgeoError, match=name) as error:
            read_polygons(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(GlofgeoError):
        read_polygons(tmp_path)


@pytest.mark.parametrize("name", ["x.shp", "x.gpkg"])
def test_a_layer_without_crs_is_refused(tmp_path, name):
    with pytest.warns(UserWarning, match="crs"):
        frame(SQUARE, crs=None).to_file(tmp_path / name)
    with pytest.raises(GlofgeoError, match="no CRS"):
        read_polygons(tmp_path / name)


def test_geojson_is_longitude_and_latitude_or_refused(tmp_path):
    path = tmp_path / "x.geojson"
    for ring, told in (
        ([[86, 27], [87, 27], [87, 28], [86, 27]], None),
        ([[490000, 3090000], [490100, 3090000], [490100, 3090100], [490000, 3090000]], "no CRS"),
        ([[86, 91], [87, 91], [87, 92], [86, 91]], "no CRS"),
    ):
        polygon = {"type": "Polygon", "coordinates": [ring]}
        feature = {"type": "Feature", "properties": {}, "geometry": polygon}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        if told is None:
            assert read_polygons(path).crs == "EPSG:4326"
        else:
            with pytest.raises(GlofgeoError, match=told):
                read_polygons(path)


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
    for split in ("valid", None):
        frame(SQUARE, SQUARE, split=["train", split]).to_file(path)
        with pytest.raises(GlofgeoError, match="train, val, test"):
            read_aoi(path)
