"""What is told before anything is downloaded: radiometry, sizes, keys, room on the disk; and how far it is."""

import logging

import geopandas as gpd
import pytest
from stac_items import copernicus

from datasets_def.stac_item import read_item
from glofgeo.errors import GlofgeoError
from glofgeo.fetch import progress as shown_progress
from glofgeo.fetch.catalogs import KNOWN, Catalog
from glofgeo.fetch.plan import choose_scenes, tells_radiometry
from glofgeo.fetch.s3_file import _keys, size_in_s3
from glofgeo.fetch.search import Found
from glofgeo.fetch.transfer import check_room

ENDPOINT = "https://eodata.dataspace.copernicus.eu"


@pytest.fixture
def no_keys(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def test_without_keys_one_can_look_at_what_the_data_space_has(no_keys):
    raw = copernicus()
    scene = Found(read_item(raw), raw, KNOWN["cdse"])
    area = gpd.GeoSeries([scene.item.geometry], crs=4326)
    (chosen,) = choose_scenes([scene], area, tuple(range(1, 13)), 1, lambda files: False, shown=False)
    assert chosen.files.size == 5 * 123_456_789
    assert (chosen.seen.share, chosen.seen.is_measured) == (pytest.approx(0.96, abs=0.01), False)


def test_keys_come_from_netrc_or_the_message_says_where_to_make_them(no_keys):
    with pytest.raises(GlofgeoError, match=r"asks for S3 keys; make them at https://eodata-s3keysmanager.*netrc"):
        _keys(ENDPOINT, "s3://eodata/B02.jp2")
    no_keys.write_text("machine eodata.dataspace.copernicus.eu login me password secret\n")
    assert _keys(ENDPOINT, "s3://eodata/B02.jp2") == ("me", "secret")


def test_keys_of_one_storage_are_not_sent_to_another(no_keys, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(GlofgeoError, match=r"bucket lakes; set AWS_ENDPOINT_URL"):
        size_in_s3("s3://lakes/B02.tif")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example.org")
    with pytest.raises(GlofgeoError, match=r"s3\.example\.org asks for S3 keys; set AWS_ACCESS_KEY_ID"):
        size_in_s3("s3://lakes/B02.tif")


@pytest.mark.parametrize(
    ("scale", "metadata", "tells"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_scene_that_does_not_tell_its_offset_is_left_out(server, add_scene, caplog, scale, metadata, tells):
    raw = add_scene(scale=scale)
    if not metadata:
        del raw["assets"]["product_metadata"]
    # What the item says is no proof.
    raw["properties"]["earthsearch:boa_offset_applied"] = True
    raw["assets"]["blue"]["raster:bands"] = [{"scale": 1e-4, "offset": -0.1}]
    server.move_out()
    with caplog.at_level(logging.WARNING):
        assert tells_radiometry(Found(read_item(raw), raw, Catalog("test", "", ""))) is tells
    assert ("left out: neither a metadata file nor its images say" in caplog.text) is not tells


def test_a_disk_that_is_too_small_is_told_before_anything_comes(tmp_path):
    check_room(0, tmp_path / "not" / "yet" / "there")
    with pytest.raises(GlofgeoError, match=r"scenes: 1,000,000.0 GB are needed, and .* are free; free some space"):
        check_room(10**15, tmp_path / "scenes")
    assert not list(tmp_path.iterdir())


def test_a_log_tells_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(shown_progress, "_PAUSE_S", 0.0)
    with shown_progress.progress(100_000_000, "bytes") as (name, advance):
        name("a scene")
        advance(50_000_000)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "a scene"
    assert second.startswith("a scene: 50 of 100 MB, ") and second.endswith(" MB/s, about 0 min left")
