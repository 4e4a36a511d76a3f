"""Catalogues are asked in small pieces, and what they answer is checked."""

import json
import logging
from datetime import date

import pytest
from shapely.geometry import box

from glofgeo.errors import GlofgeoError
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.query import Query
from glofgeo.fetch.search import search

AREA = box(86.92, 27.89, 86.93, 27.9)


@pytest.fixture
def catalog(server):
    return Catalog("test", server.url, "sentinel-2-l2a")


def autumn(max_cloud=20.0, area=AREA):
    return Query(area, date(2024, 9, 1), date(2024, 11, 30), tuple(range(1, 13)), max_cloud)


def test_all_pages_of_all_months_come_in_order(server, catalog, add_scene):
    days = ["2024-10-15", "2024-09-03", "2024-10-05", "2024-10-25", "2024-11-30", "2024-10-10"]
    for day in days:
        add_scene(day)
    add_scene("2024-12-01")
    add_scene("2024-10-20", cloud=30.0)
    found = search(catalog, autumn())
    assert [f"{one.item.datetime:%Y-%m-%d}" for one in found] == sorted(days)
    assert all(asked["limit"] <= 100 for asked in server.searches)
    assert len({asked["datetime"] for asked in server.searches}) == 3


def test_a_server_that_fails_on_much_is_asked_for_less(server, catalog, add_scene, monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    for day in ("2024-10-05", "2024-10-15", "2024-10-25"):
        add_scene(day)

    def fault(path, number):
        if path == "/search":
            asked = server.searches[-1]
            return "500" if asked["limit"] > 30 and "2024-10" in asked["datetime"] else None
        return None

    server.fault = fault
    assert len(search(catalog, autumn())) == 3


def test_a_scene_with_several_bands_in_a_file_is_left_out_by_name(server, catalog, add_scene, caplog):
    item = add_scene()
    for key in ("blue", "green", "red"):
        del item["assets"][key]
    item["assets"]["data"] = {"href": f"{server.url}/x.tif", "bands": [{"name": f"B0{n}"} for n in (2, 3, 4)]}
    assert search(catalog, autumn()) == []
    assert f"{item['id']} has several bands in one file" in caplog.text


@pytest.mark.parametrize("ends", [False, True])
def test_a_catalogue_whose_pages_never_end_is_named(server, catalog, add_scene, monkeypatch, ends):
    add_scene()
    answer = server.search

    def repeated(asked, offset):
        assert len(server.searches) < 9
        following = {"rel": "next", "href": f"{server.url}/search?offset=2", "method": "POST", "body": asked}
        return answer(asked, 0) | {"links": [] if ends and offset else [following]}

    monkeypatch.setattr(server, "search", repeated)
    if ends:
        assert len(search(catalog, autumn())) == 1
    else:
        with pytest.raises(GlofgeoError, match=rf"{server.url}: .*\(its pages repeat themselves"):
            search(catalog, autumn())


def test_a_passing_failure_is_overcome(server, catalog, add_scene, monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    add_scene()
    server.fault = lambda path, number: "503" if path == "/search" and number in (1, 2) else None
    assert len(search(catalog, autumn())) == 1


@pytest.mark.parametrize("status", ["400", "500"])
def test_a_catalogue_that_does_not_answer_is_named(server, catalog, monkeypatch, status):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    server.fault = lambda path, number: status if path == "/search" else None
    with pytest.raises(GlofgeoError, match="does not answer") as caught:
        search(catalog, autumn())
    assert server.url in str(caught.value)


def test_a_catalogue_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with pytest.raises(GlofgeoError, match=r"127\.0\.0\.1:9"):
        search(Catalog("x", "http://127.0.0.1:9", "c"), autumn())


def test_items_of_no_use_are_left_out_and_named(server, catalog, add_scene, caplog):
    whole, cut, empty = add_scene("2024-10-05"), add_scene("2024-10-15"), add_scene("2024-10-25")
    del cut["assets"]["nir"]
    empty["assets"] = {}
    with caplog.at_level(logging.WARNING):
        found = search(catalog, autumn())
    assert [one.item.id for one in found] == [whole["id"]]
    assert f"{cut['id']} lists no B08" in caplog.text
    assert empty["id"] in caplog.text


@pytest.mark.parametrize("links", [[], [{"rel": "self", "href": "/data/item.json"}], None])
@pytest.mark.parametrize("href", ["/data/B02.tif", "file:///data/B02.tif", "/vsizip/data.zip/B02.tif", "B02.tif"])
def test_a_catalogue_opens_no_file_of_this_computer(server, add_scene, caplog, links, href):
    item = add_scene(links=links)
    item["assets"]["blue"]["href"] = href
    catalog = Catalog("test", server.url.replace("//", "//me:secret@"), "sentinel-2-l2a")
    with caplog.at_level(logging.WARNING):
        found = search(catalog, autumn())
    assert all(one.item.assets["B02"].href.startswith("http") for one in found)
    assert bool(found) == (f"its asset {href} is not on the network" not in caplog.text)
    assert "secret" not in caplog.text


def test_scenes_whose_footprint_misses_the_area_are_left_out(server, catalog, add_scene):
    item = add_scene()
    west, south, east, north = AREA.bounds
    ring = [[west, south - 1], [east, south - 1], [east + 2, north + 1], [west, south - 1]]
    item["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    assert search(catalog, autumn()) == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<html>Welcome to our guest network</html>", "does your network ask you to log in"),
        ({"type": "Catalog", "stac_version": "1.0.0", "id": "files", "description": "", "links": []}, "be searched"),
        ({"type": "Collection", "id": "c", "stac_version": "1.0.0", "links": []}, "no STAC API"),
        ({"type": "Feature", "id": "scene"}, "no STAC API"),
        ([1, 2], "does not answer a search"),
    ],
)
def test_a_page_that_is_no_catalogue_to_search_is_named(server, page, words):
    server.files["/page"] = page if isinstance(page, bytes) else json.dumps(page).encode()
    address = server.url.replace("//", "//me:secret@")
    with pytest.raises(GlofgeoError, match=words) as caught:
        search(Catalog("test", f"{address}/page", "c"), autumn())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("answer", [{"features": ["scene", None, {"id": 3}]}, {"features": None}, {}])
def test_odd_answers_give_no_scene(server, catalog, answer, monkeypatch):
    monkeypatch.setattr(server, "search", lambda asked, offset: {"type": "FeatureCollection", **answer})
    assert search(catalog, autumn()) == []
