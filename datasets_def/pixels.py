"""From DN to pixels: which were measured, which show the surface, and their reflectance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets_def.files import Layer, Planes

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Scene classification classes that say nothing about the ground: no data, saturated or defective, cloud of medium and
# high probability, thin cirrus. Dark area (2), cloud shadow (3), water (6), unclassified (7) and snow (11) stay: lakes
# lie there. Source: Sentinel-2 L2A product definition, SCL table.
UNOBSERVED_CLASSES = (0, 1, 8, 9, 10)

_CLASS_COUNT = 12

# By value, of which other numbers have none: see `as_classes`.
OBSERVED_CLASS = ~np.isin(np.arange(256), UNOBSERVED_CLASSES) & (np.arange(256) < _CLASS_COUNT)

# Of surface reflectance. Steep sunlit snow reaches 2, over-corrected shadow -0.1; what lies beyond is a number that
# some program wrote for "no data" and did not declare (-9999, -32768, 65535, 1e20, ...).
_LOWEST, _HIGHEST = -0.5, 3.0


@dataclass(frozen=True)
class Pixels:
    """Part of a scene as it was read.

    Attributes:
        dn: `(C, H, W)` DN as stored.
        present: bool `(H, W)`, where every band holds a measurement.
        valid: bool `(H, W)`, where that shows the ground, too: no cloud.
    """

    dn: npt.NDArray[Any]
    present: Mask
    valid: Mask


def as_classes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Gives the classes of a scene classification as it is stored, in whatever type: uint8, 0 for what is none."""
    known = (values >= 0) & (values < _CLASS_COUNT)
    return np.where(known, values, 0).astype(np.uint8)


def measured(planes: Planes, layers: Sequence[Layer]) -> npt.NDArray[np.bool_]:
    """Finds the pixels at which all layers hold a measurement.

    That is no nodata, no not-a-number, nothing that a mask or alpha band hides, and no reflectance beyond -0.5 to 3.
    Where all layers are 0, nothing was measured either, whatever a file declares: that is Sentinel-2's own "no data",
    and programs that reproject or mosaic fill with it beside the nodata they declare.

    Args:
        planes: of these layers.
        layers: in the same order, of reflectance.

    Returns:
        bool `(H, W)`.
    """
    dn = planes.dn
    there: npt.NDArray[np.bool_] = np.ones(dn.shape[1:], np.bool_)
    limits = [_limits(layer, dn.dtype) for layer in layers]
    if None in limits:
        return np.zeros_like(there)
    # Of terrain alone, no layer is stored.
    zero_may_hide = bool(layers) and all(layer.nodata != 0 for layer in layers)
    # A few rows at a time, so that what is compared still lies in the processor's cache.
    for top in range(0, len(there), 32):
        rows, strip = there[top : top + 32], dn[:, top : top + 32]
        if zero_may_hide:
            rows &= strip.any(axis=0)
        for plane, (low, high, hole) in zip(strip, filter(None, limits), strict=True):
            if low is not None:
                rows &= plane >= low
            if high is not None:
                rows &= plane <= high
            if hole is not None:
                rows &= plane != hole
    if planes.unmasked is not None:
        there &= planes.unmasked
    return there


def _limits(layer: Layer, dtype: np.dtype[Any]) -> tuple[Any, Any, Any] | None:
    """Least and greatest DN that can be a reflectance, and nodata between them, in the type of the DN.

    Against another type, every number would be made one of that first. None where there is nothing to compare, and for
    all where no number of this type can be a reflectance.
    """
    low, high = (bound * layer.quantification - layer.offset for bound in (_LOWEST, _HIGHEST))
    if dtype.kind == "f":
        hole = layer.nodata if layer.nodata is not None and low <= layer.nodata <= high else None
        return dtype.type(low), dtype.type(high), None if hole is None else dtype.type(hole)
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    first, last = max(math.ceil(low), least), min(math.floor(high), most)
    if layer.nodata == first:
        first += 1
    if first > last:
        return None
    inside = layer.nodata is not None and layer.nodata.is_integer() and first <= layer.nodata <= last
    return (
        dtype.type(first) if first > least else None,
        dtype.type(last) if last < most else None,
        dtype.type(int(layer.nodata)) if inside and layer.nodata is not None else None,
    )


def to_reflectance(
    dn: npt.NDArray[Any], layers: Sequence[Layer], out: Image, holes: Mask | None, fill: Sequence[float]
) -> None:
    """Turns DN into reflectance.

    Args:
        dn: `(C, H, W)` DN as stored.
        layers: of these, in order.
        out: float32 `(C, H, W)` to write into.
        holes: bool `(H, W)`, where nothing was measured.
        fill: reflectance to write there, of each layer.
    """
    # Band by band, so that a plane is divided while it still lies in the processor's cache.
    for plane, stored, layer, mean in zip(out, dn, layers, fill, strict=True):
        with np.errstate(over="ignore"):
            plane[...] = stored
        plane += np.float32(layer.offset)
        plane /= np.float32(layer.quantification)
        if holes is not None:
            plane[holes] = mean
