"""Opens files over HTTP at any byte, each time with a fresh signature where one is needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from datasets_def.web_address import shown, sign
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.remote_file import CHUNK, Body, Interrupted, NotThereError
from glofgeo.version import __version__

# Seconds to connect, and to wait for more bytes.
TIMEOUT = (10.0, 60.0)

# What another try may cure.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_DENIED = {401, 403}
_ABSENT = {404, 410}
_NO_HEAD = {405, 501}

_PER_THREAD = threading.local()


@contextmanager
def open_http(href: str, start: int = 0, version: str | None = None) -> Iterator[Body]:
    """Opens a file over HTTP; see `glofgeo.fetch.opening.open_remote`."""
    # What a server compresses on the way has no length.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"glofgeo/{__version__}"}
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    with _failures_told(), _session().get(sign(href), headers=headers, stream=True, timeout=TIMEOUT) as answer:
        length = _number(answer.headers.get("Content-Length"))
        first, total = _content_range(answer.headers.get("Content-Range", ""))
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and total == start:
            yield Body(start, start, version, iter(()))  # all had come before
            return
        _check_status(href, answer)
        if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
            if first != start:
                raise Interrupted("it sent other bytes than were asked for", restart=True)
        else:
            first, total = 0, length
        yield Body(first, total, _version(answer), answer.iter_content(CHUNK))


def size_over_http(href: str) -> int | None:
    """Asks how large a file is; see `glofgeo.fetch.opening.size_of`."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"glofgeo/{__version__}"}
    with _failures_told():
        answer = _session().head(sign(href), headers=headers, timeout=TIMEOUT, allow_redirects=True)
        if answer.status_code in _NO_HEAD:
            return None
        _check_status(href, answer)
        return _number(answer.headers.get("Content-Length"))


def _session() -> requests.Session:
    """One for each thread, since they are not made to be shared."""
    if not hasattr(_PER_THREAD, "session"):
        _PER_THREAD.session = requests.Session()
    session: requests.Session = _PER_THREAD.session
    return session


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except requests.exceptions.Timeout:
        raise Interrupted("it did not answer in time") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise GlofgeoError("the catalogue gives an address that is none", "name another catalogue") from None
    except requests.exceptions.ConnectionError:
        # The library's message holds the address with its signature.
        raise Interrupted("the connection failed") from None
    except requests.exceptions.RequestException as error:
        raise Interrupted(f"the connection failed ({type(error).__name__})") from None


def _check_status(href: str, answer: requests.Response) -> None:
    status = answer.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise Interrupted("it has fewer bytes than have come", restart=True)
    if status in _DENIED:
        raise Interrupted(f"it answered {status}: access denied", denied=True)
    if status in _PASSING:
        raise Interrupted(f"it answered {status}", wait=_retry_after(answer.headers.get("Retry-After")))
    kind = NotThereError if status in _ABSENT else GlofgeoError
    raise kind(f"{shown(href)}: the server answered {status}", "try another catalogue, or another scene")


def _retry_after(text: str | None) -> float | None:
    """Seconds that a server asks to wait, which it gives as a number or as a time of day."""
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _version(answer: requests.Response) -> str | None:
    etag = answer.headers.get("ETag")
    # A weak one does not vouch for every byte.
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")


def _content_range(text: str) -> tuple[int | None, int | None]:
    """The first byte and the number of all in `bytes 5-9/10`."""
    span, _, total = text.removeprefix("bytes").strip().partition("/")
    return _number(span.partition("-")[0]), _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isascii() and text.strip().isdigit() else None
