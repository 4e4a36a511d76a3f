"""Keeps two downloads out of one folder: they would write the same files."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from datasets_def.processes import TAG, is_abandoned, process_tag
from glofgeo.errors import GlofgeoError

_PREFIX = ".fetching-"


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Marks a folder as being downloaded into.

    Args:
        folder: made if need be.

    Raises:
        GlofgeoError: If another process that still runs has marked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"{_PREFIX}{process_tag()}"
    mark.touch()
    try:
        for other in folder.glob(f"{_PREFIX}*"):
            tag = other.name.removeprefix(_PREFIX)
            if other == mark or not re.fullmatch(TAG, tag):
                continue
            if not is_abandoned(tag, other):
                raise GlofgeoError(
                    f"{folder}: another process (number {tag.partition('-')[2]}) downloads into it",
                    f"wait for it, or remove {other.name} there if it has ended",
                    argument="out",
                )
            other.unlink(missing_ok=True)
        yield
    finally:
        mark.unlink(missing_ok=True)
