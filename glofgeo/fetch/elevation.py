"""Downloads the tiles of the elevation model Copernicus GLO-30 around an area."""

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import shapely
from geopandas import GeoSeries

from datasets_def.reproject import wrap
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.download import download
from glofgeo.fetch.opening import size_for_progress
from glofgeo.fetch.progress import progress
from glofgeo.fetch.remote_file import NotThereError, RemoteFile

# Cloud-Optimized GeoTIFFs of one degree, open to all. Source: registry.opendata.aws/copernicus-dem
SOURCE = "https://copernicus-dem-30m.s3.eu-central-1.amazonaws.com"

# Degrees around the area: mountains that far away shade its lakes, and avalanches from there reach them.
_MARGIN = 0.15

_CONNECTIONS = 4


@dataclass(frozen=True)
class FetchedDem:
    """What came of a download.

    Attributes:
        files: tiles that are there.
        voids: names of tiles that the model does not have: sea, and a few countries.
        failed: name of a tile -> why it is not there.
    """

    files: list[Path]
    voids: list[str]
    failed: dict[str, GlofgeoError]


def dem_tiles(area: GeoSeries) -> list[str]:
    """Names the tiles around an area, as `N27_00_E086_00`; each is called by its south-western corner.

    Args:
        area: WGS 84.
    """
    near = shapely.union_all([wrap(part.buffer(_MARGIN, join_style="mitre")) for part in area])
    return sorted({_name(lat, lon) for lat, lon in _degrees(near)})


def _degrees(area: shapely.geometry.base.BaseGeometry) -> Iterator[tuple[int, int]]:
    west, south, east, north = area.bounds
    for lat in range(max(math.floor(south), -90), min(math.ceil(north), 90)):
        for lon in range(math.floor(west), math.ceil(east)):
            if shapely.box(lon, lat, lon + 1, lat + 1).intersection(area).area > 0:
                yield lat, lon


def _name(lat: int, lon: int) -> str:
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}_00_{'E' if lon >= 0 else 'W'}{abs(lon):03d}_00"


def fetch_dem(area: GeoSeries, out: Path, *, source: str = SOURCE, shown: bool = False) -> FetchedDem:
    """Downloads the tiles that are not there yet; another call goes on where this one ended.

    Args:
        area: WGS 84.
        out: folder of tiles.
        source: address that they lie below.
        shown: show progress.
    """
    stems = {tile: f"Copernicus_DSM_COG_10_{tile}_DEM" for tile in dem_tiles(area)}
    files = {tile: RemoteFile(f"{source}/{stem}/{stem}.tif") for tile, stem in stems.items()}
    out.mkdir(parents=True, exist_ok=True)
    fetched, stop = FetchedDem([], [], {}), threading.Event()
    missing = [tile for tile in files if not (out / f"{stems[tile]}.tif").exists()]
    pool = ThreadPoolExecutor(_CONNECTIONS)
    try:
        total = sum(pool.map(lambda tile: size_for_progress(files[tile].href), missing))
        with progress(total, "bytes", shown=shown and bool(missing)) as (name, advance):
            name("elevation model")
            running = {
                tile: pool.submit(download, files[tile], out / f"{stems[tile]}.tif", advance, stop) for tile in files
            }
            for tile, future in running.items():
                try:
                    future.result()
                    fetched.files.append(out / f"{stems[tile]}.tif")
                except NotThereError:
                    fetched.voids.append(tile)
                except GlofgeoError as error:
                    fetched.failed[tile] = error
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return fetched
