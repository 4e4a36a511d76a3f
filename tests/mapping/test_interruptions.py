"""Whatever stops the mapper, what lies under a final name is whole, and the next run finishes."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch
from geopandas.testing import assert_geodataframe_equal

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.scene_folder import FILES
from glofgeo.models import Header, torch_predictor

KILLS = 20


class DarkInInfrared(torch.nn.Module):
    """Calls a pixel lake if its B08 is low."""

    config = ModelConfig(variant="tiny", image_size=126)

    def forward(self, reflectance):
        return (0.05 - reflectance[:, 3:4]) * 100


def work(scenes, out, most_bytes=None):
    """Maps scenes in a process of its own; ends with 3 if the disk takes no more."""
    torch.set_num_threads(1)
    # A shell starts what runs in the background deaf to Ctrl-C, the tests too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config = TrainConfig(model=DarkInInfrared.config, data=DataConfig(window=126))
    header = Header(config, {}, None, "known")
    if most_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        report = map_scenes(scenes, torch_predictor(DarkInInfrared(), header), out=out)
    except GlofgeoError as error:
        os._exit(3 if "cannot write" in str(error) else 4)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(1 if report.failed else 0)


@pytest.fixture(scope="module")
def processes():
    """Starts processes that have everything imported, so that the time to a kill is time spent mapping."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glofgeo.mapping.batch", "glofgeo.models"])
    return context


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    from datasets_def.synthetic.product import write_product

    folder = tmp_path_factory.mktemp("scenes")
    first = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
    return [write_product(folder, size=300, seed=i, when=first + timedelta(days=5 * i))[0] for i in range(3)]


def run(processes, *arguments):
    process = processes.Process(target=work, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def start(processes, *arguments):
    """Gives a process that has begun to map."""
    out = arguments[1]
    process = processes.Process(target=work, args=arguments)
    process.start()
    while process.exitcode is None and not any(out.glob(".S2*")):
        time.sleep(0.002)
    return process


@pytest.fixture(scope="module")
def undisturbed(processes, scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "maps"
    process = start(processes, scenes, out)
    started = time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return out, time.perf_counter() - started


def assert_whole(folder):
    assert {path.name for path in folder.iterdir()} == set(FILES)
    for name in ("mask.tif", "probability.tif"):
        with rasterio.open(folder / name) as source:
            source.read()
    gpd.read_file(folder / "lakes.gpkg", layer="lakes")
    json.loads((folder / "run.json").read_text())


def assert_equal(out, expected):
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in expected.iterdir())
    for folder in (path for path in expected.iterdir() if path.is_dir()):
        for name in ("mask.tif", "probability.tif", "overview.png"):
            assert (out / folder.name / name).read_bytes() == (folder / name).read_bytes(), name
        for layer in ("lakes", "lakes_points"):
            mine, theirs = (gpd.read_file(path / folder.name / "lakes.gpkg", layer=layer) for path in (out, expected))
            assert_geodataframe_equal(mine, theirs)


def test_killed_at_any_moment_the_next_run_finishes(processes, scenes, undisturbed, tmp_path):
    expected, seconds = undisturbed
    moments = random.Random(0)
    out = tmp_path / "maps"
    killed = 0
    while killed < KILLS:
        process = start(processes, scenes, out)
        process.join(moments.uniform(0, seconds))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            killed += 1
        for folder in out.glob("S2*"):
            assert_whole(folder)
        if process.exitcode == 0:
            assert_equal(out, expected)
            shutil.rmtree(out)
    assert run(processes, scenes, out) == 0
    assert_equal(out, expected)


@pytest.mark.parametrize("most_bytes", [5_000, 60_000])
def test_a_full_disk_ends_clearly(processes, scenes, tmp_path, most_bytes):
    out = tmp_path / "maps"
    assert run(processes, scenes[:1], out, most_bytes) == 3
    assert list(out.iterdir()) == []


def test_ctrl_c_ends_clearly(processes, scenes, undisturbed, tmp_path):
    out = tmp_path / "maps"
    process = start(processes, scenes, out)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert [path for path in out.iterdir() if path.name.startswith(".")] == []
    for folder in out.iterdir():
        assert_whole(folder)


def test_a_read_error_in_the_middle_of_a_band_ends_clearly(processes, tmp_path, write_raster):
    array = np.random.default_rng(0).integers(1000, 4000, (4, 3000, 200)).astype(np.uint16)
    plain = write_raster(tmp_path / "plain.tif", array, scale=1e-4)
    scene = tmp_path / "scene.tif"
    rasterio.shutil.copy(plain, scene, driver="GTiff", compress="deflate")
    whole = bytearray(scene.read_bytes())
    middle = len(whole) * 3 // 4
    whole[middle : middle + 2000] = bytes(2000)
    scene.write_bytes(whole)
    assert run(processes, [scene], tmp_path / "maps") == 1
    assert list((tmp_path / "maps").iterdir()) == []
