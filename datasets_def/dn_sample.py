"""Samples the DN of raster files that do not give their radiometry."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import DatasetReader
from rasterio.windows import Window

from datasets_def.bands import QUANTIFICATION, band_names
from datasets_def.files import Layer, Planes
from datasets_def.in_place import is_remote
from datasets_def.pixels import measured

# Names of the pieces in which Earth Engine exports one image.
_PIECE = re.compile(r"(.+)-\d{10}-\d{10}")

_DARK_PERCENT, _BRIGHT_PERCENT = 5, 99
_SIDE = 1024


@dataclass(frozen=True)
class Sample:
    """Statistics of integer DN.

    Attributes:
        darkest: DN below which the darkest twentieth of the darkest band lies; infinite where nothing was measured.
        brightest: DN above which the brightest hundredth of the brightest band lies; likewise.
        files: how many files these pixels come from.
        empty: whether all pixels were looked at, and none was measured.
    """

    darkest: float
    brightest: float
    files: int
    empty: bool = False


def pieces_of(path: Path) -> list[Path]:
    """Gives a file, or all pieces of one export of which it is one."""
    whole = _PIECE.fullmatch(path.stem)
    if whole is None:
        return [path]
    siblings = ((sibling, _PIECE.fullmatch(sibling.stem)) for sibling in path.parent.iterdir())
    return sorted(s for s, match in siblings if match and match[1] == whole[1] and s.suffix == path.suffix)


def sample_dn(paths: Sequence[Path], bands: Sequence[str]) -> Sample:
    """Samples the integer DN of files that belong together.

    Args:
        paths: of the files.
        bands: names of those to look at, as far as a file has them.

    Raises:
        RasterioError: If a file cannot be read.
    """
    # One export of many pieces would else be read as often as it has pieces.
    return _sample_dn(tuple((path, path.stat().st_mtime_ns) for path in paths), tuple(bands))


@lru_cache(maxsize=256)
def _sample_dn(files: tuple[tuple[Path, int], ...], bands: tuple[str, ...]) -> Sample:
    # What a subset of the pixels lacks, the rest may have.
    for read in sample_band, _measured_in:
        gathered: dict[str, list[npt.NDArray[Any]]] = {}
        for path, _ in files:
            with rasterio.open(path) as source:
                names = band_names(path.stem, source.descriptions)
                for band in bands:
                    if band in names:
                        gathered.setdefault(band, []).append(read(source, names.index(band) + 1))
        if planes := [plane for plane in map(np.concatenate, gathered.values()) if plane.size]:
            darkest = min(float(np.percentile(plane, _DARK_PERCENT)) for plane in planes)
            brightest = max(float(np.percentile(plane, _BRIGHT_PERCENT)) for plane in planes)
            return Sample(darkest, brightest, len(files))
    return Sample(math.inf, math.inf, len(files), empty=True)


def sample_band(source: DatasetReader, index: int) -> npt.NDArray[Any]:
    """Reads a subset of the pixels of a band, without missing ones; over a network only where that costs little.

    Args:
        source: open file.
        index: number of the band, from 1.

    Returns:
        The values that are left, `(N,)`; no 0 among them, which a file may hold as fill beside its nodata.
    """
    step = max(1, max(source.shape) // _SIDE)
    shape = (-(-source.height // step), -(-source.width // step))
    if is_remote(source.name) and not source.overviews(index):
        corner = [(side - part) // 2 for side, part in zip(source.shape, shape, strict=True)]
        plane = source.read(index, window=Window(corner[1], corner[0], shape[1], shape[0]))
    else:
        plane = source.read(index, out_shape=shape)
    return _without_missing(plane, source.nodatavals[index - 1])


def _measured_in(source: DatasetReader, index: int) -> npt.NDArray[Any]:
    """Reads all pixels of a band but the missing ones."""
    strips = (Window(0, top, source.width, min(_SIDE, source.height - top)) for top in range(0, source.height, _SIDE))
    nodata = source.nodatavals[index - 1]
    return np.concatenate([_without_missing(source.read(index, window=strip), nodata) for strip in strips])


def _without_missing(plane: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[Any]:
    there = measured(Planes(plane[None], None), [Layer("", quantification=QUANTIFICATION, nodata=nodata or 0.0)])
    return plane[there & (plane > 0)] if plane.dtype.kind == "f" else plane[there]
