"""Raster files (GeoTIFF, COG, VRT) as scenes: what their own metadata say about bands, grid and radiometry."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from glofgeo.errors import GlofgeoError

# An integer GeoTIFF without scale and offset: DN is 10000 times the reflectance, with or without the +1000 of
# baseline 04.00. The darkest 0.1 % of real scenes without it lie below DN 600, with it above 1200.
_PLAIN_QUANTIFICATION = 10000.0
_OFFSET_PRESENT_ABOVE = 900


@dataclass(frozen=True)
class RasterFacts:
    """What a raster file says of itself.

    Attributes:
        id: tag `SCENE_ID`, else the file name without ending.
        crs: of the grid.
        transform: pixel corner to CRS; north-up.
        shape: (rows, cols).
        indexes: band name -> number in the file, from 1.
        radiometry: (quantification, offset) of every band in the file.
        told: how the radiometry is known, in words.
        datetime: acquisition time, UTC, or None.
        baseline: tag `PROCESSING_BASELINE`, or None.
        level: tag `PROCESSING_LEVEL`, or None.
        nodata: DN that means "no data".
    """

    id: str
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    indexes: dict[str, int]
    radiometry: list[tuple[float, float]]
    told: str
    datetime: datetime | None
    baseline: str | None
    level: str | None
    nodata: float


def read_raster(path: Path, bands: tuple[str, ...], offset: float | None = None) -> RasterFacts:
    """Reads the metadata of a raster file, and a sample of its pixels where it does not tell its radiometry.

    Raises:
        GlofgeoError: If it is no raster, its bands are unnamed or lack one asked for, or its grid or pixels are unfit.
    """
    try:
        with rasterio.open(path) as source:
            _check(path, source, bands)
            indexes = {_band_name(text): i for i, text in enumerate(source.descriptions, 1) if text}
            nodata = source.nodata
            if nodata is None:
                nodata = 0.0 if np.issubdtype(source.dtypes[0], np.integer) else float("nan")
            radiometry, told = _radiometry(path, source, [indexes[band] for band in bands], nodata, offset)
            tags = source.tags()
            return RasterFacts(
                id=tags.get("SCENE_ID", path.stem),
                crs=source.crs,
                transform=source.transform,
                shape=source.shape,
                indexes=indexes,
                radiometry=radiometry,
                told=told,
                datetime=_time(path, tags),
                baseline=tags.get("PROCESSING_BASELINE"),
                level=tags.get("PROCESSING_LEVEL"),
                nodata=nodata,
            )
    except (RasterioError, OSError) as error:
        raise GlofgeoError(
            f"{path}: cannot be opened as a scene ({str(error).splitlines()[0]}); "
            "give a .SAFE folder, its zip, or a GeoTIFF, COG or VRT"
        ) from None


def _band_name(text: str) -> str:
    """`b2` and `B2` mean `B02`."""
    name = text.strip().upper()
    return f"B0{name[1]}" if re.fullmatch(r"B\d", name) else name


def _check(path: Path, source: rasterio.DatasetReader, bands: tuple[str, ...]) -> None:
    names = [_band_name(text) for text in source.descriptions if text]
    if not names:
        raise GlofgeoError(
            f"{path}: its {source.count} bands have no names; set band descriptions (B02, B03, …), "
            "so that no band is taken for another"
        )
    missing = [band for band in bands if band not in names]
    if missing:
        raise GlofgeoError(f"{path}: has no band {', '.join(missing)}; it has {', '.join(names)}")
    if source.crs is None:
        raise GlofgeoError(f"{path}: has no CRS; assign the one it was made in")
    t = source.transform
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise GlofgeoError(f"{path}: its grid is rotated or not north-up; warp it to a north-up grid first")
    if source.dtypes[0] == "uint8":
        raise GlofgeoError(f"{path}: 8-bit pixels are a picture, not reflectance; give the product itself")


def _radiometry(
    path: Path, source: rasterio.DatasetReader, wanted: list[int], nodata: float, given: float | None
) -> tuple[list[tuple[float, float]], str]:
    """(quantification, offset) of every band in the file, and how that is known."""
    if any(scale != 1 for scale in source.scales) or any(source.offsets):
        pairs = [(round(1 / s, 6), round(o / s, 6)) for s, o in zip(source.scales, source.offsets, strict=True)]
        told = f"(DN {pairs[wanted[0] - 1][1]:+g}) / {pairs[wanted[0] - 1][0]:g}, from the file's scale and offset"
        return pairs, told
    step = max(1, max(source.shape) // 1024)
    sample = source.read(wanted, out_shape=(len(wanted), -(-source.height // step), -(-source.width // step)))
    planes = [plane[np.isfinite(plane) & (plane != nodata)] for plane in sample]
    planes = [plane for plane in planes if plane.size]
    if np.issubdtype(sample.dtype, np.floating):
        if planes and max(np.median(plane) for plane in planes) > 3:
            raise GlofgeoError(f"{path}: floating-point values above 3 are no reflectance; set the bands' scale")
        return [(1.0, 0.0)] * source.count, "floating-point reflectance, taken as it is"
    if given is not None:
        return [(_PLAIN_QUANTIFICATION, given)] * source.count, f"(DN {given:+g}) / 10000, as given"
    floor = min((np.percentile(plane, 0.1) for plane in planes), default=0.0)
    offset = -1000.0 if floor >= _OFFSET_PRESENT_ABOVE else 0.0
    told = f"(DN {offset:+g}) / 10000, measured: the darkest 0.1 % lie at DN {floor:.0f}"
    return [(_PLAIN_QUANTIFICATION, offset)] * source.count, told


def _time(path: Path, tags: dict[str, str]) -> datetime | None:
    """From the file's tags, else from its name (`20241015T045701` or `2024-10-15`)."""
    patterns = (
        (tags.get("ACQUISITION_DATETIME", ""), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S"),
        (tags.get("TIFFTAG_DATETIME", ""), r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", "%Y:%m:%d %H:%M:%S"),
        (path.stem, r"\d{8}T\d{6}", "%Y%m%dT%H%M%S"),
        (path.stem, r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
    )
    for text, pattern, form in patterns:
        match = re.search(pattern, text)
        if match:
            try:
                return datetime.strptime(match.group(), form).replace(tzinfo=UTC)
            except ValueError:
                continue
    return None
