"""Elevation models (DEM) on any grid, and what follows from height alone: slope, and shadow at a given sun.

The DEM is warped to the grid of the imagery, never the reverse.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid
from datasets_def.reproject import WGS84

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Heights beyond these, in metres, are no ground but numbers for "no data", declared or not.
_LOWEST, _HIGHEST = -500.0, 9000.0

# Mountains this far away still throw their shadow; with the sun 30 degrees high, those that stand 3500 m above.
SHADOW_REACH_M = 6000.0

# Pixels read around what is wanted, so that interpolation has neighbours there.
_MARGIN = 3

# Degrees; tiles that end at 180 may reach half a pixel beyond.
_ANTIMERIDIAN = 180.01

_ELLIPSOID = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Dem:
    """An elevation model of one tile or several.

    Attributes:
        tiles: file and grid of each; where tiles overlap, the first that has data holds.
    """

    tiles: tuple[tuple[Path, Grid], ...]

    @property
    def files(self) -> list[Path]:
        """The tiles' files."""
        return list(dict.fromkeys(path for path, _ in self.tiles))

    @property
    def pixel_m(self) -> float:
        """Side in metres of the first tile's pixels."""
        return self.tiles[0][1].pixel_side

    def meets(self, grid: Grid) -> bool:
        """Whether a tile reaches onto a grid."""
        return any(_part(tile, grid) is not None for _, tile in self.tiles)

    def covers(self, grid: Grid) -> float:
        """Tells what share of a grid lies on its tiles, 0-1."""
        wanted = grid.footprint
        return float(
            shapely.union_all([tile.footprint for _, tile in self.tiles]).intersection(wanted).area / wanted.area
        )

    def on(self, grid: Grid) -> Floats:
        """Warps it to a grid, bilinearly; a DEM of finer pixels is averaged first.

        Args:
            grid: in any CRS.

        Returns:
            `(H, W)` float32, metres above what the DEM's heights count from; NaN in voids and off its tiles.

        Raises:
            GlofgeoError: If a tile cannot be read.
        """
        height = np.full(grid.shape, np.nan, np.float32)
        side = grid.pixel_side
        for path, tile in self.tiles:
            wanted = np.isnan(height)
            if not wanted.any():
                break
            part = _tile_on(path, tile, grid, side)
            if part is not None:
                height[wanted] = part[wanted]
        return height


def open_dem(paths: Sequence[str | Path]) -> Dem:
    """Opens a DEM, reading no height yet.

    Args:
        paths: GeoTIFFs or whatever GDAL reads, in any CRS and resolution; a folder stands for all its `.tif` and `.vrt`
            files.

    Raises:
        GlofgeoError: If a file is missing, cannot be read, or has several bands, no CRS or a rotated grid.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in (".tif", ".tiff", ".vrt"))
            if not found:
                raise GlofgeoError(f"{path}: holds no .tif file", "name the tiles of the DEM, or their folder")
            files += found
        else:
            files.append(path)
    return Dem(tuple((path, grid) for path in files for grid in _turns(_tile_grid(path))))


@dataclass(frozen=True)
class Spacing:
    """How large a grid's pixels are on the ground, and how the grid is turned.

    Attributes:
        east_m: width of a pixel in metres.
        north_m: its height in metres.
        turn: azimuth of the grid's columns, upwards, in degrees clockwise from north.
    """

    east_m: float
    north_m: float
    turn: float = 0.0


def spacing(grid: Grid) -> Spacing:
    """Measures the pixel in the middle of a grid on the ellipsoid (WGS 84).

    Raises:
        GlofgeoError: If the grid does not lie on the Earth.
    """
    row, col = (side / 2 for side in grid.shape)
    corners = [grid.transform * (col + x, row + y) for x, y in ((0, 0), (1, 0), (0, -1))]
    try:
        project = Transformer.from_crs(grid.crs.to_wkt(), WGS84, always_xy=True)
        lon, lat = project.transform([x for x, _ in corners], [y for _, y in corners], errcheck=True)
    except ProjError:
        raise GlofgeoError("the middle of the grid does not lie on the Earth", "check its CRS and corner") from None
    _, _, east = _ELLIPSOID.inv(lon[0], lat[0], lon[1], lat[1])
    turn, _, north = _ELLIPSOID.inv(lon[0], lat[0], lon[2], lat[2])
    return Spacing(float(east), float(north), float(turn))


def slope(height: Floats, pixel: Spacing) -> Floats:
    """Computes the slope of the ground by Horn's formula.

    Horn 1981, "Hill shading and the reflectance map", Proceedings of the IEEE 69(1), 14-47: weighted differences over
    3 x 3 pixels. Beyond the border the ground is taken to go on as it came.

    Args:
        height: `(H, W)` float32, metres; at least 2 pixels a side.
        pixel: size of the pixels.

    Returns:
        `(H, W)` float32, degrees; NaN within a pixel of a void.
    """
    padded = np.pad(height, 1, mode="reflect", reflect_type="odd")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    tilt = (rows[:, 2:] - rows[:, :-2]) / np.float32(8 * pixel.east_m)
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    rise = (columns[2:] - columns[:-2]) / np.float32(8 * pixel.north_m)
    degrees: Floats = np.degrees(np.arctan(np.hypot(tilt, rise)))
    return degrees


def cast_shadow(height: Floats, pixel: Spacing, zenith: float, azimuth: float, reach_m: float = math.inf) -> Mask:
    """Finds the ground that higher ground keeps from the sun, slopes that face away from it included.

    From every pixel the line to the sun is followed from one row (or column, whichever it crosses more often) to the
    next, where the ground is interpolated between two pixels. Ground off the grid and in voids throws no shadow.

    Args:
        height: `(H, W)` float32, metres.
        pixel: size and turn of the pixels.
        zenith: of the sun, degrees, below 90.
        azimuth: of the sun, degrees clockwise from north.
        reach_m: how far to look towards the sun.

    Returns:
        `(H, W)` bool; False in voids.
    """
    void = np.isnan(height)
    if void.all():
        return ~void
    ground = np.where(void, np.nanmin(height), height)
    turned = math.radians(azimuth - pixel.turn)
    # Pixels a metre, downwards and to the right.
    down, right = -math.cos(turned) / pixel.north_m, math.sin(turned) / pixel.east_m
    by_rows = abs(down) >= abs(right)
    ahead, aside = (down, right) if by_rows else (right, down)
    lines = ground if by_rows else np.ascontiguousarray(ground.T)
    shaded = np.zeros(lines.shape, dtype=bool)
    rise = 1 / abs(ahead) / math.tan(math.radians(zenith))
    reach = min(math.ceil(float(np.ptp(ground)) / rise), reach_m * abs(ahead))
    # One place for what is seen at each step: a new one would cost more than what is computed in it.
    room = np.empty(lines.shape, np.float32)
    for step in range(1, int(min(reach, len(lines) - 1)) + 1):
        offset = round(step * aside / abs(ahead), 6)
        line, left = (step if ahead > 0 else -step), math.floor(offset)
        here = (_kept(line, lines.shape[0]), _kept(left, lines.shape[1], offset > left))
        near, seen = _shifted(lines, here, line, left), room[here]
        np.subtract(_shifted(lines, here, line, left + 1) if offset > left else near, near, out=seen)
        seen *= np.float32(offset - left)
        seen += near
        seen -= np.float32(step * rise)
        shaded[here] |= seen > lines[here]
    return (shaded if by_rows else shaded.T) & ~void


def _kept(shift: int, size: int, pair: bool = False) -> slice:
    """The positions that, moved by `shift` (and by one more, for a pair), are still within `size`."""
    return slice(min(max(0, -shift), size), max(min(size, size - shift - pair), 0))


def _shifted(lines: Floats, here: tuple[slice, slice], down: int, right: int) -> Floats:
    rows, cols = here
    return lines[rows.start + down : rows.stop + down, cols.start + right : cols.stop + right]


def _tile_grid(path: Path) -> Grid:
    if not path.exists():
        raise GlofgeoError(f"{path}: no such DEM", "check the path")
    try:
        with rasterio.open(path) as source:
            if source.count != 1:
                raise GlofgeoError(f"{path}: has {source.count} bands", "give a DEM, which has one")
            if source.crs is None:
                raise GlofgeoError(f"{path}: has no CRS", "assign the one it was made in, with gdal_edit.py -a_srs")
            transform = source.transform
            if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
                raise GlofgeoError(f"{path}: its grid is turned or upside down", "warp it with gdalwarp")
            return Grid(source.shape, transform, source.crs)
    except RasterioError as error:
        raise GlofgeoError(f"{path}: cannot be read as a DEM ({str(error).splitlines()[0]})") from None


def _turns(grid: Grid) -> list[Grid]:
    """A grid, and once more for what of it lies beyond 180 degrees: other CRS have that at western longitudes."""
    if not grid.crs.is_geographic or grid.bounds[2] <= _ANTIMERIDIAN:
        return [grid]
    return [grid, replace(grid, transform=rasterio.Affine.translation(-360, 0) * grid.transform)]


def _part(tile: Grid, grid: Grid) -> Window | None:
    """The part of a tile that a grid needs; None where they do not meet."""
    try:
        bounds = transform_bounds(grid.crs, tile.crs, *grid.bounds, densify_pts=21)
    except RasterioError:
        return None
    west, south, east, north = bounds
    if west > east:  # across 180 degrees
        bounds = west, south, east + 360, north
    if not np.isfinite(bounds).all() or not (near := tile.intersect(bounds)).width or not near.height:
        return None
    return tile.intersect(bounds, _MARGIN)


def _tile_on(path: Path, tile: Grid, grid: Grid, side: float) -> Floats | None:
    """Warps what a grid needs of a tile; None where they do not meet."""
    window = _part(tile, grid)
    if window is None:
        return None
    factor = max(1, int(side / tile.pixel_side + 1e-6))
    shape = (math.ceil(window.height / factor), math.ceil(window.width / factor))
    try:
        with rasterio.open(path) as source:
            # Where no value is declared to mean a void, an average could mix one with the ground.
            how = Resampling.nearest if source.nodata is None else Resampling.average
            read = source.read(1, window=window, out_shape=shape, masked=True, resampling=how)
            per_unit, zero = source.scales[0], source.offsets[0]
    except RasterioError as error:
        raise GlofgeoError(f"{path}: cannot be read ({str(error).splitlines()[0]})", "download it again") from None
    height = np.ma.filled(read.astype(np.float32) * np.float32(per_unit) + np.float32(zero), np.nan)
    height[~((height > _LOWEST) & (height < _HIGHEST))] = np.nan
    window_grid = tile.window(window)
    scale = window_grid.transform.scale(window.width / shape[1], window.height / shape[0])
    warped = np.full(grid.shape, np.nan, np.float32)
    # To look for voids takes GDAL half as long again.
    void = np.nan if np.isnan(height).any() else None
    reproject(
        height, warped, src_transform=window_grid.transform * scale, src_crs=tile.crs, src_nodata=void,
        dst_transform=grid.transform, dst_crs=grid.crs, dst_nodata=void, resampling=Resampling.bilinear,
        init_dest_nodata=void is not None,
    )  # fmt: skip
    return warped
