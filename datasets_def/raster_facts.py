"""What an open raster file with named bands tells of a scene, on this computer or on the network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rasterio import DatasetReader

from datasets_def.acquired import acquired
from datasets_def.bands import BANDS, QUANTIFICATION, band_names
from datasets_def.radiometry import baseline_in, level_in
from datasets_def.raster_checks import band_numbers, check_raster, grid_of, require_names
from datasets_def.raster_layers import Radiometry, bare_layers, declared_radiometry, told_missing, with_radiometry
from datasets_def.scene_facts import SceneFacts
from datasets_def.web_address import shown

# Takes the names of the wanted optical bands and the file's tags; gives the offset in DN and how it is known, in words.
Undeclared = Callable[[Sequence[str], Mapping[str, str]], tuple[float, str]]


def raster_facts(
    source: DatasetReader,
    address: str,
    stem: str,
    bands: tuple[str, ...],
    item: Mapping[str, Any],
    offset: float | None,
    undeclared: Undeclared,
) -> SceneFacts:
    """Reads the metadata of an open raster file.

    Args:
        source: the file.
        address: path or address that it is opened by.
        stem: its name without ending, which may tell bands, time, baseline and level.
        bands: names of those that are wanted; others may be there.
        item: properties of its STAC item, empty without one.
        offset: DN to add before dividing, as the user gives it.
        undeclared: finds the offset of DN whose bands carry neither scale nor offset.

    Raises:
        GlofgeoError: If bands are unnamed, named twice or missing, its grid or pixels are unfit, or its radiometry is
            not known.
    """
    where = shown(address)
    names = band_names(stem, source.descriptions)
    require_names(where, source, names)
    indexes = band_numbers(where, stem, names)
    check_raster(where, source, indexes, bands)
    tags = {key.upper(): value for key, value in source.tags().items()}
    bare = bare_layers(address, source, indexes)
    known: Radiometry = {}
    radiometry = ""
    if optical := [band for band in bands if band in BANDS]:
        declared = declared_radiometry(where, source, bare, optical, offset)
        known, radiometry = declared or _plain(*undeclared(optical, tags))
    layers = {band: with_radiometry(layer, known.get(band)) for band, layer in bare.items()}
    return SceneFacts(
        id=tags.get("SCENE_ID", stem),
        grid=grid_of(source),
        layers=layers,
        radiometry=radiometry,
        missing=told_missing([layer for band, layer in layers.items() if band in BANDS]),
        datetime=acquired(where, stem, tags, item),
        baseline=tags.get("PROCESSING_BASELINE") or baseline_in(stem),
        level=level_in(tags.get("PROCESSING_LEVEL", "")) or level_in(stem),
    )


def _plain(offset: float, origin: str) -> tuple[Radiometry, str]:
    return dict.fromkeys(BANDS, (QUANTIFICATION, offset)), f"(DN {offset:+g}) / {QUANTIFICATION:g}, {origin}"
