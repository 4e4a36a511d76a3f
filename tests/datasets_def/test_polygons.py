import json
import os

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_def.aoi import read_aoi
from datasets_def.polygons import read_polygons
from glofgeo.errors import GlofgeoError, GlofgeoWarning

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
    with pytest.warns(GlofgeoWarning, match="3 of 6 features have no polygon and are left out"):
        lakes = read_polygons(tmp_path / "x.geojson")
    assert [round(area, 6) for area in shapely.area(lakes.geometry)] == [0.5, 1, 1]
    assert lakes.is_valid.all()
    assert not lakes.has_z.any()
    assert list(lakes.index) == [0, 1, 2]
    assert lakes.crs is not None


def test_of_several_layers_of_polygons_that_of_the_name_is_taken_and_none_guessed(tmp_path):
    path = tmp_path / "x.gpkg"
    for name in ("boxes", "ponds"):
        frame(SQUARE, of=[name]).to_file(path, layer=name)
    for what, name in (("lakes", "lakes"), ("areas of interest", "aoi")):
        with pytest.raises(GlofgeoError, match="several layers of polygons") as refusal:
            read_polygons(path, what)
        assert "boxes, ponds" in str(refusal.value) and f"{what} {name}" in str(refusal.value)
    frame(SQUARE, of=["lakes"]).to_file(path, layer="lakes")
    frame(SQUARE, of=["area"]).to_file(path, layer="AOI")
    assert read_polygons(path)["of"].tolist() == ["lakes"]
    assert read_polygons(path, "areas of interest")["of"].tolist() == ["area"]


def test_a_layer_of_polygons_among_others_is_taken(tmp_path):
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


def geojson(path, *geometries, **more):
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


def polygon(*ring):
    return {"type": "Polygon", "coordinates": [ring]}


def layer_of_wkt(folder, wkt):
    (folder / "x.csv").write_text(f'id,WKT\n1,"{wkt}"\n')
    (folder / "x.vrt").write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource relativeToVRT="1">x.csv</SrcDataSource>'
        '<LayerSRS>EPSG:4326</LayerSRS><GeometryField encoding="WKT" field="WKT"/></OGRVRTLayer></OGRVRTDataSource>'
    )
    return folder / "x.vrt"


FACES = "Z (((0 0 0, 0 1 0, 1 1 0, 0 0 0)), ((0 0 0, 1 0 0, 1 1 0, 0 0 0)))"


@pytest.mark.parametrize("wkt", [f"TIN {FACES}", f"POLYHEDRALSURFACE {FACES}", "TRIANGLE ((0 0, 0 1, 1 1, 0 0))"])
def test_surfaces_that_are_no_polygons_are_refused(tmp_path, wkt):
    with pytest.raises(GlofgeoError, match="save it as polygons"):
        read_polygons(layer_of_wkt(tmp_path, wkt))


def test_curved_polygons_become_straight_ones(tmp_path):
    disc = "CURVEPOLYGON (CIRCULARSTRING (0 0, 1 1, 2 0, 1 -1, 0 0))"
    for wkt in (disc, f"MULTISURFACE ({disc})"):
        straight = read_polygons(layer_of_wkt(tmp_path, wkt)).geometry.item()
        assert straight.area == pytest.approx(np.pi, rel=2e-3)


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (polygon([86, 27], [87, 27], [87, 28], [86, 28]), "cannot be read"),
        (
            polygon([86, 27], [float("nan"), 27], [87, 28], [86, 27]),
            "feature 1 of 1 has a coordinate that is no",
        ),
        (polygon([86, 27], [1e300, 27], [87, 28], [86, 27]), "cannot be degrees"),
        (polygon([86, 27], [87, 28], [86, 27], [86, 27]), "no polygons with an area"),
        ({"type": "LineString", "coordinates": [[86, 27], [87, 28]]}, "no polygons but LineString"),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [86, 27]}]}, "no polygons"),
        (polygon([200, 0], [361, 0], [361, 1], [200, 0]), "cannot be degrees"),
    ],
)
def test_what_is_no_polygon_on_earth_is_told_in_one_line(tmp_path, geometry, told):
    with pytest.raises(GlofgeoError, match=told) as error:
        read_polygons(geojson(tmp_path / "x.geojson", geometry))
    assert "\n" not in str(error.value)


def test_metres_off_the_earth_and_other_angles_are_refused(tmp_path):
    frame(shapely.box(0, 0, 1e9, 1), crs="EPSG:32645").to_file(tmp_path / "far.gpkg")
    with pytest.raises(GlofgeoError, match="cannot be coordinates of WGS 84 / UTM zone 45N"):
        read_polygons(tmp_path / "far.gpkg")
    frame(SQUARE).set_crs(3413, allow_override=True).to_file(tmp_path / "degrees.gpkg")
    with pytest.raises(GlofgeoError, match="save it with the CRS"):
        read_polygons(tmp_path / "degrees.gpkg")
    frame(shapely.box(5, 50, 6, 51), crs="EPSG:4807").to_file(tmp_path / "grads.gpkg")
    with pytest.raises(GlofgeoError, match="counts in grad"):
        read_polygons(tmp_path / "grads.gpkg")


def test_what_is_neither_file_nor_folder_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.geojson")
    with pytest.raises(GlofgeoError, match="is not a file"):
        read_polygons(tmp_path / "x.geojson")
    with pytest.raises(GlofgeoError, match="is not a file"):
        read_polygons("/dev/null")


@pytest.mark.parametrize("encoding", ["UTF-8", "NONSENSE", None])
def test_lakes_are_read_whatever_the_encoding_of_their_names(tmp_path, encoding):
    frame(SQUARE, name=["Imjá Tshó"]).to_file(tmp_path / "x.shp", encoding="latin1")
    (tmp_path / "x.cpg").unlink()
    if encoding:
        (tmp_path / "x.cpg").write_text(encoding)
    assert read_polygons(tmp_path / "x.shp").geometry.iloc[0].equals(SQUARE)


def test_a_shapefile_is_read_without_its_table_but_not_without_its_index(tmp_path):
    frame(SQUARE).to_file(tmp_path / "x.shp")
    (tmp_path / "x.dbf").unlink()
    assert read_polygons(tmp_path / "x.shp").geometry.iloc[0].equals(SQUARE)
    (tmp_path / "x.shx").unlink()
    with pytest.raises(GlofgeoError, match=r"x\.shx"):
        read_polygons(tmp_path / "x.shp")
    assert not (tmp_path / "x.shx").exists()


@pytest.mark.parametrize("west", [170, -190])
def test_longitudes_beyond_180_are_brought_back_and_cut_there(tmp_path, west):
    geometry = polygon([west, 60], [west + 20, 60], [west + 20, 70], [west, 70], [west, 60])
    area = read_aoi(geojson(tmp_path / "x.geojson", geometry)).geometry.item()
    assert area.equals(shapely.union(shapely.box(170, 60, 180, 70), shapely.box(-180, 60, -170, 70)))


def test_a_crs_of_the_file_is_taken(tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32645"}}
    ring = [[490000, 3090000], [491000, 3090000], [491000, 3091000], [490000, 3090000]]
    assert read_polygons(geojson(tmp_path / "x.geojson", polygon(*ring), crs=crs)).crs == "EPSG:32645"


corner = st.tuples(st.integers(0, 8), st.integers(0, 8))
boxes = st.tuples(corner, corner).map(
    lambda two: shapely.box(*np.minimum(*two), *(np.maximum(*two) + 1)).__geo_interface__
)
others = st.one_of(
    corner.map(lambda xy: {"type": "Point", "coordinates": xy}),
    st.lists(corner, min_size=2, max_size=3).map(lambda line: {"type": "LineString", "coordinates": line}),
)
several = st.lists(boxes, min_size=1, max_size=3).map(
    lambda parts: {"type": "MultiPolygon", "coordinates": [part["coordinates"] for part in parts]}
)
mixed = st.recursive(
    st.one_of(boxes, several, others),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: {"type": "GeometryCollection", "geometries": parts}),
    max_leaves=6,
)


def polygons_in(geometry):
    if geometry["type"] == "GeometryCollection":
        return [polygon for part in geometry["geometries"] for polygon in polygons_in(part)]
    if geometry["type"] == "MultiPolygon":
        return [shapely.geometry.shape({"type": "Polygon", "coordinates": part}) for part in geometry["coordinates"]]
    return [shapely.geometry.shape(geometry)] if geometry["type"] == "Polygon" else []


@settings(max_examples=40)
@given(geometries=st.lists(mixed, min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore::glofgeo.errors.GlofgeoWarning")
def test_a_layer_gives_the_union_of_its_polygons_however_they_are_nested(tmp_path, geometries):
    geojson(tmp_path / "x.geojson", *geometries)
    wanted = [shapely.union_all(polygons_in(geometry)) for geometry in geometries if polygons_in(geometry)]
    if not wanted:
        with pytest.raises(GlofgeoError, match="no polygons"):
            read_polygons(tmp_path / "x.geojson")
        return
    lakes = read_polygons(tmp_path / "x.geojson")
    assert len(lakes) == len(wanted)
    assert lakes.is_valid.all() and all(lakes.geom_type.isin(["Polygon", "MultiPolygon"]))
    assert all(one.symmetric_difference(other).area < 1e-9 for one, other in zip(lakes.geometry, wanted, strict=True))
