"""Folders and zip files of products: listing their files, and reading them within limits."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from datasets_def.errors import GlofgeoError

# A product of today has about 100 files, one of 15 granules as before December 2016 about 2000. The whole directory of
# a zip is read before its first member, at some 200 bytes a member.
_MOST_FILES = 20_000
_LARGEST_DIRECTORY = 4 * 2**20
# An image of 10980 x 10980 pixels of 16 bits takes 230 MiB uncompressed.
_LARGEST_FILE = 2**30
_CHUNK = 2**20

_PACKED = {
    9: "Deflate64, as Windows packs what is large",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
}
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, LookupError,
    OverflowError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class StoredFile:
    """One file of a product.

    Attributes:
        path: the file, or the zip it lies in.
        member: its name in the zip, as stored there; empty for a file in a folder.
    """

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{_plain(self.member)}" if self.member else str(self.path)

    @property
    def gdal_path(self) -> str:
        """What GDAL opens."""
        # GDAL also takes `/vsizip/{path}/member`, but counts the braces in the path.
        return f"/vsizip/{self.path.absolute()}/{_plain(self.member)}" if self.member else str(self.path)

    def version(self) -> tuple[int, int]:
        """Size and time of change in nanoseconds, of the whole zip for a member."""
        with _readable(self):
            facts = self.path.stat()
        return facts.st_size, facts.st_mtime_ns

    def read(self, limit: int) -> bytes:
        """Reads it whole.

        Raises:
            GlofgeoError: If it is larger than `limit` bytes or cannot be read; what a zip declares is not believed.
        """
        content = bytearray()
        for chunk in self.chunks(limit):
            content += chunk
        return bytes(content)

    def chunks(self, limit: int = _LARGEST_FILE) -> Iterator[bytes]:
        """Reads it in pieces of at most 1 MiB; at the end of a zip's member its CRC has been checked.

        Raises:
            GlofgeoError: If it is larger than `limit` bytes or cannot be read.
        """
        total = 0
        with _readable(self), self._open() as (file, size):
            while size <= limit and (chunk := file.read(_CHUNK)):
                total += len(chunk)
                size = max(size, total)
                yield chunk
        if size > limit:
            raise GlofgeoError(f"{self}: larger than {limit // 2**20} MiB, which no such file of a product is")

    @contextmanager
    def _open(self) -> Iterator[tuple[BinaryIO, int]]:
        if not self.member:
            with open_regular(self.path) as file:
                yield file, os.fstat(file.fileno()).st_size
            return
        with _open_zip(self.path) as archive, archive.open(self.member) as member:
            yield member, archive.getinfo(self.member).file_size  # type: ignore[misc]


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; a pipe or device, which may block for ever, is not waited for.

    Raises:
        OSError: If it cannot be opened or is no regular file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    return path.open("rb")


def list_files(path: Path) -> dict[str, StoredFile]:
    """Lists the regular files of a folder or zip, with `/` in their names; links are followed.

    Hidden files and those that macOS adds (`__MACOSX`, `._*`) are left out.

    Raises:
        GlofgeoError: If it cannot be read, is packed in a way that cannot be read, or has absurdly many files.
    """
    with _readable(StoredFile(path)):
        return _files_of_folder(path) if path.is_dir() else _files_of_zip(path)


def _files_of_folder(folder: Path) -> dict[str, StoredFile]:
    found: dict[str, StoredFile] = {}
    seen: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not _is_clutter(name))
        for name in sorted(names):
            file = Path(here) / name
            if not _is_clutter(name) and file.is_file():
                found[file.relative_to(folder).as_posix()] = StoredFile(file)
        if len(found) + len(seen) > _MOST_FILES:
            raise GlofgeoError(f"{folder}: holds more than {_MOST_FILES} files", "give the .SAFE folder itself")
    return found


def _files_of_zip(path: Path) -> dict[str, StoredFile]:
    found: dict[str, StoredFile] = {}
    with _open_zip(path) as archive:
        for info in archive.infolist():
            name = _plain(info.filename)
            if name.endswith("/") or any(_is_clutter(part) for part in PurePosixPath(name).parts):
                continue
            if name.lower().endswith((".xml", ".safe", ".jp2")):
                if info.flag_bits & 1:
                    raise GlofgeoError(
                        f"{path}: protected by a password", "unpack it with the password and give the .SAFE folder"
                    )
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    how = _PACKED.get(info.compress_type, f"method {info.compress_type}")
                    raise GlofgeoError(
                        f"{path}: compressed with a method that cannot be read here ({how})",
                        "unpack it and give the .SAFE folder",
                    )
                if name in found:
                    # Readers differ in which of them they take.
                    raise GlofgeoError(f"{path}: holds {name} twice", "zip it again, or fetch it again")
            found[name] = StoredFile(path, info.filename)
    if len(found) > _MOST_FILES:
        raise GlofgeoError(f"{path}: holds more than {_MOST_FILES} files", "give the zip of one product")
    return dict(sorted(found.items()))


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    with open_regular(path) as file:
        if _directory_size(file) > _LARGEST_DIRECTORY:
            raise GlofgeoError(f"{path}: holds more than {_MOST_FILES} files", "give the zip of one product")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _directory_size(file: BinaryIO) -> int:
    """Bytes of a zip's directory, which `zipfile` would read whole (APPNOTE.TXT 6.3.10, 4.3.14 and 4.3.16)."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 2**16 - 100))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[at + 12 : at + 16], "little") if at >= 0 else 0
    if size == 0xFFFFFFFF and (large := tail.rfind(b"PK\6\6", 0, at)) >= 0:
        size = int.from_bytes(tail[large + 40 : large + 48], "little")
    return size


def _plain(member: str) -> str:
    """The name of a member as GDAL has it; some programs store it with backslashes or a leading `./`."""
    return member.replace("\\", "/").removeprefix("./")


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _readable(file: StoredFile) -> Iterator[None]:
    """Turns every error of a file or zip into one line."""
    try:
        yield
    except _ZIP_ERRORS as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, PermissionError):
            raise GlofgeoError(
                f"{error.filename or file}: no permission to read it", "ask its owner for access"
            ) from None
        zipped = file.member or file.path.suffix.lower() == ".zip"
        what = "not a whole zip file" if zipped and not file.member else "cannot be read"
        raise GlofgeoError(f"{file}: {what} ({reason})", "fetch the product again") from None
