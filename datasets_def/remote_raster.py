"""A GeoTIFF on the network as a scene: its bands have names, and its own metadata tell its radiometry."""

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rasterio import DatasetReader

from datasets_def.dn_sample import Sample
from datasets_def.errors import NotInPlaceError
from datasets_def.in_place import read_in_place
from datasets_def.radiometry import choose_offset, claims_of_names, claims_of_tags
from datasets_def.raster_facts import raster_facts
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

    def undeclared(_: Sequence[str], tags: Mapping[str, str]) -> tuple[float, str]:
        where = shown(address)
        claimed = claims_of_tags(where, tags) + claims_of_names(name.name, name.parent.name)
        return choose_offset(where, claimed, offset, UNSEEN)

    def facts(source: DatasetReader) -> SceneFacts:
        return raster_facts(source, address, name.stem, bands, {}, offset, undeclared)

    return read_in_place(address, facts)


def refuse_jpeg2000(where: object, day: str = "") -> None:
    """Refuses JPEG 2000: over a network it takes hundreds of requests, and after a failed one gives zeros, silently.

    Args:
        where: for messages.
        day: of the acquisition, as 2024-10-15, where it is known.

    Raises:
        NotInPlaceError: Always.
    """
    raise NotInPlaceError(f"{where}: JPEG 2000 cannot be read in place", "download it first", day)
