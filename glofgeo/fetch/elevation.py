"""Fetches the elevation model Copernicus GLO-30 around an area, as one Cloud-Optimized GeoTIFF."""

import math
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import rasterio
import shapely
from geopandas import GeoSeries
from rasterio.errors import RasterioError

from datasets_def.grid import Bounds
from datasets_def.reproject import wrap
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.download import download
from glofgeo.fetch.mosaic import mosaic_grid, open_tiles, windows, write_mosaic
from glofgeo.fetch.opening import size_for_progress
from glofgeo.fetch.progress import progress
from glofgeo.fetch.remote_file import NotThereError, RemoteFile
from glofgeo.fetch.transfer import CONNECTIONS, check_image, check_room
from glofgeo.fetch.writing import writing

# Cloud-Optimized GeoTIFFs of one degree, open to all. Source: registry.opendata.aws/copernicus-dem
SOURCE = "https://copernicus-dem-30m.s3.eu-central-1.amazonaws.com"

# Degrees around the area: mountains that far away shade its lakes, and avalanches from there reach them.
_MARGIN = 0.15

# Which tiles were looked for, and what they are called: it tells when they were sensed.
_TILES_TAG, _SOURCE_TAG = "TILES", "SOURCE"
_TILE_NAME = "Copernicus_DSM_COG_10_{}_DEM"


@dataclass(frozen=True)
class FetchedDem:
    """What came of a download; there is a file only if nothing failed.

    Attributes:
        tiles: how many tiles it was made of; None if it was there before.
        voids: names of tiles that the model does not have: sea, and a few countries.
        failed: name of a tile -> why it is not there.
    """

    tiles: int | None = None
    voids: list[str] = field(default_factory=list)
    failed: dict[str, GlofgeoError] = field(default_factory=dict)


def dem_tiles(area: GeoSeries) -> list[str]:
    """Names the tiles around an area, as `N27_00_E086_00`; each is called by its south-western corner.

    Args:
        area: WGS 84.
    """
    return sorted({_name(lat, lon) for lat, lon in _degrees(_near(area))})


def dem_bounds(area: GeoSeries) -> Bounds:
    """Gives west, south, east and north of an area and its surroundings; east is beyond 180 if it lies across that.

    Args:
        area: WGS 84.
    """
    near = _near(area)
    west, south, east, north = near.bounds
    parts = shapely.bounds(shapely.get_parts(near))
    turned = parts[:, [0, 2]] + 360 * (parts[:, [2]] <= 0)
    if turned.max() - turned.min() < east - west:
        west, east = turned.min(), turned.max()
    return float(west), max(south, -90.0), float(east), min(north, 90.0)


def fetch_dem(area: GeoSeries, out: Path, *, source: str = SOURCE, shown: bool = False) -> FetchedDem:
    """Fetches the tiles around an area and joins them; another call goes on where this one ended.

    Tiles are kept in a hidden folder beside the file until that is complete.

    Args:
        area: WGS 84.
        out: file to write; one of an earlier call is left if it holds the area, and replaced if not.
        source: address that the tiles lie below.
        shown: show progress.

    Raises:
        GlofgeoError: If `out` is of another origin, the disk is too small, or the model has no tile there.
    """
    tiles, bounds = dem_tiles(area), dem_bounds(area)
    if _holds(out, tiles, bounds):
        return FetchedDem()
    folder = out.with_name(f".{out.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    fetched, files = _download(tiles, folder, source, shown)
    if fetched.failed:
        return fetched
    if not files:
        raise GlofgeoError(f"Copernicus GLO-30 has no tile around the area: {', '.join(tiles)}", "check the area")
    dem = open_tiles(files, beyond=bounds[2] > 180)
    grid = mosaic_grid([tile for _, tile in dem.tiles], bounds)
    tags = {_SOURCE_TAG: _TILE_NAME.format("*"), _TILES_TAG: " ".join(tiles)}
    with progress(sum(1 for _ in windows(grid)), "windows", shown=shown) as (name, advance):
        name("elevation model")
        with writing(out):
            write_mosaic(dem, grid, out, folder / "working.tif", tags, advance)
    shutil.rmtree(folder)
    return FetchedDem(len(files), fetched.voids)


def _near(area: GeoSeries) -> shapely.geometry.base.BaseGeometry:
    return shapely.union_all([wrap(part.buffer(_MARGIN, join_style="mitre")) for part in area])


def _degrees(area: shapely.geometry.base.BaseGeometry) -> Iterator[tuple[int, int]]:
    west, south, east, north = area.bounds
    for lat in range(max(math.floor(south), -90), min(math.ceil(north), 90)):
        for lon in range(math.floor(west), math.ceil(east)):
            if shapely.box(lon, lat, lon + 1, lat + 1).intersection(area).area > 0:
                yield lat, lon


def _name(lat: int, lon: int) -> str:
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}_00_{'E' if lon >= 0 else 'W'}{abs(lon):03d}_00"


def _holds(path: Path, tiles: list[str], bounds: Bounds) -> bool:
    """Whether a file of an earlier call holds an area.

    Raises:
        GlofgeoError: If the file is of another origin.
    """
    if not path.exists():
        return False
    try:
        with rasterio.open(path) as source:
            known, there = source.tags()[_TILES_TAG].split(), shapely.box(*source.bounds)
    except (RasterioError, KeyError):
        raise GlofgeoError(
            f"{path}: is of another origin, and is left as it is",
            "move it away, or choose another folder",
            argument="out",
        ) from None
    return bool(there.buffer(1e-6).covers(shapely.box(*bounds))) and set(tiles) <= set(known)


def _download(tiles: list[str], folder: Path, source: str, shown: bool) -> tuple[FetchedDem, list[Path]]:
    """Downloads the tiles that are not there yet."""
    stems = {tile: _TILE_NAME.format(tile) for tile in tiles}
    remote = {tile: RemoteFile(f"{source}/{stem}/{stem}.tif") for tile, stem in stems.items()}
    fetched, files, stop = FetchedDem(), list[Path](), threading.Event()
    missing = [tile for tile in tiles if not (folder / f"{stems[tile]}.tif").exists()]
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        total = sum(pool.map(lambda tile: size_for_progress(remote[tile].href), missing))
        # The tiles, the COG of them, and in between their heights without compression.
        check_room(5 * total, folder.parent)
        with progress(total, "bytes", shown=shown and bool(missing)) as (name, advance):
            name("elevation model")

            def job(tile: str) -> None:
                path = folder / f"{stems[tile]}.tif"
                download(remote[tile], path, advance, stop)
                if tile in missing:
                    check_image(path)

            running = {tile: pool.submit(job, tile) for tile in tiles}
            for tile, future in running.items():
                try:
                    future.result()
                    files.append(folder / f"{stems[tile]}.tif")
                except NotThereError:
                    fetched.voids.append(tile)
                except GlofgeoError as error:
                    fetched.failed[tile] = error
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return fetched, files
