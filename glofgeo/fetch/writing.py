"""Tells a disk that takes no more from a fault of the network or of glofgeo, and a whole image from a cut one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from glofgeo.errors import GlofgeoError

# What the libraries that write have for it; rasterio has SystemError for what GDAL gives no reason for.
_FAILURES = (OSError, RasterioError, CPLE_BaseError, SystemError, DataSourceError, DataLayerError)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure to write a file into one line that says so.

    Raises:
        GlofgeoError: With the reason.
    """
    try:
        yield
    except _FAILURES as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise GlofgeoError(
            f"{path}: cannot be written ({reason})", "free some space, or choose another folder", argument="out"
        ) from None


def read_through(path: Path) -> None:
    """Reads an image from end to end: GDAL may write the last blocks to a full disk without an error.

    Raises:
        RasterioError: If it is damaged.
    """
    with rasterio.open(path) as source:
        for _, window in source.block_windows(1):
            source.read(window=window)
