"""The folder of one scene's map: it appears whole or not at all, and tells whether it has to be made again."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from datasets_def.scene import Scene
from glofgeo import __version__
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError

FILES = ("probability.tif", "probability.qml", "mask.tif", "mask.qml", "lakes.gpkg", "overview.png", "run.json")

# What decides how a map is computed but not what it says.
_PACE = ("batch_size", "compile")

# Everything that a disk without space or right is reported as by the libraries that write; rasterio has SystemError for
# what GDAL gives no reason for.
_WRITE_ERRORS = (OSError, RasterioError, CPLE_BaseError, SystemError, DataSourceError, DataLayerError, sqlite3.Error)


class CannotWriteError(GlofgeoError):
    """The output folder takes nothing more; other scenes would meet the same."""


@contextlib.contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turns a failure to write below `out` into one line that says so.

    Raises:
        CannotWriteError: With the reason.
    """
    try:
        yield
    except _WRITE_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CannotWriteError(
            f"{out}: cannot write there ({reason}); make room, or name another folder with --out"
        ) from error


@contextlib.contextmanager
def scene_folder(out: Path, scene_id: str) -> Iterator[Path]:
    """Gives a hidden folder to work in, which becomes `OUT/<scene id>` when all went well, and else disappears.

    What a killed process left there is removed first.
    """
    # Machines of a cluster share folders but not process numbers.
    prefix = f".{scene_id}-{socket.gethostname()}-"
    partial = out / f"{prefix}{os.getpid()}"
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{prefix}*"):
        if not _is_running(left.name.removeprefix(prefix).removesuffix("-old")):
            shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _replace_folder(partial, out / scene_id)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fingerprint(scene: Scene, model: str, window: int, aoi: gpd.GeoDataFrame | None, settings: MapConfig) -> str:
    """SHA-256 of everything that decides what the map of a scene says.

    A scene counts as the same while the names, sizes and times of change of its files, and its radiometry, are.

    Args:
        scene: what is mapped.
        model: name that no other model has.
        window: side in pixels of what the model is given.
        aoi: where.
        settings: how.
    """
    layers = [scene.layers[band] for band in scene.bands] + ([scene.classification] if scene.classification else [])
    files = [Path(layer.path) for layer in layers] if scene.path.is_dir() else [scene.path]
    facts = {
        "scene": scene.id,
        "files": [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()],
        "radiometry": [(layer.index, layer.quantification, layer.offset) for layer in layers],
        "model": [model, window],
        "aoi": None if aoi is None else [*sorted(aoi.geometry.to_wkb(hex=True)), str(aoi.crs)],
        "settings": {name: value for name, value in asdict(settings).items() if name not in _PACE},
        "glofgeo": __version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_done(folder: Path, wanted: str) -> bool:
    """Whether a scene's folder holds the whole map that has this fingerprint."""
    if not all((folder / name).is_file() for name in FILES):
        return False
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return False
    return record.get("fingerprint") == wanted


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True


def _replace_folder(partial: Path, final: Path) -> None:
    """Gives a finished folder its name; an earlier one is moved aside first, since folders cannot be swapped."""
    if final.exists():
        old = partial.with_name(partial.name + "-old")
        final.rename(old)
        partial.rename(final)
        shutil.rmtree(old)
    else:
        partial.rename(final)
