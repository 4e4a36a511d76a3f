"""Reads windows of Cloud-Optimized GeoTIFFs over HTTP."""

import time
from collections.abc import Callable
from typing import TypeVar

import rasterio
from rasterio import DatasetReader
from rasterio.errors import RasterioError

from datasets_def.stac_bands import is_jpeg2000
from datasets_def.web_address import is_web, shown, sign
from glofgeo.errors import GlofgeoError

_T = TypeVar("_T")

# By default GDAL looks for files beside each one, and gives up at the first failure; measured, this takes a quarter of
# the requests.
_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "5",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    # A failure that GDAL remembers would outlive the signature that caused it.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
}

# A cut connection has to be opened anew.
_TRIES = 4


def is_cog(href: str, media_type: str | None) -> bool:
    """Whether windows of a file can be read in place; of JPEG 2000 they would come as zeros after a failure."""
    return is_web(href) and not href.startswith("s3:") and not is_jpeg2000(href, media_type)


def read_cog(href: str, read: Callable[[DatasetReader], _T]) -> _T:
    """Opens a file and reads from it, again after a failure.

    Args:
        href: address without signature.
        read: takes the open file.

    Raises:
        GlofgeoError: If it cannot be read.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with rasterio.Env(**_SETTINGS), rasterio.open(f"/vsicurl/{sign(href)}") as source:
                return read(source)
        except RasterioError:
            # Its text holds the address with its signature.
            if attempt == _TRIES:
                raise GlofgeoError(f"{shown(href)}: cannot be read in place", "try again later") from None
            time.sleep(attempt)
    raise AssertionError("unreachable")
