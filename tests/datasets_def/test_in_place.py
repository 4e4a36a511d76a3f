"""Reading files on the network: what arrives is right, or it is told that nothing did."""

import shutil

import numpy as np
import pytest
import rasterio
from range_server import Fault, serve
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

from datasets_def import in_place
from datasets_def.errors import GlofgeoError
from datasets_def.files import versions_of
from datasets_def.in_place import is_remote, read_in_place, version_in_place

WINDOW = Window(70, 90, 300, 250)


def window(source):
    return source.read(1, window=WINDOW)


@pytest.fixture(scope="session")
def rasters(tmp_path_factory):
    """COGs of 512 x 512 pixels that differ in compression, and files that are none."""
    folder = tmp_path_factory.mktemp("rasters")
    dn = np.random.default_rng(0).integers(1000, 4000, (1, 512, 512)).astype(np.uint16)
    profile = {
        "driver": "GTiff", "dtype": "uint16", "count": 1, "height": 512, "width": 512, "crs": "EPSG:32645",
        "transform": from_origin(300000, 3100000, 10, 10), "nodata": 0,
    }  # fmt: skip
    with rasterio.open(folder / "plain.tif", "w", **profile) as target:
        target.write(dn)
    for compress in ("DEFLATE", "LZW", "NONE"):
        copy(folder / "plain.tif", folder / f"{compress}.tif", driver="COG", compress=compress, blocksize=128)
    copy(folder / "plain.tif", folder / "list.vrt", driver="VRT")
    (folder / "list.vrt").replace(folder / "vrt.tif")
    with rasterio.open(folder / "rows.tif", "w", **profile | {"height": 8, "width": 4000}) as target:
        target.write(np.ones((1, 8, 4000), np.uint16))
    return folder


@pytest.fixture(scope="session")
def _raster_server(rasters):
    with serve(rasters) as server:
        yield server


@pytest.fixture
def server(_raster_server, web):
    _raster_server.fail()
    return _raster_server


@pytest.mark.parametrize("kind", [403, 429, 500, 503, "cut"])
@pytest.mark.parametrize("compress", ["DEFLATE", "LZW", "NONE"])
def test_failures_of_any_request_change_no_pixel(server, rasters, compress, kind):
    with rasterio.open(rasters / "plain.tif") as source:
        expected = window(source)
    for first in range(1, 8):
        server.fail(Fault(kind, first=first, last=first + 1))
        np.testing.assert_array_equal(read_in_place(f"{server.url}/{compress}.tif?{kind}{first}", window), expected)


def test_a_file_that_was_open_when_the_connection_broke_is_opened_again(server, rasters):
    address = f"{server.url}/DEFLATE.tif"
    read_in_place(address, lambda source: source.read(1, window=Window(0, 0, 10, 10)))
    server.fail(Fault("cut", last=3))
    with rasterio.open(rasters / "plain.tif") as source:
        np.testing.assert_array_equal(read_in_place(address, window), window(source))


@pytest.mark.parametrize("kind", [403, 404, 503, "cut"])
def test_a_failure_that_lasts_names_the_file_without_its_signature(server, kind):
    server.fail(Fault(kind, first=2))
    address = f"{server.url.replace('http://', 'http://user:word@')}/DEFLATE.tif?X-Amz-Signature=secret"
    with pytest.raises(GlofgeoError, match=r"/DEFLATE\.tif: cannot be read") as refused:
        read_in_place(address, window)
    assert not [word for word in ("secret", "user", "word@", "vsicurl") if word in str(refused.value)]


def test_each_request_has_a_signature_that_holds(server, monkeypatch):
    address, signatures = f"{server.url}/DEFLATE.tif", iter(range(1, 100))
    monkeypatch.setattr(in_place, "sign", lambda url: f"{url}?sig={next(signatures)}")
    server.fail(Fault(403, match="sig=1"), Fault(403, match="sig=2"))
    read_in_place(address, window)
    server.fail()
    read_in_place(address, window)
    assert {path.rpartition("=")[2] for _, path, _ in server.requests()} == {"4"}


def test_what_is_not_there_is_told_at_once(server):
    with pytest.raises(GlofgeoError, match=r"nothing\.tif: cannot be read \(HTTP response code: 404\); check the addr"):
        read_in_place(f"{server.url}/nothing.tif", window)
    assert len(server.requests()) <= 2


def test_a_file_that_names_other_files_is_not_opened(server):
    with pytest.raises(GlofgeoError, match=r"vrt\.tif: cannot be read .*GeoTIFFs only"):
        read_in_place(f"{server.url}/vrt.tif", window)
    assert not [path for _, path, _ in server.requests() if "plain" in path]


def test_a_file_without_tiles_is_refused(server):
    with pytest.raises(GlofgeoError, match=r"rows\.tif: is not tiled"):
        read_in_place(f"{server.url}/rows.tif", window)


def test_the_least_used_files_are_closed_and_opened_again(server, rasters, monkeypatch):
    monkeypatch.setattr(in_place, "_MOST_OPEN", 2)
    with rasterio.open(rasters / "plain.tif") as source:
        expected = window(source)
    for _ in range(2):
        for name in ("DEFLATE", "LZW", "NONE"):
            np.testing.assert_array_equal(read_in_place(f"{server.url}/{name}.tif", window), expected)


@pytest.mark.parametrize("kind", [0, 503, "cut"])
def test_storage_is_read_by_what_the_environment_says(server, rasters, monkeypatch, kind):
    (rasters / "bucket").mkdir(exist_ok=True)
    shutil.copy(rasters / "DEFLATE.tif", rasters / "bucket")
    settings = {"S3_ENDPOINT": server.url.removeprefix("http://"), "HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE"}
    for name, value in (settings | {"NO_SIGN_REQUEST": "YES"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server.fail(Fault(kind, match="DEFLATE.tif", first=2, last=3))
    with rasterio.open(rasters / "plain.tif") as source:
        np.testing.assert_array_equal(read_in_place("s3://bucket/DEFLATE.tif", window), window(source))


def test_storage_without_keys_says_what_to_set(web, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "YES")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(GlofgeoError, match=r"^s3://glofgeo-none/x\.tif: .*AWS_NO_SIGN_REQUEST=YES"):
        read_in_place("s3://glofgeo-none/x.tif", window)


@pytest.mark.parametrize("by", [versions_of, lambda paths: [version_in_place(paths[0])]])
def test_another_file_at_an_address_is_noticed(server, rasters, by):
    address = f"{server.url}/changing.tif"
    dn = np.random.default_rng(1).integers(1, 9, (1, 512, 512)).astype(np.uint16)
    before = []
    for content in (dn, dn // 2):
        in_place.close_all()
        with (
            rasterio.open(rasters / "plain.tif") as source,
            rasterio.open(
                rasters / "changing.tif",
                "w",
                **source.profile | {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128},
            ) as target,
        ):
            target.write(content)
        before.append(by([address]))
        assert by([address]) == before[-1]
    assert before[0] != before[1]


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("https://a.org/x.tif", True),
        ("s3://bucket/x.tif", True),
        ("/vsis3/bucket/x.tif", True),
        ("/vsicurl/https://a.org/x.tif", True),
        ("/vsizip/vsicurl/https://a.org/x.zip/x.tif", True),
        ("/vsicurl_streaming/https://a.org/x.tif", True),
        ("/vsizip//data/x.zip/B02.jp2", False),
        ("/data/vsis3/x.tif", False),
        ("data/x.tif", False),
    ],
)
def test_what_is_read_over_a_network(path, remote):
    assert is_remote(path) is remote
