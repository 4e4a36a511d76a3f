"""Pictures of lakes before and after in the report, cut out of the scenes that the maps name."""

import base64
import io
import json
import re

import numpy as np
import pytest
import rasterio
from PIL import Image

import glofgeo
from datasets_def.scene import open_scene

from .lakes import EAST, NORTH, disc, frame, mask


@pytest.fixture
def map_of(tmp_path, write_raster):
    """Makes a map's folder beside its scene: a dark lake on bright ground, and hidden ground."""

    def make(day, km2, place=(2, 2), hidden=None, scene=True):
        folder = tmp_path / "maps" / day
        folder.mkdir(parents=True)
        lake = disc(*place, km2)
        frame([lake], day).to_file(folder / "lakes.gpkg")
        mask(folder / "mask.tif", hidden)
        if scene:
            dn = np.full((3, 500, 500), 3000, np.uint16)
            east, north = 100 * place[0], 500 - 100 * place[1]
            rows, cols = np.ogrid[:500, :500]
            dn[:, np.hypot(cols + 0.5 - east, rows + 0.5 - north) * 10 < lake.length / 2 / np.pi] = 300
            write_raster(tmp_path / f"{day} (1).tif", dn, bands=("B02", "B03", "B04"), origin=(EAST, NORTH + 5000))
        link = {"rel": "derived_from", "href": f"../../{day}%20%281%29.tif"}
        (folder / "item.json").write_text(json.dumps({"links": [link]}))
        return folder

    return make


def pictures(page):
    found = re.findall(r'class="seen".*?image/jpeg;base64,([^"]+)', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def page_of(folder, *maps):
    glofgeo.compare(*maps).write(folder)
    return (folder / "report.html").read_text()


def test_a_lake_that_drained_is_shown_before_and_after(tmp_path, map_of):
    page = page_of(tmp_path / "out", map_of("2020-10-15", 0.3), map_of("2021-10-15", 0.1))
    assert "Seen before" in page and "Seen after" in page
    before, after, *again = pictures(page)  # once among the largest changes, once among the alerts
    assert len(again) == 2 and before.shape == after.shape
    dark = [(picture.mean(axis=2) < 100).mean() for picture in (before, after)]
    assert dark[0] / dark[1] == pytest.approx(3, rel=0.1)
    side = 1.5 * 2 * np.sqrt(0.3e6 / np.pi)  # metres across the frame
    assert dark[0] == pytest.approx(0.3e6 / side**2, rel=0.1)
    assert max(map(len, re.findall(r"base64,([^\"]+)", page))) < 12_000


def test_products_and_files_that_tell_no_offset_are_shown(tmp_path, product, write_raster, map_of):
    scene = open_scene(product[0])
    x, y = scene.outline.centroid.coords[0]
    maps = [map_of(day, km2, ((x - EAST) / 1000, (y - NORTH) / 1000), scene=False)
            for day, km2 in (("2020-10-15", 0.3), ("2021-10-15", 0.1))]  # fmt: skip
    silent = write_raster(tmp_path / "silent.tif", np.full((3, 300, 300), 2000, np.uint16), tells=False,
                          bands=("B02", "B03", "B04"), origin=scene.outline.bounds[::3])  # fmt: skip
    for folder, path in zip(maps, (product[0], silent), strict=True):
        with rasterio.open(folder / "mask.tif", "w", "GTiff", *scene.shape, 1, scene.crs, scene.transform, "uint8"):
            pass  # all land
        (folder / "item.json").write_text(json.dumps({"links": [{"rel": "derived_from", "href": str(path)}]}))
    before, after, *_ = pictures(page_of(tmp_path / "out", *maps))
    assert before.std() > 10 and after.std() < 60


def test_without_scenes_there_are_no_pictures(tmp_path, map_of):
    page = page_of(tmp_path / "out", map_of("2020-10-15", 0.3, scene=False), map_of("2021-10-15", 0.1, scene=False))
    assert "Seen" not in page and not pictures(page) and page.count('class="shape"') == 2


def test_beyond_the_scene_a_picture_is_black_and_mostly_beyond_there_is_none(tmp_path, map_of):
    days = (("2020-10-15", 0.3), ("2021-10-15", 0.1))
    page = page_of(tmp_path / "edge", *(map_of(day, km2, (0.2, 3)) for day, km2 in days))
    before = pictures(page)[0].mean(axis=2)
    assert (before[:, :15] < 20).all() and before[5, 60] > 100
    away = [map_of(day, km2, (-0.2, 3)) for day, km2 in (("2022-10-15", 0.3), ("2023-10-15", 0.1))]
    assert not pictures(page_of(tmp_path / "away", *away))


def test_a_scene_that_is_gone_or_broken_is_left_out(tmp_path, map_of):
    before, after = map_of("2020-10-15", 0.3), map_of("2021-10-15", 0.1)
    (tmp_path / "2020-10-15 (1).tif").unlink()
    (tmp_path / "2021-10-15 (1).tif").write_bytes(b"no raster")
    assert not pictures(page_of(tmp_path / "out", before, after))
