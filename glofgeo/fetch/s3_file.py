"""Opens files of S3 storage, such as those of the Copernicus Data Space, with keys from the environment or netrc."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from glofgeo.errors import GlofgeoError
from glofgeo.fetch.remote_file import CHUNK, Body, Interrupted, NotThereError

if TYPE_CHECKING:
    from obstore import GetOptions

# Source: documentation.dataspace.copernicus.eu/APIs/S3.html
_BUCKET, _ENDPOINT = "eodata", "https://eodata.dataspace.copernicus.eu"
_KEYS_PAGE = "https://eodata-s3keysmanager.dataspace.copernicus.eu"


@contextmanager
def open_s3(href: str, start: int, version: str | None) -> Iterator[Body]:
    """Opens a file at a byte; see `glofgeo.fetch.opening.open_remote`.

    Raises:
        Interrupted: If another try may help.
        GlofgeoError: If none will.
    """
    import obstore

    store, key = _store_of(href)
    resumed = bool(start and version)
    options: GetOptions = {"range": {"offset": start}, "if_match": version} if resumed else {}
    with _failures_told(href):
        answer = obstore.get(store, key, options=options)
        meta = answer.meta
        # It reads ahead of what is taken from it.
        chunks = (bytes(chunk) for chunk in answer.stream(min_chunk_size=CHUNK))
        yield Body(start if resumed else 0, meta["size"], meta["e_tag"], chunks)


def size_in_s3(href: str) -> int:
    """Asks how large a file is."""
    import obstore

    store, key = _store_of(href)
    with _failures_told(href):
        return obstore.head(store, key)["size"]


@contextmanager
def _failures_told(href: str) -> Iterator[None]:
    from obstore import exceptions as failures

    try:
        yield
    except (FileNotFoundError, failures.NotFoundError):
        raise NotThereError(f"{href}: is not there", "try another catalogue, or another scene") from None
    except failures.PreconditionError:
        raise Interrupted("the file has changed meanwhile", restart=True) from None
    except (PermissionError, failures.PermissionDeniedError, failures.UnauthenticatedError):
        raise Interrupted("the keys were refused", denied=True) from None
    except failures.BaseError as error:
        # Its text may hold a request with its signature.
        raise Interrupted(f"the storage failed ({type(error).__name__})") from None


def _store_of(href: str) -> tuple[Any, str]:
    parts = urlsplit(href)
    endpoint = _endpoint(href)
    return _open_store(parts.netloc, endpoint, *_keys(endpoint, href)), parts.path.lstrip("/")


def _endpoint(href: str) -> str:
    """Address of the storage that has a bucket: an address of S3 does not tell it.

    Raises:
        GlofgeoError: If nobody tells it.
    """
    if told := os.environ.get("AWS_ENDPOINT_URL"):
        return told
    if (bucket := urlsplit(href).netloc) == _BUCKET:
        return _ENDPOINT
    raise GlofgeoError(
        f"{href}: no address of the storage that has the bucket {bucket}",
        "set AWS_ENDPOINT_URL, and AWS_REGION if it is Amazon's",
    )


@cache
def _open_store(bucket: str, endpoint: str, access: str, secret: str) -> Any:
    from obstore.store import S3Store

    return S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=access,
        secret_access_key=secret,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "default",
        virtual_hosted_style_request=False,
        client_options={"allow_http": endpoint.startswith("http://")},
    )


def _keys(endpoint: str, href: str) -> tuple[str, str]:
    """Access key and secret, which are neither shown nor kept."""
    access, secret = (os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    if access and secret:
        return access, secret
    host = urlsplit(endpoint).hostname or ""
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        login = netrc(path).authenticators(host) if path.exists() else None
    except (NetrcParseError, OSError):
        login = None
    if login is None:
        raise GlofgeoError(
            f"{href}: {'the Copernicus Data Space' if endpoint == _ENDPOINT else host} asks for S3 keys",
            f"{f'make them at {_KEYS_PAGE} (free account) and ' if endpoint == _ENDPOINT else ''}set AWS_ACCESS_KEY_ID "
            f"and AWS_SECRET_ACCESS_KEY, or put them as login and password of {host} into {path}",
        )
    return login[0], login[2] or ""
