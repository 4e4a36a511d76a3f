import sys
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from datasets_def.errors import GlofgeoError
from datasets_def.web_address import is_web, resolve, shown, sign
from glofgeo.stac import href

BLOB = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/B02.tif"


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("https://user:secret@a.org/x.tif", "https://a.org/x.tif"),
        ("https://a.org/x.tif?X-Amz-Signature=secret&X-Amz-Date=1", "https://a.org/x.tif"),
        (BLOB + "?se=2026&sig=secret", BLOB),
        ("https://a.org/x.tif?token=secret", "https://a.org/x.tif"),
        ("https://a.org/x.tif?version=2&Access_Token=secret", "https://a.org/x.tif"),
        ("https://a.org/x.tif?apikey=secret", "https://a.org/x.tif"),
        ("https://a.org/x.tif?api_key=secret", "https://a.org/x.tif"),
        ("https://a.org/x.tif?subscription-key=secret", "https://a.org/x.tif"),
        ("https://a.org/x.tif?version=2", "https://a.org/x.tif?version=2"),
        ("s3://bucket/x.tif", "s3://bucket/x.tif"),
        ("/data/x?.tif", "/data/x?.tif"),
        ("/vsis3/bucket/x.tif", "/vsis3/bucket/x.tif"),
        ("/vsicurl/https://user:secret@a.org/x.tif?token=secret", "/vsicurl/https://a.org/x.tif"),
        ("/vsizip//vsicurl/https://user:secret@a.org/x.zip/x.tif", "/vsizip//vsicurl/https://a.org/x.zip/x.tif"),
        ("/vsicurl?url=https%3A%2F%2Fuser%3Asecret%40a.org%2Fx.tif&max_retry=2", "/vsicurl/https://a.org/x.tif"),
        ("https://user:secret@[::1/x.tif?sig=secret", "https:…"),
    ],
)
def test_secrets_are_not_shown(url, printed):
    assert shown(url) == printed


def test_an_old_token_gives_way_to_a_fresh_one(monkeypatch):
    asked = []
    fake = SimpleNamespace(sign=lambda url: asked.append(url) or f"{url}?sig={len(asked)}")
    monkeypatch.setitem(sys.modules, "planetary_computer", fake)
    assert sign(BLOB + "?se=2020&sig=old") == BLOB + "?sig=1"
    assert sign(BLOB) == BLOB + "?sig=2"
    assert asked == [BLOB, BLOB]


def test_other_hosts_need_no_token():
    assert sign("https://sentinel-cogs.s3.us-west-2.amazonaws.com/B02.tif").endswith("/B02.tif")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "planetary_computer", None)
    with pytest.raises(GlofgeoError, match="install the package planetary-computer"):
        sign(BLOB)


def test_a_refused_token_says_which_image(monkeypatch):
    def refuse(url):
        raise OSError("secret")

    monkeypatch.setitem(sys.modules, "planetary_computer", SimpleNamespace(sign=refuse))
    with pytest.raises(GlofgeoError, match=r"B02\.tif: Planetary Computer gave no token") as refused:
        sign(BLOB)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["https://a.org/x", "http://127.0.0.1:8/x", "s3://bucket/x"])
def test_addresses_are_no_paths(text):
    assert is_web(text)


@pytest.mark.parametrize("text", ["data/x.tif", "/vsicurl/https://a.org/x", "C:\\x", "@list.txt"])
def test_paths_are_no_addresses(text):
    assert not is_web(text)


@pytest.mark.parametrize("name", ["B 02.tif", "B%2002.tif", "B02.tif", "Ü.tif"])
@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("start", ["./", "", "file://", "file://localhost", "file:", "FILE://"])
def test_links_in_an_item_of_this_computer_are_paths_and_may_be_escaped(tmp_path, name, escaped, start):
    (tmp_path / name).touch()
    text = quote(name) if escaped else name
    href = start + (text if start in ("./", "") else f"{tmp_path.as_posix()}/{text}")
    assert resolve(href, str(tmp_path / "item.json"), "item") == str(tmp_path / name)


def test_a_file_that_is_not_there_is_looked_for_under_its_name(tmp_path):
    assert resolve("./B02.tif", str(tmp_path / "item.json"), "item") == str(tmp_path / "B02.tif")
    assert resolve("B02.tif", "", "item") == "B02.tif"
    assert resolve("C:/data/B02.tif", "", "item") == "C:/data/B02.tif"


@pytest.mark.parametrize("href", ["gs://bucket/B02.tif", "ftp://a.org/B02.tif", "file://elsewhere/B02.tif"])
def test_other_places_are_named_and_not_taken_for_paths(href):
    with pytest.raises(GlofgeoError, match=f"item: its asset {href} is at no address that is read"):
        resolve(href, "/data/item.json", "item")


@pytest.mark.parametrize("start", ["", "/vsicurl/"])
def test_links_hold_no_secrets(tmp_path, start):
    assert (
        href(f"{start}https://user:secret@a.org/x.tif?version=2&sig=secret#x", tmp_path)
        == f"{start}https://a.org/x.tif"
    )
