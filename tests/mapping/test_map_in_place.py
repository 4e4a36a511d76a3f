"""Maps of scenes that lie elsewhere are those of their files."""

import json
import subprocess
import sys

import numpy as np
import pytest
from range_server import Fault

from datasets_def import open_scene
from datasets_def.bands import DEFAULT_BANDS
from datasets_def.in_place import close_all
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.deepness_layer import write_stack
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


@pytest.fixture(scope="module")
def of_product(kept, checkpoint, tmp_path_factory):
    """The map of the product itself."""
    return map_scenes([kept], load_model(checkpoint), out=tmp_path_factory.mktemp("whole")).mapped[0]


def test_a_map_in_place_is_that_of_the_product_byte_by_byte(web, of_product, model, tmp_path):
    here = map_scenes([f"{web.url}/item.json"], model, out=tmp_path).mapped[0]
    assert here.name == of_product.name
    assert content(here) == content(of_product)
    for fact in ("acquired", "baseline", "radiometry", "observed_share", "lakes", "lake_area_m2"):
        assert read_record(here)[fact] == read_record(of_product)[fact], fact


@pytest.mark.parametrize("kind", [503, "cut"])
def test_failures_on_the_way_change_nothing(web, of_product, model, tmp_path, kind):
    web.fail(Fault(kind, match=".tif", first=2, every=5))
    assert content(map_scenes([f"{web.url}/item.json"], model, out=tmp_path).mapped[0]) == content(of_product)


def test_a_search_result_gives_its_scenes_and_one_that_fails_stops_no_other(web, search, model, tmp_path):
    scenes = list_scenes([f"@{search}"])
    assert scenes == list_scenes([str(search)])
    report = map_scenes(scenes, model, out=tmp_path / "maps")
    assert len(report.mapped) == 1
    assert list(report.failed) == ["S2A_T45RVL_gone"]
    assert "gone.tif" in str(report.failed["S2A_T45RVL_gone"])


def test_entries_of_a_search_result_that_are_no_scenes_fail_by_name(search, model, tmp_path):
    result = json.loads(search.read_text())
    search.write_text(json.dumps(result | {"features": [{"type": "Feature"}, result["features"][0], {"id": "S2X"}]}))
    report = map_scenes(list_scenes([str(search)]), model, out=tmp_path / "maps")
    assert len(report.mapped) == 1
    assert list(report.failed) == ["entry 1 of khumbu.search.json", "S2X"]
    with pytest.raises(GlofgeoError, match="S2X: is no STAC item"):
        open_scene(list_scenes([str(search)])[2])


@pytest.mark.parametrize("at", ["", "@"])
def test_a_search_result_on_the_network_gives_its_scenes_too(web, cogs, at):
    item = json.loads((cogs / "item.json").read_text())
    (cogs / "search").write_text(json.dumps({"features": [item, item | {"id": "2"}], "type": "FeatureCollection"}))
    first, second = list_scenes([f"{at}{web.url}/search"])
    assert (first.id, second.id) == (item["id"], "2")
    np.testing.assert_array_equal(open_scene(first).read(), open_scene(f"{web.url}/item.json").read())


def test_an_address_that_gives_nothing_stops_no_other_scene(web, model, tmp_path):
    addresses = [f"{web.url}/gone.json", "http://[::1", f"{web.url}/item.json"]
    report = map_scenes(list_scenes(addresses), model, out=tmp_path)
    assert len(report.mapped) == 1
    assert list(report.failed) == [addresses[0], "http:…"]


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


def test_the_catalogue_links_the_item_of_the_scene(web, cogs, search, model, tmp_path):
    result = json.loads(search.read_text())
    item = result["features"][0] | {"links": [{"rel": "self", "href": f"{web.url}/item.json?sig=secret"}]}
    nameless = item | {"links": []}
    for name, content, link in [
        ("search.json", result | {"features": [item]}, f"{web.url}/item.json"),
        ("nameless.json", result | {"features": [nameless]}, None),
        ("alone.json", item, "../../alone.json"),
    ]:
        path = tmp_path / name
        path.write_text(json.dumps(content))
        (folder,) = map_scenes(list_scenes([str(path)]), model, out=tmp_path / path.stem).mapped
        links = json.loads((folder / "item.json").read_text())["links"]
        assert [one["href"] for one in links if one["rel"] == "derived_from"] == ([link] if link else []), name


def test_lists_hold_addresses_too(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("https://a.org/item.json?x=1\ns3://bucket/B.tif\nscene.tif\n")
    assert [str(scene) for scene in list_scenes([f"@{listed}", "s3://bucket/B.tif"])] == [
        "https://a.org/item.json?x=1",
        "s3://bucket/B.tif",
        "scene.tif",
    ]


def test_an_empty_search_is_told(tmp_path):
    path = tmp_path / "search.json"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(GlofgeoError, match=r"search\.json: holds no STAC item"):
        list_scenes([f"@{path}"])


def test_what_is_not_read_in_place_names_the_command_that_fetches_it(web, cogs, checkpoint, tmp_path, refused):
    (cogs / "jp2.json").write_text((cogs / "item.json").read_text().replace(".tif", ".jp2"))
    line = refused("map", "--scene", f"{web.url}/jp2.json", "--checkpoint", checkpoint, "--out", tmp_path)
    assert line.endswith("download it first: glofgeo fetch --aoi AREA --from 2024-10-15 --to 2024-10-15")


def test_a_layer_for_qgis_is_not_made_of_what_lies_elsewhere(web, tmp_path):
    scene = open_scene(f"{web.url}/item.json")
    with pytest.raises(GlofgeoError, match="lies on the network, and QGIS would not read it as well; download it"):
        write_stack(scene, tmp_path, DEFAULT_BANDS)


def test_info_tells_of_a_scene_where_it_is(web, run, kept):
    status, told, _ = run("info", f"{web.url}/item.json")
    assert status == 0
    assert kept.stem in told
    assert "(DN -1000) / 10000, from the product's metadata" in told


def test_the_command_maps_in_place_in_spite_of_failures_and_prints_no_secret(web, checkpoint, tmp_path):
    web.fail(Fault("login"), Fault("cut", match=".tif", first=8, every=9), Fault(503, match=".tif", first=5, last=6))
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
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if b"secret" in path.read_bytes()]
