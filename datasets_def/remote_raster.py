"""A GeoTIFF on the network as a scene: its bands have names, and its own metadata tell its radiometry."""

import math
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rasterio import DatasetReader

from datasets_def.acquired import acquired
from datasets_def.bands import BANDS, QUANTIFICATION, band_names
from datasets_def.dn_sample import Sample
from datasets_def.errors import NotInPlaceError
from datasets_def.in_place import read_in_place
from datasets_def.radiometry import baseline_in, choose_offset, claims_of_names, claims_of_tags, level_in
from datasets_def.raster_checks import band_numbers, check_raster, grid_of
from datasets_def.raster_layers import Radiometry, bare_layers, declared_radiometry, with_radiometry
from datasets_def.scene_facts import SceneFacts
from datasets_def.web_address import shown

# Pixels over a network are not looked at to find out what they mean.
UNSEEN = Sample(math.inf, math.inf, 0)


def read_remote_raster(address: str, bands: tuple[str, ...], offset: float | None = None) -> SceneFacts:
    """Reads the metadata of a GeoTIFF over HTTP or from S3; no pixel is read.

    Args:
        address: of the file, or a path of GDAL.
        bands: names of those that are wanted; others may be there.
        offset: DN to add before dividing, if the file does not tell.

    Raises:
        GlofgeoError: If it cannot be read, is no GeoTIFF, lacks a band or a grid, or does not tell its radiometry.
    """
    name = PurePosixPath(urlsplit(address).path)
    if name.suffix.lower() == ".jp2":
        refuse_jpeg2000(shown(address))
    return read_in_place(address, partial(_facts, address, name, bands, offset))


def refuse_jpeg2000(where: object, day: str = "") -> None:
    """Refuses JPEG 2000: over a network it takes hundreds of requests, and after a failed one gives zeros, silently.

    Args:
        where: for messages.
        day: of the acquisition, as 2024-10-15, where it is known.

    Raises:
        NotInPlaceError: Always.
    """
    raise NotInPlaceError(f"{where}: JPEG 2000 cannot be read in place", "download it first", day)


def _facts(
    address: str, name: PurePosixPath, bands: tuple[str, ...], offset: float | None, source: DatasetReader
) -> SceneFacts:
    where = shown(address)
    indexes = band_numbers(where, name.stem, band_names(name.stem, source.descriptions))
    check_raster(where, source, indexes, bands)
    tags = {name.upper(): value for name, value in source.tags().items()}
    layers, missing = bare_layers(address, source, indexes)
    optical = [band for band in bands if band in BANDS]
    declared = declared_radiometry(where, source, layers, optical, offset)
    known, radiometry = declared or _claimed(where, name, tags, offset)
    return SceneFacts(
        id=tags.get("SCENE_ID", name.stem),
        grid=grid_of(source),
        layers={band: with_radiometry(layer, known.get(band)) for band, layer in layers.items()},
        radiometry=radiometry,
        missing=missing,
        datetime=acquired(where, name.stem, tags, {}),
        baseline=tags.get("PROCESSING_BASELINE") or baseline_in(name.stem),
        level=level_in(tags.get("PROCESSING_LEVEL", "")) or level_in(name.stem),
    )


def _claimed(where: str, name: PurePosixPath, tags: dict[str, str], given: float | None) -> tuple[Radiometry, str]:
    claimed = claims_of_tags(where, tags) + claims_of_names(name.name, name.parent.name)
    offset, source = choose_offset(where, claimed, given, UNSEEN)
    return dict.fromkeys(BANDS, (QUANTIFICATION, offset)), f"(DN {offset:+g}) / {QUANTIFICATION:g}, {source}"
