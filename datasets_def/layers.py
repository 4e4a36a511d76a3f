"""Where the pixels of bands lie, and reading them onto one grid."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
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

from datasets_def.product_image import ProductImage, check_end
from glofgeo.errors import GlofgeoError


@dataclass(frozen=True)
class Layer:
    """Where the pixels of one band lie and what they mean.

    Attributes:
        path: what GDAL opens; the reason of its absence starts with `!`.
        index: band number in that file, from 1.
        factor: side of one of its pixels in pixels of the scene.
        quantification: DN per reflectance of 1.
        offset: DN added before dividing.
        image: of a product: what its metadata say of this file.
    """

    path: str
    index: int = 1
    factor: int = 1
    quantification: float = 1.0
    offset: float = 0.0
    image: ProductImage | None = None


class _Handles(threading.local):
    """Files that a thread of a process keeps open; GDAL's handles serve one thread and do not outlive a fork."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.open: OrderedDict[str, tuple[tuple[int, int, int], DatasetReader]] = OrderedDict()


_handles = _Handles()
# Many small scenes are then mostly open; a process may have 256 files open on macOS, and 1024 elsewhere.
_MOST_OPEN = 128


@contextmanager
def _open(path: str) -> Iterator[DatasetReader]:
    """Opens a file; a GeoTIFF stays open, because opening one takes as long as reading a small crop of it.

    Settings are a thread's own. GDAL's threads do not outlive a fork, after which loader processes would wait for them
    for ever, so they are for JPEG 2000 alone, which no loader reads.
    """
    if not path.endswith((".tif", ".tiff")) or path.startswith("/vsi"):
        with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"), rasterio.open(path) as source:
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


def read_layers(layers: list[Layer], shape: tuple[int, int], window: Window, scene: Path) -> npt.NDArray[Any]:
    """Reads layers as `(C, H, W)` digital numbers on a scene's grid, opening each file once.

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

    def read(where: list[int]) -> npt.NDArray[Any]:
        return _read_file([layers[i] for i in where], shape, window, scene)

    if len(files) == 1:
        return read(files[0])
    # Bands lie in files of their own, and decoding one leaves other cores idle.
    with ThreadPoolExecutor(len(files)) as pool:
        blocks = list(pool.map(read, files))
    out = np.empty((len(layers), *blocks[0].shape[1:]), np.result_type(*blocks))
    for where, block in zip(files, blocks, strict=True):
        out[where] = block
    return out


def _read_file(layers: list[Layer], shape: tuple[int, int], window: Window, scene: Path) -> npt.NDArray[Any]:
    """Reads layers of one file."""
    path, factor, image = layers[0].path, layers[0].factor, layers[0].image
    if path.startswith("!"):
        raise GlofgeoError(f"{scene}: incomplete, missing {path[1:]}; fetch the product again")
    top, left = int(window.row_off), int(window.col_off)
    bottom, right = top + int(window.height), left + int(window.width)
    coarse = Window.from_slices((top // factor, -(-bottom // factor)), (left // factor, -(-right // factor)))
    verified = image.begin_verifying() if image else None
    try:
        check_end(path)
        with _open(path) as source:
            expected = tuple(-(-side // factor) for side in shape)
            if source.shape != expected:
                raise GlofgeoError(
                    f"{path}: {source.shape[0]} x {source.shape[1]} pixels where the scene's metadata promise "
                    f"{expected[0]} x {expected[1]}; fetch the product again"
                )
            if image:
                image.check_place(source)
            block: npt.NDArray[Any] = source.read([layer.index for layer in layers], window=coarse)
    except (RasterioError, OSError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise GlofgeoError(f"{path}: cannot be read ({reason}); fetch the scene again") from None
    if verified:
        verified.result()
    if factor > 1:
        block = block.repeat(factor, axis=1).repeat(factor, axis=2)
        block = block[:, top % factor :, left % factor :][:, : bottom - top, : right - left]
    return block
