"""Checks that an open raster file can be a scene: its bands have names, its grid lies on the Earth."""

import math
from collections.abc import Mapping

from rasterio import DatasetReader

from datasets_def.bands import BANDS, listed_bands
from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid

# Name of the scene classification.
CLASSES = "SCL"
# Metres on the ground. Sentinel-2 has 10; what lies beyond is a grid in another CRS than the file says.
_FINEST, _COARSEST = 0.1, 10_000
# In units of any CRS: more than twice around the Earth in feet. PROJ takes such numbers modulo a turn.
_FARTHEST = 3e8
_PICTURE = "{}: 8-bit pixels are a picture, not reflectance", "give the product itself"


def band_numbers(where: object, stem: str, names: list[str]) -> dict[str, int]:
    """Numbers the bands of a file.

    Args:
        where: for messages.
        stem: name of the file without ending.
        names: of its bands, in order.

    Returns:
        Band name -> number in the file, from 1.

    Raises:
        GlofgeoError: If several bands have one name, or the name of the file lists them in another order.
    """
    twice = sorted({name for name in names if (name in BANDS or name == CLASSES) and names.count(name) > 1})
    if twice:
        raise GlofgeoError(f"{where}: has several bands named {', '.join(twice)}", "name each band once")
    optical = [name for name in names if name in BANDS]
    listed = listed_bands(stem)
    if listed != optical and sorted(listed) == sorted(optical):
        raise GlofgeoError(
            f"{where}: its name lists {', '.join(listed)}, its band descriptions {', '.join(optical)}",
            "correct the one that is wrong",
        )
    return {name: number for number, name in enumerate(names, 1) if name}


def require_names(where: object, source: DatasetReader, names: list[str]) -> None:
    """Refuses a file none of whose bands has a name, and says what it is instead or how to name them."""
    if any(names):
        return
    if not names:
        raise GlofgeoError(f"{where}: has no band of its own", "write its bands into a GeoTIFF and give that")
    if set(source.dtypes) <= {"uint8", "int8"}:
        raise GlofgeoError(_PICTURE[0].format(where), _PICTURE[1])
    raise GlofgeoError(
        f"{where}: its {len(names)} bands have no names",
        "set their descriptions (`rio edit-info` does, or `descriptions` in rasterio), or list all bands in the name "
        "of the file (NAME_B02_B03_B04_B08.tif); a file of one band may be called B02.tif",
    )


def check_raster(where: object, source: DatasetReader, indexes: Mapping[str, int], bands: tuple[str, ...]) -> None:
    """Checks that an open file can be a scene.

    Args:
        where: for messages.
        source: the file.
        indexes: band name -> number in the file.
        bands: names of those that are wanted.

    Raises:
        GlofgeoError: If a band is missing, its grid is not north-up or not on the Earth, or its pixels are a picture.
    """
    kinds = [source.dtypes[indexes[band] - 1] for band in bands if band in BANDS and band in indexes]
    if any(kind in ("uint8", "int8") for kind in kinds):
        raise GlofgeoError(_PICTURE[0].format(where), _PICTURE[1])
    missing = [band for band in bands if band not in indexes]
    if missing:
        raise GlofgeoError(
            f"{where}: has no band {', '.join(missing)}; it has {', '.join(indexes)}",
            "put the files of all bands into a folder, and give the folder"
            if len(indexes) == 1
            else "take a file that holds it, or correct the descriptions of its bands, if these are wrong",
        )
    if source.crs is None:
        raise GlofgeoError(f"{where}: has no CRS", "assign the one it was made in")
    t = source.transform
    if not all(map(math.isfinite, t)) or t.b or t.d or t.a <= 0 or t.e >= 0:
        raise GlofgeoError(f"{where}: its grid is rotated or not north-up", "warp it to a north-up grid first")
    _check_place(where, source)
    if any(kind.startswith("complex") for kind in kinds):
        raise GlofgeoError(f"{where}: complex numbers are not reflectance", "give the product itself")


def grid_of(source: DatasetReader) -> Grid:
    """Where the pixels of an open file lie."""
    return Grid(source.shape, source.transform, source.crs)


def _check_place(where: object, source: DatasetReader) -> None:
    """Refuses a grid outside the Earth, such as one in metres whose CRS is in degrees."""
    grid, crs = grid_of(source), source.crs
    left, bottom, right, top = grid.bounds
    try:
        side = grid.pixel_side if crs.is_geographic or crs.is_projected else math.nan
    except GlofgeoError:
        side = math.nan
    farthest = 90 + abs(grid.transform.e) if crs.is_geographic else _FARTHEST
    beyond = max(abs(bottom), abs(top)) > farthest or max(abs(left), abs(right)) > _FARTHEST
    if beyond or not _FINEST <= side <= _COARSEST:
        raise GlofgeoError(
            f"{where}: pixels of {grid.transform.a:g} at ({left:.10g}, {top:.10g}) in "
            f"{crs.to_string()[:40]} do not lie on the Earth",
            "assign the CRS and the grid it was made in",
        )
