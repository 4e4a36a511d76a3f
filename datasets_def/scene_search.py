"""Finds the scenes below a folder."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from datasets_def.band_files import is_band_folder
from datasets_def.errors import GlofgeoError, NoScenesError
from datasets_def.product_path import check_path, find_product, holds_product
from datasets_def.stac_files import holds_item
from datasets_def.web_address import is_web, shown, web_address

_FILES = (".zip", ".tif", ".tiff", ".vrt")

# Our own maps are no scenes.
_RECORD, _MAPS = "run.json", {"mask.tif", "probability.tif"}

logger = logging.getLogger(__name__)


def find_scenes(path: str | Path) -> list[Path]:
    """Lists the scenes below a folder.

    They are `.SAFE` folders, zipped ones, `.tif`, `.tiff` and `.vrt` files, and folders of single-band files.
    A path that is itself a scene gives itself, and a folder inside a product the product. Hidden folders and maps are
    skipped, and so is a folder that no permission to read it, with a warning.

    Raises:
        NoScenesError: If it holds no scene.
        GlofgeoError: If it does not exist, cannot be read, or lies on the network.
    """
    address = web_address(path)
    if is_web(address) or holds_item(address):
        raise GlofgeoError(f"{shown(address)}: only scenes of this computer are searched", "download it first")
    path = Path(path)
    check_path(path, "no such folder", "put scenes there, or name another folder")
    if path.is_file() or _is_product(path):
        return [path]
    inside = find_product(path) if "GRANULE" in Path(os.path.abspath(path)).parts else path  # noqa: PTH100
    if inside != path:
        return [inside]
    if is_band_folder(path):
        return [path]
    try:
        next(path.iterdir(), None)
    except OSError as error:
        raise GlofgeoError(f"{path}: no permission to read it ({error.strerror})", "ask its owner for access") from None
    found = list(_below(path, set()))
    if not found:
        raise NoScenesError(f"{path}: holds no scene (.SAFE, .zip, .tif or .vrt)", "put scenes there")
    return found


def _below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        facts = folder.stat()
        children = sorted(folder.iterdir())
    except OSError as error:
        logger.warning("%s: no permission to read it (%s); skipped", folder, error.strerror)
        return
    names = {child.name for child in children}
    if (facts.st_dev, facts.st_ino) in seen:  # a link may lead back
        return
    seen.add((facts.st_dev, facts.st_ino))
    ours = _MAPS if _RECORD in names else set()
    for child in children:
        if child.name.startswith(".") or child.name in ours or child.name == "__MACOSX":
            continue
        if child.is_dir():
            yield from [child] if _is_product(child) or is_band_folder(child) else _below(child, seen)
        # A link to nothing is a scene that cannot be opened; a pipe or device is none.
        elif child.suffix.lower() in _FILES and (child.is_file() or not child.exists()):
            yield child


def _is_product(folder: Path) -> bool:
    return folder.suffix.lower() == ".safe" or holds_product(folder)
