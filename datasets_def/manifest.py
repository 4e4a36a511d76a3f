"""Checksums: reading those in a product's `manifest.safe`, and comparing the files with them.

JPEG 2000 has no checksums of its own, and decoders turn a damaged file into wrong pixels without a word.
"""

import hashlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import PurePosixPath

from datasets_def.archive import StoredFile
from datasets_def.errors import GlofgeoError
from datasets_def.metadata_xml import parse, read_xml

MANIFEST = "manifest.safe"

# MD5 in older products, SHA3-256 in newer ones (S2-PDGS-TAS-DI-PSD, manifest.safe).
_ALGORITHMS = {"MD5": "md5", "SHA3-256": "sha3_256"}


@dataclass(frozen=True)
class Checksum:
    """A file's checksum.

    Attributes:
        kind: `MD5` or `SHA3-256`.
        digest: in lower-case hexadecimal digits.
    """

    kind: str
    digest: str


def read_manifest(files: Mapping[str, StoredFile]) -> dict[str, Checksum | None]:
    """Reads the checksums of all files that the manifest lists; empty without a manifest.

    Args:
        files: of the product, by name.

    Returns:
        For the name of each listed file its checksum, or None if it has none of a known kind.

    Raises:
        GlofgeoError: If the manifest is broken.
    """
    if MANIFEST not in files:
        return {}
    listed: dict[str, Checksum | None] = {}
    for entry in parse(read_xml(files[MANIFEST]), files[MANIFEST]).iter("byteStream"):
        place, checksum = entry.find("fileLocation"), entry.find("checksum")
        href = "" if place is None else place.get("href", "")
        kind = "" if checksum is None else checksum.get("checksumName", "").strip().upper()
        if href:
            name = str(PurePosixPath(href.replace("\\", "/")))
            digest = "" if checksum is None else (checksum.text or "").strip().lower()
            listed[name] = Checksum(kind, digest) if kind in _ALGORITHMS else None
    return listed


def compute(file: StoredFile, kind: str) -> str:
    """Computes the checksum of a file; see `Checksum`."""
    state = hashlib.new(_ALGORITHMS[kind], usedforsecurity=False)
    for chunk in file.chunks():
        state.update(chunk)
    return state.hexdigest()


def verify(file: StoredFile, checksum: Checksum | None) -> None:
    """Compares a file with its checksum, and in a zip with its CRC; without either, nothing is read.

    Raises:
        GlofgeoError: If one is not as it should be, or the file cannot be read.
    """
    if checksum is not None and compute(file, checksum.kind) != checksum.digest:
        raise GlofgeoError(
            f"{file}: damaged or changed (its {checksum.kind} is not that of {MANIFEST})", "fetch the product again"
        )
    if checksum is None and file.member:
        for _ in file.chunks():
            pass


# What this process has verified or is verifying: process, file, its version and checksum.
_begun: dict[tuple[int, StoredFile, tuple[int, int], Checksum | None], Future[None]] = {}


def begin_verifying(file: StoredFile, checksum: Checksum | None) -> Future[None]:
    """Verifies a file in a thread of its own, unless this process has verified it as it is now.

    Returns:
        Its `result()` waits for the end and raises as `verify` does.

    Raises:
        GlofgeoError: If the file is not there.
    """
    # A thread does not outlive a fork, so that a child would wait for ever for what its parent had begun.
    key = (os.getpid(), file, file.version(), checksum)
    fresh: Future[None] = Future()
    future = _begun.setdefault(key, fresh)
    if future is fresh:

        def work() -> None:
            try:
                verify(file, checksum)
            except BaseException as error:
                fresh.set_exception(error)
            else:
                fresh.set_result(None)

        threading.Thread(target=work, daemon=True, name="glofgeo-verify").start()
    return future
