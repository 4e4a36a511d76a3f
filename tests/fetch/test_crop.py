"""A cropped scene reads as the window of the whole one, and is made of pieces that come once."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from remote_scene import set_scale
from shapely.geometry import box

from datasets_def import open_scene
from datasets_def.stac_item import read_item
from glofgeo.errors import GlofgeoError
from glofgeo.fetch import crop as cropping
from glofgeo.fetch.area import area_of
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.crop import can_crop, fetch_crop, holds_area, plan_crop, remove_crop, share_of
from glofgeo.fetch.scene_files import files_of
from glofgeo.fetch.search import Found

from .conftest import full_disk


@pytest.fixture
def found(server, add_scene):
    def make(**how):
        raw = add_scene(**how)
        server.move_out()
        return Found(read_item(raw), raw, Catalog("test", server.url, "sentinel-2-l2a"))

    return make


@pytest.fixture
def area(aoi):
    return area_of(gpd.read_file(aoi))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces and margin as small as the scenes."""
    monkeypatch.setattr(cropping, "_PIECE", 64)
    monkeypatch.setattr(cropping, "_MARGIN", 7)


def fetch(scene, area, out):
    crop = plan_crop(files_of(scene), area, out)
    done = []
    return crop, fetch_crop(crop, done.append), sum(done)


@pytest.mark.parametrize("scale", [True, False])
def test_a_crop_is_the_window_of_the_scene(found, area, product, tmp_path, scale):
    scene = found(scale=scale)
    crop, path, done = fetch(scene, area, tmp_path)
    assert done == len(list(crop.pieces()))
    assert [path.name for path in tmp_path.glob("*.tif")] == [f"{scene.name}.tif"]
    theirs, ours = open_scene(product[0]), open_scene(path)
    assert (ours.id, ours.baseline, ours.level) == (scene.name, "05.10", "L2A")
    assert ours.datetime == scene.item.datetime
    assert ours.grid == theirs.grid.window(crop.window)
    assert 150 < crop.window.width < 200
    assert (ours.read() == theirs.read(crop.window)).all()
    assert (ours.classes() == theirs.classes(crop.window)).all()
    assert (ours.valid() == theirs.valid(crop.window)).all()
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_pieces_cover_the_window_once(found, area, tmp_path):
    crop = plan_crop(files_of(found()), area, tmp_path)
    times = {name: np.zeros((300, 300), int) for name in ("B02", "B03", "B04", "B08", "SCL")}
    for name, window in crop.pieces():
        times[name][window.toslices()] += 1
    wanted = np.zeros((300, 300), int)
    wanted[crop.window.toslices()] = 1
    assert all((count == wanted).all() for count in times.values())


def test_what_has_come_is_not_asked_for_again(found, area, tmp_path, monkeypatch):
    scene, asked = found(), []
    read = cropping._read_piece

    def failing(source, window, name):
        asked.append((name, window))
        if len(asked) == 9:
            raise GlofgeoError("the network is gone")
        return read(source, window, name)

    monkeypatch.setattr(cropping, "_read_piece", failing)
    with pytest.raises(GlofgeoError, match="network"):
        fetch(scene, area, tmp_path)
    assert not list(tmp_path.glob("*.tif"))
    first = set(asked)
    _, path, _ = fetch(scene, area, tmp_path)
    assert len(asked) <= len(set(asked)) + 4
    assert first <= set(asked)
    assert [child.name for child in tmp_path.iterdir()] == [path.name] or path.exists()


def test_a_disk_that_is_full_near_the_end_leaves_no_cut_file(found, area, tmp_path, monkeypatch):
    scene = found()
    _, path, _ = fetch(scene, area, tmp_path)
    size, copy = path.stat().st_size, cropping.copy_raster
    before = open_scene(path).read()
    path.unlink()

    def nearly_full(*args, **how):
        with full_disk(size - 5000):
            copy(*args, **how)

    monkeypatch.setattr(cropping, "copy_raster", nearly_full)
    with pytest.raises(GlofgeoError, match=r"\.tif: cannot be written"):
        fetch(scene, area, tmp_path)
    assert not path.exists()
    monkeypatch.undo()
    monkeypatch.setattr(cropping, "_MARGIN", 7)
    fetch(scene, area, tmp_path)
    assert (open_scene(path).read() == before).all()


@pytest.fixture
def interrupted(found, area, tmp_path, monkeypatch):
    """A scene all of whose pieces have come, and their folder."""
    scene = found()

    def refuse(path):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(GlofgeoError, match="cannot be written"):
        patch.setattr(cropping, "read_through", refuse)
        fetch(scene, area, tmp_path)
    return scene, next(tmp_path.glob(".*.part"))


def test_what_a_killed_process_left_half_written_stops_no_later_one(interrupted, area, tmp_path):
    scene, part = interrupted
    working = part / "working.tif"
    working.write_bytes(working.read_bytes()[:100])
    _, path, _ = fetch(scene, area, tmp_path)
    assert open_scene(path).id == scene.name


def test_a_piece_that_lost_its_end_comes_again(interrupted, area, tmp_path):
    scene, part = interrupted
    piece = next(part.glob("B03-*.npy"))
    piece.write_bytes(piece.read_bytes()[:-100])
    with pytest.raises(GlofgeoError, match=r"B03-.* is damaged; try again"):
        fetch(scene, area, tmp_path)
    _, path, _ = fetch(scene, area, tmp_path)
    assert open_scene(path).id == scene.name


def test_a_file_of_another_origin_is_left_alone(found, area, tmp_path, write_raster):
    scene = found()
    path = write_raster(tmp_path / f"{scene.name}.tif", np.ones((4, 9, 9), np.uint16))
    before = path.read_bytes()
    with pytest.raises(GlofgeoError, match="of another origin"):
        fetch(scene, area, tmp_path)
    assert path.read_bytes() == before


def test_a_crop_serves_an_area_within_it(found, area, tmp_path):
    _, path, _ = fetch(found(), area, tmp_path)
    assert holds_area(path, area)
    assert holds_area(path, gpd.GeoSeries([area.union_all().buffer(-0.001)], crs=4326))
    assert not holds_area(path, gpd.GeoSeries([area.union_all().buffer(0.01)], crs=4326))
    assert not holds_area(tmp_path / "none.tif", area)


def test_without_any_word_on_the_offset_a_crop_is_refused(found, area, tmp_path):
    raw = found(scale=False).raw
    del raw["assets"]["product_metadata"]
    scene = Found(read_item(raw), raw, Catalog("test", "", ""))
    with pytest.raises(GlofgeoError, match=r"baseline 04\.00"):
        fetch(scene, area, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [(b">-1000<", b">-999<", r"DN -1000\).*DN -999\)"), (b"_R119_", b"_R076_", "R076.*, not .*R119")],
)
def test_metadata_that_contradict_the_images_are_refused(found, area, server, tmp_path, old, new, words):
    scene = found()
    path = f"/{scene.name}/product_metadata.xml"
    server.files[path] = server.files[path].replace(old, new)
    server.move_out()
    scene.raw["assets"]["product_metadata"] = {"href": f"{server.url}{path}", "type": "application/xml"}
    scene = Found(read_item(scene.raw), scene.raw, scene.catalog)
    with pytest.raises(GlofgeoError, match=words):
        fetch(scene, area, tmp_path)


@pytest.mark.parametrize("told", ["by the product", "by the images"])
@pytest.mark.parametrize(
    ("scale", "offset", "words"),
    [(1e-4, 0.0, r"B04.*\(DN \+0\)"), (1e-2, -0.1, r"B04.*/ 100\b"), (1.0, -0.1, r"B04.*/ 1\b")],
)
def test_a_band_with_another_scale_or_offset_makes_no_crop(found, area, server, tmp_path, scale, offset, words, told):
    scene = found()
    band, address = tmp_path / "B04", f"/{scene.name}/B04.tif"
    band.write_bytes(server.files[address])
    set_scale(band, scale, offset)
    server.files[address] = band.read_bytes()
    server.move_out()
    if told == "by the images":
        del scene.raw["assets"]["product_metadata"]
        scene = Found(read_item(scene.raw), scene.raw, scene.catalog)
    with pytest.raises(GlofgeoError, match=words):
        fetch(scene, area, tmp_path)
    assert not list(tmp_path.glob("*.tif"))


def moved(metres):
    return lambda pixels, transform: (pixels, transform.translation(metres, 0) * transform)


def coarser(pixels, transform):
    return pixels[:, ::2, ::2], transform * transform.scale(2)


def finer(pixels, transform):
    return pixels.repeat(2, axis=1).repeat(2, axis=2), transform * transform.scale(0.5)


@pytest.mark.parametrize(
    ("band", "change", "crs", "words"),
    [
        ("B04", moved(1000), 32645, "B04: is not on the grid of the other bands"),
        ("B04", moved(0), 32644, "B04: is not on the grid of the other bands"),
        ("B04", coarser, 32645, "B04: has pixels of 20 m, and crops are made of pixels of 10 m"),
        ("SCL", finer, 32645, "SCL: has pixels of 10 m, and crops are made of pixels of 20 m"),
        ("SCL", moved(20), 32645, "SCL: is not on the grid of the other bands"),
        ("B04", lambda pixels, transform: (pixels.repeat(2, axis=0), transform), 32645, "B04: its file has 2 bands"),
    ],
)
def test_files_on_other_grids_make_no_crop(found, area, server, tmp_path, band, change, crs, words):
    scene = found()
    path = f"/{scene.name}/{band}.tif"
    with rasterio.MemoryFile(server.files[path]) as memory, memory.open() as source:
        pixels, transform = change(source.read(), source.transform)
        profile = source.profile | {"crs": f"EPSG:{crs}", "transform": transform, "count": len(pixels)}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile | {"height": pixels.shape[1], "width": pixels.shape[2]}) as target:
            target.write(pixels)
        server.files[path] = memory.read()
    server.move_out()
    with pytest.raises(GlofgeoError, match=words):
        fetch(scene, area, tmp_path)
    assert not list(tmp_path.glob("*.tif"))


def test_a_whole_scene_replaces_its_crop_and_nothing_else(found, area, tmp_path, write_raster):
    _, path, _ = fetch(found(), area, tmp_path)
    files = files_of(found())
    remove_crop(files, tmp_path)
    assert not path.exists()
    write_raster(path, np.ones((4, 9, 9), np.uint16))
    remove_crop(files, tmp_path)
    assert path.exists()


def test_jpeg2000_is_not_cropped(found):
    raw = found().raw
    assert can_crop(Found(read_item(raw), raw, Catalog("test", "", "")))
    raw["assets"]["nir"] |= {"href": raw["assets"]["nir"]["href"].replace(".tif", ".jp2"), "type": "image/jp2"}
    assert not can_crop(Found(read_item(raw), raw, Catalog("test", "", "")))


def test_the_share_is_of_the_scene(found, area):
    scene = found()
    west, south, east, north = scene.item.geometry.bounds
    assert share_of(scene, gpd.GeoSeries([box(west, south, (west + east) / 2, north)], crs=4326)) == pytest.approx(0.5)
    assert share_of(scene, gpd.GeoSeries([box(0, 0, 1, 1)], crs=4326)) == 0


def test_an_odd_window_keeps_the_classes_in_place_and_what_is_none_is_no_data():
    classes = np.arange(-1, 99, dtype=np.int16).reshape(10, 10)

    class Source:
        def read(self, band, window):
            return classes[window.toslices()]

    part = cropping._read_piece(Source(), Window(1, 1, 9, 4), "SCL")
    whole = np.where(classes < 12, classes, 0).clip(0).repeat(2, 0).repeat(2, 1)
    assert (part == whole[1:5, 1:10]).all()
