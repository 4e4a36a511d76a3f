"""Fetches the window around an area from the COGs of a scene, into one COG with named bands."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from geopandas import GeoSeries
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from datasets_def.atomic import written_beside
from datasets_def.grid import Bounds, Grid
from datasets_def.in_place import read_in_place
from datasets_def.pixels import as_classes
from datasets_def.raster_checks import CLASSES
from datasets_def.reproject import areas_on_grid
from datasets_def.stac_bands import is_jpeg2000
from datasets_def.web_address import shown
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.crop_files import shared_grid, shared_radiometry
from glofgeo.fetch.scene_files import SceneFiles
from glofgeo.fetch.search import NEEDED, Found
from glofgeo.fetch.writing import read_through, writing

# Pixels of 10 m around the area, which a model sees as the surroundings of lakes at its edge.
_MARGIN = 128

# Rows and columns of the pieces that are fetched, which are what is lost when the process is killed. Blocks of the
# catalogues' COGs are 1024 or 512 wide.
_PIECE = 1024

_CONNECTIONS = 4

# Which area a crop was made for: west, south, east, north.
_BOUNDS_TAG = "AREA_BOUNDS"


@dataclass(frozen=True)
class Crop:
    """A window to be fetched.

    Attributes:
        files: of the scene.
        path: the COG that it becomes.
        grid: of the window.
        window: on the grid of the 10 m bands.
        bounds: of the area: west, south, east and north in degrees.
    """

    files: SceneFiles
    path: Path
    grid: Grid
    window: Window
    bounds: Bounds

    @property
    def scene(self) -> Found:
        """The scene that it is a part of."""
        return self.files.scene

    def pieces(self) -> Iterator[tuple[str, Window]]:
        """Gives what is fetched one by one: part of a band, or of the classification, on the grid of the 10 m bands.

        The edges of pieces are edges of blocks in the file, so that no block comes twice.
        """
        (top, bottom), (left, right) = self.window.toranges()
        for name in NEEDED:
            step = _PIECE * (2 if name == CLASSES else 1)
            for row in range(top - top % step, bottom, step):
                for col in range(left - left % step, right, step):
                    rows = max(row, top), min(row + step, bottom)
                    cols = max(col, left), min(col + step, right)
                    yield name, Window.from_slices(rows, cols)


def can_crop(scene: Found) -> bool:
    """Whether windows of all files of a scene can be read in place; JPEG 2000 is fetched whole."""
    assets = [scene.item.assets[name] for name in NEEDED]
    return not any(is_jpeg2000(asset.href, asset.media_type) for asset in assets)


def crop_path(files: SceneFiles, out: Path) -> Path:
    """Where the crop of a scene will be."""
    return out / f"{files.folder(out).name}.tif"


def holds_area(path: Path, area: GeoSeries) -> bool:
    """Whether a crop was made for an area at least as large, WGS 84."""
    try:
        with rasterio.open(path) as source:
            west, south, east, north = map(float, source.tags()[_BOUNDS_TAG].split())
    except (RasterioError, KeyError, ValueError):
        return False
    return bool(shapely.box(west, south, east, north).buffer(1e-6).covers(shapely.box(*area.total_bounds)))


def share_of(scene: Found, area: GeoSeries) -> float:
    """About which share of a scene's pixels a crop holds, for a forecast of its size."""
    whole = shapely.box(*scene.item.geometry.bounds)
    part = area.union_all().intersection(whole)
    return float(shapely.box(*part.bounds).area / whole.area) if not part.is_empty else 0.0


def remove_crop(files: SceneFiles, out: Path) -> None:
    """Removes the crop of a scene that is there whole now; a file of another origin stays."""
    path = crop_path(files, out)
    if path.exists() and _is_ours(path):
        path.unlink()


def _is_ours(path: Path) -> bool:
    try:
        with rasterio.open(path) as source:
            return _BOUNDS_TAG in source.tags()
    except RasterioError:
        return False


def plan_crop(files: SceneFiles, area: GeoSeries, out: Path) -> Crop:
    """Opens a scene to see which window of it is wanted.

    Args:
        files: of the scene.
        area: WGS 84.
        out: folder of scenes.

    Raises:
        GlofgeoError: If it cannot be opened, its files do not fit together, it does not touch the area, or a file of
            another origin is in its place.
    """
    path = crop_path(files, out)
    if path.exists() and not _is_ours(path):
        raise GlofgeoError(f"{path}: is of another origin, and is left as it is", "move it away")
    grid = shared_grid(files.scene)
    shapes = areas_on_grid(area, grid.crs, grid.outline)
    if not len(shapes):
        raise GlofgeoError(f"{files.scene.name}: its images do not touch the area of interest")
    (top, bottom), (left, right) = grid.intersect(tuple(shapely.total_bounds(shapes)), _MARGIN).toranges()
    # On pixels of 20 m, which the classification has.
    rows = top - top % 2, min(bottom + bottom % 2, grid.shape[0])
    cols = left - left % 2, min(right + right % 2, grid.shape[1])
    window = Window.from_slices(rows, cols)
    return Crop(files, path, grid.window(window), window, tuple(area.total_bounds))


def fetch_crop(crop: Crop, done: Callable[[int], None]) -> Path:
    """Fetches a window, in pieces that are kept until all are there, and writes the COG.

    Args:
        crop: what to fetch.
        done: is called with 1 for each piece.

    Returns:
        The COG: bands as stored, with scale and offset, and the classification on the grid of 10 m.

    Raises:
        GlofgeoError: If it cannot be had, or its files do not share a known scale and offset.
    """
    item = crop.scene.item
    folder = crop.path.with_name(f".{crop.path.name}.part")
    radiometry = shared_radiometry(crop.files, folder)

    def fetch(piece: tuple[str, Window]) -> None:
        name, window = piece
        path = _piece_path(folder, name, window)
        if not path.exists():
            pixels = read_in_place(item.assets[name].href, lambda source: _read_piece(source, window, name))
            with writing(crop.path), written_beside(path) as part, part.open("wb") as file:
                np.save(file, pixels)
        done(1)

    pieces = list(crop.pieces())
    pool = ThreadPoolExecutor(_CONNECTIONS)
    try:
        list(pool.map(fetch, pieces))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    with writing(crop.path):
        _write_cog(crop, folder, pieces, radiometry)
    shutil.rmtree(folder)
    return crop.path


def _piece_path(folder: Path, name: str, window: Window) -> Path:
    (top, bottom), (left, right) = window.toranges()
    return folder / f"{name}-{top}-{bottom}-{left}-{right}.npy"


def _load(path: Path) -> NDArray[np.uint16]:
    """Reads a piece that was kept; one that was cut off, as by a loss of power, is removed, so that it comes again."""
    try:
        pixels: NDArray[np.uint16] = np.load(path)
    except (ValueError, EOFError):
        path.unlink()
        raise GlofgeoError(f"{path.name} is damaged", "try again: it is fetched anew") from None
    return pixels


def _read_piece(source: DatasetReader, window: Window, name: str) -> NDArray[np.uint16]:
    """Reads pixels of 10 m; coarser ones are repeated."""
    if name != CLASSES:
        return source.read(1, window=window).astype(np.uint16)
    (top, bottom), (left, right) = window.toranges()
    half = Window.from_slices((top // 2, -(-bottom // 2)), (left // 2, -(-right // 2)))
    classes = as_classes(source.read(1, window=half)).repeat(2, axis=0).repeat(2, axis=1)
    return classes[top % 2 :, left % 2 :][: bottom - top, : right - left].astype(np.uint16)


def _write_cog(
    crop: Crop, folder: Path, pieces: Sequence[tuple[str, Window]], radiometry: Sequence[tuple[float, float]]
) -> None:
    item, working = crop.scene.item, folder / "working.tif"
    size = {"height": crop.grid.shape[0], "width": crop.grid.shape[1], "count": len(NEEDED), "dtype": "uint16"}
    place = {"crs": crop.grid.crs, "transform": crop.grid.transform, "nodata": 0}
    tiling: dict[str, Any] = {"tiled": True, "blockxsize": 512, "blockysize": 512, "BIGTIFF": "IF_SAFER"}
    working.unlink(missing_ok=True)  # GDAL stumbles over one that a killed process left
    with rasterio.open(working, "w", driver="GTiff", **size, **place, **tiling) as target:
        for name, window in pieces:
            at = Window(
                window.col_off - crop.window.col_off, window.row_off - crop.window.row_off, window.width, window.height
            )
            target.write(_load(_piece_path(folder, name, window)), NEEDED.index(name) + 1, window=at)
        target.descriptions = NEEDED
        target.scales = [scale for scale, _ in radiometry] + [1.0]
        target.offsets = [offset for _, offset in radiometry] + [0.0]
        tags = {
            "SCENE_ID": crop.scene.name,
            "ACQUISITION_DATETIME": f"{item.datetime:%Y-%m-%dT%H:%M:%SZ}",
            "PROCESSING_BASELINE": item.baseline,
            "PROCESSING_LEVEL": item.level,
            "CATALOG": shown(crop.scene.catalog.url),
            _BOUNDS_TAG: " ".join(f"{degree:.7f}" for degree in crop.bounds),
        }
        target.update_tags(**{name: text for name, text in tags.items() if text})
    with written_beside(crop.path) as part:
        # Averages of classes would be other classes.
        copy_raster(
            working, part, driver="COG", compress="DEFLATE", predictor="YES", blocksize=512,
            overview_resampling="NEAREST", bigtiff="IF_SAFER",
        )  # fmt: skip
        read_through(part)
