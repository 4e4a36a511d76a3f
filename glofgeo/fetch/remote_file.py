"""A file of a catalogue, and what its server answers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from glofgeo.errors import GlofgeoError

# Bytes that are written at once; no more than these are lost when the process is killed.
CHUNK = 2**14


@dataclass(frozen=True)
class RemoteFile:
    """A file of a catalogue.

    Attributes:
        href: address without signature.
        size: bytes, as the catalogue says; None where it does not.
        checksum: multihash, hexadecimal, likewise.
    """

    href: str
    size: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class Body:
    """An answer that is being read.

    Attributes:
        start: the byte that it begins with.
        total: bytes of the whole file; None where the server does not say.
        version: ETag or time of the last change, by which the server knows the file again.
        chunks: the bytes.
    """

    start: int
    total: int | None
    version: str | None
    chunks: Iterator[bytes]


class NotThereError(GlofgeoError):
    """A file that a catalogue lists is not there."""


class Interrupted(Exception):
    """The server or the network failed in a way that may pass.

    Attributes:
        wait: seconds that the server asks for; None if it asks for none.
        restart: what has come so far is of no use.
        denied: access was refused, which passes if a signature had just expired.
    """

    def __init__(self, reason: str, *, wait: float | None = None, restart: bool = False, denied: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.restart = restart
        self.denied = denied


Opener = Callable[[str, int, str | None], AbstractContextManager[Body]]
