"""Maps of scenes that lie elsewhere are those of their files."""

import json
import subprocess
import sys

import pytest
from range_server import Fault

from datasets_def.in_place import close_all
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.scene_folder import read_record
from glofgeo.mapping.scene_list import list_scenes
from glofgeo.models import load_model

RASTERS = ("probability.tif", "mask.tif", "overview.png")


@pytest.fixture
def model(checkpoint):
    return load_model(checkpoint)


@pytest.fixture
def search(cogs, web, tmp_path):
    """The result of a search: the scene on the server, and one that cannot be read."""
    item = json.loads((cogs / "item.json").read_text())
    for asset in item["assets"].values():
        asset["href"] = asset["href"].replace("./", f"{web.url}/")
    other = json.loads(json.dumps(item).replace("B03.tif", "gone.tif")) | {"id": "S2A_T45RVL_gone"}
    path = tmp_path / "khumbu.search.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [item, other]}))
    return path


def content(folder):
    return {name: (folder / name).read_bytes() for name in RASTERS}


def test_a_map_in_place_is_that_of_the_files_byte_by_byte(web, cogs, product, model, tmp_path):
    scenes = {"item": cogs / "item.json", "product": product[0], "web": f"{web.url}/item.json"}
    maps = {name: map_scenes([scene], model, out=tmp_path / name).mapped[0] for name, scene in scenes.items()}
    assert content(maps["web"]) == content(maps["item"])
    for fact in ("scene", "acquired", "baseline", "radiometry", "observed_share", "lakes", "lake_area_m2"):
        assert read_record(maps["web"])[fact] == read_record(maps["product"])[fact], fact
    assert maps["web"].name == maps["product"].name


def test_failures_on_the_way_change_nothing(web, cogs, model, tmp_path):
    whole = map_scenes([cogs / "item.json"], model, out=tmp_path / "whole").mapped[0]
    for kind in (429, 503, 403, "cut"):
        close_all()
        web.fail(Fault(kind, match=".tif", first=2, every=5))
        report = map_scenes([f"{web.url}/item.json"], model, out=tmp_path / str(kind))
        assert content(report.mapped[0]) == content(whole)


def test_a_search_result_gives_its_scenes_and_one_that_fails_stops_no_other(web, search, model, tmp_path):
    scenes = list_scenes([f"@{search}"])
    assert scenes == list_scenes([str(search)])
    report = map_scenes(scenes, model, out=tmp_path / "maps")
    assert len(report.mapped) == 1
    assert list(report.failed) == ["S2A_T45RVL_gone"]
    assert "gone.tif" in str(report.failed["S2A_T45RVL_gone"])


def test_what_is_done_is_kept_until_a_file_on_the_server_changes(web, cogs, model, tmp_path):
    address = f"{web.url}/item.json"
    assert map_scenes([address], model, out=tmp_path).mapped
    web.fail()
    assert map_scenes([address], model, out=tmp_path).kept
    band = cogs / "B04.tif"
    before = band.read_bytes()
    try:
        band.write_bytes(before + b"\0")
        close_all()
        assert map_scenes([address], model, out=tmp_path).mapped
    finally:
        band.write_bytes(before)


def test_lists_hold_addresses_too(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("https://a.org/item.json?x=1\ns3://bucket/B.tif\nscene.tif\n")
    assert [str(scene) for scene in list_scenes([f"@{listed}", "https://a.org/item.json?x=1"])] == [
        "https://a.org/item.json?x=1",
        "s3://bucket/B.tif",
        "scene.tif",
    ]


def test_an_empty_search_is_told(tmp_path):
    path = tmp_path / "search.json"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(GlofgeoError, match=r"search\.json: holds no STAC item"):
        list_scenes([f"@{path}"])


def test_the_command_maps_in_place_in_spite_of_failures_and_prints_no_secret(web, checkpoint, tmp_path):
    web.fail(Fault("cut", match=".tif", first=8, every=9), Fault(503, match=".tif", first=5, last=6))
    command = [
        sys.executable,
        "-c",
        "from glofgeo import cli; cli.main()",
        "map",
        "--checkpoint",
        str(checkpoint),
        "--out",
        str(tmp_path),
    ]
    address = f"{web.url.replace('//', '//user:secret@')}/item.json"
    run = subprocess.run([*command, "--scene", address], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "lakes.gpkg: " in run.stdout
    assert "ERROR" not in run.stderr
    assert "secret" not in run.stdout + run.stderr
    assert "secret" not in next(tmp_path.glob("*/run.json")).read_text()
