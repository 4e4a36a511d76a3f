"""Maps as a STAC catalogue: valid by the schemas, links that lead somewhere, and right after every rerun."""

import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import rasterio

from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.scene import map_scene
from glofgeo.models import load_model


def scene_of(write_raster, path, **told):
    array = np.random.default_rng(0).integers(1000, 4000, (4, 80, 90)).astype(np.uint16)
    return write_raster(path, array, scale=1e-4, **told)


@pytest.fixture
def model(checkpoint):
    return load_model(checkpoint)


@pytest.fixture
def maps(tmp_path, model, product, write_raster):
    """Two maps: of a product, and of a raster of unknown time in a folder with a space."""
    folder = tmp_path / "my scenes"
    folder.mkdir()
    plain = scene_of(write_raster, folder / "plain.tif")
    map_scenes([product[0], plain], model, out=tmp_path / "maps")
    return tmp_path / "maps"


def load(path):
    return json.loads(path.read_text())


def links(document, rel):
    return [link["href"] for link in document["links"] if link["rel"] == rel]


def test_all_documents_are_valid(maps, stac_faults):
    items = sorted(maps.glob("*/item.json"))
    documents = [*items, maps / "collection.json", next(maps.glob("model-*.json"))]
    assert len(items) == 2
    for path in documents:
        assert stac_faults(load(path)) == [], path
    for path in items:
        bands = [band for asset in load(path)["assets"].values() for band in asset.get("bands", ())]
        assert len(bands) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ("bbox", None),
        ("proj:transform", [1]),
        ("file:size", "large"),
        ("value", "lake"),
        ("raster:sampling", "mean"),
    ],
)
def test_the_schemas_can_tell(maps, stac_faults, wrong):
    item = load(next(maps.glob("S2*/item.json")))
    mask = item["assets"]["mask"]
    key, value = wrong
    for place in (item, item["properties"], mask, mask["classification:classes"][0], mask["bands"][0]):
        if key in place:
            place[key] = value
    assert stac_faults(item)


def test_links_lead_to_files(maps, product):
    collection = load(maps / "collection.json")
    items = [(maps / href).resolve() for href in links(collection, "item")]
    assert items == sorted(path.resolve() for path in maps.glob("*/item.json"))
    scenes = set()
    for path in items:
        item = load(path)
        for link in item["links"]:
            assert (path.parent / unquote(link["href"])).exists(), link
        scenes |= {(path.parent / unquote(href)).resolve() for href in links(item, "derived_from")}
        (described,) = links(item, "mlm:model")
        weights = load(path.parent / described)["assets"]["model"]["href"]
        assert (maps / unquote(weights)).is_file()
    assert scenes == {product[0].resolve(), (maps.parent / "my scenes" / "plain.tif").resolve()}


def test_assets_are_the_files_byte_for_byte(maps):
    for path in maps.glob("*/item.json"):
        assets = load(path)["assets"].values()
        assert {Path(asset["href"]).name for asset in assets} | {path.name} == {f.name for f in path.parent.iterdir()}
        for asset in assets:
            content = (path.parent / asset["href"]).read_bytes()
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_an_item_says_where_and_when(maps):
    item = load(next(maps.glob("S2*/item.json")))
    said = item["properties"]
    assert said["datetime"] == "2024-10-15T04:57:01Z"
    assert (said["platform"], said["proj:code"], said["proj:shape"]) == ("sentinel-2a", "EPSG:32645", [300, 300])
    west, south, east, north = item["bbox"]
    assert west < 86.925 < east and south < 27.898 < north
    with rasterio.open(maps / item["id"] / "mask.tif") as mask:
        assert said["proj:bbox"] == list(mask.bounds)
        assert said["proj:transform"] == list(mask.transform)[:6]
    unknown = load(maps / "plain" / "item.json")["properties"]
    assert unknown["datetime"] is None and unknown["start_datetime"] < unknown["end_datetime"]


def test_a_rerun_keeps_the_catalogue_right(maps, model, product, write_raster):
    other = scene_of(write_raster, maps.parent / "other.tif", origin=(301000, 3100000))
    before = load(maps / "collection.json")
    edited = before | {"title": "Lakes of our district", "license": "CC-BY-4.0"}
    (maps / "collection.json").write_text(json.dumps(edited))
    shutil.rmtree(maps / "plain")
    map_scenes([product[0], other], model, out=maps)
    after = load(maps / "collection.json")
    assert {Path(href).parent.name for href in links(after, "item")} == {product[0].stem, "other"}
    assert (after["title"], after["license"]) == ("Lakes of our district", "CC-BY-4.0")
    (maps / product[0].stem / "item.json").unlink()
    assert [path.name for path in map_scenes([product[0], other], model, out=maps).mapped] == [product[0].stem]


def test_a_single_map_is_catalogued_too(tmp_path, model, write_raster, stac_faults):
    map_scene(scene_of(write_raster, tmp_path / "one.tif"), model, out=tmp_path / "maps")
    assert links(load(tmp_path / "maps" / "collection.json"), "item") == ["./one/item.json"]


def test_a_map_across_the_antimeridian_is_valid(tmp_path, model, write_raster, stac_faults):
    scene = scene_of(write_raster, tmp_path / "fiji.tif", crs="EPSG:32701", origin=(182200, 8000000))
    map_scenes([scene], model, out=tmp_path / "maps")
    item, collection = load(tmp_path / "maps" / "fiji" / "item.json"), load(tmp_path / "maps" / "collection.json")
    assert stac_faults(item) == stac_faults(collection) == []
    assert item["geometry"]["type"] == "MultiPolygon" and item["bbox"][0] > 179 and item["bbox"][2] < -179
    assert collection["extent"]["spatial"]["bbox"][0][::2] == [-180, 180]


def test_what_is_not_ours_stays(tmp_path, model, write_raster):
    out = tmp_path / "maps"
    out.mkdir()
    (out / "collection.json").write_text('{"stac_version": "1.0.0", "id": "landsat"}')
    with pytest.raises(GlofgeoError, match=r"collection\.json"):
        map_scenes([scene_of(write_raster, tmp_path / "one.tif")], model, out=out)
    assert [path.name for path in out.iterdir()] == ["collection.json"]
