"""The verb end to end: from a catalogue to scenes that can be opened."""

import subprocess
import sys

from datasets_def import find_scenes, open_scene

from .conftest import folder_bytes


def fetch(server, aoi, out, *words):
    command = [
        sys.executable, "-c", "from glofgeo import cli; cli.main()", "fetch", "--aoi", str(aoi), "--from", "2024-09-01",
        "--to", "2024-11-30", "--catalog", server.url, "--out", str(out), *map(str, words),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_scenes_come_and_can_be_opened(server, add_scene, aoi, product, tmp_path):
    item = add_scene()
    out = tmp_path / "scenes"
    result = fetch(server, aoi, out)
    assert result.returncode == 0, result.stderr
    assert find_scenes(out) == [out / item["id"]]
    scene = open_scene(out / item["id"])
    assert (scene.id, scene.baseline) == (item["id"], "05.10")
    assert scene.datetime.isoformat() == "2024-10-15T04:57:01+00:00"
    theirs = open_scene(product[0])
    assert (scene.read() == theirs.read()).all()
    assert (scene.valid() == theirs.valid()).all()
    before, served = folder_bytes(out), len(server.log)
    again = fetch(server, aoi, out)
    assert again.returncode == 0
    assert "there" in again.stdout
    assert folder_bytes(out) == before
    assert all(one.path.endswith("SCL.tif") for one in server.log[served:])
