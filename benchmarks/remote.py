"""What reading a scene in place costs: `python benchmarks/remote.py --data FOLDER`.

A server on this machine answers 80 ms after each request and sends 20 MB a second through each connection. On it lie
four bands of 10980 x 10980 pixels as Earth Search keeps them: COGs, deflate, tiles of 1024; their noise takes 1.6 bytes
a pixel. They are one file under four names.

The first table is a window of 2048 x 2048 pixels of the four bands, which touches nine tiles a band, each time by a new
process: as GDAL reads it by default, as glofgeo does, and the least that is possible, the same bytes by one bare
request a row of tiles, all at once, decoded by nobody. The second is `glofgeo map` of an area of that size, in place,
and of the same window saved on disk.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
from range_server import RangeServer, serve

SIDE, BLOCK, WINDOW = 10980, 1024, 2048
LATENCY, RATE = 0.080, 20e6
BANDS = ("B02", "B03", "B04", "B08")
FIRST = 2900
REPETITIONS = 3
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
            for name in ("GDAL's defaults", "glofgeo", "bare requests"):
                server.fail()
                address = json.dumps(ranges_of(folder, server)) if name == "bare requests" else server.url
                seconds.setdefault(name, []).append(alone(name, address))
                methods = [method for method, _, _ in server.requests()]
                rows[name] = f"{methods.count('GET')} | {methods.count('HEAD')} | {server.sent() / 1e6:.1f}"
        for name, row in rows.items():
            print(f"| {name} | {row} | {median(seconds[name]):.2f} | {listed(seconds[name])} |")
        print("\n| mapping 2048 x 2048 pixels, bundled model | seconds | all runs |\n|---|---|---|")
        times: dict[str, list[float]] = {}
        for _ in range(REPETITIONS):
            for name, address in (("of a file", str(folder / "window.tif")), ("in place", server.url)):
                times.setdefault(name, []).append(alone(name, address))
        for name, values in times.items():
            print(f"| {name} | {median(values):.1f} | {listed(values)} |")
    print(f"\nin place : of a file = {median(times['in place']) / median(times['of a file']):.2f}")


def listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def alone(name: str, address: str) -> float:
    """Seconds that a run takes in a process of its own, without its imports."""
    command = [sys.executable, __file__, "--run", name, address]
    return float(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


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


def bare_requests(given: str) -> float:
    import requests

    started = time.perf_counter()
    with ThreadPoolExecutor(len(BANDS)) as pool:

        def get(ranges: list[list[str]]) -> None:
            with requests.Session() as session:
                for address, span in ranges:
                    session.get(address, headers={"Range": span}).raise_for_status()

        list(pool.map(get, json.loads(given)))
    return time.perf_counter() - started


def ranges_of(folder: Path, server: RangeServer) -> list[list[tuple[str, str]]]:
    """For each band the head of its file, and the bytes of each row of tiles under the window."""
    import rasterio

    with rasterio.open(folder / "B02.tif") as source:

        def tag(name: str, row: int, col: int) -> int:
            return int(source.get_tag_item(f"{name}_{col}_{row}", "TIFF", bidx=1))

        tiles = range(FIRST // BLOCK, (FIRST + WINDOW - 1) // BLOCK + 1)
        spans = ["bytes=0-16383"]
        for row in tiles:
            start, last = tag("BLOCK_OFFSET", row, tiles[0]), tiles[-1]
            spans.append(f"bytes={start}-{tag('BLOCK_OFFSET', row, last) + tag('BLOCK_SIZE', row, last) - 1}")
    return [[(f"{server.url}/{band}.tif", span) for span in spans] for band in BANDS]


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
    cut = opened.grid.window(Window(FIRST, FIRST, WINDOW, WINDOW)) if in_place else opened.grid
    area = gpd.GeoDataFrame(geometry=[cut.outline], crs=cut.crs)
    close_all()
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        report = map_scenes([scene], model, out=Path(out), aoi=area, device="cpu")
        assert report.mapped, report.failed
        return time.perf_counter() - started


RUNS = {
    "GDAL's defaults": gdal_defaults, "glofgeo": ours, "bare requests": bare_requests, "of a file": map_area,
    "in place": map_area,
}  # fmt: skip


def make_scene(folder: Path) -> Path:
    """Writes the bands, their item, and the window by itself; what is there is used again."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "item.json").exists():
        return folder
    smooth = 300 * np.sin(np.arange(SIDE, dtype=np.float32) / 200)
    noise = np.random.default_rng(0)
    profile = {
        "driver": "COG", "dtype": "uint16", "count": 1, "height": SIDE, "width": SIDE, "crs": "EPSG:32645",
        "transform": from_origin(399_960, 3_100_020, 10, 10), "nodata": 0, "compress": "DEFLATE", "blocksize": BLOCK,
        "overviews": "NONE", "level": 1,
    }  # fmt: skip
    dn = (smooth + smooth[:, None] + 2500 + noise.integers(0, 1500, (SIDE, SIDE))).astype(np.uint16)
    with rasterio.open(folder / "B02.tif", "w", **profile) as target:
        target.write(dn, 1)
        target.scales, target.offsets = [1e-4], [-0.1]
    for band in BANDS[1:]:
        os.link(folder / "B02.tif", folder / f"{band}.tif")
    half = profile | {"dtype": "uint8", "height": SIDE // 2, "width": SIDE // 2}
    half["transform"] = from_origin(399_960, 3_100_020, 20, 20)
    with rasterio.open(folder / "SCL.tif", "w", **half) as target:
        target.write(np.full((SIDE // 2, SIDE // 2), 4, np.uint8), 1)
    window = Window(FIRST, FIRST, WINDOW, WINDOW)
    part = dn[FIRST : FIRST + WINDOW, FIRST : FIRST + WINDOW]
    crop = profile | {"count": 5, "height": WINDOW, "width": WINDOW}
    crop["transform"] = rasterio.windows.transform(window, profile["transform"])
    with rasterio.open(folder / "window.tif", "w", **crop) as target:
        target.write(np.stack([part] * 4 + [np.full_like(part, 4)]))
        target.descriptions = (*BANDS, "SCL")
        target.scales, target.offsets = [1e-4] * 4 + [1.0], [-0.1] * 4 + [0.0]
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
    return folder


if __name__ == "__main__":
    main()
