"""The folder of one scene's map: it appears whole or not at all, and tells whether it has to be made again."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from datasets_def.files import versions_of
from datasets_def.processes import TAG, is_abandoned, process_tag
from datasets_def.scene import Scene
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import require_replaceable as require_replaceable_layer
from glofgeo.inventory.geopackage import SIDECARS
from glofgeo.version import __version__

# What every output says of a scene whose record has no cloud mask.
CLOUDS_NOT_MASKED = "clouds are not masked (no scene classification), they count as observed"

FILES = (
    "probability.tif", "probability.qml", "mask.tif", "mask.qml", "lakes.gpkg", "layers.qlr", "overview.png",
    "report.html", "run.json", "item.json",
)  # fmt: skip

# With what other programs put beside these files: it describes them and goes with them.
_OURS = {*FILES, *(f"{name}.aux.xml" for name in FILES), *(f"lakes.gpkg{ending}" for ending in SIDECARS)}

# `.<scene id>-<process>` is being made; with `-old` it is the earlier map, on its way out.
_WORK = re.compile(rf"\.(?P<scene>.+)-(?P<tag>{TAG})(?P<old>-old)?")
_TRIES = 20

_REMEDY = "move it away, or name another folder"

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
            f"{out}: cannot write there ({reason})", "make room, or name another folder", argument="out"
        ) from error


@contextlib.contextmanager
def scene_folder(out: Path, scene_id: str, wanted: str) -> Iterator[Path]:
    """Gives a hidden folder to work in, which becomes `OUT/<scene id>` when all went well, and else disappears.

    What others put into an earlier map's folder stays there. What killed processes left is removed first.

    Args:
        out: folder of all maps; made if need be.
        scene_id: one component of a path.
        wanted: fingerprint of the map.

    Raises:
        GlofgeoError: If something that is no map has that name.
    """
    final = out / scene_id
    require_replaceable(final)
    before = _identity(final)
    partial = out / f".{scene_id}-{process_tag()}"
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()  # within, since Ctrl-C can come as soon as it is there
        yield partial
        # A twin, as after a lost connection to a worker that went on working, may have been faster.
        if _identity(final) == before or not is_done(final, wanted):
            _put_in_place(partial, final, wanted)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_replaceable(folder: Path) -> None:
    """Makes sure that a map may take this name: nothing has it, or a map whose layer nobody has changed.

    The mark of a map is its `run.json`.

    Raises:
        GlofgeoError: If something else is there; a link to a map is something else.
    """
    for last in (False,) * _TRIES + (True,):
        before = _identity(folder)
        try:
            return _require_map(folder)
        except (GlofgeoError, FileNotFoundError):
            # While another process replaces the folder, a look into it sees less than there is.
            if last or before == _identity(folder):
                raise


def _require_map(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise GlofgeoError(f"{folder}: is not a folder of its own", _REMEDY, argument="out")
    if not folder.exists() or not any(folder.iterdir()):
        return
    record = read_record(folder)
    versions = record.get("versions")
    if not ("fingerprint" in record and isinstance(versions, dict) and "glofgeo" in versions):
        raise GlofgeoError(
            f"{folder}: holds something else than a map (its run.json would tell), and nothing there is replaced",
            _REMEDY,
            argument="out",
        )
    require_replaceable_layer(folder / "lakes.gpkg")


def _identity(folder: Path) -> int | None:
    """What tells a folder from one that has taken its name; None where there is none."""
    try:
        return folder.lstat().st_ino
    except FileNotFoundError:
        return None


def fingerprint(
    scene: Scene,
    model: str,
    window: int,
    aoi: gpd.GeoDataFrame | None,
    settings: MapConfig,
    surroundings: list[Any] | None = None,
) -> str:
    """SHA-256 of everything that decides what the map of a scene says.

    A scene counts as the same while the names, sizes and times of change of its files, and its radiometry, are.

    Args:
        scene: what is mapped.
        model: name that no other model has.
        window: side in pixels of what the model is given.
        aoi: where.
        settings: how.
        surroundings: what tells the files of DEM and glaciers from others.
    """
    layers = [scene.layers[band] for band in scene.stored.bands] + (
        [scene.classification] if scene.classification else []
    )
    several = isinstance(scene.path, str) or scene.path.is_dir()
    files = [layer.path for layer in layers] if several else [str(scene.path)]
    facts = {
        "scene": scene.id,
        "files": versions_of(files),
        "radiometry": [(layer.index, layer.quantification, layer.offset) for layer in layers],
        "model": [model, window],
        "aoi": None if aoi is None else [*sorted(aoi.geometry.to_wkb(hex=True)), str(aoi.crs)],
        "settings": {name: value for name, value in asdict(settings).items() if name not in _PACE},
        "glofgeo": __version__,
    }
    if scene.terrain is not None:
        facts["terrain"] = [versions_of([str(path) for path in scene.terrain.dem.files]), scene.terrain.sun]
    if surroundings is not None:  # maps without these keep the fingerprint that they had
        facts["surroundings"] = surroundings
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_done(folder: Path, wanted: str) -> bool:
    """Whether a scene's folder holds the whole map that has this fingerprint."""
    return all((folder / name).is_file() for name in FILES) and read_record(folder).get("fingerprint") == wanted


def read_record(folder: Path) -> dict[str, Any]:
    """Gives what `run.json` says; nothing where there is none that can be read."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def sweep(out: Path) -> None:
    """Removes the work of processes that are gone, and gives back what they had moved aside."""
    for left in out.iterdir() if out.is_dir() else ():
        work = _WORK.fullmatch(left.name)
        if work and not left.is_symlink() and is_abandoned(work["tag"], left):
            _clear(left, work, out)


def sweep_scene(out: Path, scene_id: str, tags: list[str]) -> None:
    """The same for the work on one scene of processes that nobody waits for any more, on whatever machine.

    Args:
        out: folder of all maps.
        scene_id: of the scene.
        tags: as `process_tag` gave them to these processes.
    """
    for tag in tags:
        for ending in ("", "-old"):
            left = out / f".{scene_id}-{tag}{ending}"
            work = _WORK.fullmatch(left.name)
            if work and left.is_dir() and not left.is_symlink():
                _clear(left, work, out)


def _clear(left: Path, work: re.Match[str], out: Path) -> None:
    if work["old"]:
        _bring_back(left, out / work["scene"])
    else:
        shutil.rmtree(left, ignore_errors=True)


def _put_in_place(partial: Path, final: Path, wanted: str) -> None:
    """Gives a finished folder its name; an earlier one is moved aside first, since folders cannot be swapped.

    Another process may do the same at the same time: where its map is the same one, it may stay.
    """
    old = partial.with_name(partial.name + "-old")
    for last in (False,) * _TRIES + (True,):
        require_replaceable(final)
        try:
            with contextlib.suppress(FileNotFoundError):
                final.rename(old)
            partial.rename(final)
        except OSError:
            _bring_back(old, final)
            if is_done(final, wanted):
                return
            if last:
                raise
        else:
            _bring_back(old, final)
            return


def _bring_back(old: Path, final: Path) -> None:
    """Gives a folder that was moved aside its name again, or what is not ours in it to the map that has it now."""
    if not old.is_dir():
        return
    try:
        old.rename(final)
    except OSError:
        for entry in list(old.iterdir()):
            if entry.name not in _OURS or entry.is_dir() or _is_own_style(entry, final):
                _move(entry, final / entry.name)
            else:
                entry.unlink()
        with contextlib.suppress(OSError):
            old.rmdir()  # it stays while something in it has no place to go


def _is_own_style(entry: Path, final: Path) -> bool:
    """Whether a style is another than the mapper's: QGIS saves the user's under the same name."""
    if entry.suffix != ".qml":
        return False
    try:
        return entry.read_bytes() != (final / entry.name).read_bytes()
    except FileNotFoundError:
        return True  # yet another process is replacing the folder


def _move(entry: Path, to: Path) -> None:
    """Moves what is the user's; only a style takes the place of ours, nothing that of anything else."""
    for _ in range(_TRIES):
        if os.path.lexists(to) and to.suffix != ".qml":
            return
        try:
            entry.replace(to)
        except FileNotFoundError:
            time.sleep(0.01)  # another process is just replacing the folder
        else:
            return
