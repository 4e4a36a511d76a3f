import contextlib
import json
import math
from datetime import UTC, datetime

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from stac_items import DIALECTS, URI, copernicus, earth_search, earth_search_c1, earth_search_v2, planetary_computer

from datasets_def.errors import GlofgeoError
from datasets_def.stac_files import BadItem, read_items
from datasets_def.stac_item import read_item


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_catalogue_tells_the_same(dialect):
    item = read_item(json.dumps(DIALECTS[dialect]()))
    assert (item.platform, item.tile, item.baseline, item.level) == ("sentinel-2a", "45RVL", "05.09", "L2A")
    assert item.product_uri == URI
    assert item.datatake_start == datetime(2023, 10, 12, 4, 57, 1, tzinfo=UTC)
    assert item.datetime.date() == datetime(2023, 10, 12).date()
    assert item.datetime.tzinfo == UTC
    assert item.cloud == pytest.approx(4.03, abs=0.01)
    assert item.snow == pytest.approx(31.2)
    assert item.epsg == 32645
    assert item.geometry.equals(shapely.box(86.0, 27.1, 87.1, 28.0))
    assert item.catalog.startswith("https://")
    assert "/items/" not in item.catalog
    assert {"B02", "B03", "B04", "B08", "B8A", "SCL", "granule_metadata"} <= set(item.assets)
    for name, asset in item.assets.items():
        assert name.endswith("_metadata") or name in asset.href, f"{name} is {asset.href}"


def test_each_catalogue_has_its_product_metadata_but_one():
    without = [name for name, dialect in DIALECTS.items() if "product_metadata" not in read_item(dialect()).assets]
    assert without == ["earth-search"]


@pytest.mark.parametrize("dialect", [earth_search_c1, earth_search_v2, copernicus])
def test_files_are_described_before_and_after_stac_1_1(dialect):
    band = read_item(dialect()).assets["B04"]
    assert band.size > 1e8
    assert band.checksum[:4] in ("1220", "d501")
    assert band.checksum == band.checksum.lower()


def test_a_cog_comes_before_its_jpeg_2000_twin():
    assets = read_item(earth_search()).assets
    assert all(asset.href.endswith((".tif", ".xml")) for asset in assets.values())


def test_the_finest_of_a_band_is_taken():
    assets = read_item(copernicus()).assets
    assert assets["B02"].href.endswith("B02_10m.jp2")
    assert assets["B8A"].href.endswith("B8A_20m.jp2")


def test_tokens_are_not_kept():
    hrefs = [asset.href for asset in read_item(planetary_computer()).assets.values()]
    assert not [href for href in hrefs if "sig" in href or "?" in href]


def test_another_signature_is_kept_because_nobody_here_could_renew_it():
    raw = earth_search_c1()
    raw["assets"]["blue"]["href"] += "?X-Amz-Signature=1"
    assert read_item(raw).assets["B02"].href.endswith("?X-Amz-Signature=1")


@pytest.mark.parametrize(
    ("came_from", "absolute"),
    [
        ("https://a.org/x/item.json", "https://a.org/x/B02.tif"),
        ("s3://bucket/x/item.json", "s3://bucket/x/B02.tif"),
        ("/data/x/item.json", "/data/x/B02.tif"),
        ("", "https://earth-search.aws.element84.com/v1/collections/c/items/B02.tif"),
    ],
)
def test_relative_addresses_start_where_the_item_came_from(came_from, absolute):
    raw = earth_search_c1()
    raw["assets"]["blue"]["href"] = "./B02.tif"
    assert read_item(raw, came_from).assets["B02"].href == absolute


def test_user_and_password_of_an_item_open_its_files_and_are_not_shown():
    raw = earth_search_c1()
    raw["assets"]["blue"]["href"] = "../B02.tif"
    (item,) = read_items(raw, "https://user:secret@a.org/x/item.json?version=2")
    assert item.assets["B02"].href == "https://user:secret@a.org/B02.tif"
    assert item.address == "https://a.org/x/item.json?version=2"
    assert "secret" not in item.assets["B03"].href
    for text in ("<html>", {"type": "FeatureCollection"}, raw | {"type": "Collection"}):
        with pytest.raises(GlofgeoError, match=r"^https://a\.org/x/item\.json: ") as refused:
            read_items(text, "https://user:secret@a.org/x/item.json")
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("href", ["", None, "https://[::1"])
def test_an_asset_without_an_address_is_refused(href):
    raw = earth_search_c1()
    raw["assets"]["blue"]["href"] = href
    with pytest.raises(GlofgeoError, match="no address"):
        read_item(raw)


def test_a_relative_address_in_an_item_without_a_proper_one_is_refused():
    raw = earth_search_c1()
    raw["links"] = [{"rel": "self", "href": "https://[::1/item.json"}]
    raw["assets"]["blue"]["href"] = "./B02.tif"
    with pytest.raises(GlofgeoError, match=r"its own address \(https:…\) is none"):
        read_item(raw)


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/vsizip/etc", "vrt:///x"])
def test_an_item_from_the_network_opens_no_file_of_this_computer(href):
    raw = earth_search_c1()
    raw["assets"]["blue"]["href"] = href
    with pytest.raises(GlofgeoError, match="not on the network"):
        read_item(raw, "https://a.org/item.json")


def test_bands_are_found_by_description_where_keys_say_nothing():
    raw = earth_search_c1()
    raw["assets"] = {f"image{number}": asset for number, asset in enumerate(raw["assets"].values())}
    assert {"B02", "B03", "B04", "B08", "B8A", "B11"} <= set(read_item(raw).assets)


def test_an_empty_list_of_bands_hides_no_other():
    raw = earth_search_v2()
    raw["assets"] = {f"image{n}": asset | {"eo:bands": []} for n, asset in enumerate(raw["assets"].values())}
    assert {"B02", "B03", "B04", "B08"} <= set(read_item(raw).assets)


def test_a_file_of_several_bands_is_that_of_each_it_describes_and_has_no_file_of_its_own():
    raw = earth_search_c1()
    names = ("B03", "B04", "B08", "other")
    for key in ("red", "nir"):
        del raw["assets"][key]
    raw["assets"]["data"] = {"href": "https://a.org/stack.tif", "eo:bands": [{"name": name} for name in names]}
    raw["assets"]["TCI_10m"] = raw["assets"]["data"] | {"href": "https://a.org/picture.tif"}
    raw["assets"]["visual"] |= {"roles": ["data"], "eo:bands": [{"name": name} for name in names]}
    files = {name: asset.href.rpartition("/")[2] for name, asset in read_item(raw).assets.items()}
    assert files.items() >= {"B02": "B02.tif", "B03": "B03.tif", "B04": "stack.tif", "B08": "stack.tif"}.items()
    assert "other" not in files


def test_an_asset_called_one_band_and_described_as_another_is_refused():
    raw = earth_search_c1()
    raw["assets"]["blue"]["eo:bands"][0]["name"] = "B03"
    with pytest.raises(GlofgeoError, match="blue is described as B03"):
        read_item(raw)


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"geometry": None}, "lacks a geometry"),
        ({"geometry": {"type": "Polygon", "coordinates": [[1]]}}, "lacks a geometry"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[86, 27], [87, 28], [math.nan, 27]]]}}, "lacks a geometry"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[86, 27], [87, 28], [86, 27]]]}}, "lacks a geometry"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[86, 27], [1e9, 28], [1e9, 27], [86, 27]]]}}, "lacks a geo"),
        ({"assets": {}}, "is no STAC item"),
        ({"type": "Collection"}, "is no STAC item"),
        ({"properties": {"platform": "landsat-8"}, "id": "LC08"}, "is no scene of Sentinel-2"),
        ({"properties": {"platform": "sentinel-2a", "datetime": "2024-10-15"}, "id": "mine"}, "lacks the tile"),
        ({"properties": {"grid:code": "MGRS-45RVL", "datetime": "yesterday"}}, "lacks a datetime"),
    ],
)
def test_what_is_lacking_is_named(change, lacking):
    raw = earth_search_c1() | change
    with pytest.raises(GlofgeoError, match=lacking) as refused:
        read_item(raw)
    assert str(refused.value).startswith(raw["id"])


def test_a_footprint_across_180_degrees_is_not_around_the_earth():
    raw = earth_search_c1()
    ring = [[179.5, 60], [-179.5, 60], [-179.5, 61], [179.5, 61], [179.5, 60]]
    raw["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    both = shapely.union_all([shapely.box(179.5, 60, 180, 61), shapely.box(-180, 60, -179.5, 61)])
    assert read_item(raw).geometry.equals(both)


def test_a_footprint_that_crosses_itself_is_mended():
    raw = earth_search_c1()
    raw["geometry"] = {"type": "Polygon", "coordinates": [[[86, 27], [87, 28], [87, 27], [86, 28], [86, 27]]]}
    assert read_item(raw).geometry.intersection(shapely.box(86, 27, 87, 28)).area == pytest.approx(0.5)


def test_a_number_of_400_digits_counts_as_none():
    raw = earth_search_c1()
    raw["properties"]["eo:cloud_cover"] = raw["assets"]["blue"]["file:size"] = raw["assets"]["blue"]["gsd"] = 10**400
    item = read_item(raw)
    assert (item.cloud, item.assets["B02"].size) == (None, None)


@pytest.mark.parametrize("text", ["", "<html>", "[1]", "[" * 100_000])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(GlofgeoError, match=r"search\.json: is no JSON"):
        read_items(text, "search.json")


def test_a_search_result_gives_its_items_in_order():
    found = read_items({"type": "FeatureCollection", "features": [copernicus(), earth_search_c1()]})
    assert [item.id for item in found] == [URI.removesuffix(".SAFE"), "S2A_T45RVL_20231012T045648_L2A"]
    assert [item.id for item in read_items(json.dumps(copernicus()))] == [URI.removesuffix(".SAFE")]
    with pytest.raises(GlofgeoError, match="holds no STAC item"):
        read_items({"type": "FeatureCollection", "features": []}, "khumbu.search.json")


def test_an_entry_that_is_no_scene_is_named_and_loses_no_other():
    odd = copernicus() | {"properties": {"grid:code": "MGRS-45RVL", "platform": "sentinel-2a"}}
    features = [earth_search_c1(), {"type": "Feature"}, None, 5, odd, copernicus()]
    found = read_items({"type": "FeatureCollection", "features": features}, "/data/khumbu.search.json")
    bad = [one for one in found if isinstance(one, BadItem)]
    assert [one.id for one in bad] == [*(f"entry {n} of khumbu.search.json" for n in (2, 3, 4)), odd["id"]]
    assert [str(one.error).rpartition("; ")[0] for one in bad[1:]] == [
        *["/data/khumbu.search.json: is no STAC item"] * 2,
        f"/data/khumbu.search.json: {odd['id']}: lacks a datetime",
    ]
    assert [one.id for one in (found[0], found[5])] == [earth_search_c1()["id"], odd["id"]]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_no_item_however_odd_fails_otherwise(data):
    raw = data.draw(st.sampled_from([earth_search_c1, copernicus]))()
    part = data.draw(st.sampled_from([raw, raw["properties"], raw["assets"], next(iter(raw["assets"].values()))]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(_JSON)
    with contextlib.suppress(GlofgeoError):
        read_item(raw)
