"""Files that stay open between crops are read like files opened anew."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window
from torch.utils.data import DataLoader, Dataset

from datasets_def import Sentinel2, files, open_scene
from datasets_def.bands import BANDS, DEFAULT_BANDS
from glofgeo.errors import GlofgeoError

ROWS, COLS, LEFT, TOP = 60, 90, 300000, 3100000


def pixels(seed=0, rows=ROWS, cols=COLS):
    return np.random.default_rng(seed).integers(0, 3000, (4, rows, cols)).astype(np.uint16)


def reflectance(numbers):
    """What is read of digital numbers: where one band has none, all have their mean."""
    means = np.array([BANDS[band].mean for band in DEFAULT_BANDS], np.float32)
    return np.where((numbers > 0).all(axis=0), numbers / np.float32(1e4), means[:, None, None])


@given(st.integers(-20, COLS), st.integers(-20, ROWS), st.integers(1, 70), st.integers(1, 70))
def test_any_crop_is_a_plain_read_of_the_file(tmp_path, write_raster, col, row, width, height):
    path = tmp_path / "scene.tif"
    if not path.exists():
        write_raster(path, pixels(), scale=1e-4)
    assume(col + width != 0 and row + height != 0)  # the index takes what touches a scene for a part of it
    assume(col != COLS and row != ROWS)
    inside = col + width > 0 and row + height > 0 and col < COLS and row < ROWS
    x, y = LEFT + 10 * col, TOP - 10 * row
    query = (slice(x, x + 10 * width), slice(y - 10 * height, y))
    dataset = Sentinel2(path)
    if not inside:
        with pytest.raises(IndexError):
            dataset[query]
        return
    found = dataset[query]
    with rasterio.open(path) as source:
        expected = source.read(window=Window(col, row, width, height), boundless=True, fill_value=0)
    assert np.array_equal(found["valid"].numpy(), (expected > 0).all(axis=0))
    assert np.allclose(found["image"].numpy(), reflectance(expected), atol=1e-7)


def test_a_file_that_was_replaced_is_read_anew(tmp_path, write_raster):
    path = write_raster(tmp_path / "scene.tif", pixels(1), scale=1e-4)
    first = open_scene(path).read()
    write_raster(tmp_path / "other.tif", pixels(2), scale=1e-4).replace(path)
    assert np.array_equal(open_scene(path).read(), reflectance(pixels(2)))
    assert not np.array_equal(open_scene(path).read(), first)


def test_a_file_that_cannot_be_read_is_not_kept(tmp_path, write_raster):
    path = write_raster(tmp_path / "scene.tif", pixels(3, 400, 400), scale=1e-4)
    scene, whole = open_scene(path), path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        with pytest.raises(GlofgeoError, match="cannot be read"):
            scene.read()
    path.write_bytes(whole)
    assert np.array_equal(scene.read(), reflectance(pixels(3, 400, 400)))


def test_no_more_files_stay_open_than_allowed(tmp_path, write_raster, monkeypatch):
    monkeypatch.setattr(files, "_MOST_OPEN", 3)
    paths = [write_raster(tmp_path / f"{n}.tif", pixels(n, 8, 8), scale=1e-4) for n in range(6)]
    for _ in range(2):
        for number, path in enumerate(paths):
            assert np.array_equal(open_scene(path).read(), reflectance(pixels(number, 8, 8)))
    folder = Path("/proc/self/fd")
    held = [str(link.readlink()) for link in folder.iterdir() if link.is_symlink()]
    assert sum(str(tmp_path) in name for name in held) == 3


class Crops(Dataset):
    def __init__(self, path):
        self.dataset = Sentinel2(path)

    def __len__(self):
        return 12

    def __getitem__(self, number):
        x, y = LEFT + 50 * number, TOP - 30 * number
        return self.dataset[slice(x, x + 200), slice(y - 200, y)]["image"]


def test_loader_processes_and_threads_read_what_their_parent_reads(tmp_path, write_raster):
    crops = Crops(write_raster(tmp_path / "scene.tif", pixels(5), scale=1e-4))
    expected = [crops[number].numpy() for number in range(len(crops))]
    for number, batch in enumerate(DataLoader(crops, batch_size=1, num_workers=2)):
        assert np.array_equal(batch[0].numpy(), expected[number])
    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(lambda n: crops[n % 12].numpy(), range(200))):
            assert np.array_equal(found, expected[number % 12])


@pytest.mark.parametrize(
    ("name", "method"),
    [("a.TIF", "fork"), ("a.vrt", "fork"), ("a.tiff", "fork"), ("a.jp2", "fork"), ("a.vrt", "spawn")],
)
def test_loader_processes_read_every_kind_of_file_after_their_parent_did(tmp_path, write_raster, name, method):
    """GDAL's threads, once started, do not outlive a fork: loader processes that want them wait for ever."""
    path = write_raster(tmp_path / "plain.tif", pixels(6, 600, 600), scale=1e-4)
    driver = {".vrt": "VRT", ".jp2": "JP2OpenJPEG"}.get(Path(name).suffix, "GTiff")
    lossless = {"REVERSIBLE": "YES", "QUALITY": "100"} if driver == "JP2OpenJPEG" else {}
    copy_raster(path, tmp_path / name, driver=driver, **lossless)
    crops = Crops(tmp_path / name)
    crops.dataset.scenes[str(tmp_path / name)].read()
    loader = DataLoader(crops, batch_size=1, num_workers=1, multiprocessing_context=method, timeout=300)
    for number, batch in enumerate(loader):
        assert np.array_equal(batch[0].numpy(), crops[number].numpy())


def test_a_relative_name_may_begin_as_it_likes(tmp_path, write_raster, monkeypatch):
    write_raster(tmp_path / "!new_B02B03B04B08.tif", np.full((4, 30, 30), 900, np.uint16))
    monkeypatch.chdir(tmp_path)
    assert open_scene("!new_B02B03B04B08.tif").read().shape == (4, 30, 30)
