"""Writes files and folders so that they appear complete or not at all."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Gives a hidden path beside `path` to write to; it is renamed to `path` on success, and removed on failure.

    The ending stays, since GDAL and others tell the format by it. The folder around it is made.

    Args:
        path: file or folder to write; one that exists is replaced.

    Raises:
        OSError: If the folder around it cannot be made or what was written not be renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        _remove(part)  # left by a process that was killed
        yield part
        if part.is_dir():
            _remove(path)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
