"""Gets small texts from the web: STAC items and the metadata of products."""

import time
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from datasets_def.errors import GlofgeoError
from datasets_def.web_address import is_web, shown, sign

# Seconds to connect, and to wait for more bytes.
_TIMEOUT = (10.0, 60.0)
_RETRY = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)

# Seconds before another try after a cut connection or an expired signature.
_WAITS = (0.5, 2.0)


def read_text(address: str | Path, limit: int) -> bytes:
    """Reads a small file, of this computer or over HTTP.

    Args:
        address: of the file.
        limit: bytes that it may have.

    Raises:
        GlofgeoError: If it cannot be had, or is larger.
    """
    content = _from_web(str(address), limit) if is_web(str(address)) else _from_disk(Path(address), limit)
    if len(content) > limit:
        raise GlofgeoError(f"{shown(str(address))}: larger than {limit // 2**20} MiB", "check the address")
    return content


def version_on_web(address: str) -> str | None:
    """What a web server says to tell a file from a later one of this address; None where it says nothing."""
    try:
        with _session() as session, session.head(sign(address), timeout=_TIMEOUT, allow_redirects=True) as answer:
            told = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            return f"{told} {answer.headers.get('Content-Length')}" if answer.ok and told else None
    except requests.RequestException:
        return None


def _from_disk(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise GlofgeoError(f"{path}: cannot be read ({error.strerror})", "check the path") from None


def _from_web(address: str, limit: int) -> bytes:
    if address.startswith("s3:"):
        raise GlofgeoError(f"{address}: texts are read over HTTP only", "give its https address")
    for wait in (*_WAITS, None):
        try:
            with _session() as session, session.get(sign(address), timeout=_TIMEOUT, stream=True) as answer:
                if answer.ok:
                    return _body(answer, limit)
                reason = f"HTTP {answer.status_code}"
                final = answer.status_code in (400, 404, 410)
        except requests.RequestException as error:
            # Its text holds the address, and with it the signature.
            reason, final = type(error).__name__, False
        if wait is None or final:
            raise GlofgeoError(f"{shown(address)}: cannot be read ({reason})", "check the address and the network")
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _body(answer: requests.Response, limit: int) -> bytes:
    content = b""
    for chunk in answer.iter_content(2**16):
        content += chunk
        if len(content) > limit:
            break
    return content


def _session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
    return session
