"""Downloads a file so that a cut, a kill or a wrong byte costs at most what was running."""

import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from datasets_def.metadata_xml import parse
from datasets_def.web_address import shown
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.opening import open_remote
from glofgeo.fetch.remote_file import Body, Interrupted, Opener, RemoteFile

# Tries in a row that bring no byte: with the pauses between them, about three minutes.
_TRIES = 8
_TRIES_DENIED = 3
_LONGEST_PAUSE_S = 60.0
# What a server may ask for; more is a server that is closed today.
_LONGEST_WISH_S = 600.0
# Files that came whole and were not what they should be.
_WRONG = 3

# Multihash code -> hash, length of the digest in bytes. Source: github.com/multiformats/multicodec, table.csv.
_HASHES = {"11": ("sha1", 20), "12": ("sha256", 32), "13": ("sha512", 64), "16": ("sha3_256", 32), "d501": ("md5", 16)}


class Stopped(Exception):
    """The user has asked to stop."""


class WrongBytes(Exception):
    """A file came whole and is not what the catalogue promised."""


def download(
    file: RemoteFile,
    path: Path,
    advance: Callable[[int], None],
    stop: threading.Event,
    *,
    opened: Opener = open_remote,
    pause_s: float = 1.0,
) -> None:
    """Downloads a file, unless it is there; one of another size came from another catalogue, and is replaced.

    What has come lies in `<path>.part` until it is whole and right; another call goes on there.

    Args:
        file: what to download.
        path: where to.
        advance: is called with the number of bytes that have come; negative for earlier ones that are of no use.
        stop: once set, the download ends soon.
        opened: opens a file at a byte.
        pause_s: seconds before the second try, doubled with every further one.

    Raises:
        GlofgeoError: If it cannot be had.
        Stopped: If `stop` is set.
    """
    if path.exists():
        if file.size in (None, path.stat().st_size):
            return
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path, advance)
    tries = wrong = 0
    while True:
        before = part.size
        try:
            part.receive(file, opened, stop)
            part.finish(file)
            return
        except WrongBytes as error:
            part.discard()
            wrong += 1
            if wrong == _WRONG:
                raise GlofgeoError(
                    f"{shown(file.href)}: came damaged {wrong} times ({error})", "try another catalogue"
                ) from None
        except Interrupted as error:
            if error.restart:
                part.discard()
            tries = 1 if part.size > before else tries + 1
            if tries == (_TRIES_DENIED if error.denied else _TRIES) or (error.wait or 0) > _LONGEST_WISH_S:
                hint = "check your keys for it" if error.denied else "try again later; what has come is kept"
                raise GlofgeoError(f"{shown(file.href)}: {error}; tried {tries} times", hint) from None
            wait = min(pause_s * 2 ** (tries - 1), _LONGEST_PAUSE_S) * random.uniform(0.75, 1.25)
            if stop.wait(wait if error.wait is None else max(error.wait, pause_s * random.random())):
                raise Stopped from None


class _Part:
    """What has come of a file so far, and the version of the file that it belongs to."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        self.path = path
        self.advance = advance
        self.part = path.with_name(f"{path.name}.part")
        self.note = path.with_name(f"{path.name}.version")
        self.size = self.part.stat().st_size if self.part.exists() else 0
        self.version = self.note.read_text(encoding="utf-8") if self.note.exists() else None

    def receive(self, file: RemoteFile, opened: Opener, stop: threading.Event) -> None:
        """Asks for the bytes that are missing, and writes them as they come."""
        if self.size and (self.version is None or (file.size is not None and self.size > file.size)):
            self.discard()
        if self.size and self.size == file.size:
            return
        with opened(file.href, self.size, self.version) as body:
            self._begin(file, body)
            # Unbuffered: a process that is killed has then written all it was given.
            with self.part.open("ab", buffering=0) as out:
                for chunk in body.chunks:
                    if stop.is_set():
                        raise Stopped
                    rest = memoryview(chunk)
                    while rest:  # of a disk that is nearly full, one call takes less than it was given
                        rest = rest[out.write(rest) :]
                    self.size += len(chunk)
                    self.advance(len(chunk))
        if body.total is not None and self.size != body.total:
            raise Interrupted(f"{self.size} of {body.total} bytes came", restart=self.size > body.total)

    def _begin(self, file: RemoteFile, body: Body) -> None:
        if file.size is not None and body.total is not None and body.total != file.size:
            raise Interrupted(f"it has {body.total} bytes, and the catalogue says {file.size}")
        if body.start and body.version != self.version:
            raise Interrupted("the file has changed meanwhile", restart=True)
        if body.start != self.size or body.version != self.version:
            self.discard()
            self.version = body.version
            if body.version is not None:
                self.note.write_text(body.version, encoding="utf-8")

    def discard(self) -> None:
        """Begins anew."""
        self.advance(-self.size)
        self.size, self.version = 0, None
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self, file: RemoteFile) -> None:
        """Checks what has come and gives it its name.

        Raises:
            WrongBytes: If it is not what the catalogue says.
        """
        if file.size is not None and self.size != file.size:
            raise WrongBytes(f"{self.size} bytes instead of {file.size}")
        if not self.size:
            raise WrongBytes("it is empty")
        check_checksum(self.part, file.checksum)
        if self.path.suffix == ".jp2":
            _check_end(self.part)
        if self.path.suffix == ".xml":
            _check_xml(self.part)
        with self.part.open("rb+") as out:
            os.fsync(out.fileno())
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)


def check_checksum(path: Path, multihash: str | None) -> None:
    """Compares a file with its checksum; one of a kind that is not known, or none, says nothing.

    Raises:
        WrongBytes: If they differ.
    """
    for code, (kind, length) in _HASHES.items():
        prefix = f"{code}{length:02x}"
        if multihash and multihash.startswith(prefix) and len(multihash) == len(prefix) + 2 * length:
            with path.open("rb") as file:
                if hashlib.file_digest(file, kind).hexdigest() != multihash.removeprefix(prefix):
                    raise WrongBytes(f"its {kind} is not the one of the catalogue")


def _check_xml(part: Path) -> None:
    """Looks whether metadata can be read: they come without a checksum, and some networks send a page of their own."""
    try:
        parse(part.read_bytes(), part.name)
    except GlofgeoError:
        raise WrongBytes("it is no XML") from None


def _check_end(part: Path) -> None:
    """Looks for the marker that ends a JPEG 2000 file; decoders fill what is cut off with zeros, silently."""
    with part.open("rb") as file:
        file.seek(-min(2, part.stat().st_size), os.SEEK_END)
        if file.read() != b"\xff\xd9":
            raise WrongBytes("its end is missing")
