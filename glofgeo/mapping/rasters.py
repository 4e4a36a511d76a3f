"""Probability and mask on disk, as Cloud-Optimized GeoTIFFs that QGIS opens styled."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from glofgeo.config import NOT_OBSERVED
from glofgeo.inventory.raster_styles import mask_qml, probability_qml

_BLOCK = 512

# Red, green, blue of land and lake, for viewers that do not read the style beside the file.
_MASK_COLOURS = {0: (0, 0, 0), 1: (30, 144, 255)}


def open_strip_writer(path: Path, shape: tuple[int, int], transform: Affine, crs: Any) -> DatasetWriter:
    """Opens a tiled GeoTIFF that takes whole rows in any number, from top to bottom.

    It is the working copy of a map, without overviews and not compressed, which saves more time than it costs room;
    `write_probability` makes the final file of it. Strips are written as
    `writer.write(strip, 1, window=Window(0, row, columns, rows))`.

    Args:
        path: file to write.
        shape: (rows, columns).
        transform: from (column, row) to the coordinates of `crs`.
        crs: of the scene.

    Returns:
        A rasterio dataset of one uint8 band, nodata 255, to be closed by the caller.
    """
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=shape[0],
        width=shape[1],
        count=1,
        dtype="uint8",
        nodata=NOT_OBSERVED,
        transform=transform,
        crs=crs,
        tiled=True,
        blockxsize=_BLOCK,
        blockysize=_BLOCK,
    )


def describe_probability(strips: Path, tags: Mapping[str, str]) -> None:
    """Writes into a working copy what it shows.

    Args:
        strips: closed file of `open_strip_writer`, lake probability in percent 0-100, 255 = not observed.
        tags: of the scene and the run, as name and text.
    """
    mean, deviation, observed = _statistics(strips)
    with rasterio.open(strips, "r+") as raster:
        raster.update_tags(**tags)
        raster.set_band_description(1, "lake probability, percent")
        raster.units = ("%",)
        # Minimum and maximum are those of the scale, not of the scene, so that scenes are stretched alike.
        raster.update_tags(
            1,
            STATISTICS_MINIMUM="0",
            STATISTICS_MAXIMUM="100",
            STATISTICS_MEAN=f"{mean:.6g}",
            STATISTICS_STDDEV=f"{deviation:.6g}",
            STATISTICS_VALID_PERCENT=f"{100 * observed:.4g}",
        )


def write_probability(out: Path, strips: Path) -> None:
    """Makes the final `probability.tif` of a described working copy, with its style beside it.

    Overviews are averages: seen from afar, a pixel shows how much of it is lake.

    Args:
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
        strips: as `describe_probability` leaves it; it stays.
    """
    _write_cog(strips, out, probability_qml(), resampling="AVERAGE")


def write_mask(
    out: Path,
    strips: Path,
    decide: Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]],
    tags: Mapping[str, str],
) -> None:
    """Writes `mask.tif` with its colour table, and its style beside it.

    Overviews take the most frequent class, which keeps the total lake area; the nearest pixel would keep or lose
    small lakes by chance.

    Args:
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
        strips: working copy of the probability, whose grid the mask takes.
        decide: first row and percent `(rows, columns)` -> 0 land, 1 lake, 255 = not observed; of any strip.
        tags: of the scene and the run, as name and text.
    """
    working = out.with_name(f".{out.stem}.strips.tif")
    checksum = 0
    try:
        with (
            rasterio.open(strips) as source,
            open_strip_writer(working, source.shape, source.transform, source.crs) as raster,
        ):
            for row in range(0, source.height, _BLOCK):
                mask = decide(row, source.read(1, window=_rows(source, row)))
                checksum = crc32(mask.data, checksum)
                raster.write(mask, 1, window=_rows(source, row))
            raster.colorinterp = (ColorInterp.palette,)
            raster.write_colormap(1, _MASK_COLOURS)
            raster.set_band_description(1, "lake mask: 0 land, 1 lake")
            raster.update_tags(**tags)
        require_pixels(working, checksum)
        _write_cog(working, out, mask_qml(), resampling="MODE")
    finally:
        working.unlink(missing_ok=True)


def _write_cog(source: Path, out: Path, qml: str, resampling: str) -> None:
    """Copies a GeoTIFF into a Cloud-Optimized one, then puts it and its style in place."""
    part = out.with_name(f".{out.stem}.part.tif")
    style = out.with_suffix(".qml")
    style_part = out.with_name(f".{out.stem}.part.qml")
    try:
        copy_raster(
            source,
            part,
            driver="COG",
            compress="DEFLATE",
            blocksize=_BLOCK,
            overview_resampling=resampling,
            overviews="IGNORE_EXISTING",
            bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
        )
        require_pixels(part, _checksum(source))
        style_part.write_text(qml, encoding="utf-8")
        style_part.replace(style)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
        style_part.unlink(missing_ok=True)


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


def _statistics(path: Path) -> tuple[float, float, float]:
    """Mean, standard deviation and observed share of a raster of percent."""
    counts = np.zeros(256, dtype=np.int64)
    with rasterio.open(path) as raster:
        for row in range(0, raster.height, _BLOCK):
            counts += np.bincount(raster.read(1, window=_rows(raster, row)).ravel(), minlength=256)
    values, weights = np.arange(NOT_OBSERVED), counts[:NOT_OBSERVED]
    total = max(int(weights.sum()), 1)
    mean = float((values * weights).sum() / total)
    deviation = float(np.sqrt(((values - mean) ** 2 * weights).sum() / total))
    return mean, deviation, float(weights.sum() / counts.sum())
