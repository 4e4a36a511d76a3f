"""Probability and mask on disk, as Cloud-Optimized GeoTIFFs that QGIS opens styled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from datasets_def.atomic import written_beside
from datasets_def.grid import Grid
from glofgeo.inventory.raster_styles import mask_qml, probability_qml
from glofgeo.percent import NOT_OBSERVED

_BLOCK = 512

# Red, green, blue of land and lake, for viewers that do not read the style beside the file.
_MASK_COLOURS = {0: (0, 0, 0), 1: (30, 144, 255)}


@dataclass(frozen=True)
class WorkingRaster:
    """A finished working copy.

    Attributes:
        path: the file.
        checksum: CRC-32 of its pixels, row by row.
    """

    path: Path
    checksum: int


class StripWriter:
    """Sink that writes strips into a tiled GeoTIFF of one uint8 band, nodata 255; a context manager that closes it.

    It is the working copy of a map, without overviews and not compressed, which saves more time than it costs room;
    `write_probability` makes the final file of it.
    """

    def __init__(self, path: Path, grid: Grid) -> None:
        """Opens the file.

        Args:
            path: file to write.
            grid: of its pixels.
        """
        self.path = path
        self._checksum = 0
        self.raster = rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=grid.shape[0],
            width=grid.shape[1],
            count=1,
            dtype="uint8",
            nodata=NOT_OBSERVED,
            transform=grid.transform,
            crs=grid.crs,
            tiled=True,
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raster.close()

    def add(self, first_row: int, values: NDArray[np.uint8]) -> None:
        """Takes the next strip, uint8 `(rows, columns)`."""
        self._checksum = crc32(values.data, self._checksum)
        self.raster.write(values, 1, window=Window(0, first_row, values.shape[1], values.shape[0]))

    def finish(self) -> WorkingRaster:
        """Closes the file.

        Raises:
            OSError: If the disk took less than was written.
        """
        self.raster.close()
        require_pixels(self.path, self._checksum)
        return WorkingRaster(self.path, self._checksum)


@dataclass(frozen=True)
class Statistics:
    """Of the observed pixels of a probability raster.

    Attributes:
        mean: in percent.
        deviation: standard deviation, in percent.
        observed: their share of all pixels, 0-1.
    """

    mean: float
    deviation: float
    observed: float


class PercentCounts:
    """Sink that counts the pixels of each percentage."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(256, np.int64)

    def add(self, first_row: int, percent: NDArray[np.uint8]) -> None:
        """Takes a strip, `(rows, columns)` percent, 255 = not observed."""
        self._counts += np.bincount(percent.ravel(), minlength=256)

    def finish(self) -> Statistics:
        """Gives the statistics of what was added."""
        values, weights = np.arange(NOT_OBSERVED), self._counts[:NOT_OBSERVED]
        total = max(int(weights.sum()), 1)
        mean = float((values * weights).sum() / total)
        deviation = float(np.sqrt(((values - mean) ** 2 * weights).sum() / total))
        return Statistics(mean, deviation, float(weights.sum() / self._counts.sum()))


def describe_probability(writer: StripWriter, statistics: Statistics, tags: Mapping[str, str]) -> None:
    """Writes into a working copy of lake probability what it shows.

    Args:
        writer: still open.
        statistics: of all that was written.
        tags: of the scene and the run, as name and text.
    """
    raster = writer.raster
    raster.update_tags(**tags)
    raster.set_band_description(1, "lake probability, percent")
    raster.units = ("%",)
    # Minimum and maximum are those of the scale, not of the scene, so that scenes are stretched alike.
    raster.update_tags(
        1,
        STATISTICS_MINIMUM="0",
        STATISTICS_MAXIMUM="100",
        STATISTICS_MEAN=f"{statistics.mean:.6g}",
        STATISTICS_STDDEV=f"{statistics.deviation:.6g}",
        STATISTICS_VALID_PERCENT=f"{100 * statistics.observed:.4g}",
    )


def write_probability(out: Path, source: WorkingRaster) -> None:
    """Makes the final `probability.tif` of a described working copy, with its style beside it.

    Overviews are averages: seen from afar, a pixel shows how much of it is lake.

    Args:
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
        source: the working copy; it stays.
    """
    _write_cog(source, out, probability_qml(), resampling="AVERAGE")


def write_mask(
    out: Path,
    source: WorkingRaster,
    decide: Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]],
    tags: Mapping[str, str],
) -> None:
    """Writes `mask.tif` with its colour table, and its style beside it.

    Overviews take the most frequent class, which keeps the total lake area; the nearest pixel would keep or lose
    small lakes by chance.

    Args:
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
        source: working copy of the probability, whose grid the mask takes.
        decide: first row and percent `(rows, columns)` -> 0 land, 1 lake, 255 = not observed; of any strip.
        tags: of the scene and the run, as name and text.
    """
    working = out.with_name(f".{out.stem}.strips.tif")
    try:
        with rasterio.open(source.path) as percent:
            grid = Grid(percent.shape, percent.transform, percent.crs)
            with StripWriter(working, grid) as writer:
                for window in grid.strips(_BLOCK):
                    writer.add(window.row_off, decide(window.row_off, percent.read(1, window=window)))
                writer.raster.colorinterp = (ColorInterp.palette,)
                writer.raster.write_colormap(1, _MASK_COLOURS)
                writer.raster.set_band_description(1, "lake mask: 0 land, 1 lake")
                writer.raster.update_tags(**tags)
                mask = writer.finish()
        _write_cog(mask, out, mask_qml(), resampling="MODE")
    finally:
        working.unlink(missing_ok=True)


def _write_cog(source: WorkingRaster, out: Path, qml: str, resampling: str) -> None:
    """Copies a GeoTIFF into a Cloud-Optimized one, then puts its style and it in place."""
    with written_beside(out) as part, written_beside(out.with_suffix(".qml")) as style:
        copy_raster(
            source.path,
            part,
            driver="COG",
            compress="DEFLATE",
            blocksize=_BLOCK,
            overview_resampling=resampling,
            overviews="IGNORE_EXISTING",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
        )
        require_pixels(part, source.checksum)
        style.write_text(qml, encoding="utf-8")


def require_pixels(path: Path, checksum: int) -> None:
    """Reads a raster back, since GDAL does not tell when a disk had no room for the last of what it wrote.

    Args:
        path: raster of one uint8 band.
        checksum: CRC-32 of its pixels, row by row.

    Raises:
        OSError: If the pixels are others.
    """
    if _checksum(path) != checksum:
        raise OSError(f"{path.name} does not hold what was written to it; the disk may be full")


def _checksum(path: Path) -> int:
    value = 0
    with rasterio.open(path) as raster:
        for row in range(0, raster.height, _BLOCK):
            value = crc32(raster.read(1, window=_rows(raster, row)).data, value)
    return value


def _rows(raster: DatasetReader, row: int) -> Window:
    """The row of blocks that starts at `row`."""
    return Window(0, row, raster.width, min(_BLOCK, raster.height - row))
