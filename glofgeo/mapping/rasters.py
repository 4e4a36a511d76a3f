"""Probability and mask on disk, as Cloud-Optimized GeoTIFFs that QGIS opens styled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import DatasetWriter
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from glofgeo.config import NOT_OBSERVED
from glofgeo.inventory.styles import mask_qml, probability_qml

_BLOCK = 512

# Red, green, blue of land and lake, for viewers that do not read the style beside the file.
_MASK_COLOURS = {0: (0, 0, 0), 1: (30, 144, 255)}


def open_strip_writer(path: Path, shape: tuple[int, int], transform: Affine, crs: Any) -> DatasetWriter:
    """Opens a tiled GeoTIFF that takes whole rows in any number, from top to bottom.

    It is the working copy of a map, without overviews and only lightly compressed; `finish_probability` makes the
    final file of it. Strips are written as `writer.write(strip, 1, window=Window(0, row, columns, rows))`.

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
        compress="deflate",
        zlevel=1,
    )


def finish_probability(strips: Path, out: Path, tags: Mapping[str, str]) -> None:
    """Makes the final `probability.tif` of the working copy, with its style beside it.

    Overviews are averages: seen from afar, a pixel shows how much of it is lake.

    Args:
        strips: closed file of `open_strip_writer`, lake probability in percent 0-100, 255 = not observed. It gets the
            tags, and stays.
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
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
    _write_cog(strips, out, probability_qml(), resampling="AVERAGE")


def write_mask(out: Path, mask: NDArray[np.uint8], transform: Affine, crs: Any, tags: Mapping[str, str]) -> None:
    """Writes `mask.tif` with its colour table, and its style beside it.

    Overviews take the most frequent class, which keeps the total lake area; the nearest pixel would keep or lose
    small lakes by chance.

    Args:
        out: Cloud-Optimized GeoTIFF to write; one that exists is replaced.
        mask: `(H, W)`, 0 land, 1 lake, 255 = not observed.
        transform: from (column, row) to the coordinates of `crs`.
        crs: of the scene.
        tags: of the scene and the run, as name and text.
    """
    strips = out.with_name(f".{out.stem}.strips.tif")
    try:
        with open_strip_writer(strips, (mask.shape[0], mask.shape[1]), transform, crs) as raster:
            for row in range(0, mask.shape[0], _BLOCK):
                rows = mask[row : row + _BLOCK]
                raster.write(rows, 1, window=Window(0, row, rows.shape[1], rows.shape[0]))
            raster.colorinterp = (ColorInterp.palette,)
            raster.write_colormap(1, _MASK_COLOURS)
            raster.set_band_description(1, "lake mask: 0 land, 1 lake")
            raster.update_tags(**tags)
        _write_cog(strips, out, mask_qml(), resampling="MODE")
    finally:
        strips.unlink(missing_ok=True)


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
        style_part.write_text(qml, encoding="utf-8")
        style_part.replace(style)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
        style_part.unlink(missing_ok=True)


def _statistics(path: Path) -> tuple[float, float, float]:
    """Mean, standard deviation and observed share of a raster of percent."""
    counts = np.zeros(256, dtype=np.int64)
    with rasterio.open(path) as raster:
        for row in range(0, raster.height, _BLOCK):
            rows = raster.read(1, window=Window(0, row, raster.width, min(_BLOCK, raster.height - row)))
            counts += np.bincount(rows.ravel(), minlength=256)
    values, weights = np.arange(NOT_OBSERVED), counts[:NOT_OBSERVED]
    total = max(int(weights.sum()), 1)
    mean = float((values * weights).sum() / total)
    deviation = float(np.sqrt(((values - mean) ** 2 * weights).sum() / total))
    return mean, deviation, float(weights.sum() / counts.sum())
