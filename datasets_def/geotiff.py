"""Raster files (GeoTIFF, COG, VRT) as scenes: bands, grid and radiometry from their own metadata."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from datasets_def.bands import BANDS, QUANTIFICATION, band_names
from datasets_def.dn_sample import pieces_of, sample_band, sample_dn
from datasets_def.errors import GlofgeoError
from datasets_def.files import Layer
from datasets_def.grid import Grid
from datasets_def.radiometry import (
    PRODUCT_NAME,
    Claim,
    baseline_in,
    choose_offset,
    claims,
    from_scales,
    level_in,
    read_item,
)

_CLASSES = "SCL"
# Of reflectance; beyond it, floating-point numbers are DN.
_LARGEST_MEDIAN = 3
# Metres on the ground. Sentinel-2 has 10; what lies beyond is a grid in another CRS than the file says.
_FINEST, _COARSEST = 0.1, 10_000
# In units of any CRS: more than twice around the Earth in feet. PROJ takes such numbers modulo a turn.
_FARTHEST = 3e8

Radiometry = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class RasterFacts:
    """The metadata of a raster file, or of several that make one scene.

    Attributes:
        id: tag `SCENE_ID`, else the file name without ending.
        grid: where its pixels lie.
        layers: band name (or `SCL`) -> where its pixels lie and what they mean.
        radiometry: how the radiometry is known, in words.
        missing: how pixels without data are known, in words.
        datetime: acquisition time, UTC, or None.
        baseline: processing baseline ("05.10"), or None.
        level: "L1C" or "L2A", or None.
    """

    id: str
    grid: Grid
    layers: dict[str, Layer]
    radiometry: str
    missing: str
    datetime: datetime | None
    baseline: str | None
    level: str | None


def read_raster(
    path: Path, bands: tuple[str, ...], offset: float | None = None, *, together: tuple[Path, ...] = ()
) -> RasterFacts:
    """Reads the metadata of a raster file, and a sample of its pixels where it does not tell its radiometry.

    Args:
        path: of the file.
        bands: names of those that are wanted; others may be there.
        offset: DN to add before dividing, if the file does not tell.
        together: files of the same scene, itself among them; by default the pieces of one export.

    Raises:
        GlofgeoError: If it is no raster, its bands are unnamed, named twice or lack one asked for, its grid or pixels
            are unfit, or its radiometry is not known.
    """
    try:
        with rasterio.open(path) as source:
            indexes = _band_numbers(path, band_names(path.stem, source.descriptions))
            _check(path, source, indexes, bands)
            tags = {name.upper(): value for name, value in source.tags().items()}
            item = read_item(path)
            layers, missing = _bare_layers(path, source, indexes)
            optical = [band for band in bands if band in BANDS]
            known: Radiometry = {}
            radiometry = ""
            if optical:
                declared = _radiometry(path, source, layers, optical, offset)
                known, radiometry = declared or _plain(path, together, optical, claims(path, tags, item), offset)
            return RasterFacts(
                id=tags.get("SCENE_ID", path.stem),
                grid=_grid(source),
                layers={name: _with_radiometry(layer, known.get(name)) for name, layer in layers.items()},
                radiometry=radiometry,
                missing=missing,
                datetime=acquired(path, tags, item),
                baseline=tags.get("PROCESSING_BASELINE") or baseline_in(path.stem),
                level=level_in(tags.get("PROCESSING_LEVEL", "")) or level_in(path.stem),
            )
    # GDAL's messages quote a damaged VRT, whatever bytes it holds.
    except (RasterioError, OSError, UnicodeDecodeError) as error:
        raise GlofgeoError(
            f"{path}: cannot be opened as a scene ({str(error).splitlines()[0]})",
            "give a .SAFE folder, its zip, or a GeoTIFF, COG or VRT",
        ) from None


def acquired(path: Path, tags: Mapping[str, str], item: Mapping[str, Any]) -> datetime | None:
    """Gives the acquisition time of a scene: from tags, its STAC item, or its name (`20241015T045701`, `2024-10-15`).

    `TIFFTAG_DATETIME` is when a file was made, not when a scene was seen.

    Args:
        path: of the file; the first time in its name is the acquisition, as in names of products and their bands.
        tags: names in capitals.
        item: properties of its STAC item, empty without one.

    Raises:
        GlofgeoError: If tags, item and the name of a product differ by more than a day.
    """
    stamp, moment = r"(?<!\d)\d{8}T\d{6}(?!\d)", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    product = PRODUCT_NAME.search(path.stem)
    sources = (
        (tags.get("ACQUISITION_DATETIME", ""), moment, "%Y-%m-%dT%H:%M:%S"),
        (tags.get("PRODUCT_START_TIME", ""), moment, "%Y-%m-%dT%H:%M:%S"),
        (str(item.get("datetime", "")), moment, "%Y-%m-%dT%H:%M:%S"),
        (product[2] if product else "", stamp, "%Y%m%dT%H%M%S"),
    )
    # Other names are given by people, who may have meant another day.
    named = ((path.stem, stamp, "%Y%m%dT%H%M%S"), (path.stem, r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)", "%Y-%m-%d"))
    times = [found for found in (_first_time(*one) for one in sources) if found]
    if times and max(times) - min(times) > timedelta(days=1):
        raise GlofgeoError(
            f"{path}: tags, STAC item or name give different acquisition times "
            f"({min(times):%Y-%m-%d}, {max(times):%Y-%m-%d})",
            "correct the wrong one",
        )
    return next((found for found in (*times, *(_first_time(*one) for one in named)) if found), None)


def _first_time(text: str, pattern: str, form: str) -> datetime | None:
    for match in re.finditer(pattern, text):
        try:
            return datetime.strptime(match.group(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _bare_layers(path: Path, source: DatasetReader, indexes: Mapping[str, int]) -> tuple[dict[str, Layer], str]:
    """Layers of an open file without radiometry as yet, and how missing pixels are known, in words."""
    named = {name: index for name, index in indexes.items() if name in BANDS or name == _CLASSES}
    optical = [index for name, index in named.items() if name in BANDS]
    # What is named as a band is one, though a GeoTIFF of four takes the fourth for alpha.
    hidden = [
        number
        for number, kind in enumerate(source.colorinterp, 1)
        if kind == ColorInterp.alpha and number not in named.values()
    ]
    alpha = hidden[0] if hidden else 0
    flags = source.mask_flag_enums[optical[0] - 1] if optical else []
    masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    holes = {name: source.nodatavals[index - 1] for name, index in named.items()}
    layers = {
        name: Layer(str(path), index, nodata=holes[name] or 0.0, masked=masked, alpha=alpha)
        for name, index in named.items()
    }
    values = dict.fromkeys(hole for name, hole in holes.items() if name in BANDS)
    words = ["0, as none is declared" if value is None else f"{value:g}" for value in values]
    return layers, ", ".join(words + ["the file's mask"] * masked + ["its alpha band"] * bool(alpha))


def _with_radiometry(layer: Layer, known: tuple[float, float] | None) -> Layer:
    """Completes a layer by quantification and offset; one of classes has neither."""
    return layer if known is None else replace(layer, quantification=known[0], offset=known[1])


def _band_numbers(path: Path, names: list[str]) -> dict[str, int]:
    """Band name -> number in the file, from 1."""
    if not any(names):
        raise GlofgeoError(
            f"{path}: its {len(names)} bands have no names",
            "set band descriptions (B02, B03, …), so that no band is taken for another",
        )
    twice = sorted({name for name in names if (name in BANDS or name == _CLASSES) and names.count(name) > 1})
    if twice:
        raise GlofgeoError(f"{path}: has several bands named {', '.join(twice)}", "name each band once")
    optical = [name for name in names if name in BANDS]
    run = re.search(r"(?:B\d[\dA][_-]?){2,}", path.stem)
    listed = re.findall(r"B\d[\dA]", run[0]) if run else []
    if listed != optical and sorted(listed) == sorted(optical):
        raise GlofgeoError(
            f"{path}: its name lists {', '.join(listed)}, its band descriptions {', '.join(optical)}",
            "correct the one that is wrong",
        )
    return {name: number for number, name in enumerate(names, 1) if name}


def _check(path: Path, source: DatasetReader, indexes: Mapping[str, int], bands: tuple[str, ...]) -> None:
    missing = [band for band in bands if band not in indexes]
    if missing:
        raise GlofgeoError(f"{path}: has no band {', '.join(missing)}; it has {', '.join(indexes)}")
    if source.crs is None:
        raise GlofgeoError(f"{path}: has no CRS", "assign the one it was made in")
    t = source.transform
    if not all(map(math.isfinite, t)) or t.b or t.d or t.a <= 0 or t.e >= 0:
        raise GlofgeoError(f"{path}: its grid is rotated or not north-up", "warp it to a north-up grid first")
    _check_place(path, source)
    kinds = [source.dtypes[indexes[band] - 1] for band in bands if band in BANDS]
    if any(kind in ("uint8", "int8") for kind in kinds):
        raise GlofgeoError(f"{path}: 8-bit pixels are a picture, not reflectance", "give the product itself")
    if any(kind.startswith("complex") for kind in kinds):
        raise GlofgeoError(f"{path}: complex numbers are not reflectance", "give the product itself")


def _grid(source: DatasetReader) -> Grid:
    return Grid(source.shape, source.transform, source.crs)


def _check_place(path: Path, source: DatasetReader) -> None:
    """Refuses a grid outside the Earth, such as one in metres whose CRS is in degrees."""
    grid, crs = _grid(source), source.crs
    left, bottom, right, top = grid.bounds
    try:
        side = grid.pixel_side if crs.is_geographic or crs.is_projected else math.nan
    except GlofgeoError:
        side = math.nan
    farthest = 90 + abs(grid.transform.e) if crs.is_geographic else _FARTHEST
    beyond = max(abs(bottom), abs(top)) > farthest or max(abs(left), abs(right)) > _FARTHEST
    if beyond or not _FINEST <= side <= _COARSEST:
        raise GlofgeoError(
            f"{path}: pixels of {grid.transform.a:g} at ({left:.10g}, {top:.10g}) in "
            f"{crs.to_string()[:40]} do not lie on the Earth",
            "assign the CRS and the grid it was made in",
        )


def _plain(
    path: Path, together: Sequence[Path], bands: Sequence[str], claimed: list[Claim], given: float | None
) -> tuple[Radiometry, str]:
    """(quantification, offset) of every optical band and how that is known, of DN that carry neither."""
    sample = sample_dn(together, tuple(BANDS)) if together else sample_dn(pieces_of(path), bands)
    offset, source = choose_offset(path, claimed, given, sample)
    return dict.fromkeys(BANDS, (QUANTIFICATION, offset)), f"(DN {offset:+g}) / {QUANTIFICATION:g}, {source}"


def _radiometry(
    path: Path, source: DatasetReader, layers: Mapping[str, Layer], bands: Sequence[str], given: float | None
) -> tuple[Radiometry, str] | None:
    """(quantification, offset) of every optical band and how that is known; None for DN without scale and offset."""
    optical = {name: layer.index - 1 for name, layer in layers.items() if name in BANDS}
    scales = {name: (source.scales[number], source.offsets[number]) for name, number in optical.items()}
    if any(scales[band] != (1.0, 0.0) for band in bands):
        return from_scales(path, scales, bands, given)
    floating = {np.dtype(source.dtypes[optical[band]]).kind == "f" for band in bands}
    if floating == {False}:
        return None
    planes = [sample_band(source, layers[band].index) for band in bands]
    if len(floating) > 1 or any(plane.size and np.median(plane) > _LARGEST_MEDIAN for plane in planes):
        raise GlofgeoError(f"{path}: floating-point values above 3 are not reflectance", "set the bands' scale")
    if given is not None:
        raise GlofgeoError(
            f"{path}: holds floating-point reflectance, which has no offset", "give none", argument="offset"
        )
    return dict.fromkeys(optical, (1.0, 0.0)), "floating-point reflectance, taken as it is"
