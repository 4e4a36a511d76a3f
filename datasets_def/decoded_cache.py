"""A folder of tiled copies whose total size is limited."""

import contextlib
import os
import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from datasets_def.decoded import RECORD, TiledCopy, is_copy, is_left_behind, lease, remove
from datasets_def.errors import GlofgeoError

# Other machines can only see that a lease is fresh; they give it up after a day.
_REFRESH_S = 3600.0

Progress = Callable[[str, int, int], None]


class InUse:
    """Copies that this process reads: as long as this object lives, no other process removes them."""

    def __init__(self) -> None:
        self._leases: list[Path] = []
        stop = threading.Event()
        threading.Thread(target=_refresh, args=(self._leases, stop), daemon=True).start()
        # Also when the process ends; a killed one is known by its number.
        weakref.finalize(self, _release, self._leases, stop, os.getpid())

    def take(self, copy: TiledCopy) -> bool:
        """Marks a copy as in use; false where there is none."""
        taken = lease(copy.path)
        if taken is not None:
            self._leases.append(taken)
        return taken is not None


def fill_cache(copies: Sequence[TiledCopy], folder: Path, limit: float, progress: Progress) -> InUse:
    """Makes sure that copies exist and are undamaged; the least recently used are removed to make room.

    Copies that are there are read through once; a damaged one is made again. Copies that a run is reading are never
    removed, nor is anything else in the folder.

    Args:
        copies: all that one run reads.
        folder: of all copies.
        limit: bytes that the folder may hold.
        progress: called with what is being done, bytes done and bytes in all.

    Returns:
        What keeps these copies from being removed, to be held while they are read.

    Raises:
        GlofgeoError: If these copies exceed the limit, alone or with those that other runs read, a product cannot be
            read, or a copy cannot be written.
    """
    needed = sum(copy.size for copy in copies)
    if needed > limit:
        raise GlofgeoError(
            f"{folder}: the scenes of this run take {needed / 1e9:.1f} GB decoded, more than the {limit / 1e9:g} GB "
            "allowed",
            "allow more, or give fewer scenes or a smaller area",
            argument="data.cache_size",
        )
    try:
        return _fill(copies, folder, limit, progress)
    except OSError as error:
        raise GlofgeoError(
            f"{folder}: cannot be written ({error.strerror})", "check free disk space and write permission"
        ) from None


def _fill(copies: Sequence[TiledCopy], folder: Path, limit: float, progress: Progress) -> InUse:
    held = InUse()
    present = [copy for copy in copies if held.take(copy)]
    advance = _counter("checking decoded scenes", present, progress)
    for copy in present:
        if not copy.whole(advance) and not remove(copy.path.parent):
            raise GlofgeoError(f"{copy.path}: is damaged, and its folder holds other files", "move these away")
    missing = [copy for copy in copies if not copy.path.parent.exists()]
    _make_room(folder, limit - sum(copy.size for copy in missing))
    advance = _counter("decoding scenes", missing, progress)
    for copy in missing:
        copy.write(advance)
        while not held.take(copy):  # another run was quick to remove it
            copy.write(advance)
    for copy in copies:
        os.utime(copy.path.parent / RECORD)
    return held


def _counter(text: str, copies: Sequence[TiledCopy], progress: Progress) -> Callable[[int], None]:
    total, done = sum(copy.size for copy in copies), 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        progress(text, min(done, total), total)

    return advance


def _make_room(folder: Path, limit: float) -> None:
    """Removes copies that nobody reads, the least recently used first, until the others fit."""
    there: list[tuple[float, int, Path]] = []
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            if is_left_behind(entry):
                shutil.rmtree(entry, ignore_errors=True)
            elif is_copy(entry):
                record = entry / RECORD
                last = (record if record.exists() else entry).stat().st_mtime
                there.append((last, sum(file.stat().st_size for file in entry.iterdir()), entry))
        except FileNotFoundError:
            continue  # another process has removed it
    total = sum(size for _, size, _ in there)
    for _, size, entry in sorted(there):
        if total <= limit:
            return
        if remove(entry, used=False):
            total -= size
    if total > limit:
        raise GlofgeoError(
            f"{folder}: other runs read {total / 1e9:.1f} GB of decoded scenes, which leaves too little for this one",
            "allow more, or wait for them",
            argument="data.cache_size",
        )


def _refresh(leases: list[Path], stop: threading.Event) -> None:
    while not stop.wait(_REFRESH_S):
        for path in list(leases):
            with contextlib.suppress(OSError):
                os.utime(path)


def _release(leases: list[Path], stop: threading.Event, process: int) -> None:
    stop.set()
    # A worker that was forked from the process has the object too.
    if os.getpid() == process:
        for path in leases:
            with contextlib.suppress(OSError):
                path.unlink()
