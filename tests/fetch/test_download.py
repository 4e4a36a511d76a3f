"""One file: whatever the server does, it arrives intact or is named, and no finished byte comes twice."""

import hashlib
import random
import threading

import pytest

from glofgeo.errors import GlofgeoError
from glofgeo.fetch import http_file
from glofgeo.fetch.download import Stopped, download
from glofgeo.fetch.opening import size_of
from glofgeo.fetch.remote_file import CHUNK, RemoteFile

from .conftest import full_disk, random_bytes

CONTENT = random_bytes(20 * CHUNK + 77)
SIZE = len(CONTENT)
MULTIHASH = "1220" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def get(server, tmp_path):
    """Downloads `/file` of the server, and gives what has come and the bytes that were counted."""
    server.files["/file"] = CONTENT

    def call(size=SIZE, checksum=MULTIHASH, path=tmp_path / "got", stop=None):
        counted = []
        file = RemoteFile(f"{server.url}/file", size, checksum)
        download(file, path, counted.append, stop or threading.Event(), pause_s=0.001)
        assert path.read_bytes() == CONTENT
        assert [path.name for path in path.parent.iterdir()] == [path.name]
        return sum(counted)

    return call


def first_answers(*faults):
    """Faults of the first requests for a file, one each."""
    return lambda path, number: faults[number - 1] if number <= len(faults) else None


def test_a_file_comes_once(get, server):
    assert get() == len(CONTENT)
    assert get() == 0
    assert server.sent("/file") == [(0, len(CONTENT))]


# Wrong bytes and a wrong length show only where the catalogue tells size and checksum.
SHOWN_BY_THE_CATALOGUE = [(fault, True) for fault in ("bytes", "length")]
OVERCOME = ("429", "500", "502", "503", "504", "403", "cut", "slow")
FAULTS = SHOWN_BY_THE_CATALOGUE + [(fault, known) for fault in OVERCOME for known in (True, False)]


@pytest.mark.parametrize(("fault", "known"), FAULTS)
def test_a_fault_is_overcome(get, server, fault, known):
    server.fault = first_answers(fault, None)
    counted = get() if known else get(size=None, checksum=None)
    assert counted == len(CONTENT)


def test_every_request_is_signed_anew(get, server, monkeypatch):
    signed = []
    monkeypatch.setattr(http_file, "sign", lambda url: signed.append(url) or f"{url}?sig={len(signed)}")
    server.fault = first_answers("403", "cut")
    get()
    assert signed == [f"{server.url}/file"] * 3


def test_after_a_cut_only_the_rest_is_asked_for(get, server):
    server.fault = first_answers("cut")
    get()
    (_, first), (start, rest) = server.sent("/file")
    assert 0 < start <= first
    assert first - start < CHUNK
    assert start + rest == len(CONTENT)


def test_without_a_version_a_cut_file_begins_anew(get, server):
    server.has_etags, server.fault = False, first_answers("cut")
    get()
    assert [start for start, _ in server.sent("/file")] == [0, 0]


def test_a_file_that_has_changed_begins_anew(get, server, tmp_path):
    server.files["/file"] = random_bytes(len(CONTENT), seed=1)
    server.fault = first_answers("cut", "404")
    with pytest.raises(GlofgeoError, match="404"):
        get()
    server.files["/file"], server.fault = CONTENT, first_answers()
    assert get() < len(CONTENT)
    assert hashlib.sha256((tmp_path / "got").read_bytes()).hexdigest() == MULTIHASH[4:]


def test_a_whole_file_whose_size_nobody_knew_is_not_asked_for_again(get, server, tmp_path):
    (tmp_path / "got.part").write_bytes(CONTENT)
    (tmp_path / "got.version").write_text(f'"{hashlib.md5(CONTENT).hexdigest()}"')
    assert get(size=None) == 0
    assert server.sent("/file") == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [("404", "404"), ("403", "access denied"), ("500", "it answered 500; tried 8 times"),
     ("bytes", "its sha256 is not the one of the catalogue"), ("length", "the catalogue says")],
)  # fmt: skip
def test_what_cannot_be_had_is_named(get, server, tmp_path, fault, words):
    server.fault = lambda path, number: fault
    with pytest.raises(GlofgeoError, match=words) as caught:
        get()
    assert f"{server.url}/file" in str(caught.value)
    assert not (tmp_path / "got").exists()


def test_a_dead_server_is_named_without_its_signature(tmp_path):
    file = RemoteFile("http://127.0.0.1:9/file?X-Amz-Signature=secret", 10)
    with pytest.raises(GlofgeoError, match="the connection failed") as caught:
        download(file, tmp_path / "got", lambda _: None, threading.Event(), pause_s=0.001)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("end", [b"\xff\xd9", b"\x00\x00"])
def test_a_jpeg2000_file_without_its_end_is_refused(server, tmp_path, end):
    server.files["/B02.jp2"] = b"x" * 100 + end
    file = RemoteFile(f"{server.url}/B02.jp2")
    if end == b"\xff\xd9":
        download(file, tmp_path / "B02.jp2", lambda _: None, threading.Event(), pause_s=0.001)
    else:
        with pytest.raises(GlofgeoError, match="its end is missing"):
            download(file, tmp_path / "B02.jp2", lambda _: None, threading.Event(), pause_s=0.001)


@pytest.mark.parametrize("known", [True, False])
def test_a_full_disk_is_told_as_such_and_a_cut_file_is_not_taken_for_whole(get, tmp_path, known):
    facts = {} if known else {"size": None, "checksum": None}
    with full_disk(SIZE - 10), pytest.raises(OSError, match="File too large"):
        get(**facts)
    assert not (tmp_path / "got").exists()
    assert get(**facts) == 10


def test_metadata_that_are_a_page_of_the_network_come_again(get, server, tmp_path):
    server.files["/file"], page = b"<metadata>1</metadata>", b"<html><p>Log in<br></html>"
    file, path = RemoteFile(f"{server.url}/file"), tmp_path / "product_metadata.xml"
    served = iter([page, page])
    server.fault = lambda path, number: server.files.update({path: next(served, b"<metadata>1</metadata>")})
    download(file, path, lambda _: None, threading.Event(), pause_s=0.001)
    assert path.read_bytes() == b"<metadata>1</metadata>"
    server.fault = lambda path, number: server.files.update({path: page})
    with pytest.raises(GlofgeoError, match="it is no XML"):
        download(file, tmp_path / "other.xml", lambda _: None, threading.Event(), pause_s=0.001)
    assert not (tmp_path / "other.xml").exists()


def test_a_file_of_another_size_is_that_of_another_catalogue_and_replaced(get, tmp_path):
    (tmp_path / "got").write_bytes(CONTENT[:-1])
    assert get() == SIZE


def test_stopping_keeps_what_has_come(get, server, tmp_path):
    stop = threading.Event()
    server.piece_pause_s = 0.02
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        get(stop=stop)
    kept = (tmp_path / "got.part").stat().st_size
    server.piece_pause_s = 0
    get()
    assert server.sent("/file")[-1] == (kept, len(CONTENT) - kept)


def test_many_faults_at_random(get, server, tmp_path):
    chance = random.Random(3)
    kinds = ["429", "500", "503", "403", "cut", "slow", "length", "bytes"]
    server.fault = lambda path, number: chance.choice(kinds) if chance.random() < 0.3 else None
    for number in range(30):
        get(path=tmp_path / str(number) / "got")


def test_the_size_is_asked_for(server):
    server.files["/file"] = CONTENT
    assert size_of(f"{server.url}/file") == len(CONTENT)
