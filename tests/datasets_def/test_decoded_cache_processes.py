"""Tiled copies that several processes, or several machines, use at the same time."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
from rasterio.windows import Window

from datasets_def import TiledCopy, fill_cache, open_scene
from glofgeo.errors import GlofgeoError

ROOM = 50e9


def copy_of(product, folder, window):
    return TiledCopy(open_scene(product, ("B02", "B03", "B04", "B08")), window, folder)


def fill(copies, folder, limit=ROOM):
    fill_cache(copies, folder, limit, lambda *_: None)


def test_copies_that_another_run_reads_stay_until_it_ends(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 298, 299)]
    held = fill_cache(copies[:1], tmp_path, ROOM, lambda *_: None)
    fill(copies[1:2], tmp_path)
    os.utime(copies[0].path.parent / "copy.json", (1, 1))
    fill(copies[2:], tmp_path, limit=2.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [True, False, True]
    with pytest.raises(GlofgeoError, match=r"other runs.*allow more"):
        fill(copies[2:], tmp_path, limit=1.5 * copies[0].size)
    del held
    fill(copies[2:], tmp_path, limit=1.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [False, False, True]
    assert {file.name for file in copies[2].path.parent.iterdir()} == {copies[2].path.name, "copy.json"}


_FILL_AND_STAY = """
import sys
from pathlib import Path
from rasterio.windows import Window
from datasets_def import TiledCopy, fill_cache, open_scene
product, folder = map(Path, sys.argv[1:])
copy = TiledCopy(open_scene(product), Window(0, 0, 297, 297), folder)
held = fill_cache([copy], folder, 50e9, lambda text, done, total: None)
print(flush=True)
sys.stdin.read()
"""


def test_the_lease_of_a_process_ends_with_it(product, tmp_path):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 299)]
    command = [sys.executable, "-c", _FILL_AND_STAY, product[0], tmp_path]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        fill(copies[:1], tmp_path)
        with pytest.raises(GlofgeoError, match="other runs"):
            fill(copies[1:], tmp_path, limit=1.5 * copies[0].size)
    finally:
        other.kill()
        other.communicate()
    fill(copies[1:], tmp_path, limit=1.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [False, True]


@pytest.mark.parametrize(("age", "stays"), [(3600, True), (2 * 86400, False)])
def test_the_lease_of_another_machine_counts_for_a_day(product, tmp_path, age, stays):
    copies = [copy_of(product[0], tmp_path, Window(0, 0, side, side)) for side in (297, 299)]
    fill(copies[:1], tmp_path)
    lease = copies[0].path.parent / f".in-use.00000000-7.{'0' * 32}"
    lease.touch()
    os.utime(lease, (time.time() - age,) * 2)
    with contextlib.suppress(GlofgeoError):
        fill(copies[1:], tmp_path, limit=1.5 * copies[0].size)
    assert [copy.path.exists() for copy in copies] == [stays, not stays]


_FILL_AND_COMPARE = """
import sys
from pathlib import Path
from rasterio.windows import Window
from datasets_def import TiledCopy, fill_cache, open_scene
product, folder = map(Path, sys.argv[1:])
copy = TiledCopy(open_scene(product), Window(0, 0, 300, 300), folder)
fill_cache([copy], folder, 50e9, lambda text, done, total: None)
assert (open_scene(copy.path).read() == open_scene(product).read()).all()
"""


def test_processes_that_want_the_same_copy_all_get_it_whole(product, tmp_path):
    command = [sys.executable, "-c", _FILL_AND_COMPARE, product[0], tmp_path]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 1


_FILL_AND_LOAD = """
import sys
from pathlib import Path
from rasterio.windows import Window
from torch.utils.data import DataLoader
from datasets_def import Sentinel2, TiledCopy, fill_cache, open_scene
product, folder = map(Path, sys.argv[1:])
copy = TiledCopy(open_scene(product), Window(0, 0, 300, 300), folder)
fill_cache([copy], folder, 50e9, lambda text, done, total: None)
dataset, plain = Sentinel2(copy.path), Sentinel2(product)
x, y, _ = dataset.bounds
queries = [(slice(x.start + 10 * i, x.start + 10 * i + 640), slice(y.start, y.start + 640)) for i in range(12)]
loader = DataLoader(dataset, sampler=queries, batch_size=None, num_workers=2, timeout=30)
for query, sample in zip(queries, loader, strict=True):
    assert (sample["image"] == plain[query]["image"]).all()
"""


def test_workers_of_the_process_that_made_a_copy_read_it(product, tmp_path):
    subprocess.run([sys.executable, "-c", _FILL_AND_LOAD, product[0], tmp_path], check=True, timeout=60)
