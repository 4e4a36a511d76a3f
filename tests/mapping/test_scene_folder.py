"""What the mapper may replace, and what it never does."""

import json
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import geopandas as gpd
import pytest

from datasets_def.processes import process_tag
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import COLUMNS, write_lakes
from glofgeo.mapping.scene_folder import FILES, is_done, require_replaceable, scene_folder, sweep_scene

ID = "S2A_[b]_1"


def fill(folder, text="new", fingerprint="f"):
    """Writes a map that is only text, but for its record and its layer."""
    for name in FILES:
        (folder / name).write_text("our style" if name.endswith(".qml") else text)
    (folder / "run.json").write_text(json.dumps({"fingerprint": fingerprint, "versions": {"glofgeo": "0"}}))
    (folder / "lakes.gpkg").unlink()
    lakes = gpd.GeoDataFrame({name: [] for name in COLUMNS}, geometry=[], crs="EPSG:32645")
    write_lakes(folder / "lakes.gpkg", lakes.astype(COLUMNS))


def make(out, text="new", fingerprint="f", name=ID):
    with scene_folder(out, name, fingerprint) as folder:
        fill(folder, text, fingerprint)
    return out / name


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_others_put_beside_a_map_survives_the_next_one(tmp_path):
    folder = make(tmp_path, "old")
    (folder / "project.qgz").write_text("mine")
    (folder / "photos").mkdir()
    (folder / "photos" / "1.jpg").write_text("mine too")
    (folder / "mask.qml").write_text("my style")
    (folder / "mask.tif.aux.xml").write_text("of the old mask")
    (folder / "lakes.gpkg-wal").write_text("of the old layer")
    make(tmp_path, "new", "g")
    assert {path.name for path in folder.iterdir()} == {*FILES, "project.qgz", "photos"}
    assert (folder / "photos" / "1.jpg").read_text() == "mine too"
    assert (folder / "mask.qml").read_text() == "my style"
    assert (folder / "probability.qml").read_text() == "our style"
    assert (folder / "mask.tif").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == [ID]


def foreign(kind, folder, tmp_path):
    """Puts something there that is no map of ours."""
    elsewhere = tmp_path / "elsewhere"
    match kind:
        case "folder":
            folder.mkdir(parents=True)
            (folder / "thesis.docx").write_text("years")
        case "record of another program":
            folder.mkdir(parents=True)
            (folder / "run.json").write_text('{"fingerprint": "f"}')
        case "record that is no record":
            folder.mkdir(parents=True)
            (folder / "run.json").write_text("[1]")
        case "file":
            folder.parent.mkdir()
            folder.write_text("years")
        case "link to a map" | "broken link":
            folder.parent.mkdir()
            if kind == "link to a map":
                make(elsewhere, "old")
            folder.symlink_to(elsewhere / ID)
        case "layer changed by hand":
            make(folder.parent)
            with closing(sqlite3.connect(folder / "lakes.gpkg")) as database, database:
                database.execute("UPDATE layer_styles SET styleQML = 'mine'")
        case "layer with another beside it":
            make(folder.parent)
            with closing(sqlite3.connect(folder / "lakes.gpkg")) as database, database:
                database.execute("CREATE TABLE qgis_projects (name TEXT)")


@pytest.mark.parametrize(
    "kind",
    [
        "folder", "record of another program", "record that is no record", "file", "link to a map", "broken link",
        "layer changed by hand", "layer with another beside it",
    ],
)  # fmt: skip
def test_what_is_not_the_mappers_own_is_refused_and_stays(tmp_path, kind):
    foreign(kind, tmp_path / "maps" / ID, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(GlofgeoError, match=re.escape(str(tmp_path / "maps" / ID))) as refusal, \
         scene_folder(tmp_path / "maps", ID, "f"):  # fmt: skip
        raise AssertionError("no work begins")
    assert refusal.value.argument == "out"
    assert contents(tmp_path) == before
    assert [path.name for path in (tmp_path / "maps").iterdir()] == [ID]


def test_what_appears_while_a_map_is_made_is_refused_too(tmp_path):
    with pytest.raises(GlofgeoError, match="something else"), scene_folder(tmp_path, ID, "f") as folder:
        fill(folder)
        (tmp_path / ID).mkdir()
        (tmp_path / ID / "thesis.docx").write_text("years")
    assert list(contents(tmp_path).values()) == [b"years"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / ID).mkdir()
    require_replaceable(tmp_path / ID)
    assert is_done(make(tmp_path), "f")


def dead_process():
    """Tag of a process of this machine that has ended."""
    code = "from datasets_def.processes import process_tag; print(process_tag())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def leave(folder, age=0.0):
    folder.mkdir()
    (folder / "strips.tif").write_text("half")
    for path in (folder / "strips.tif", folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def test_only_the_work_of_processes_that_are_gone_is_removed(tmp_path):
    stay = [
        leave(tmp_path / f".other-{process_tag()}", age=1e6),
        leave(tmp_path / ".other-00000000-1", age=3600),
        leave(tmp_path / ".other-notes", age=1e6),
        leave(tmp_path / f".{ID}-", age=1e6),
    ]
    go = [leave(tmp_path / f".other-{dead_process()}"), leave(tmp_path / ".[x]-00000000-1", age=2 * 86400)]
    busy = leave(tmp_path / ".other-00000000-2", age=2 * 86400)
    (busy / "strips.tif").write_text("still growing")
    make(tmp_path)
    assert all(path.exists() for path in [*stay, busy])
    assert not any(path.exists() for path in go)


@pytest.mark.parametrize("killed", ["before the new one came", "after it"])
def test_what_a_killed_process_had_moved_aside_comes_back(tmp_path, killed):
    folder = make(tmp_path, "old")
    (folder / "notes.txt").write_text("mine")
    aside = folder.rename(tmp_path / f".{ID}-{dead_process()}-old")
    if killed == "after it":
        make(tmp_path / "other", "new")
        (tmp_path / "other" / ID).rename(folder)
        (tmp_path / "other").rmdir()
    make(tmp_path, name="next")
    assert not aside.exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "mask.tif").read_text() == ("new" if killed == "after it" else "old")


def replace_often(out, fingerprint):
    for _ in range(25):
        with scene_folder(out, ID, fingerprint) as folder:
            shutil.copytree(out / "map", folder, dirs_exist_ok=True)


@pytest.mark.parametrize("fingerprints", ["fff", "fgh"])
def test_processes_that_map_one_scene_into_one_folder_all_end_well(tmp_path, fingerprints):
    """Whoever is later finds the map of the same fingerprint done, or replaces another one."""
    make(tmp_path, name="map")
    folder = make(tmp_path)
    (folder / "notes.txt").write_text("mine")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glofgeo.mapping.scene_folder"])
    workers = [context.Process(target=replace_often, args=(tmp_path, one)) for one in fingerprints]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * len(workers)
    make(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"map", ID}
    assert {path.name for path in folder.iterdir()} == {*FILES, "notes.txt"}


@pytest.mark.parametrize(("fingerprint", "stays"), [("f", "of the twin"), ("g", "mine")])
def test_a_twin_that_was_faster_has_done_the_work(tmp_path, fingerprint, stays):
    with scene_folder(tmp_path, ID, "f") as folder:
        fill(folder, "mine")
        (tmp_path / ID).mkdir()
        fill(tmp_path / ID, "of the twin", fingerprint)
    assert (tmp_path / ID / "mask.tif").read_text() == stays
    assert [path.name for path in tmp_path.iterdir()] == [ID]


def test_what_lost_workers_of_other_machines_left_of_a_scene_goes_at_once(tmp_path):
    folder = make(tmp_path, "old")
    (folder / "notes.txt").write_text("mine")
    folder.rename(tmp_path / f".{ID}-00000000-7-old")
    leave(tmp_path / f".{ID}-00000000-7")
    stay = [leave(tmp_path / f".{ID}-00000000-8"), leave(tmp_path / ".other-00000000-7")]
    sweep_scene(tmp_path, ID, ["00000000-7", "00000000-9"])
    assert {path.name for path in tmp_path.iterdir()} == {ID, *(path.name for path in stay)}
    assert (folder / "notes.txt").read_text() == "mine"
