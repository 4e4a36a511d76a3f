"""A tiled copy of a product, so that random crops need not decode JPEG 2000 again and again."""

import hashlib
import json
import re
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from datasets_def.errors import GlofgeoError
from datasets_def.files import Layer
from datasets_def.grid import READ_ROWS
from datasets_def.processes import TAG, is_abandoned, process_tag
from datasets_def.scene import Scene

# What a copy holds and how; raised whenever that changes, so that no copy of an older kind is read.
LAYOUT = 2
RECORD = "copy.json"

# A copy's folder; a hidden name tells which process makes or removes it.
_COPY = re.compile(r".+_[0-9a-f]{16}")
_PARTIAL = re.compile(rf"\..+_[0-9a-f]{{16}}(?:\.(?P<tag>{TAG}))?\.[0-9a-f]{{32}}")
_LEASE = re.compile(rf"\.in-use\.(?P<tag>{TAG})\.[0-9a-f]{{32}}")

_TILE = 256
_CHUNK = 2**24

Advance = Callable[[int], None]


@dataclass(frozen=True)
class TiledCopy:
    """Part of a product, decoded once into a tiled GeoTIFF that `open_scene` opens as a scene on a smaller grid.

    The copy holds the product's own DN, its scale and offset, and the scene classification as band `SCL`. It lies in a
    folder of its own beside a record of its size and checksum; that folder appears whole or not at all, and its name
    tells apart product, files, bands, radiometry, baseline, window and layout.

    Attributes:
        scene: the product, opened with the bands to copy.
        window: part of its grid, inside it, in whole pixels.
        folder: where copies are kept.
    """

    scene: Scene
    window: Window
    folder: Path

    @property
    def path(self) -> Path:
        """The GeoTIFF, whether it exists or not."""
        scene, window = self.scene, self.window
        layers = self._layers()
        product = Path(scene.path)
        files = [product] if product.is_file() else [Path(layer.path) for layer in layers]
        facts = [
            LAYOUT, scene.id, scene.bands, scene.baseline, scene.level, str(scene.datetime), scene.crs.to_string(),
            list(scene.transform), scene.shape, window.row_off, window.col_off, window.height, window.width,
            [(layer.factor, layer.quantification, layer.offset) for layer in layers],
            [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files],
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        return self.folder / f"{scene.id}_{key}" / f"{scene.id}.tif"

    @property
    def size(self) -> int:
        """Bytes of its pixels."""
        tiles = -(-int(self.window.height) // _TILE) * -(-int(self.window.width) // _TILE)
        return tiles * _TILE**2 * 2 * len(self._layers())

    def whole(self, advance: Advance) -> bool:
        """Reads the whole copy and compares it with its recorded size and checksum.

        Args:
            advance: called with the number of bytes read since.
        """
        try:
            record = json.loads((self.path.parent / RECORD).read_text())
            there = self.path.stat().st_size
            return bool(there == record["bytes"] and _checksum(self.path, advance) == record["crc32"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(self, advance: Advance) -> None:
        """Writes the copy, unless another process has written it meanwhile.

        Args:
            advance: called with the number of bytes written since.

        Raises:
            GlofgeoError: If the product cannot be read or the copy cannot be written.
        """
        self.scene.require(self.scene.bands)
        final = self.path.parent
        partial = _aside(final)
        try:
            partial.mkdir(parents=True)
            tif = partial / self.path.name
            self._write(tif, advance)
            record = {"bytes": tif.stat().st_size, "crc32": _checksum(tif), "product": str(self.scene.path)}
            (partial / RECORD).write_text(json.dumps(record))
            try:
                partial.rename(final)
            except OSError:
                if not (final / tif.name).exists():
                    raise
        except (RasterioError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise GlofgeoError(
                f"{final.parent}: decoded scenes cannot be kept there ({reason})",
                "check free disk space and write permission, or choose another folder for the run",
            ) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _layers(self) -> list[Layer]:
        scene = self.scene
        return [scene.layers[band] for band in scene.bands] + ([scene.classification] if scene.classification else [])

    def _write(self, out: Path, advance: Advance) -> None:
        scene, layers = self.scene, self._layers()
        extra = layers[len(scene.bands) :]
        grid = scene.grid.window(self.window)
        # Where 0 in one band is dark water, what was not measured is 0 in all.
        nodata = None if all(scene.layers[band].nodata is None for band in scene.bands) else 0
        # Uncompressed and band by band, because a crop of 518 pixels then comes in half the time that ZSTD takes.
        with rasterio.open(
            out, "w", driver="GTiff", dtype="uint16", count=len(layers), width=grid.shape[1],
            height=grid.shape[0], crs=grid.crs, transform=grid.transform, nodata=nodata, tiled=True,
            blockxsize=_TILE, blockysize=_TILE, interleave="band", bigtiff="if_safer",
        ) as target:  # fmt: skip
            target.descriptions = [*scene.bands, *(["SCL"] if extra else [])]
            target.scales = [1 / layer.quantification for layer in layers]
            target.offsets = [layer.offset / layer.quantification for layer in layers]
            target.update_tags(SCENE_ID=scene.id, PROCESSING_BASELINE=scene.baseline, PROCESSING_LEVEL=scene.level)
            if scene.datetime:
                target.update_tags(ACQUISITION_DATETIME=scene.datetime.isoformat())
            for row, strip in self._strips():
                target.write(strip, window=Window(0, row, strip.shape[2], strip.shape[1]))
                advance(strip.nbytes)

    def _strips(self) -> Iterator[tuple[int, npt.NDArray[np.uint16]]]:
        """Gives (first row in the window, DN `(C, rows, W)`), from top to bottom; the next is decoded meanwhile."""
        top, left = int(self.window.row_off), int(self.window.col_off)
        bottom, width = top + int(self.window.height), int(self.window.width)
        edges = [top, *range((top // READ_ROWS + 1) * READ_ROWS, bottom, READ_ROWS), bottom]

        def decode(start: int, stop: int) -> npt.NDArray[np.uint16]:
            part = Window(left, start, width, stop - start)
            pixels = self.scene.load_dn(part)
            planes = [np.where(pixels.present, pixels.dn, 0)]
            if self.scene.classification:
                planes.append(self.scene.classes(part)[None])
            return np.concatenate(planes).astype(np.uint16, copy=False)

        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(decode, edges[0], edges[1])
            for number, start in enumerate(edges[:-1]):
                strip = ahead.result()
                if number + 2 < len(edges):
                    ahead = pool.submit(decode, edges[number + 1], edges[number + 2])
                yield start - top, strip


def lease(copy: Path) -> Path | None:
    """Marks a copy as in use by this process, until the returned file is removed.

    Returns:
        That file; None where the copy is gone.
    """
    path = copy.parent / f".in-use.{process_tag()}.{uuid.uuid4().hex}"
    try:
        path.touch()
    except FileNotFoundError:
        return None
    return path


def in_use(entry: Path) -> bool:
    """Whether a process that still runs reads the copy in this folder."""
    leases = [(file, _LEASE.fullmatch(file.name)) for file in entry.iterdir()]
    return any(found is not None and not is_abandoned(found["tag"], file) for file, found in leases)


def is_copy(entry: Path) -> bool:
    """Whether a folder is that of a copy and holds no other files."""
    if not _COPY.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
        return False
    tif = f"{entry.name[:-17]}.tif"
    return all(file.name in (tif, f"{tif}.aux.xml", RECORD) or _LEASE.fullmatch(file.name) for file in entry.iterdir())


def is_left_behind(entry: Path) -> bool:
    """Whether a folder is the half-made or half-removed copy of a process that is gone."""
    found = _PARTIAL.fullmatch(entry.name)
    return found is not None and not entry.is_symlink() and entry.is_dir() and is_abandoned(found["tag"] or "-0", entry)


def remove(entry: Path, *, used: bool = True) -> bool:
    """Removes the folder of a copy, atomically as other processes see it; does nothing where there is none.

    Args:
        entry: the folder.
        used: also where a process reads it.

    Returns:
        Whether it is gone.
    """
    aside = _aside(entry)
    try:
        if not is_copy(entry) or (in_use(entry) and not used):
            return False
        entry.rename(aside)
        # Who said so in the meantime keeps it.
        if not used and in_use(aside):
            aside.rename(entry)
            return False
    except FileNotFoundError:
        return True
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _aside(entry: Path) -> Path:
    return entry.with_name(f".{entry.name}.{process_tag()}.{uuid.uuid4().hex}")


def _checksum(path: Path, advance: Advance = lambda _: None) -> int:
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total = zlib.crc32(chunk, total)
            advance(len(chunk))
    return total
