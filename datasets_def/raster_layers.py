"""The layers of an open raster file, and what its own bands carry about their radiometry."""

from collections.abc import Collection, Mapping, Sequence
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


def bare_layers(address: str, source: DatasetReader, indexes: Mapping[str, int]) -> dict[str, Layer]:
    """Gives the layers of an open file, without radiometry as yet.

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
    return {
        name: Layer(address, index, nodata=source.nodatavals[index - 1], masked=masked, alpha=alpha)
        for name, index in named.items()
    }


def with_radiometry(layer: Layer, known: tuple[float, float] | None) -> Layer:
    """Completes a layer by quantification and offset; one of classes has neither.

    Where no nodata is declared, DN 0 is missing if it would be a reflectance below 0, and in a band of classes. Without
    an offset it is what programs that cut off at 0 leave of dark water.
    """
    quantification, offset = known or (layer.quantification, layer.offset)
    nodata = 0.0 if layer.nodata is None and (offset or not known) else layer.nodata
    return replace(layer, quantification=quantification, offset=offset, nodata=nodata)


def told_missing(layers: Collection[Layer]) -> str:
    """Says in words how missing pixels of layers of reflectance are known; one file holds all of them."""
    holes = dict.fromkeys(layer.nodata for layer in layers)
    words = [f"{hole:g}" for hole in holes if hole is not None]
    if 0 not in holes:
        words.append("0 in all bands")
    words += ["the file's mask"] * any(layer.masked for layer in layers)
    return ", ".join(words + ["its alpha band"] * any(layer.alpha for layer in layers))


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
        and offset, floating-point DN among them.

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
    are_dn = {bool(np.mean(plane > _LARGEST) > _SHARE) for plane in planes if plane.size}
    if len(floating) > 1 or len(are_dn) > 1:
        raise GlofgeoError(f"{where}: some of its bands hold reflectance, and others DN", "set the bands' scale")
    if are_dn == {True}:
        return None
    if given is not None:
        raise GlofgeoError(
            f"{where}: holds floating-point reflectance, which has no offset", "give none", argument="offset"
        )
    return dict.fromkeys(optical, (1.0, 0.0)), "floating-point reflectance, taken as it is"
