"""Files that are there whole or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Gives a hidden path beside `path` to write to, which takes its name when all went well, and else disappears.

    The ending stays, since GDAL and others tell the format by it. The folder is made.

    Args:
        path: file to write; one that exists is replaced.

    Raises:
        OSError: If the folder cannot be made or the file not be renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
