"""Reads GeoTIFFs where they are, over HTTP or from S3: parts of them, again after a failure, signed at each request."""

import hashlib
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import rasterio
from rasterio import DatasetReader
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from datasets_def.errors import GlofgeoError
from datasets_def.web_address import is_web, shown, sign

_T = TypeVar("_T")

# What GDAL opens over a network, alone or within another of its file systems.
_NETWORK = re.compile(r"/vsi(?:curl|s3|gs|az|adls|oss|swift)[/?_]")

# By default GDAL asks for files beside each one, gives up at the first failure, and remembers it. Source of the figures
# behind them: `benchmarks/remote.py`.
_SETTINGS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/",
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    # Seconds at less than so many bytes a second: a slow network is no failure, a silent one is.
    "GDAL_HTTP_LOW_SPEED_TIME": 30,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,
}

# Seconds to wait before each further try: a cut connection, and what GDAL does not ask for again by itself.
_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
# No try makes these good.
_FINAL = re.compile(r"response code: (?:400|404|410)|does not exist|No such|InvalidCredentials|NoSuchKey")

# Of this compression a piece that did not come is always noticed (zlib's checksum). For threads that decode, GDAL
# fetches tiles ahead, and takes zeros where that fails; uncompressed, these are pixels.
_CHECKED = "DEFLATE"
# A larger file that is not tiled would have to be read in whole rows.
_SMALL = 2048

_MOST_OPEN = 64


def is_remote(path: object) -> bool:
    """Whether a path or address is read over a network."""
    text = str(path)
    return is_web(text) or (text.startswith("/vsi") and bool(_NETWORK.search(text)))


def refuse_virtual(where: object, path: str) -> None:
    """Refuses a path of GDAL that leads into a file of this computer.

    Nothing would tell when its content changes, so that old maps of it would be kept.

    Raises:
        GlofgeoError: If it is one (`/vsizip/…`, `/vsitar/…`, `/vsimem/…`).
    """
    if path.startswith("/vsi") and not is_remote(path) and not os.path.lexists(path):
        raise GlofgeoError(
            f"{where}: GDAL's paths into files of this computer are not read", "unpack it, and give the file itself"
        )


def read_in_place(address: str, work: Callable[[DatasetReader], _T]) -> _T:
    """Reads from a GeoTIFF on the network, which stays open, in a thread of its own.

    Args:
        address: of HTTP or S3, without a token of Planetary Computer, or a path of GDAL (`/vsis3/…`).
        work: takes the open file; after a failure it is called again.

    Raises:
        GlofgeoError: If the file cannot be read, or is none of which parts can be; without signatures.
    """
    # Threads do not outlive a fork.
    key = os.getpid(), address
    with _lock:
        reader = _readers.pop(key, None) or _Reader(address)
        _readers[key] = reader
        # What is closed meanwhile still does what it was given.
        todo = reader.pool.submit(reader.read, work)
        while len(_readers) > _MOST_OPEN:
            _readers.popitem(last=False)[1].close()
    return todo.result()


def version_in_place(address: str) -> str:
    """What tells a file from another that has taken its address: a hash of where its tiles lie and how long they are.

    Raises:
        GlofgeoError: As `read_in_place`.
    """
    return read_in_place(address, _version)


def _version(source: DatasetReader) -> str:
    facts = [str(sorted(source.profile.items(), key=str)), str(source.tags())]
    for index, (rows, cols) in enumerate(source.block_shapes, 1):
        for row in range(-(-source.height // rows)):
            for col in range(-(-source.width // cols)):
                names = (f"BLOCK_OFFSET_{col}_{row}", f"BLOCK_SIZE_{col}_{row}")
                facts += [str(source.get_tag_item(name, "TIFF", bidx=index)) for name in names]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


class _Reader:
    """One file, and the thread that reads it: its connections are the thread's, and GDAL's handle serves one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pool = ThreadPoolExecutor(1, "glofgeo-read")
        self.source: DatasetReader | None = None
        self.opened = ""

    def close(self) -> None:
        self.pool.submit(self._close)
        self.pool.shutdown(wait=False)

    def read(self, work: Callable[[DatasetReader], _T]) -> _T:
        for wait in (*_WAITS, None):
            try:
                with rasterio.Env(**_SETTINGS):
                    return work(self._open())
            except (RasterioError, CPLE_BaseError) as error:
                reason = self._reason(error)
                # What GDAL holds of a failed read is not to be trusted.
                self._close()
                if wait is None or _FINAL.search(reason):
                    raise GlofgeoError(f"{shown(self.address)}: cannot be read ({reason})", _hint(reason)) from None
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _open(self) -> DatasetReader:
        path = _gdal_path(sign(self.address))
        if self.source is None or path != self.opened:
            self._close()
            self.opened = path
            self.source = _open(path, "ALL_CPUS")
            if self.source.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION") != _CHECKED:
                self._close()
                self.source = _open(path, "1")
            self._require_parts(self.source)
        return self.source

    def _require_parts(self, source: DatasetReader) -> None:
        if max(source.shape) > _SMALL and any(cols == source.width for _, cols in source.block_shapes):
            raise GlofgeoError(
                f"{shown(self.address)}: is not tiled, so that no part of it can be read over a network",
                "download it, or save it as a COG",
            )

    def _close(self) -> None:
        if self.source is not None:
            self.source.close()
            self.source = None

    def _reason(self, error: Exception) -> str:
        # GDAL's words hold the address, and with it the signature.
        text = str(error.__cause__ or error).replace(self.opened, shown(self.address))
        text = re.sub(r"\?\S*|(?<=//)[^/@\s]+@", "", text)
        return text.splitlines()[0] if text else type(error).__name__


_lock = threading.Lock()
_readers: OrderedDict[tuple[int, str], _Reader] = OrderedDict()


def close_all() -> None:
    """Closes all files that are kept open; a later read opens them again."""
    with _lock:
        while _readers:
            _readers.popitem()[1].close()


def _open(path: str, threads: str) -> DatasetReader:
    # A VRT could name files of this computer, and JPEG 2000 gives zeros after a failure.
    with rasterio.Env(GDAL_NUM_THREADS=threads):
        return rasterio.open(path, driver="GTiff")


def _gdal_path(address: str) -> str:
    if address.startswith("s3://"):
        return "/vsis3/" + address.removeprefix("s3://")
    return f"/vsicurl/{address}" if is_web(address) else address


def _hint(reason: str) -> str:
    if re.search(r"InvalidCredentials|AWS_", reason):
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for what is open to all"
    if re.search(r"response code: 40[13]", reason):
        return "a signature in the address may have ended: search again; or it is not open to all"
    if _FINAL.search(reason):
        return "check the address"
    return "check the network, and try again; parts are read of GeoTIFFs only"
