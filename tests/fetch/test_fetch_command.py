"""The verb end to end: from a catalogue to scenes that can be opened."""

import json
import os
import re
import shutil
import subprocess
import sys

import geopandas as gpd
import pytest
from shapely.geometry import box

from datasets_def import find_scenes, open_scene
from datasets_def.stac_files import read_item_file, read_items
from datasets_def.stac_item import read_item
from glofgeo.fetch.one_at_a_time import alone_in

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


@pytest.mark.parametrize("links", [None, ["x", {"rel": "license"}]])
def test_a_scene_with_odd_links_comes_too(server, add_scene, aoi, tmp_path, links):
    name, out = add_scene(links=links)["id"], tmp_path / "scenes"
    result = fetch(server, aoi, out)
    assert result.returncode == 0, result.stderr
    assert find_scenes(out) == [out / name]


def test_a_dry_run_ranks_by_the_lakes_and_downloads_nothing(server, add_scene, aoi, tmp_path):
    west, south, east, north = gpd.read_file(aoi).total_bounds
    lake = box(west, south, east, (south + north) / 2)
    gpd.GeoDataFrame(geometry=[lake], crs=4326).to_file(tmp_path / "lakes.gpkg")
    add_scene("2024-10-05", cloud=1.0, clouded=1.0)
    add_scene("2024-10-15", cloud=19.0)
    add_scene("2024-10-25", cloud=10.0, clouded=0.6)
    add_scene("2024-11-04", cloud=60.0)
    out = tmp_path / "scenes"
    result = fetch(server, aoi, out, "--lakes", tmp_path / "lakes.gpkg", "--best", 2, "--dry-run")
    assert result.returncode == 0, result.stderr
    head, first, second, total, size, saved = result.stdout.splitlines()
    assert head.split() == ["date", "tile", "cloud", "snow", "lakes", "seen", "size", "scene"]
    assert first.split()[:4] == ["2024-10-15", "45RVL", "19", "%"]
    assert second.startswith("2024-10-25")
    assert total == "2 of 3 scenes"
    count = sum(len(content) for path, content in server.files.items() if "20241015" in path or "20241025" in path)
    assert size == f"About {count / 1e6:.0f} MB to download into {out}"
    assert [path.name for path in out.iterdir()] == ["imja.search.json"]
    assert str(out / "imja.search.json") in saved
    assert len(read_items((out / "imja.search.json").read_text())) == 2
    assert not [one for one in server.log if "B02" in one.path]


def test_the_search_of_a_dry_run_is_read_again_also_where_addresses_were_relative(server, add_scene, aoi, tmp_path):
    item = add_scene()
    absolute = {key: asset["href"] for key, asset in item["assets"].items()}
    for asset in item["assets"].values():
        asset["href"] = asset["href"].replace(server.url, "..")
    out = tmp_path / "scenes"
    result = fetch(server, aoi, out, "--dry-run")
    assert result.returncode == 0, result.stderr
    (saved,) = read_item_file(out / "imja.search.json")
    assert {asset.href for asset in saved.assets.values()} == set(absolute.values())
    assert saved.assets == read_item(item, f"{server.url}/items/{item['id']}").assets
    server.move_out()
    assert open_scene(saved).id == item["id"]


def test_a_crop_comes_and_serves_again(server, add_scene, aoi, product, tmp_path):
    name = add_scene(scale=False)["id"]
    out = tmp_path / "scenes"
    for there in (False, True):
        result = fetch(server, aoi, out, "--crop", "--months", "9-11")
        assert result.returncode == 0, result.stderr
        assert (" there " in result.stdout) == there
        assert [path.name for path in out.iterdir()] == [f"{name}.tif"]
    assert open_scene(out / f"{name}.tif").id == name
    assert fetch(server, aoi, out).returncode == 0
    assert [path.name for path in out.iterdir()] == [name]
    # These images carry neither scale nor offset.
    assert (open_scene(out / name).read() == open_scene(product[0]).read()).all()


@pytest.mark.parametrize("ending", [".SAFE", ".zip", ""])
def test_a_scene_that_the_user_has_is_not_fetched_again(server, add_scene, aoi, product, tmp_path, ending):
    name, out = add_scene()["id"], tmp_path / "scenes"
    theirs = out / f"{name}{ending}"
    if ending == ".zip":
        out.mkdir()
        theirs.write_bytes(b"a product")
    elif ending:
        shutil.copytree(product[0], theirs)
    else:
        theirs.mkdir(parents=True)
        for band in ("B02", "B03", "B04", "B08", "B11", "SCL"):
            (theirs / f"{band}.tif").write_bytes(b"saved by hand")
    before = folder_bytes(out)
    result = fetch(server, aoi, out)
    assert (result.returncode, folder_bytes(out)) == (0, before), result.stderr
    assert " there " in result.stdout


def test_a_folder_of_another_origin_is_left_alone(server, add_scene, aoi, tmp_path):
    name, out = add_scene()["id"], tmp_path / "scenes"
    (out / name).mkdir(parents=True)
    (out / name / "B02.tif").write_bytes(b"saved by hand")
    (out / name / "item.json").write_text(json.dumps(server.items[0]))
    before = folder_bytes(out)
    result = fetch(server, aoi, out)
    assert result.returncode == 1
    assert "of another origin, lacks B03, B04, B08, SCL, and is left as it is; move it away" in result.stderr
    assert folder_bytes(out) == before


def test_of_several_scenes_one_that_cannot_be_had_is_named_and_the_others_finished(server, add_scene, aoi, tmp_path):
    good, bad = add_scene("2024-10-15")["id"], add_scene("2024-10-25")["id"]
    server.fault = lambda path, number: "403" if path == f"/{bad}/B08.tif" else None
    out = tmp_path / "scenes"
    result = fetch(server, aoi, out)
    assert result.returncode == 1
    assert f"/{bad}/B08.tif: it answered 403: access denied" in result.stderr
    assert "1 could not be fetched" in result.stderr.splitlines()[-1]
    assert find_scenes(out) == [out / good]
    server.fault = lambda path, number: None
    asked = len(server.log)
    assert fetch(server, aoi, out).returncode == 0
    assert len(find_scenes(out)) == 2
    assert [one.path for one in server.log[asked:] if "SCL" not in one.path] == [f"/{bad}/B08.tif"]


def test_for_a_scene_that_lacks_a_file_the_next_is_taken(server, add_scene, aoi, tmp_path):
    names = [add_scene(f"2024-10-{day:02d}", cloud=cloud)["id"] for cloud, day in enumerate((5, 10, 15, 20))]
    del server.files[f"/{names[0]}/B08.tif"]
    server.files[f"/{names[1]}/B04.tif"] += b"more"
    result = fetch(server, aoi, tmp_path / "scenes", "--best", "1")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in find_scenes(tmp_path / "scenes")] == [names[2]]
    assert f"{names[0]}: left out: {server.url}/{names[0]}/B08.tif: the server answered 404" in result.stderr
    assert f"{names[1]}: left out: B04.tif has" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "2024-11-31"], "2024-11-31"),
        (["--from", "2024-12-01", "--to", "2024-11-01"], "after the last"),
        (["--months", "0-3"], "--months"),
        (["--max-cloud", "101"], "--max-cloud"),
        (["--best", "0"], "--best"),
        (["--catalog", "esa"], "--catalog"),
        (["--aoi", "atlantis"], "atlantis"),
        (["--lakes", "gone.gpkg"], "--lakes"),
        (["--catalog", "http://127.0.0.1:9/"], "does not answer"),
    ],
)
def test_wrong_input_is_told_in_one_line(refused, monkeypatch, tmp_path, words, told):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    flags = {"--aoi": "khumbu", "--from": "2024-09-01", "--to": "2024-11-30", "--out": tmp_path}
    flags |= dict(zip(words[::2], words[1::2], strict=True))
    assert told in refused("fetch", *(word for pair in flags.items() for word in pair))
    assert not list(tmp_path.iterdir())


def test_training_without_scenes_names_the_flag_and_the_line_that_fetches_them(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = r"glofgeo fetch --aoi khumbu --from \d{4}-09-15 --to \d{4}-11-30"
    message = refused("train", "--aoi", "khumbu")
    assert re.search(rf"data/scenes: no such file or folder.*\(--scenes\)\..* {line} --inventory hi-mag$", message)
    message = refused("train", "--aoi", "khumbu", "--scenes", "my scenes")
    assert re.search(rf"my scenes: no such file or folder.*\(--scenes\)\..* {line} --out 'my scenes'$", message)


def test_an_empty_answer_says_where_the_area_is(server, add_scene, run, tmp_path):
    add_scene(cloud=30.0)
    words = ("--from", "2024-09-01", "--to", "2024-11-30", "--catalog", server.url, "--out", tmp_path)
    status, _, told = run("fetch", "--aoi", "khumbu", *words)
    assert status == 2
    assert "no scene from 2024-09-01 to 2024-11-30" in told
    assert "(around 27.9° N, 86.8° E)" in told


def test_scenes_that_show_nothing_are_no_success(server, add_scene, aoi, run, tmp_path):
    add_scene(clouded=1.0)
    words = ("--from", "2024-09-01", "--to", "2024-11-30", "--catalog", server.url, "--out", tmp_path / "scenes")
    server.move_out()
    status, said, told = run("fetch", "--aoi", aoi, *words)
    assert status == 1
    assert "0 of 1 scenes" in said and "km² of the area: no scene" in said
    assert "none of those found shows the area; allow more cloud or more days" in told


def test_a_dry_run_of_what_lies_beside_fetches_nothing_and_tells_it(run, tmp_path):
    (tmp_path / "glaciers.gpkg").touch()
    words = ("--dem", "--glaciers", "--inventory", "hi-mag", "--dry-run", "--out", tmp_path / "scenes")
    status, said, _ = run("fetch", "--aoi", "khumbu", *words)
    assert status == 0
    assert said.splitlines() == [
        f"{tmp_path / 'dem.tif'}: would come (Copernicus GLO-30, 4 tiles of 20 to 45 MB)",
        f"{tmp_path / 'glaciers.gpkg'}: is there (outlines of RGI 7)",
        f"{tmp_path / 'lakes.gpkg'}: would come (hi-mag)",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["glaciers.gpkg"]


def test_two_downloads_beside_the_scenes_do_not_meet(run, tmp_path):
    with alone_in(tmp_path):
        mark = next(tmp_path.glob(".fetching-*"))
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / mark.name.replace(f"-{os.getpid()}", f"-{living.pid}")).touch()
    status, _, told = run("fetch", "--aoi", "khumbu", "--dem", "--out", tmp_path / "scenes")
    living.kill()
    living.wait()
    assert status == 2
    assert f"another process (number {living.pid}) downloads into it" in told


def test_lakes_of_another_origin_are_kept(run, tmp_path):
    layer = tmp_path / "lakes.gpkg"
    gpd.GeoDataFrame(geometry=[box(86, 27, 87, 28)], crs=4326).to_file(layer)
    before = layer.read_bytes()
    status, _, told = run("fetch", "--aoi", "khumbu", "--inventory", "hi-mag", "--out", tmp_path / "scenes")
    assert status == 1
    assert f"hi-mag: {layer}: holds other lakes than Hi-MAG 2017" in told
    assert layer.read_bytes() == before


@pytest.mark.parametrize("parameter", ["X-Amz-Signature", "token"])
def test_no_signature_and_no_password_is_stored(server, add_scene, aoi, tmp_path, parameter):
    item = add_scene()
    signed = f"{server.url}/x?{parameter}=secret"
    for asset in item["assets"].values():
        asset["href"] += f"?{parameter}=secret"
        asset |= {"alternate": {"s3": {"href": signed}}, "alternate:href": signed}
    item["links"] = [{"rel": rel, "href": signed, "body": {"key": "secret"}} for rel in ("self", "root", "thumbnail")]
    item["links"].append({"rel": "collection", "href": f"../c?{parameter}=secret"})
    out = tmp_path / "scenes"
    server.url = server.url.replace("//", "//me:secret@")
    for words in (["--dry-run"], ["--crop"], []):
        result = fetch(server, aoi, out, *words)
        assert result.returncode == 0, result.stderr
        assert "secret" not in result.stdout + result.stderr
        assert out.is_dir() and not [path for path, content in folder_bytes(out).items() if b"secret" in content]
