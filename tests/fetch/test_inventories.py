"""Public inventories become the layer that training looks for, and nothing else is taken for one."""

import hashlib
import io
import zipfile
from dataclasses import replace

import geopandas as gpd
import pytest
from shapely.geometry import Point, box

from datasets_def.dates import mapped_in
from datasets_def.polygons import read_polygons
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.inventories import KNOWN, fetch_inventory

KHUMBU = gpd.GeoSeries([box(86.52, 27.72, 87.05, 28.08)], crs=4326)
ZIP = "Hi-MAG database.zip"
ADDRESS = "/Hi-MAG%20database.zip/content"


def write_layer(folder, name, crs="ESRI:102025"):
    """Two lakes, one of them at Khumbu, as a shapefile."""
    lakes = gpd.GeoSeries([Point(86.92, 27.9).buffer(0.01), Point(75, 36).buffer(0.01)], crs=4326)
    gpd.GeoDataFrame({"GL_Type": ["a", "b"], "FID": [7, 7]}, geometry=lakes).to_crs(crs).to_file(folder / f"{name}.shp")


@pytest.fixture
def archive(tmp_path):
    """A zip file that holds a layer of each year, as the one of Hi-MAG does."""
    source, content = tmp_path / "source", io.BytesIO()
    source.mkdir()
    for year in (2016, 2017):
        write_layer(source, f"Hi_MAG_database_{year}")
    with zipfile.ZipFile(content, "w") as packed:
        for path in source.iterdir():
            packed.write(path, f"Hi-MAG database/{path.name}")
    return content.getvalue()


@pytest.fixture
def inventory(server, archive):
    """Hi-MAG on this machine."""
    server.files[ADDRESS] = archive
    return replace(KNOWN["hi-mag"], source=server.url, files={ZIP: "d50110" + hashlib.md5(archive).hexdigest()})


def test_an_inventory_becomes_the_layer_that_training_reads(server, inventory, archive, tmp_path):
    path = tmp_path / "data" / "lakes.gpkg"
    came = fetch_inventory(inventory, KHUMBU, path)
    assert (came.title, came.count, came.inside) == ("Hi-MAG 2017", 2, 1)
    assert came.crs == "Asia_North_Albers_Equal_Area_Conic"
    assert came.digests == {ZIP: hashlib.sha256(archive).hexdigest()}
    layer = read_polygons(path, layer="lakes")
    assert list(layer["GL_Type"]) == ["a", "b"]
    assert list(mapped_in(layer, "lakes")) == [2017.5, 2017.5]
    before, asked = path.read_bytes(), len(server.log)
    again = fetch_inventory(inventory, KHUMBU, path)
    assert (again.count, again.digests, path.read_bytes(), len(server.log)) == (2, {}, before, asked)


def test_a_layer_of_another_origin_is_left_alone(inventory, tmp_path):
    path = tmp_path / "lakes.gpkg"
    gpd.GeoDataFrame(geometry=KHUMBU).to_file(path)
    before = path.read_bytes()
    with pytest.raises(GlofgeoError, match="holds other lakes than Hi-MAG 2017"):
        fetch_inventory(inventory, KHUMBU, path)
    assert path.read_bytes() == before


def test_another_file_than_the_published_one_is_refused(server, inventory, archive, tmp_path):
    path = tmp_path / "lakes.gpkg"
    server.files[ADDRESS] = archive[:-1]
    with pytest.raises(GlofgeoError, match=r"damaged.*download Hi-MAG database.zip from .*zenodo.*into"):
        fetch_inventory(inventory, KHUMBU, path)
    (tmp_path / "inventories" / ZIP).write_bytes(archive[:-1])
    with pytest.raises(GlofgeoError, match="is not the file that was published"):
        fetch_inventory(inventory, KHUMBU, path)
    assert not path.exists()


def test_what_people_download_is_taken(tmp_path):
    path, inventory = tmp_path / "lakes.gpkg", KNOWN["kumar-vijay"]
    with pytest.raises(GlofgeoError, match=r"no checksum.*from https://zenodo.org/records/17948783 into"):
        fetch_inventory(inventory, KHUMBU, path)
    folder = tmp_path / "inventories"
    folder.mkdir()
    write_layer(folder, inventory.layer, crs=4326)
    came = fetch_inventory(inventory, KHUMBU, path)
    assert (came.count, came.inside, came.crs) == (2, 1, "WGS 84")
    assert sorted(came.digests) == sorted(inventory.files)


def test_an_area_without_lakes_of_the_inventory_is_told(inventory, tmp_path):
    with pytest.raises(GlofgeoError, match="has no lake in the area"):
        fetch_inventory(inventory, gpd.GeoSeries([box(11, 46, 12, 47)], crs=4326), tmp_path / "lakes.gpkg")
