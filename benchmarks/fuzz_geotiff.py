"""Writes the GeoTIFFs of `fuzz_rasters.py`, and damages their bytes."""

from pathlib import Path
from random import Random
from typing import Any

import numpy.typing as npt
import rasterio
from affine import Affine
from fuzz_case import flip

BANDS = ("B02", "B03", "B04", "B08")
SHAPE = (48, 64)
GRID = Affine(10, 0, 300_000, 0, -10, 3_100_000)
TAGS = {"ACQUISITION_DATETIME": "2024-10-15T04:57:01+00:00", "BOA_ADD_OFFSET": "0"}

Numbers = npt.NDArray[Any]


def write(
    path: Path, numbers: Numbers, *, names: Any = BANDS, scales: Any = None, tags: Any = TAGS, mask: Any = None,
    **profile: Any,
) -> Path:  # fmt: skip
    """Writes a GeoTIFF; `scales` holds (scale, offset) of each band."""
    rows, cols = SHAPE
    profile = {
        "driver": "GTiff", "dtype": numbers.dtype, "count": len(numbers), "height": rows, "width": cols,
        "crs": "EPSG:32645", "transform": GRID,
    } | profile  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        if names:
            target.descriptions = names
        if scales:
            target.scales, target.offsets = zip(*scales, strict=True)
        target.update_tags(**tags)
        # Last, so that the pixels lie behind all tags.
        target.write(numbers)
        if mask is not None:
            target.write_mask(mask)
    return path


SENTINELS: dict[str, list[tuple[str, float]]] = {
    "beyond": [("int16", -9999), ("int16", -32768), ("uint16", 65535), ("float32", float("nan")), ("float32", -9999),
               ("float32", 1e20), ("float32", -3.4028234663852886e38), ("int32", -2147483648), ("float64", 1e300)],
    "within": [("uint16", 1), ("uint16", 255), ("int16", -1), ("uint16", 10000)],
}  # fmt: skip


def sentinel(rng: Random, numbers: Numbers, hole: Numbers, which: str) -> tuple[Numbers, float, str]:
    """Fills the hole with a number, in a type that holds it; floating-point ones as reflectance or DN with a scale."""
    kind, value = rng.choice(SENTINELS[which])
    filled = numbers.astype(kind)
    if kind.startswith("float"):
        filled /= 10_000
    filled[:, hole] = value
    return filled, value, kind


def truncated(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = write(here / "a.tif", numbers, compress=rng.choice(["none", "deflate", "lzw"]))
    content = path.read_bytes()
    size = rng.choice([0, 4, 100, rng.randrange(len(content) - 1)])
    path.write_bytes(content[:size])
    return f"{size} of {len(content)}", path


def header_of(path: Path) -> int:
    """Where the pixels begin, as the tags come first."""
    with rasterio.open(path) as source:
        return int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))


def flipped_header(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = write(here / "a.tif", numbers, compress=rng.choice(["none", "deflate"]))
    path.write_bytes(flip(rng, path.read_bytes(), end=header_of(path), most=3))
    return "header", path


def flipped_pixels(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = write(here / "a.tif", numbers)
    content = path.read_bytes()
    path.write_bytes(flip(rng, content, start=len(content) - numbers.nbytes))
    return "pixels", path


def flipped_packed(how: str, rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = write(here / "a.tif", numbers, compress=how)
    path.write_bytes(flip(rng, path.read_bytes(), start=header_of(path)))
    return how, path
