"""A prediction and the grid it is judged on, whichever of the mapper's outputs it comes as."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from geopandas import GeoDataFrame, GeoSeries
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from datasets_def.dates import require_one_date
from datasets_def.grid import READ_ROWS, Grid
from datasets_def.polygons import read_polygons, without_rejected
from datasets_def.reproject import to_crs, to_degrees
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.pixels import Mask, Polygons, bring, burn, rows_of, strips
from glofgeo.percent import NOT_OBSERVED, percent_cut

if TYPE_CHECKING:
    from datasets_def.scene import Scene

RASTERS = (".tif", ".tiff", ".vrt")

_GRID_METRES = 10.0
# Eight scenes, at a byte a pixel; a grid of more around both layers is a mistake rather than a wish.
_MOST_PIXELS = 8 * 10980**2
# Share by which a CRS may stretch lengths: UTM does by 0.1 % in its zone, national grids by less than 1 %.
_MOST_STRETCHED = 0.01


@dataclass(frozen=True)
class Prediction:
    """What is judged.

    Attributes:
        path: the file.
        grid: of the pixels that are compared.
        grid_of: where that grid comes from, in words.
        raster: file whose value 255 tells what was not observed; None where nothing tells.
        cut: raster value from which on a pixel is lake.
        probability: whether that value is a percentage.
        lakes: predicted polygons in the grid's CRS; None where the raster itself is the prediction.
        offset: (row, col) of the grid's first pixel on the scene, where there is one: a map of an area of interest is
            cut out of its scene.
    """

    path: Path
    grid: Grid
    grid_of: str
    raster: Path | None
    cut: int = 1
    probability: bool = False
    lakes: Polygons | None = None
    offset: tuple[int, int] = (0, 0)

    def strip(self, rows: slice) -> tuple[Mask, Mask]:
        """Gives what is lake and what is observed on a strip, each `(rows, cols)`.

        Raises:
            GlofgeoError: If the raster cannot be read.
        """
        shape = (rows.stop - rows.start, self.grid.shape[1])
        codes = np.zeros(shape, np.uint8) if self.raster is None else _read_rows(self.raster, rows)
        observed = codes != NOT_OBSERVED
        lake = codes >= self.cut if self.lakes is None else burn(self.lakes, rows_of(self.grid, rows))
        return lake & observed, observed

    def percent(self, rows: slice) -> npt.NDArray[np.uint8]:
        """Gives the probability of a strip in percent, `(rows, cols)`, 255 where not observed.

        Raises:
            GlofgeoError: If the raster cannot be read.
        """
        assert self.probability and self.raster is not None  # only a probability raster has one
        return _read_rows(self.raster, rows)


def open_prediction(
    path: Path, reference: GeoDataFrame, scene: "Scene | None", aoi: GeoDataFrame | None, threshold: float
) -> Prediction:
    """Opens `probability.tif`, `mask.tif` or a lake layer.

    A layer is judged on the grid of the `mask.tif` or `probability.tif` beside it, which also tells what was not
    observed; else on the scene's grid; else on a 10 m grid in its own CRS, if that has metres of the ground, or else in
    the UTM zone it lies in, which covers the area of interest, or where there is none all polygons of prediction and
    reference. Lakes that an analyst rejected are left out.

    Args:
        path: the file.
        reference: reference lakes, any CRS.
        scene: what was mapped, if known.
        aoi: area of interest, any CRS, if there is one.
        threshold: probability from which on a pixel is lake, 0-1.

    Raises:
        GlofgeoError: If the file is missing, unreadable, of the wrong kind or of several dates, or not on the scene's
            grid.
    """
    if not path.is_file():
        raise GlofgeoError(f"{path}: no such prediction", "give lakes.gpkg, mask.tif or probability.tif")
    if path.suffix.lower() in RASTERS:
        return _open_raster(path, scene, threshold)
    lakes = without_rejected(read_polygons(path, "predicted lakes", empty_ok=True))
    require_one_date(lakes, str(path))
    for beside in (path.with_name("mask.tif"), path.with_name("probability.tif")):
        if beside.is_file():
            grid = _grid_of(beside)
            offset = _offset(beside, grid, scene)
            return Prediction(path, grid, beside.name, beside, lakes=bring(lakes, grid), offset=offset)
    if scene is not None:
        grid, origin = scene.grid, "scene"
    else:
        grid = _make_grid(path, lakes, reference, aoi)
        origin = f"{_GRID_METRES:g} m grid around {'the polygons' if aoi is None else 'the area of interest'}"
    return Prediction(path, grid, origin, None, lakes=bring(lakes, grid))


def _open_raster(path: Path, scene: "Scene | None", threshold: float) -> Prediction:
    grid = _grid_of(path)
    offset = _offset(path, grid, scene)
    largest = 0
    for rows in strips(grid, READ_ROWS):
        codes = _read_rows(path, rows)
        largest = max(largest, int(codes.max(where=codes != NOT_OBSERVED, initial=0)))
    # The mapper names its files; in others, what is neither land (0) nor lake (1) is a percentage.
    name = path.stem.lower()
    probability = largest > 1 if ("mask" in name) == ("prob" in name) else "prob" in name
    limit = 100 if probability else 1
    if largest > limit:
        kind = "lake probability in percent (0-100, 255)" if probability else "a lake mask (0, 1, 255)"
        raise GlofgeoError(f"{path}: holds the value {largest}, so it is not {kind}", "give an output of the mapper")
    cut = max(1, percent_cut(threshold)) if probability else 1
    return Prediction(path, grid, path.name, path, cut=cut, probability=probability, offset=offset)


def _grid_of(path: Path) -> Grid:
    try:
        with rasterio.open(path) as source:
            crs, transform, shape = source.crs, source.transform, source.shape
            kind = f"{source.count} band{'s' * (source.count > 1)} of {source.dtypes[0]}"
    except RasterioError as error:
        raise GlofgeoError(f"{path}: cannot be read as a raster ({str(error).splitlines()[0]})") from None
    if kind != "1 band of uint8":
        raise GlofgeoError(f"{path}: has {kind}, where a mask or probability has 1 band of uint8")
    if crs is None:
        raise GlofgeoError(f"{path}: has no CRS", "give the mapper's mask.tif or probability.tif")
    if transform.b or transform.d or transform.a < 0 or transform.e > 0:
        raise GlofgeoError(f"{path}: is turned or flipped", "give the mapper's mask.tif or probability.tif")
    return Grid(shape, transform, crs)


def _offset(path: Path, grid: Grid, scene: "Scene | None") -> tuple[int, int]:
    """Finds the grid's first pixel (row, col) on the scene's grid, of which it may be a part."""
    if scene is None:
        return 0, 0
    window = scene.grid.intersect(grid.bounds)
    part = scene.grid.window(window)
    agrees = part.shape == grid.shape and part.transform.almost_equals(grid.transform, 1e-6)
    if not (grid.crs == scene.crs and agrees):
        raise GlofgeoError(f"{path}: is not on the grid of {scene.id}", "give the scene it was mapped from")
    return window.row_off, window.col_off


def _read_rows(path: Path, rows: slice) -> npt.NDArray[np.uint8]:
    try:
        with rasterio.open(path) as source:
            return source.read(1, window=Window(0, rows.start, source.width, rows.stop - rows.start))
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise GlofgeoError(f"{path}: cannot be read ({reason})", "map the scene again") from None


def _make_grid(path: Path, lakes: GeoDataFrame, reference: GeoDataFrame, aoi: GeoDataFrame | None) -> Grid:
    """Makes a 10 m grid, in multiples of 10 m."""
    home = reference if lakes.empty else lakes
    crs = CRS.from_user_input(home.crs if _is_metric(home) else _utm_zone(to_degrees(home.geometry)))
    frames = [lakes, reference] if aoi is None else [aoi]
    outlines = [shapely.box(*to_crs(frame.geometry, crs).total_bounds) for frame in frames if not frame.empty]
    west, south, east, north = shapely.total_bounds(outlines) / _GRID_METRES
    cols, rows = max(east - west, 0) + 2, max(north - south, 0) + 2
    if not rows * cols < _MOST_PIXELS:
        what = (
            "prediction and reference lakes lie too far apart" if aoi is None else "the area of interest is too large"
        )
        raise GlofgeoError(
            f"{path}: {what} to compare pixel by pixel",
            "give the scene or a smaller area of interest",
            argument="scene",
        )
    left, top = math.floor(west) * _GRID_METRES, math.ceil(north) * _GRID_METRES
    shape = (math.ceil(north) - math.floor(south), math.ceil(east) - math.floor(west))
    return Grid(shape, Affine(_GRID_METRES, 0, left, 0, -_GRID_METRES, top), crs)


def _is_metric(polygons: GeoDataFrame) -> bool:
    """Whether a metre of their CRS is one on the ground, where they lie: in Web Mercator it is half of one at 60 N."""
    crs = polygons.crs
    if not crs.is_projected or {axis.unit_name for axis in crs.axis_info} != {"metre"}:
        return False
    west, south, east, north = polygons.total_bounds
    pixel = Affine(_GRID_METRES, 0, (west + east) / 2, 0, -_GRID_METRES, (south + north) / 2)
    side = Grid((1, 1), pixel, CRS.from_user_input(crs)).pixel_side
    return abs(side / _GRID_METRES - 1) < _MOST_STRETCHED


def _utm_zone(polygons: GeoSeries) -> int:
    """EPSG code of the UTM zone, or of the polar grid beyond 84 N and 80 S, in the middle of polygons in EPSG:4326."""
    west, south, east, north = polygons.bounds.to_numpy().T
    # The mean direction: polygons on both sides of 180 degrees have their middle there, not at 0.
    longitude = np.degrees(np.angle(np.exp(1j * np.radians((west + east) / 2)).sum()))
    latitude = float((south + north).mean() / 2)
    if not -80 <= latitude <= 84:
        return 32661 if latitude > 0 else 32761
    return (32600 if latitude >= 0 else 32700) + math.floor((longitude + 180) / 6) % 60 + 1
