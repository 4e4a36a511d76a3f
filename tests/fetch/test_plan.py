"""What is told before anything is downloaded: radiometry, sizes, keys, room on the disk; and how far it is."""

import logging

import geopandas as gpd
import numpy as np
import pytest
from rasterio import MemoryFile
from stac_items import copernicus

from datasets_def.stac_item import read_item
from glofgeo.errors import GlofgeoError
from glofgeo.fetch import progress as shown_progress
from glofgeo.fetch.catalogs import KNOWN, Catalog
from glofgeo.fetch.plan import choose_scenes, tells_radiometry
from glofgeo.fetch.rank import rank
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


@pytest.mark.parametrize(
    ("change", "words"),
    [({"dtype": "float32", "fill": 0.5}, "SCL holds other numbers than classes"),
     ({"dtype": "uint16", "fill": 300}, "SCL holds other numbers than classes"), ({"crs": None}, "SCL: has no CRS")],
)  # fmt: skip
def test_a_scene_with_an_odd_classification_falls_back_to_its_cloud_and_stops_no_other(
    server, add_scene, caplog, change, words
):
    raws = [add_scene("2024-10-05", cloud=7.0), add_scene("2024-10-15")]
    address = next(path for path in server.files if "20241005" in path and path.endswith("SCL.tif"))
    server.files[address] = rewritten(server.files[address], **change)
    scenes = [Found(read_item(raw), raw, Catalog("test", "", "")) for raw in raws]
    server.move_out()
    with caplog.at_level(logging.WARNING):
        odd, good = rank(scenes, gpd.GeoSeries([scenes[0].item.geometry], crs=4326), lambda _: None).values()
    assert (odd.is_measured, odd.share, good.is_measured) == (False, pytest.approx(0.93), True)
    assert f"{raws[0]['id']}: {words}" in caplog.text and "its tile's cloud is taken instead" in caplog.text


def rewritten(content: bytes, fill: float | None = None, **change) -> bytes:
    """A GeoTIFF with another profile, and other pixels where `fill` is given."""
    with MemoryFile(content) as memory, memory.open() as source:
        pixels, profile = source.read(), {**source.profile, "driver": "GTiff", **change}
    if fill is not None:
        pixels = np.full(pixels.shape, fill, change["dtype"])
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(pixels)
        return memory.read()
