"""A folder of tiled copies that is kept below a size."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets_def.tiled import RECORD, TiledCopy, remove
from glofgeo.errors import GlofgeoError

# A half-written copy is removed at this age: the process that wrote it is dead.
_ABANDONED_S = 86400

Tell = Callable[[str, int, int], None]


def fill_cache(copies: Sequence[TiledCopy], folder: Path, limit: float, tell: Tell) -> None:
    """Makes sure that copies are there and whole; those used least recently give way to new ones.

    Copies that are there are read through once; a damaged one is made again.

    Args:
        copies: all that one run reads; none of them is removed.
        folder: of all copies.
        limit: bytes that the folder may hold.
        tell: told what is worked on, and how many bytes of how many are done.

    Raises:
        GlofgeoError: If these copies alone exceed the limit, a product cannot be read, or a copy cannot be written.
    """
    needed = sum(copy.size for copy in copies)
    if needed > limit:
        raise GlofgeoError(
            f"{folder}: the scenes of this run take {needed / 1e9:.1f} GB decoded, more than the {limit / 1e9:g} GB "
            "allowed; raise --data.cache-size, or give fewer scenes or a smaller area"
        )
    present = [copy for copy in copies if copy.path.parent.exists()]
    advance = _counter("checking decoded scenes", present, tell)
    for copy in present:
        if not copy.whole(advance):
            remove(copy.path.parent)
    missing = [copy for copy in copies if not copy.path.parent.exists()]
    keep = {copy.path.parent for copy in copies}
    _make_room(folder, limit - sum(copy.size for copy in missing), keep)
    advance = _counter("decoding scenes", missing, tell)
    for copy in missing:
        copy.write(advance)
    for entry in keep:
        os.utime(entry / RECORD)


def _counter(text: str, copies: Sequence[TiledCopy], tell: Tell) -> Callable[[int], None]:
    total, done = sum(copy.size for copy in copies), 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        tell(text, min(done, total), total)

    return advance


def _make_room(folder: Path, limit: float, keep: set[Path]) -> None:
    """Removes copies, the least recently used first, until the others fit."""
    used: list[tuple[float, int, Path]] = []
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            record = entry / RECORD
            last = (record if record.exists() else entry).stat().st_mtime
            if entry.name.startswith(".") and time.time() - last > _ABANDONED_S:
                remove(entry)
            else:
                used.append((last, sum(file.stat().st_size for file in entry.iterdir()), entry))
        except (FileNotFoundError, NotADirectoryError):
            continue  # another process has removed it, or it is no copy
    total = sum(size for _, size, _ in used)
    for _, size, entry in sorted(used):
        if total <= limit:
            return
        if entry not in keep and not entry.name.startswith("."):
            remove(entry)
            total -= size
