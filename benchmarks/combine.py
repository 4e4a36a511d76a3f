"""The lake layer of a region: seconds and peak memory for many scenes of many dates.

Synthetic layers: tiles of 109.8 km, 100 km apart (UTM 45N), each seen on every date; lakes are ellipses of 20 points
whose sizes follow those of an inventory (many small, few large); of each tile's lakes the neighbours show those in the
overlap, too, half a pixel beside.

    python benchmarks/combine.py --scenes 200 --lakes 200 --dates 10 --data DATA
"""

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from affine import Affine

from glofgeo.inventory import combine_files, describe_lakes, write_lakes

TILE, STEP = 109_800, 100_000
FIRST = datetime(2023, 9, 15, 4, 57, 1, tzinfo=UTC)


def ground(tiles: int, lakes: int) -> gpd.GeoSeries:
    """Lakes over a row of tiles."""
    numbers = np.random.default_rng(0)
    count = tiles * lakes
    places = numbers.uniform([200_000, 3_000_000], [200_000 + tiles * STEP, 3_000_000 + TILE], (count, 2))
    radius = np.sqrt(np.minimum(1000 * numbers.pareto(1, count) + 1000, 5e6) / np.pi)
    return gpd.GeoSeries(shapely.buffer(shapely.points(places), radius, quad_segs=5), crs="EPSG:32645")


def write_scene(path: Path, lakes: gpd.GeoSeries, tile: int, date: int) -> None:
    left = 200_000 + tile * STEP
    frame = shapely.box(left, 3_000_000, left + TILE, 3_000_000 + TILE)
    here = lakes[lakes.intersects(frame)].translate(5 * (tile % 2), 5 * (date % 2))
    shown = shapely.intersection(here.to_numpy(), frame)
    shapes = [shapely.multipolygons([part]) for part in shapely.get_parts(shown) if part.area >= 500]
    known = {"prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0}
    table = gpd.GeoDataFrame(geometry=shapes, crs=lakes.crs).assign(**known)
    table["n_px"] = [round(shape.area / 100) for shape in shapes]
    table["touches_edge"] = [shape.intersects(frame.boundary) for shape in shapes]
    acquired = FIRST + timedelta(days=5 * date)
    name = f"S2A_{tile:03d}_{acquired:%Y%m%d}"
    table = describe_lakes(table, Affine(10, 0, 0, 0, -10, 0), scene_id=name, acquired=acquired, baseline="05.11")
    write_lakes(path, table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--lakes", type=int, default=200)
    parser.add_argument("--dates", type=int, default=10)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "glofgeo-combine")
    chosen = parser.parse_args()
    tiles = chosen.scenes // chosen.dates
    places = [(tile, date) for date in range(chosen.dates) for tile in range(tiles)]
    paths = [chosen.data / f"{chosen.lakes}-{tile}-{date}.gpkg" for tile, date in places]
    lakes = ground(tiles, chosen.lakes)
    for path, (tile, date) in zip(paths, places, strict=True):
        if not path.exists():
            write_scene(path, lakes, tile, date)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    combine_files(paths, chosen.data / "all.gpkg")
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    found = pyogrio.read_info(chosen.data / "all.gpkg", layer="lakes")["features"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print("| scenes | dates | lakes | s | CPU s | peak (GiB) | before (GiB) |\n|---|---|---|---|---|---|---|")
    peak, start = after.ru_maxrss / 2**20, before.ru_maxrss / 2**20
    print(f"| {len(paths)} | {chosen.dates} | {found} | {seconds:.1f} | {cpu:.1f} | {peak:.2f} | {start:.2f} |")


if __name__ == "__main__":
    main()
