"""What reading a scene in place costs: `python benchmarks/remote.py --data FOLDER`.

A server on this machine answers 80 ms after each request and sends 20 MB a second through each connection. On it lie
four bands of 10980 x 10980 pixels as Earth Search keeps them: COGs, deflate, tiles of 1024; their noise takes 1.6 bytes
a pixel. They are one file under four names.

The first table is a window of 2048 x 2048 pixels of the four bands, which touches nine tiles a band, each time by a new
process: as GDAL reads it by default, as glofgeo does, and the least that is possible, the same bytes by one request a
row of tiles, inflated but not put together, in a thread a row. The second is `glofgeo map` of the same window, in
place, and of the file that `glofgeo fetch --crop` makes of it. All by turns.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from range_server import RangeServer, serve

SIDE, BLOCK, WINDOW = 10980, 1024, 2048
LATENCY, RATE = 0.080, 20e6
BANDS = ("B02", "B03", "B04", "B08")
FIRST = 2900
# What `glofgeo fetch --crop` fetches around an area.
MARGIN = 128
REPETITIONS = 5
URI = "S2A_MSIL2A_20241015T045701_N0510_R119_T45RVL_20241015T085704.SAFE"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "glofgeo-remote")
    arguments.add_argument("--run", nargs=2, help="for the processes that this script starts")
    given = arguments.parse_args()
    if given.run:
        print(json.dumps(RUNS[given.run[0]](given.run[1])))
        return
    folder = make_scene(given.data)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {date.today()}\n")
    with serve(folder, latency=LATENCY, rate=RATE) as server:
        print(
            "| a window of 2048 x 2048, four bands | GET | HEAD | MB | seconds | all runs |\n|---|---|---|---|---|---|"
        )
        seconds: dict[str, list[float]] = {}
        rows = {}
        for _ in range(REPETITIONS):
            for name in ("GDAL's defaults", "glofgeo", "requests and zlib"):
                server.fail()
                address = json.dumps(ranges_of(folder, server)) if name == "requests and zlib" else server.url
                seconds.setdefault(name, []).append(alone(name, address))
                methods = [method for method, _, _ in server.requests()]
                rows[name] = f"{methods.count('GET')} | {methods.count('HEAD')} | {server.sent() / 1e6:.1f}"
        for name, row in rows.items():
            print(f"| {name} | {row} | {median(seconds[name]):.2f} | {listed(seconds[name])} |")
        print("\n| mapping 2048 x 2048 pixels, bundled model | seconds | all runs |\n|---|---|---|")
        times: dict[str, list[float]] = {}
        for _ in range(REPETITIONS):
            for name, address in (("of a file", str(folder / "crop.tif")), ("in place", server.url)):
                times.setdefault(name, []).append(alone(name, address))
        for name, values in times.items():
            print(f"| {name} | {median(values):.1f} | {listed(values)} |")
    print(f"\nin place : of a file = {median(times['in place']) / median(times['of a file']):.2f}")


def listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def alone(name: str, address: str) -> float:
    """Seconds that a run takes in a process of its own, without its imports."""
    command = [sys.executable, __file__, "--run", name, address]
    # As the command line has it: torch's threads do not spin while they wait.
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    return float(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout))


def gdal_defaults(url: str) -> float:
    import rasterio
    from rasterio.windows import Window

    started = time.perf_counter()
    for band in BANDS:
        with rasterio.open(f"/vsicurl/{url}/{band}.tif") as source:
            source.read(1, window=Window(FIRST, FIRST, WINDOW, WINDOW))
    return time.perf_counter() - started


def ours(url: str) -> float:
    from rasterio.windows import Window

    from datasets_def.files import Layer, read_layers

    layers = [Layer(f"{url}/{band}.tif") for band in BANDS]
    started = time.perf_counter()
    read_layers(layers, (SIDE, SIDE), Window(FIRST, FIRST, WINDOW, WINDOW), "scene")
    return time.perf_counter() - started


def requests_and_zlib(given: str) -> float:
    import requests

    def get(address: str, first: int, sizes: list[int]) -> None:
        span = {"Range": f"bytes={first}-{first + sum(sizes) - 1}"}
        content = requests.get(address, headers=span).content
        for size in sizes:
            zlib.decompress(content[:size])
            content = content[size:]

    def get_band(address: str, rows: list[tuple[int, list[int]]]) -> None:
        requests.get(address, headers={"Range": "bytes=0-16383"}).raise_for_status()
        with ThreadPoolExecutor(len(rows)) as pool:
            list(pool.map(lambda row: get(address, *row), rows))

    started = time.perf_counter()
    with ThreadPoolExecutor(len(BANDS)) as pool:
        list(pool.map(lambda band: get_band(*band), json.loads(given)))
    return time.perf_counter() - started


def ranges_of(folder: Path, server: RangeServer) -> list[tuple[str, list[tuple[int, list[int]]]]]:
    """For each band its address and, for each row of tiles under the window, where it begins and how long tiles are."""
    import rasterio

    with rasterio.open(folder / "B02.tif") as source:

        def tag(name: str, row: int, col: int) -> int:
            return int(source.get_tag_item(f"{name}_{col}_{row}", "TIFF", bidx=1))

        tiles = range(FIRST // BLOCK, (FIRST + WINDOW - 1) // BLOCK + 1)
        ends = [tag("BLOCK_OFFSET", row, tiles[-1]) + tag("BLOCK_SIZE", row, tiles[-1]) for row in tiles]
        starts = [[tag("BLOCK_OFFSET", row, col) for col in tiles] for row in tiles]
    rows = [(start[0], [b - a for a, b in pairwise([*start, end])]) for start, end in zip(starts, ends, strict=True)]
    return [(f"{server.url}/{band}.tif", rows) for band in BANDS]


def map_area(address: str) -> float:
    import geopandas as gpd
    from rasterio.windows import Window

    from datasets_def.in_place import close_all
    from datasets_def.scene import open_scene
    from glofgeo.mapping.batch import map_scenes
    from glofgeo.models.predictor import load_model

    model = load_model("bundled")
    in_place = address.startswith("http")
    scene = f"{address}/item.json" if in_place else Path(address)
    opened = open_scene(scene)
    corner = FIRST if in_place else MARGIN
    cut = opened.grid.window(Window(corner, corner, WINDOW, WINDOW))
    area = gpd.GeoDataFrame(geometry=[cut.outline], crs=cut.crs)
    close_all()
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        report = map_scenes([scene], model, out=Path(out), aoi=area, device="cpu")
        assert report.mapped, report.failed
        return time.perf_counter() - started


RUNS = {
    "GDAL's defaults": gdal_defaults, "glofgeo": ours, "requests and zlib": requests_and_zlib, "of a file": map_area,
    "in place": map_area,
}  # fmt: skip


def make_scene(folder: Path) -> Path:
    """Writes the bands, their item, and the crop of the window; what is there is used again."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "crop.tif").exists():
        return folder
    smooth = (300 * np.sin(np.arange(SIDE) / 200) + 1250).astype(np.uint16)
    noise = np.random.default_rng(0)
    profile = {
        "driver": "COG", "dtype": "uint16", "count": 1, "height": SIDE, "width": SIDE, "crs": "EPSG:32645",
        "transform": from_origin(399_960, 3_100_020, 10, 10), "nodata": 0, "compress": "DEFLATE", "blocksize": BLOCK,
        "overviews": "NONE", "level": 1,
    }  # fmt: skip
    dn = smooth + smooth[:, None] + noise.integers(0, 1500, (SIDE, SIDE), np.uint16)
    with rasterio.open(folder / "B02.tif", "w", **profile) as target:
        target.write(dn, 1)
        target.scales, target.offsets = [1e-4], [-0.1]
    for band in BANDS[1:]:
        (folder / f"{band}.tif").unlink(missing_ok=True)
        os.link(folder / "B02.tif", folder / f"{band}.tif")
    half = profile | {"dtype": "uint8", "height": SIDE // 2, "width": SIDE // 2}
    half["transform"] = from_origin(399_960, 3_100_020, 20, 20)
    with rasterio.open(folder / "SCL.tif", "w", **half) as target:
        target.write(np.full((SIDE // 2, SIDE // 2), 4, np.uint8), 1)
    properties = {
        "datetime": "2024-10-15T04:57:01Z", "platform": "sentinel-2a", "grid:code": "MGRS-45RVL",
        "s2:product_uri": URI,
    }  # fmt: skip
    item = {
        "type": "Feature", "id": "tile", "links": [], "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [[[86, 27], [87, 27], [87, 28], [86, 28], [86, 27]]]},
        "assets": {band: {"href": f"./{band}.tif"} for band in (*BANDS, "SCL")},
    }  # fmt: skip
    (folder / "item.json").write_text(json.dumps(item))
    side = WINDOW + 2 * MARGIN
    window = Window(FIRST - MARGIN, FIRST - MARGIN, side, side)
    part = dn[window.toslices()]
    crop = profile | {"count": 5, "height": side, "width": side, "blocksize": 512}
    crop["transform"] = rasterio.windows.transform(window, profile["transform"])
    with rasterio.open(folder / "crop.tif", "w", **crop) as target:
        target.write(np.stack([part] * 4 + [np.full_like(part, 4)]))
        target.descriptions = (*BANDS, "SCL")
        target.scales, target.offsets = [1e-4] * 4 + [1.0], [-0.1] * 4 + [0.0]
    return folder


if __name__ == "__main__":
    main()
