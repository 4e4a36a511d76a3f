"""Elevation and glaciers around an area."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box, mapping

from glofgeo.errors import GlofgeoError
from glofgeo.fetch import glaciers as outlines
from glofgeo.fetch.elevation import dem_tiles, fetch_dem
from glofgeo.fetch.glaciers import fetch_glaciers

from .conftest import random_bytes

KHUMBU = gpd.GeoSeries([box(86.52, 27.72, 87.05, 28.08)], crs=4326)


def test_tiles_around_khumbu():
    names = ["N27_00_E086_00", "N27_00_E087_00", "N28_00_E086_00", "N28_00_E087_00"]
    assert dem_tiles(KHUMBU) == names
    assert dem_tiles(gpd.GeoSeries([box(-0.8, -0.8, -0.2, -0.2)], crs=4326)) == ["S01_00_W001_00"]


def test_tiles_across_the_antimeridian_are_few():
    fiji = gpd.GeoSeries([box(179.5, -16.5, 180, -16.4), box(-180, -16.5, -179.5, -16.4)], crs=4326)
    assert dem_tiles(fiji) == ["S17_00_E179_00", "S17_00_W180_00"]


@given(st.floats(-179, 178), st.floats(-80, 79), st.floats(0.01, 2), st.floats(0.01, 2))
def test_tiles_hold_the_area(west, south, width, height):
    area = box(west, south, min(west + width, 180), south + height)
    corners = [(int(name[1:3]) * (1 if name[0] == "N" else -1), int(name[8:11]) * (1 if name[7] == "E" else -1))
               for name in dem_tiles(gpd.GeoSeries([area], crs=4326))]  # fmt: skip
    together = gpd.GeoSeries([box(lon, lat, lon + 1, lat + 1) for lat, lon in corners]).union_all()
    assert together.buffer(1e-9).covers(area)


def test_tiles_come_once_and_voids_are_told(server, tmp_path):
    contents = {}
    for number, tile in enumerate(dem_tiles(KHUMBU)[1:]):
        stem = f"Copernicus_DSM_COG_10_{tile}_DEM"
        contents[f"{stem}.tif"] = server.files[f"/{stem}/{stem}.tif"] = random_bytes(200_000, number)
    fetched = fetch_dem(KHUMBU, tmp_path / "dem", source=server.url)
    assert fetched.voids == ["N27_00_E086_00"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "dem").iterdir()} == contents
    assert sorted(path.name for path in fetched.files) == sorted(contents)
    asked = len(server.log)
    assert len(fetch_dem(KHUMBU, tmp_path / "dem", source=server.url).files) == 3
    assert [one.status for one in server.log[asked:]] == [404]


@pytest.fixture
def map_server():
    """Answers as GeoServer does; `features` are the outlines of the one region around Khumbu."""

    class Handler(BaseHTTPRequestHandler):
        features, failures, asked = [], 0, []

        def log_message(self, *_):
            pass

        def do_GET(self):
            asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            Handler.asked.append(asked)
            if Handler.failures:
                Handler.failures -= 1
                return self.send_error(503)
            if asked["request"] == "GetCapabilities":
                return self.answer(_capabilities().encode())
            start, count = int(asked["startIndex"]), int(asked["maxFeatures"])
            west, south, east, north = map(float, asked["bbox"].split(","))
            hits = [f for f in Handler.features if box(west, south, east, north).intersects(Point(f["centre"]))]
            return self.answer(json.dumps({"features": hits[start : start + count]}).encode())

        def answer(self, content):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{server.server_address[1]}/ows"
    yield Handler
    server.shutdown()
    server.server_close()


def _capabilities():
    region = (
        "<FeatureType><Name>GLIMS:RGI2000-v7.0-{}</Name><ows:WGS84BoundingBox>"
        "<ows:LowerCorner>{}</ows:LowerCorner><ows:UpperCorner>{}</ows:UpperCorner></ows:WGS84BoundingBox></FeatureType>"
    )
    regions = region.format("G-15_south_asia_east", "75 24", "104 33") + region.format(
        "G-06_iceland", "-25 63", "-13 67"
    )
    regions += region.format("C-15_south_asia_east", "75 24", "104 33")
    spaces = 'xmlns="http://www.opengis.net/wfs/2.0" xmlns:ows="http://www.opengis.net/ows/1.1"'
    return f"<WFS_Capabilities {spaces}><FeatureTypeList>{regions}</FeatureTypeList></WFS_Capabilities>"


def _glacier(number, lon, lat=27.9):
    shape = mapping(Point(lon, lat).buffer(0.01))
    return {"type": "Feature", "id": f"g.{number}", "centre": [lon, lat], "geometry": shape,
            "properties": {"rgi_id": f"RGI2000-v7.0-G-15-{number:05d}"}}  # fmt: skip


def test_outlines_of_the_regions_that_matter_come_in_pages(map_server, tmp_path, monkeypatch):
    monkeypatch.setattr(outlines, "_AT_ONCE", 3)
    monkeypatch.setattr(outlines.time, "sleep", lambda _: None)
    map_server.features[:] = [_glacier(number, 86.6 + 0.05 * number) for number in range(7)] + [_glacier(9, 90.0)]
    map_server.asked.clear()
    map_server.failures = 2
    path = tmp_path / "data" / "glaciers.gpkg"
    assert fetch_glaciers(KHUMBU, path, source=map_server.url) == 7
    layer = gpd.read_file(path, layer="glaciers")
    assert layer.crs == "EPSG:4326"
    assert sorted(layer["rgi_id"]) == [f"RGI2000-v7.0-G-15-{number:05d}" for number in range(7)]
    assert {asked.get("typeName") for asked in map_server.asked} == {None, "GLIMS:RGI2000-v7.0-G-15_south_asia_east"}


def test_what_cannot_be_had_names_the_page_and_the_place(map_server, tmp_path, monkeypatch):
    monkeypatch.setattr(outlines.time, "sleep", lambda _: None)
    map_server.features[:] = []
    path = tmp_path / "glaciers.gpkg"
    for source in (map_server.url, "http://127.0.0.1:9/ows"):
        with pytest.raises(GlofgeoError, match="nsidc-0770") as caught:
            fetch_glaciers(KHUMBU, path, source=source)
        assert str(path) in str(caught.value)
        assert not path.exists()
