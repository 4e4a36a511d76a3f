"""Glaciers around an area."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import pytest
from shapely.geometry import Point, box, mapping

from glofgeo.errors import GlofgeoError
from glofgeo.fetch import glaciers as outlines
from glofgeo.fetch.glaciers import fetch_glaciers

KHUMBU = gpd.GeoSeries([box(86.52, 27.72, 87.05, 28.08)], crs=4326)


@pytest.fixture
def map_server():
    """Answers as GeoServer does; `features` are the outlines of the one region around Khumbu."""

    class Handler(BaseHTTPRequestHandler):
        features, failures, asked, most = [], 0, [], 9999

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
            start, count = int(asked["startIndex"]), min(int(asked["maxFeatures"]), Handler.most)
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


def test_a_server_that_gives_less_at_once_than_asked_for_gives_all_in_the_end(map_server, tmp_path):
    map_server.features[:] = [_glacier(number, 86.6 + 0.05 * number) for number in range(7)]
    map_server.most = 3
    assert fetch_glaciers(KHUMBU, tmp_path / "glaciers.gpkg", source=map_server.url) == 7


def test_a_file_that_holds_the_area_is_left_and_another_area_replaces_it(map_server, tmp_path):
    path = tmp_path / "glaciers.gpkg"
    map_server.features[:] = [_glacier(1, 86.6), _glacier(2, 87.6)]
    assert fetch_glaciers(KHUMBU, path, source=map_server.url) == 1
    before, asked = path.read_bytes(), len(map_server.asked)
    smaller = gpd.GeoSeries([KHUMBU.union_all().buffer(-0.1)], crs=4326)
    assert fetch_glaciers(smaller, path, source=map_server.url) == 1
    assert (path.read_bytes(), len(map_server.asked)) == (before, asked)
    assert fetch_glaciers(gpd.GeoSeries([box(86.5, 27.7, 87.6, 28)], crs=4326), path, source=map_server.url) == 2


@pytest.mark.parametrize("content", ["layer", "text"])
def test_a_file_of_another_origin_is_left_alone(map_server, tmp_path, content):
    path = tmp_path / "glaciers.gpkg"
    if content == "layer":
        gpd.GeoDataFrame(geometry=KHUMBU).to_file(path, layer="glaciers")
    else:
        path.write_text("downloaded by hand")
    before = path.read_bytes()
    map_server.features[:] = [_glacier(1, 86.6)]
    with pytest.raises(GlofgeoError, match="of another origin"):
        fetch_glaciers(KHUMBU, path, source=map_server.url)
    assert path.read_bytes() == before


def test_what_cannot_be_had_names_the_page_and_the_place(map_server, tmp_path, monkeypatch):
    monkeypatch.setattr(outlines.time, "sleep", lambda _: None)
    map_server.features[:] = []
    path = tmp_path / "glaciers.gpkg"
    for source in (map_server.url, "http://127.0.0.1:9/ows"):
        with pytest.raises(GlofgeoError, match="nsidc-0770") as caught:
            fetch_glaciers(KHUMBU, path, source=source)
        assert str(path) in str(caught.value)
        assert not path.exists()
