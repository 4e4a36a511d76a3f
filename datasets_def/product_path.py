"""Finds the product that a path stands for: the product, its zip, one of its metadata files, or a folder inside it."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from datasets_def.archive import StoredFile, list_files
from datasets_def.errors import GlofgeoError

# The second is that of products before December 2016.
_METADATA = re.compile(r"MTD_MSIL\w\w\.xml|S2\w_\w+_MTD_SAF\w+\.xml")
_INSIDE = re.compile(r"MTD_MSIL\w\w\.xml|MTD_TL\.xml|manifest\.safe", re.IGNORECASE)


def check_path(path: Path, absent: str, hint: str) -> None:
    """Checks that a path names a folder or a regular file, and opens nothing: opening a pipe may block for ever.

    Args:
        path: as a user gave it.
        absent: what to say if there is nothing.
        hint: what to do then.

    Raises:
        GlofgeoError: If it does not.
    """
    try:
        str(path).encode()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise GlofgeoError(f"{path}: {absent}", hint) from None
    except PermissionError:
        raise GlofgeoError(f"{path}: no permission to read it", "ask its owner for access") from None
    except OSError as error:
        raise GlofgeoError(f"{path}: cannot be opened ({error.strerror})", "check the path") from None
    except ValueError:
        raise GlofgeoError(f"{str(path)!a}: its name is not valid UTF-8", "rename it") from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise GlofgeoError(f"{path}: neither a folder nor a regular file", "give the scene itself")


def is_safe(path: Path) -> bool:
    """Whether a path looks like a product, or like a part of one that stands for it: see `open_product`."""
    name = path.name
    if path.is_dir() or path.suffix.lower() == ".zip" or _INSIDE.fullmatch(name):
        return True
    return name.lower().endswith(".jp2") and _above(path) is not None


def holds_product(folder: Path) -> bool:
    """Whether a folder is that of a product, complete or not."""
    return any(True for _ in _metadata_of(folder))


def product_name(path: Path) -> str:
    """Gives the name of a product's folder or zip without endings; `.` is the name of the current folder."""
    name = Path(os.path.abspath(path)).name  # noqa: PTH100 (links stay what they are called)
    return re.sub(r"(\.safe)?(\.zip)?$", "", name, count=1, flags=re.IGNORECASE)


def find_product(path: Path) -> Path:
    """Gives the folder or zip of the product that a path names.

    That is the path itself, or the product that it lies in: as `MTD_MSIL2A.xml`, as the granule or a folder in it, or
    as `MTD_TL.xml`. A folder that holds one product and none of this stands for that product.

    Raises:
        GlofgeoError: If the path is one image of a product, or a folder of several.
    """
    above = None if path.suffix.lower() == ".zip" and path.is_file() else _above(path)
    if path.is_file():
        if path.suffix.lower() == ".jp2" and above:
            raise GlofgeoError(f"{path}: one image of a product", f"give the product: {above}")
        return above or path
    if holds_product(path):
        return path
    if above:
        return above
    below = [child for child in _folders_of(path) if holds_product(child)]
    if len(below) > 1:
        raise GlofgeoError(f"{path}: holds {len(below)} products", f"give one of them, as {below[0]}")
    return below[0] if below else path


def open_product(path: Path) -> tuple[Path, dict[str, StoredFile]]:
    """Finds the product that a path names, and its files.

    Returns:
        Its folder or zip, and its files by their names in the `.SAFE` folder.

    Raises:
        GlofgeoError: If it cannot be read, or the path names several.
    """
    root = find_product(path)
    files = list_files(root)
    # A zip holds the .SAFE folder, mostly.
    tops = {name[: -len(name.rsplit("/")[-1])] for name in files if _METADATA.fullmatch(name.rsplit("/")[-1])}
    if len(tops) > 1:
        raise GlofgeoError(f"{root}: holds {len(tops)} products", "give one product of one tile")
    top = next(iter(tops), "")
    return root, {name.removeprefix(top): file for name, file in files.items() if name.startswith(top)}


def _above(path: Path) -> Path | None:
    """The product that a file or folder lies in: in its top folder, or below GRANULE."""
    here = Path(os.path.abspath(path))  # noqa: PTH100
    folders = list(here.parents)
    if here.is_file() and _INSIDE.fullmatch(here.name) and holds_product(folders[0]):
        return folders[0]
    for inside, folder in zip([here, *folders], folders, strict=False):
        if inside.name.upper() == "GRANULE" and holds_product(folder):
            return folder
    return None


def _metadata_of(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if _METADATA.fullmatch(entry.name))
    except OSError:
        return


def _folders_of(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []
