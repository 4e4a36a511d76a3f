"""From a real catalogue to a map: search, download, training and mapping, each by its own command."""

import hashlib
import shutil
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import geopandas as gpd
import pytest
import rasterio
from served_scene import footprint, metadata_of, serve_file, serve_scene, write_cog
from shapely.geometry import box, shape
from stac_items import DIALECTS, URI

from datasets_def import find_scenes, open_scene
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.query import Query
from glofgeo.fetch.search import NEEDED, search

pytestmark = pytest.mark.servers

AUTUMN = ("--from", "2024-09-01", "--to", "2024-11-30")


@pytest.fixture(scope="module")
def halves(product, tmp_path_factory):
    """An area of interest of two parts, to train on and to validate on."""
    with rasterio.open(next(product[0].rglob("*_B02_10m.jp2"))) as source:
        left, bottom, right, top = source.bounds
        crs = source.crs
    middle = (left + right) / 2
    path = tmp_path_factory.mktemp("aoi") / "imja.geojson"
    parts = [box(left + 50, bottom + 50, middle, top - 50), box(middle, bottom + 50, right - 50, top - 50)]
    gpd.GeoDataFrame({"split": ["train", "val"]}, geometry=parts, crs=crs).to_crs(4326).to_file(path)
    return path


def done(result):
    status, out, err = result
    assert status == 0, err
    return out


def test_all_pages_come(servers):
    first, items = datetime(2024, 10, 1, tzinfo=UTC), []
    for number in range(130):
        item = deepcopy(DIALECTS["earth-search c1"]()) | {"id": f"scene-{number:03d}"}
        when = first + timedelta(hours=5 * number)
        item["properties"] |= {"datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}", "eo:cloud_cover": float(number % 30)}
        items.append(item)
    address = servers.publish("many", items)
    area = shape(items[0]["geometry"])
    query = Query(area, date(2024, 10, 1), date(2024, 10, 31), tuple(range(1, 13)), 100)
    catalog = Catalog("many", address.partition("/collections/")[0], "many")
    assert [one.item.id for one in search(catalog, query)] == [f"scene-{number:03d}" for number in range(130)]
    clear = Query(area, query.first, query.last, query.months, 9)
    found = [one.item.id for one in search(catalog, clear)]
    assert found == [f"scene-{number:03d}" for number in range(130) if number % 30 <= 9]


@pytest.mark.parametrize("dialect", ["earth-search c1", "earth-search", "planetary computer", "copernicus"])
def test_a_scene_comes_from_each_kind_of_catalogue(servers, product, run, halves, tmp_path, monkeypatch, dialect):
    monkeypatch.setenv("AWS_ENDPOINT_URL", servers.s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.secret)
    collection = dialect.replace(" ", "-")
    address = servers.publish(collection, [_with_files(deepcopy(DIALECTS[dialect]()), product[0], servers, tmp_path)])
    out = tmp_path / "scenes"
    days = ("--from", "2023-10-01", "--to", "2023-10-31")
    done(run("fetch", "--aoi", halves, *days, "--catalog", address, "--out", out))
    (folder,) = find_scenes(out)
    ours, theirs = open_scene(folder), open_scene(product[0])
    assert (ours.read() == theirs.read()).all()
    assert (ours.valid() == theirs.valid()).all()
    assert f"{ours.datetime:%Y-%m-%d}" == "2023-10-12"
    assert "there" in done(run("fetch", "--aoi", halves, *days, "--catalog", address, "--out", out))


def _with_files(item, product, servers, folder):
    """A recorded item, with the files of the synthetic product behind its addresses."""
    item["geometry"] = footprint(product)
    name = URI.removesuffix(".SAFE")
    for asset in item["assets"].values():
        path = urlsplit(asset["href"]).path
        band = next((name for name in NEEDED if f"/{name}." in path or f"_{name}_10m." in path), None)
        band = "SCL" if "_SCL_20m." in path else band
        if path.endswith(("product_metadata.xml", "MTD_MSIL2A.xml")):
            content = metadata_of(product, "05.09", name)
        elif path.endswith(("granule_metadata.xml", "MTD_TL.xml")):
            content = next(product.rglob("MTD_TL.xml")).read_bytes()
        elif band and path.endswith(".jp2"):
            content = next(product.rglob(f"*_{band}_*m.jp2")).read_bytes()
        elif band:
            cog = write_cog(product, band, folder / f"{band}.tif", scale="sentinel2-l2" not in path, clouded=0)
            content = cog.read_bytes()
        else:
            continue
        if asset["href"].startswith("s3:"):
            servers.upload(asset["href"], content)
        else:
            query = urlsplit(asset["href"]).query
            served = serve_file(servers, f"/{item['id']}{path}", content, asset["type"])
            asset["href"] = served["href"] + f"?{query}" * bool(query)
        if "file:size" in asset:
            asset["file:size"] = len(content)
            asset["file:checksum"] = "d50110" + hashlib.md5(content).hexdigest()
    return item


def test_the_scene_that_sees_most_of_the_lakes_is_trained_on_and_mapped(
    servers, product, run, halves, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for day, cloud, clouded in (("2024-10-05", 1.0, 1.0), ("2024-10-15", 19.0, 0.0), ("2024-10-25", 10.0, 0.6)):
        serve_scene(servers, product[0], tmp_path, day, cloud=cloud, clouded=clouded)
    address = servers.publish("autumn", servers.items)
    (tmp_path / "data").mkdir()
    shutil.copy(product[1], "data/lakes.gpkg")
    given = ("--aoi", halves, *AUTUMN, "--lakes", "data/lakes.gpkg", "--catalog", address, "--best", "1")
    table = done(run("fetch", *given, "--dry-run")).splitlines()
    assert [line.split()[0] for line in table[1:2]] == ["2024-10-15"]
    assert "1 of 3 scenes" in table
    done(run("fetch", *given))
    (scene,) = find_scenes("data/scenes")
    assert "_20241015T" in scene.name
    small = "--config demo --epochs 1 --data.crops 8 --data.window 56 --model.image-size 56 --device cpu"
    assert "scorecard.md" in done(run("train", "--aoi", halves, *small.split()))
    done(run("map", "--scene", "data/scenes", "--aoi", halves, "--device", "cpu"))
    assert (tmp_path / "maps" / scene.name / "lakes.gpkg").is_file()
    here, there = f"maps/{scene.name}/probability.tif", f"in_place/{scene.name}/probability.tif"
    item = next(one for one in servers.items if "20241015" in one["id"])
    words = ("--scene", f"{address}/items/{item['id']}", "--aoi", halves, "--device", "cpu", "--out", "in_place")
    done(run("map", *words))
    with rasterio.open(here) as one, rasterio.open(there) as other:
        assert (one.read() == other.read()).all()
