"""Raster files (GeoTIFF, COG, VRT) as scenes: bands, grid and radiometry from their own metadata."""

from collections.abc import Sequence
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from datasets_def.acquired import acquired
from datasets_def.bands import BANDS, QUANTIFICATION, band_names
from datasets_def.dn_sample import pieces_of, sample_dn
from datasets_def.errors import GlofgeoError
from datasets_def.radiometry import Claim, baseline_in, choose_offset, claims, item_beside, level_in
from datasets_def.raster_checks import band_numbers, check_raster, grid_of
from datasets_def.raster_layers import Radiometry, bare_layers, declared_radiometry, with_radiometry
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
    try:
        with rasterio.open(path) as source:
            indexes = band_numbers(path, path.stem, band_names(path.stem, source.descriptions))
            check_raster(path, source, indexes, bands)
            tags = {name.upper(): value for name, value in source.tags().items()}
            item = item_beside(path)
            layers, missing = bare_layers(str(path), source, indexes)
            optical = [band for band in bands if band in BANDS]
            known: Radiometry = {}
            radiometry = ""
            if optical:
                declared = declared_radiometry(path, source, layers, optical, offset)
                known, radiometry = declared or _plain(path, together, optical, claims(path, tags, item), offset)
            return SceneFacts(
                id=tags.get("SCENE_ID", path.stem),
                grid=grid_of(source),
                layers={name: with_radiometry(layer, known.get(name)) for name, layer in layers.items()},
                radiometry=radiometry,
                missing=missing,
                datetime=acquired(path, path.stem, tags, item),
                baseline=tags.get("PROCESSING_BASELINE") or baseline_in(path.stem),
                level=level_in(tags.get("PROCESSING_LEVEL", "")) or level_in(path.stem),
            )
    # GDAL's messages quote a damaged VRT, whatever bytes it holds.
    except (RasterioError, OSError, UnicodeDecodeError) as error:
        raise GlofgeoError(
            f"{path}: cannot be opened as a scene ({str(error).splitlines()[0]})",
            "give a .SAFE folder, its zip, or a GeoTIFF, COG or VRT",
        ) from None


def _plain(
    path: Path, together: Sequence[Path], bands: Sequence[str], claimed: list[Claim], given: float | None
) -> tuple[Radiometry, str]:
    """(quantification, offset) of every optical band and how that is known, of DN that carry neither."""
    sample = sample_dn(together, tuple(BANDS)) if together else sample_dn(pieces_of(path), bands)
    offset, source = choose_offset(path, claimed, given, sample)
    return dict.fromkeys(BANDS, (QUANTIFICATION, offset)), f"(DN {offset:+g}) / {QUANTIFICATION:g}, {source}"
