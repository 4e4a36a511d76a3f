"""Killed at any moment, the same command goes on: the files are the same, and no finished byte comes twice."""

import os
import random
import signal
import subprocess
import sys
import time

from glofgeo.fetch.remote_file import CHUNK

from .conftest import folder_bytes, random_bytes

CODE = """
import signal, sys, threading
from pathlib import Path
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.remote_file import RemoteFile
from glofgeo.fetch.scene_files import SceneFiles
from glofgeo.fetch.search import Found
from glofgeo.fetch import transfer

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background deaf to Ctrl-C
transfer.check_scene = lambda files, folder: None  # these files are no images
url, out, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
class Item:
    product_uri, id = "scene.SAFE", "scene"
    assets = {name.partition(".")[0]: type("Asset", (), {"media_type": None}) for name in names}
files = {name: RemoteFile(f"{url}/{name}", None, None) for name in names}
print("begun", flush=True)
scene = SceneFiles(Found(Item, {}, Catalog("c", url, "c")), files)
fetched = transfer.fetch_scenes([scene], out)
assert not fetched.failed, fetched.failed
"""
KILLS = int(os.environ.get("GLOFGEO_TEST_KILLS", "5"))
NAMES = ("B02.tif", "B03.tif", "B04.tif", "B08.tif", "SCL.tif")


def start(server, out):
    process = subprocess.Popen([sys.executable, "-c", CODE, server.url, str(out), *NAMES], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    return process


def serve(server):
    contents = {name: random_bytes(40 * CHUNK + number, seed=number) for number, name in enumerate(NAMES)}
    for name, content in contents.items():
        server.files[f"/{name}"] = content
    server.piece_pause_s = 0.02
    return contents


def kept(out):
    """Bytes of every file that have come, whether it is complete or not."""
    found = {path.name.removesuffix(".part"): path.stat().st_size for path in (out / ".scene.part").glob("*.tif*")}
    return {name: found.get(name, 0) for name in NAMES}


def test_kills_at_random_moments(server, tmp_path):
    contents, chance, out = serve(server), random.Random(5), tmp_path / "out"
    for _ in range(KILLS):
        process = start(server, out)
        time.sleep(chance.uniform(0.02, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "scene").exists()
        while server.busy:  # it has not noticed yet
            time.sleep(0.01)
        have, asked = kept(out), len(server.log)
    server.piece_pause_s = 0
    process = start(server, out)
    assert process.wait() == 0
    came = folder_bytes(out / "scene")
    assert {name: came[name] for name in NAMES} == contents
    assert [path.name for path in out.iterdir()] == ["scene"]
    asked_last = {one.path[1:]: one.start for one in server.log[asked:]}
    assert all(asked_last.get(name, have[name]) == have[name] for name in NAMES)
    assert any(asked_last.values()), "the kills came too early to tell"
    assert start(server, out).wait() == 0
    assert folder_bytes(out / "scene") == came
    assert server.busiest <= 4


def test_ctrl_c_ends_at_once_and_keeps_what_has_come(server, tmp_path):
    serve(server)
    process = start(server, tmp_path)
    while not sum(kept(tmp_path).values()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() != 0
    have, asked = kept(tmp_path), len(server.log)
    server.piece_pause_s = 0
    assert start(server, tmp_path).wait() == 0
    assert {one.path[1:]: one.start for one in server.log[asked:]}.items() <= have.items()
