"""Scenes that are read where they are: what they promise holds as for the product itself."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from range_server import Fault
from rasterio.windows import Window
from remote_scene import set_scale

from datasets_def import find_scenes, open_scene
from datasets_def.bands import DEFAULT_BANDS
from datasets_def.errors import GlofgeoError
from datasets_def.stac_item import read_item


@pytest.fixture
def mine(cogs, tmp_path):
    """A copy of the COGs that may be changed, and a function that changes their item."""
    folder = shutil.copytree(cogs, tmp_path / "mine")
    path = folder / "item.json"

    def change(edit):
        item = json.loads(path.read_text())
        edit(item)
        path.write_text(json.dumps(item))
        return path

    return folder, change


def without_metadata(item):
    del item["assets"]["product_metadata"]


def test_a_scene_in_place_is_the_product(web, kept):
    here, there = open_scene(kept), open_scene(f"{web.url}/item.json")
    for fact in ("id", "grid", "datetime", "baseline", "level", "radiometry", "bands", "has_cloud_mask"):
        assert getattr(there, fact) == getattr(here, fact), fact
    assert there.path == f"{web.url}/item.json"
    window = Window(37, 41, 100, 110)
    for one, other in zip(here.load(window), there.load(window), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(here.classes(), there.classes())


def test_a_window_costs_the_bytes_of_its_tiles_and_an_open_file_no_request_twice(web):
    scene = open_scene(f"{web.url}/item.json")
    web.fail()
    scene.load(Window(0, 0, 100, 100))
    first = web.requests()
    assert all(method == "GET" and asked for method, _, asked in first)
    assert len(first) <= 5
    web.fail()
    scene.load(Window(0, 0, 100, 100))
    assert web.requests() == []


def write_stack(cogs):
    """The four bands in one file, with their names."""
    bands = [cogs / f"{band}.tif" for band in DEFAULT_BANDS]
    with rasterio.open(bands[0]) as first:
        profile = first.profile | {"count": 4, "driver": "GTiff", "tiled": True}
    with rasterio.open(cogs / "stack.tif", "w", **profile) as target:
        for index, path in enumerate(bands, 1):
            with rasterio.open(path) as source:
                target.write(source.read(1), index)
        target.descriptions, target.scales, target.offsets = DEFAULT_BANDS, [1e-4] * 4, [-0.1] * 4


@pytest.mark.parametrize("place", ["here", "there"])
def test_one_asset_may_hold_all_bands(web, cogs, place):
    write_stack(cogs)
    item = json.loads((cogs / "item.json").read_text())
    without_metadata(item)
    data = {"href": "./stack.tif", "bands": [{"name": band} for band in DEFAULT_BANDS]}
    item["assets"] = {"data": data, "scl": item["assets"]["scl"]}
    (cogs / "one.json").write_text(json.dumps(item))
    scene = open_scene(cogs / "one.json" if place == "here" else f"{web.url}/one.json")
    np.testing.assert_array_equal(scene.read(), open_scene(cogs / "item.json").read())
    assert {layer.index for layer in scene.layers.values()} == {1, 2, 3, 4}


@pytest.mark.parametrize("where", ["file", "address"])
def test_an_item_is_opened_from_disk_too_and_a_cog_by_itself(web, cogs, tmp_path, where):
    if where == "file":
        scene = open_scene(cogs / "item.json")
    else:
        write_stack(cogs)
        scene = open_scene(f"{web.url}/stack.tif")
        assert (scene.id, scene.path) == ("stack", f"{web.url}/stack.tif")
    np.testing.assert_array_equal(scene.read(), open_scene(f"{web.url}/item.json").read())


def test_without_metadata_the_scale_of_the_files_counts(mine):
    folder, change = mine
    item = change(without_metadata)
    for band in DEFAULT_BANDS:
        set_scale(folder / f"{band}.tif", 1e-4, -0.1)
    assert open_scene(item).radiometry == "(DN -1000) / 10000, from the file's scale and offset"


def test_what_nobody_declares_is_refused_until_the_offset_is_given(mine):
    _, change = mine

    def believe_me(item):
        without_metadata(item)
        item["properties"] |= {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.10"}
        for asset in item["assets"].values():
            asset["raster:bands"] = [{"scale": 1e-4, "offset": -0.1}]

    item = change(believe_me)
    with pytest.raises(GlofgeoError, match="does not say whether its DN include the offset") as refused:
        open_scene(item)
    assert refused.value.argument == "offset"
    assert open_scene(item, offset=-1000).radiometry == "(DN -1000) / 10000, as given"


def test_files_and_metadata_that_contradict_each_other_are_refused(mine):
    folder, change = mine
    set_scale(folder / "B03.tif", 1e-4, 0.0)
    with pytest.raises(GlofgeoError, match=r"B03 carries .*DN \+0.*metadata say .*DN -1000"):
        open_scene(change(lambda item: None))


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (1e-2, -0.1), (1.0, -0.1)])
def test_a_band_with_another_scale_or_offset_is_refused(mine, scale, offset):
    folder, change = mine
    for band in DEFAULT_BANDS:
        set_scale(folder / f"{band}.tif", *((scale, offset) if band == "B04" else (1e-4, -0.1)))
    with pytest.raises(GlofgeoError, match=r"bands disagree about scale and offset .*B04: \(DN"):
        open_scene(change(without_metadata))


def test_an_offset_that_contradicts_the_metadata_is_refused(cogs):
    with pytest.raises(GlofgeoError, match="its offset is -1000, not 0"):
        open_scene(cogs / "item.json", offset=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("s2:product_uri", "S2A_MSIL2A_20241015T045701_N0511_R119_T45RVL_20241015T085704.SAFE"),
        ("datetime", "2024-10-25T05:03:04Z"),
    ],
)
def test_metadata_of_another_product_are_refused(mine, field, value):
    _, change = mine
    item = change(lambda item: item["properties"].update({field: value}))
    with pytest.raises(GlofgeoError, match="product metadata are those of another product"):
        open_scene(item)


@pytest.mark.parametrize("given", ["text", "path", "item"])
def test_paths_into_files_of_this_computer_are_refused(mine, given):
    folder, change = mine
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.write(folder / "B04.tif", "B04.tif")
    path = f"/vsizip/{folder / 'x.zip'}/B04.tif"
    item = change(lambda item: item["assets"]["b04"].update(href=path))
    source = {"text": path, "path": Path(path), "item": item}[given]
    with pytest.raises(GlofgeoError, match=r"/vsizip/.*B04\.tif: .*are not read; unpack it"):
        open_scene(source)


def test_paths_of_gdal_on_the_network_are_not_taken_apart(web, mine, cogs):
    _, change = mine
    item = change(lambda item: item["assets"]["b04"].update(href=f"/vsicurl/{web.url}/B04.tif"))
    np.testing.assert_array_equal(open_scene(item).read(), open_scene(cogs / "item.json").read())


@pytest.mark.parametrize("lacking", ["geometry", "tile"])
def test_a_place_is_wanted_of_the_files_not_of_the_item(mine, cogs, lacking):
    _, change = mine

    def lose(item):
        if lacking == "geometry":
            item["geometry"] = None
        else:
            del item["properties"]["grid:code"], item["properties"]["s2:product_uri"]
            item["id"] = "mine"

    item = change(lose)
    np.testing.assert_array_equal(open_scene(item).read(), open_scene(cogs / "item.json").read())
    with pytest.raises(GlofgeoError, match=f"lacks (a|the) {lacking}"):
        read_item(item.read_text())


def test_a_missing_band_is_named(mine):
    _, change = mine
    item = change(lambda item: item["assets"].pop("b08"))
    with pytest.raises(GlofgeoError, match="has no asset of B08; it has B02, B03, B04"):
        open_scene(item)


def test_jpeg_2000_is_not_read_in_place(web, mine, cogs):
    (cogs / "jp2.json").write_text((cogs / "item.json").read_text().replace("./B03.tif", "./B03.jp2"))
    for address in (f"{web.url}/jp2.json", f"{web.url}/B03.jp2"):
        with pytest.raises(GlofgeoError, match="JPEG 2000 cannot be read in place; download it first"):
            open_scene(address)
    assert not [path for _, path, _ in web.requests() if path.endswith(".jp2")]


def test_bands_on_another_grid_are_refused(mine):
    folder, change = mine
    with rasterio.open(folder / "B04.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as target:
        target.transform = target.transform.translation(5, 0) * target.transform
    with pytest.raises(GlofgeoError, match="B04: is not on the grid of the other bands"):
        open_scene(change(lambda item: None))


def test_metadata_that_cannot_be_had_are_named(web):
    web.fail(Fault(404, match="product_metadata"))
    with pytest.raises(GlofgeoError, match=r"product_metadata\.xml: cannot be read \(HTTP 404\)"):
        open_scene(f"{web.url}/item.json")


def test_metadata_that_are_none_are_named_without_the_password(web, cogs):
    address = web.url.replace("//", "//user:secret@")
    (cogs / "odd.json").write_text((cogs / "item.json").read_text().replace("./product_metadata.xml", "./B02.tif"))
    with pytest.raises(GlofgeoError, match=r"//127\.0\.0\.1:\d+/B02\.tif") as refused:
        open_scene(f"{address}/odd.json")
    assert "secret" not in str(refused.value)


def test_metadata_that_cannot_be_had_are_not_missed_where_the_files_tell(mine):
    folder, change = mine
    item = change(lambda item: item["assets"]["product_metadata"].update(href="./gone.xml"))
    for band in DEFAULT_BANDS:
        set_scale(folder / f"{band}.tif", 1e-4, -0.1)
    assert open_scene(item).radiometry.endswith("from the file's scale and offset")


@pytest.mark.parametrize("kind", [429, 500, 503, 403, "cut"])
def test_items_and_metadata_come_after_failures(web, kept, kind):
    web.fail(Fault(kind, match=".json", last=2), Fault(kind, match=".xml", last=2))
    assert open_scene(f"{web.url}/item.json").radiometry == open_scene(kept).radiometry


@pytest.mark.parametrize("address", ["http://[::1", "https://user:secret@[::1/item.json", "s3://[x/scene.tif"])
def test_a_malformed_address_is_refused(address):
    with pytest.raises(GlofgeoError, match=r"^(https?|s3):…: is malformed; check the address"):
        open_scene(address)


def test_what_is_no_item_is_refused(web, cogs):
    with pytest.raises(GlofgeoError, match="is no JSON"):
        open_scene(f"{web.url}/product_metadata.xml")
    with pytest.raises(GlofgeoError, match="cannot be read \\(HTTP 404\\); check the address"):
        open_scene(f"{web.url}/nothing")
    (cogs / "two.json").write_text(json.dumps({"type": "FeatureCollection", "features": [
        json.loads((cogs / "item.json").read_text())] * 2}))  # fmt: skip
    with pytest.raises(GlofgeoError, match="holds 2 scenes; give one item"):
        open_scene(f"{web.url}/two.json")


def test_training_searches_this_computer_only(web, cogs):
    for path in (f"{web.url}/item.json", cogs / "item.json", "s3://bucket/scene.tif"):
        with pytest.raises(GlofgeoError, match="only scenes of this computer are searched; download it first"):
            find_scenes(path)
