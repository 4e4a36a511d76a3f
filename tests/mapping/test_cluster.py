"""Scenes on a Dask cluster: the maps of a run without it, whatever happens to its workers."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import distributed
import numpy as np
import pytest

from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.cluster import OtherVersionsError, own_versions, require_same_versions
from glofgeo.mapping.scene_list import list_scenes
from glofgeo.models import load_model
from glofgeo.terminal import told

KILLS = int(os.environ.get("GLOFGEO_TEST_KILLS", "3"))
BAD = "crash"
TORCH = ("glofgeo.inference.batches", "glofgeo.models.checkpoint", "glofgeo.models.torch_runtime")
COMMAND = Path(sys.executable).parent / "glofgeo"

# Loaded by the workers: the bad scene ends its process, the others take a while.
PRELOAD = f"""
import os, time
import glofgeo.mapping.cluster as cluster
from glofgeo.mapping.scene import run_job as mapped
def run_job(job, batcher, out):
    if job.scene.id == "{BAD}":
        os._exit(9)
    time.sleep(0.5)
    return mapped(job, batcher, out)
cluster.run_job = run_job
"""


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_model(checkpoint)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Six scenes, one of which ends whatever maps it."""
    import rasterio
    from rasterio.transform import from_origin

    folder = tmp_path_factory.mktemp("scenes")
    for number, name in enumerate([*"abcde", BAD]):
        array = np.random.default_rng(number).integers(1000, 4000, (4, 200, 150)).astype(np.uint16)
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", dtype="uint16", count=4, height=200, width=150,
            crs="EPSG:32645", transform=from_origin(300_000 + 1500 * number, 3_100_000, 10, 10), nodata=0,
        ) as target:  # fmt: skip
            target.write(array)
            target.descriptions = ("B02", "B03", "B04", "B08")
            target.scales, target.offsets = [1e-4] * 4, [0.0] * 4
    return [folder / f"{name}.tif" for name in [*"abcde", BAD]]


@pytest.fixture(scope="module")
def alone(scenes, model, tmp_path_factory):
    """The maps of the good scenes without a cluster."""
    out = tmp_path_factory.mktemp("alone")
    map_scenes(scenes[:-1], model, out=out)
    return out


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    from distributed.utils import get_mp_context

    preload = tmp_path_factory.mktemp("preload") / "preload.py"
    preload.write_text(PRELOAD)
    # Workers that have everything imported start at once, each time one was killed.
    quick = {
        "distributed.worker.multiprocessing-method": "forkserver",
        "distributed.deploy.lost-worker-timeout": "600s",
    }
    with dask.config.set(quick):
        get_mp_context().set_forkserver_preload(["glofgeo.mapping.cluster", "glofgeo.mapping.map_files", *TORCH])
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, preload=[str(preload)], dashboard_address=":0",
            silence_logs="CRITICAL",
        ) as started:  # fmt: skip
            yield started


def files(out, name):
    """What a map is, but for its record, which tells times."""
    return {path.name: path.read_bytes() for path in (out / name).iterdir() if path.suffix != ".json"}


def hidden(out):
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


def kill_at_random(cluster, count, stop):
    """Kills workers that are up, until so many were."""
    moments = random.Random(0)
    while count and not stop.is_set():
        time.sleep(moments.uniform(0, 3))
        processes = [nanny.process.pid for nanny in cluster.workers.values() if nanny.process and nanny.process.pid]
        if processes:
            os.kill(moments.choice(processes), signal.SIGKILL)
            count -= 1


def test_whatever_happens_to_workers_the_maps_are_those_of_a_run_without_them(cluster, scenes, model, alone, tmp_path):
    """A scene that is begun twice in vain is named, be it the scene's fault or not; the next run maps it."""
    stop = threading.Event()
    killer = threading.Thread(target=kill_at_random, args=(cluster, KILLS, stop))
    killer.start()
    try:
        for _ in range(5):
            report = map_scenes(scenes, model, out=tmp_path, dask=cluster.scheduler_address)
            assert "its worker was lost 2 times" in str(report.failed[str(scenes[-1])])
            assert hidden(tmp_path) == []
            if len(report.failed) == 1 and not killer.is_alive():
                break
    finally:
        stop.set()
        killer.join()
    assert set(report.failed) == {str(scenes[-1])}
    for scene in scenes[:-1]:
        assert files(tmp_path, scene.stem) == files(alone, scene.stem)
    assert (tmp_path / "lakes.gpkg").read_bytes() == (alone / "lakes.gpkg").read_bytes()


def test_a_killed_client_is_started_again_and_goes_on(cluster, scenes, checkpoint, alone, tmp_path):
    words = ["map", "--scene", *scenes[:-1], "--checkpoint", checkpoint, "--out", tmp_path / "maps"]
    words = [COMMAND, *words, "--dask", cluster.scheduler_address]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob("maps/*/run.json")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    result = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    assert "mapped before" in result.stdout and "Dask: http" in result.stderr
    assert hidden(tmp_path / "maps") == []
    for scene in scenes[:-1]:
        assert files(tmp_path / "maps", scene.stem) == files(alone, scene.stem)


def test_an_adaptive_cluster_grows_and_the_command_waits_for_its_workers(scenes, checkpoint, alone, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{scene}\n" for scene in scenes[:-1]))
    with distributed.LocalCluster(n_workers=0, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as started:
        started.adapt(minimum=0, maximum=2)
        address = tmp_path / "scheduler.json"
        with distributed.Client(started) as client:
            client.write_scheduler_file(str(address))
        words = ["map", "--scene", f"@{listed}", "--checkpoint", checkpoint, "--out", "maps", "--dask", address]
        words = [COMMAND, *words]
        result = subprocess.run(words, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for scene in scenes[:-1]:
        assert files(tmp_path / "maps", scene.stem) == files(alone, scene.stem)


def test_a_cluster_of_this_machine_maps_with_relative_paths(scenes, checkpoint, alone, tmp_path):
    words = [COMMAND, "map", "--scene", *(scene.name for scene in scenes[:2]), "--checkpoint", checkpoint]
    words += ["--out", tmp_path / "maps", "--dask", "auto"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=900, cwd=scenes[0].parent)
    assert result.returncode == 0, result.stderr
    assert "Dask: http" in result.stderr and "distributed." not in result.stderr
    for scene in scenes[:2]:
        assert files(tmp_path / "maps", scene.stem) == files(alone, scene.stem)


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "gone.json", "nonsense", "search.json", "list.json"])
def test_a_cluster_that_is_not_there_is_named(scenes, model, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    Path("search.json").write_text('{"features": []}')
    Path("list.json").write_text("[1]")
    with pytest.raises(GlofgeoError, match="no Dask scheduler answers") as refusal:
        map_scenes(scenes[:1], model, out=tmp_path / "maps", dask=where)
    assert "--dask" in told(refusal.value)


def test_workers_of_other_versions_are_refused():
    here = own_versions()
    require_same_versions(here, here)
    with pytest.raises(OtherVersionsError, match=r"rasterio 0\.1 \(here"):
        require_same_versions(here, here | {"rasterio": "0.1"})
    with pytest.raises(OtherVersionsError, match="torch missing"):
        require_same_versions(here, {name: there for name, there in here.items() if name != "torch"})


def test_a_missing_extra_is_named(scenes, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(GlofgeoError, match="pip install distributed"):
        map_scenes(list_scenes([str(scenes[0])]), model, out=tmp_path / "maps", dask="auto")
