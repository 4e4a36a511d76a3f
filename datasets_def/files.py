"""Where the pixels of bands are stored, and reading them onto one grid."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import DatasetReader
from rasterio.errors import RasterioError
from rasterio.windows import Window

from datasets_def.errors import GlofgeoError
from datasets_def.in_place import is_remote, read_in_place, version_in_place
from datasets_def.product_image import ProductImage, check_end
from datasets_def.web_address import is_web, shown
from datasets_def.web_get import version_on_web

# No file's name holds it.
ABSENT = "\0"


@dataclass(frozen=True)
class Layer:
    """Where the pixels of one band are stored, and how to interpret them.

    Attributes:
        path: what GDAL opens; where a product lacks the file, `ABSENT` and what is missing.
        index: band number in that file, from 1.
        factor: side of one of its pixels in pixels of the scene.
        quantification: DN per reflectance of 1.
        offset: DN added before dividing.
        nodata: DN that means "no data"; None where none does but 0 in all bands.
        masked: whether the file has a mask of its own, inside or beside it.
        alpha: number of the file's alpha band, from 1; 0 if there is none.
        image: of a product: what its metadata say of this file.
    """

    path: str
    index: int = 1
    factor: int = 1
    quantification: float = 1.0
    offset: float = 0.0
    nodata: float | None = 0.0
    masked: bool = False
    alpha: int = 0
    image: ProductImage | None = None


@dataclass(frozen=True)
class Planes:
    """Layers as they were read.

    Attributes:
        dn: `(C, H, W)` DN as stored.
        unmasked: bool `(H, W)`, False where a mask or alpha band of a file hides a pixel; None where no file has one.
    """

    dn: npt.NDArray[Any]
    unmasked: npt.NDArray[np.bool_] | None


class _Handles(threading.local):
    """Files that a thread of a process keeps open; GDAL's handles serve one thread and do not outlive a fork."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.open: OrderedDict[str, tuple[tuple[int, int, int], DatasetReader]] = OrderedDict()


_handles = _Handles()
# Many small scenes are then mostly open; a process may have 256 files open on macOS, and 1024 elsewhere.
_MOST_OPEN = 128
_LOADED_IN = os.getpid()


@contextmanager
def _open(path: str) -> Iterator[DatasetReader]:
    """Opens a file; a GeoTIFF stays open, because opening one takes as long as reading a small crop of it.

    Settings are a thread's own. Threads help with JPEG 2000 alone. GDAL keeps them in a pool that does not outlive a
    fork: a loader process that asked for them, after its parent had, would wait for ever.
    """
    kind = path.lower()
    if not kind.endswith((".tif", ".tiff")) or path.startswith("/vsi"):
        several = kind.endswith(".jp2") and os.getpid() == _LOADED_IN
        with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS" if several else "1"), rasterio.open(path) as source:
            yield source
        return
    if _handles.process != os.getpid():
        _handles.__init__()  # type: ignore[misc]
    facts = Path(path).stat()
    version = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    kept, source = _handles.open.pop(path, (None, None))
    if source is None or kept != version:
        if source is not None:
            source.close()
        with rasterio.Env(GDAL_NUM_THREADS="1"):
            source = rasterio.open(path)
    _handles.open[path] = (version, source)
    while len(_handles.open) > _MOST_OPEN:
        _handles.open.popitem(last=False)[1][1].close()
    try:
        yield source
    except RasterioError:
        # After a failed read GDAL may take the block for read.
        del _handles.open[path]
        source.close()
        raise


def read_layers(layers: list[Layer], shape: tuple[int, int], window: Window, scene: Path | str) -> Planes:
    """Reads layers on a scene's grid, opening each file once.

    Args:
        layers: what to read, in order.
        shape: (rows, cols) of the grid.
        window: part of the grid.
        scene: for messages.

    Raises:
        ValueError: If the window reaches beyond the grid.
        GlofgeoError: If a file is missing, damaged, of another size or place than it should be, or cannot be read.
    """
    rows, cols = shape
    if (
        window.col_off < 0
        or window.row_off < 0
        or (window.col_off + window.width > cols or window.row_off + window.height > rows)
    ):
        raise ValueError(f"{window} reaches beyond the scene's {rows} x {cols} pixels")
    paths = dict.fromkeys(layer.path for layer in layers)
    files = [[i for i, layer in enumerate(layers) if layer.path == path] for path in paths]

    def read(where: list[int]) -> Planes:
        return _read_file([layers[i] for i in where], shape, window, scene)

    if len(files) == 1:
        return read(files[0])
    if not files:
        return Planes(np.empty((0, int(window.height), int(window.width)), np.uint16), None)
    # Bands lie in files of their own, and decoding one leaves other cores idle.
    with ThreadPoolExecutor(len(files)) as pool:
        blocks = list(pool.map(read, files))
    kind = np.result_type(*(block.dn for block in blocks))
    out = np.empty((len(layers), *blocks[0].dn.shape[1:]), kind)
    for where, block in zip(files, blocks, strict=True):
        out[where] = block.dn
    masks = [block.unmasked for block in blocks if block.unmasked is not None]
    return Planes(out, np.logical_and.reduce(masks) if masks else None)


def _read_file(layers: list[Layer], shape: tuple[int, int], window: Window, scene: Path | str) -> Planes:
    """Reads layers of one file."""
    path, factor, image = layers[0].path, layers[0].factor, layers[0].image
    if path.startswith(ABSENT):
        raise GlofgeoError(f"{scene}: incomplete, missing {path[1:]}", "download the product again")
    top, left = int(window.row_off), int(window.col_off)
    bottom, right = top + int(window.height), left + int(window.width)
    coarse = Window.from_slices((top // factor, -(-bottom // factor)), (left // factor, -(-right // factor)))
    verified = image.begin_verifying() if image else None

    def read(source: DatasetReader) -> Planes:
        expected = tuple(-(-side // factor) for side in shape)
        if source.shape != expected:
            raise GlofgeoError(
                f"{shown(path)}: {source.shape[0]} x {source.shape[1]} pixels where the scene's metadata promise "
                f"{expected[0]} x {expected[1]}",
                "download the product again",
            )
        if image:
            image.check_place(source)
        return Planes(
            _read_bands(source, [layer.index for layer in layers], coarse), _read_mask(source, layers[0], coarse)
        )

    planes = read_in_place(path, read) if is_remote(path) else _read_from_disk(path, read)
    if verified:
        verified.result()
    if factor == 1:
        return planes

    def refine(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        fine = plane.repeat(factor, axis=-2).repeat(factor, axis=-1)
        return fine[..., top % factor :, left % factor :][..., : bottom - top, : right - left]

    return Planes(refine(planes.dn), None if planes.unmasked is None else refine(planes.unmasked))


def _read_from_disk(path: str, read: Callable[[DatasetReader], Planes]) -> Planes:
    try:
        check_end(path)
        with _open(path) as source:
            return read(source)
    # GDAL's messages quote a damaged VRT, whatever bytes it holds.
    except (RasterioError, OSError, UnicodeDecodeError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise GlofgeoError(f"{path}: cannot be read ({reason})", "download the scene again") from None


def versions_of(paths: list[str]) -> list[tuple[str | int, ...]]:
    """Gives the names of files, and what changes when they do: size and time, or what a server says.

    Args:
        paths: as in `Layer`; what is not there is left out.

    Raises:
        GlofgeoError: If one lies on the network and cannot be read.
    """
    with ThreadPoolExecutor(max(1, len(paths))) as pool:
        return list(filter(None, pool.map(_version_of, paths)))


def _version_of(path: str) -> tuple[str | int, ...] | None:
    if is_remote(path):
        return shown(path), (version_on_web(path) if is_web(path) else None) or version_in_place(path)
    if not Path(path).exists():
        return None
    facts = Path(path).stat()
    return Path(path).name, facts.st_size, facts.st_mtime_ns


def _read_bands(source: DatasetReader, indexes: list[int], window: Window) -> npt.NDArray[Any]:
    """Reads bands, also of different data types (a VRT may combine the scene classification with wider bands)."""
    if len({source.dtypes[index - 1] for index in indexes}) == 1:
        return source.read(indexes, window=window)
    return np.stack([source.read(index, window=window) for index in indexes])


def _read_mask(source: DatasetReader, layer: Layer, window: Window) -> npt.NDArray[np.bool_] | None:
    """Where neither a file's own mask nor its alpha band hides the pixel."""
    masks = [source.read_masks(layer.index, window=window)] if layer.masked else []
    masks += [source.read(layer.alpha, window=window)] if layer.alpha else []
    return np.logical_and.reduce([mask > 0 for mask in masks]) if masks else None
