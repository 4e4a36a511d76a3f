"""The layers of an open raster file, and what its own bands carry about their radiometry."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp, MaskFlags

from datasets_def.bands import BANDS
from datasets_def.dn_sample import sample_band
from datasets_def.errors import GlofgeoError
from datasets_def.files import Layer
from datasets_def.radiometry import from_scales
from datasets_def.raster_checks import CLASSES

# Floating-point numbers are DN where more than a twentieth of what was measured is more than any reflectance.
_LARGEST, _SHARE = 3, 0.05

# Band name -> quantification and offset in DN.
Radiometry = dict[str, tuple[float, float]]


def bare_layers(address: str, source: DatasetReader, indexes: Mapping[str, int]) -> tuple[dict[str, Layer], str]:
    """Gives the layers of an open file, without radiometry as yet, and how missing pixels are known, in words.

    Args:
        address: path or address that the file is opened by.
        source: the file.
        indexes: band name -> number in the file.
    """
    named = {name: index for name, index in indexes.items() if name in BANDS or name == CLASSES}
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
        name: Layer(address, index, nodata=holes[name] or 0.0, masked=masked, alpha=alpha)
        for name, index in named.items()
    }
    values = dict.fromkeys(hole for name, hole in holes.items() if name in BANDS)
    words = ["0, as none is declared" if value is None else f"{value:g}" for value in values]
    if values and all(values):
        words.append("0 in all bands")
    return layers, ", ".join(words + ["the file's mask"] * masked + ["its alpha band"] * bool(alpha))


def with_radiometry(layer: Layer, known: tuple[float, float] | None) -> Layer:
    """Completes a layer by quantification and offset; one of classes has neither."""
    return layer if known is None else replace(layer, quantification=known[0], offset=known[1])


def declared_radiometry(
    where: object, source: DatasetReader, layers: Mapping[str, Layer], bands: Sequence[str], given: float | None
) -> tuple[Radiometry, str] | None:
    """Reads the radiometry that a file's own bands carry.

    Args:
        where: for messages.
        source: the file.
        layers: of it, by band name.
        bands: names of the optical bands that are wanted.
        given: offset in DN that the user gives.

    Returns:
        (quantification, offset in DN) of every optical band and how that is known, in words; None for DN without scale
        and offset.

    Raises:
        GlofgeoError: If what they carry cannot be, or is other than is given.
    """
    optical = {name: layer.index - 1 for name, layer in layers.items() if name in BANDS}
    scales = {name: (source.scales[number], source.offsets[number]) for name, number in optical.items()}
    if any(scales[band] != (1.0, 0.0) for band in bands):
        return from_scales(where, scales, bands, given)
    floating = {np.dtype(source.dtypes[optical[band]]).kind == "f" for band in bands}
    if floating == {False}:
        return None
    planes = [sample_band(source, layers[band].index) for band in bands]
    if len(floating) > 1 or any(plane.size and np.mean(plane > _LARGEST) > _SHARE for plane in planes):
        raise GlofgeoError(f"{where}: floating-point values above 3 are not reflectance", "set the bands' scale")
    if given is not None:
        raise GlofgeoError(
            f"{where}: holds floating-point reflectance, which has no offset", "give none", argument="offset"
        )
    return dict.fromkeys(optical, (1.0, 0.0)), "floating-point reflectance, taken as it is"
