"""Opens a file of a catalogue wherever it lies: over HTTP, or in S3 storage."""

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from glofgeo.errors import GlofgeoError
from glofgeo.fetch.http_file import open_http, size_over_http
from glofgeo.fetch.remote_file import Body, Interrupted
from glofgeo.fetch.s3_file import open_s3, size_in_s3


def open_remote(href: str, start: int, version: str | None) -> AbstractContextManager[Body]:
    """Opens a file at a byte.

    Args:
        href: `http://`, `https://` or `s3://`, without signature.
        start: first byte wanted.
        version: of the file that the earlier bytes came from; a server that has another one begins anew.

    Raises:
        Interrupted: If another try may help.
        GlofgeoError: If none will.
    """
    if urlsplit(href).scheme == "s3":
        return open_s3(href, start, version)
    return open_http(href, start, version)


def size_of(href: str) -> int | None:
    """Asks how large a file is; None if the server does not say.

    Raises:
        Interrupted: If another try may help.
        GlofgeoError: If none will.
    """
    return size_in_s3(href) if urlsplit(href).scheme == "s3" else size_over_http(href)


def size_for_progress(href: str) -> int:
    """Asks how large a file is; 0 if that cannot be learned now, since the download will say why."""
    try:
        return size_of(href) or 0
    except (Interrupted, GlofgeoError):
        return 0
