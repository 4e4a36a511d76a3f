"""Raster files (GeoTIFF, COG, VRT) as scenes: bands, grid and radiometry from their own metadata."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from datasets_def.bands import BANDS
from datasets_def.dn_sample import pieces_of, sample_dn
from datasets_def.errors import GlofgeoError
from datasets_def.radiometry import choose_offset, claims, item_beside
from datasets_def.raster_facts import raster_facts
from datasets_def.scene_facts import SceneFacts


def read_raster(
    path: Path, bands: tuple[str, ...], offset: float | None = None, *, together: tuple[Path, ...] = ()
) -> SceneFacts:
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
    item = item_beside(path)

    def undeclared(optical: Sequence[str], tags: Mapping[str, str]) -> tuple[float, str]:
        claimed = claims(path, tags, item)
        sample = sample_dn(together, tuple(BANDS)) if together else sample_dn(pieces_of(path), optical)
        return choose_offset(path, claimed, offset, sample)

    try:
        with rasterio.open(path) as source:
            return raster_facts(source, str(path), path.stem, bands, item, offset, undeclared)
    # GDAL's messages quote a damaged VRT, whatever bytes it holds.
    except (RasterioError, OSError, UnicodeDecodeError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        damaged = path.suffix.lower() in (".tif", ".tiff", ".jp2") and path.is_file() and _is_image(path)
        hint = "give a .SAFE folder, its zip, or a GeoTIFF, COG or VRT"
        raise GlofgeoError(
            f"{path}: cannot be opened as a scene ({reason})",
            "it is damaged or incomplete: download it again" if damaged else hint,
        ) from None


def _is_image(path: Path) -> bool:
    """Whether a file begins as TIFF, BigTIFF or JPEG 2000 files do."""
    with path.open("rb") as file:
        return file.read(12).startswith(
            (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
        )
