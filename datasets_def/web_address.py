"""Web addresses: made absolute; signatures taken off before they are kept or shown, and put on at each request."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from datasets_def.errors import GlofgeoError

# Planetary Computer keeps its images in Azure's storage and gives a token that opens them for 45 minutes.
# Source: https://planetarycomputer.microsoft.com/docs/concepts/sas/
_AZURE = ".blob.core.windows.net"
# A pre-signed address is known by one of these parameters: Azure, S3, Google, CloudFront; and others hold a key.
_SIGNATURES = {"sig", "x-amz-signature", "x-goog-signature", "signature"}
_KEYS = {"token", "access_token", "api_key", "api-key", "apikey", "subscription-key"}

_FILE = re.compile(r"(?i)file:(?://(?:localhost)?(?=/)|(?=/(?!/)))")
# Of one letter it would be a drive of Windows.
_SCHEME = re.compile(r"(?i)[a-z][a-z\d+.-]+://")
_WEB = re.compile(r"(?i)(https?|s3):/+")


def is_web(text: str) -> bool:
    """Whether a text is an address of the network, and no path."""
    return bool(_WEB.match(text))


def web_address(path: str | Path) -> str:
    """Gives an address that may have gone through a `Path`, which takes two slashes for one; a path as it is."""
    text = path.as_posix() if isinstance(path, Path) else path
    return _WEB.sub(lambda found: f"{found[1].lower()}://", text) if is_web(text) else str(path)


def resolve(href: str, base: str, where: str) -> str:
    """Makes the address of a file that a STAC item names absolute.

    Args:
        href: as the item gives it.
        base: address or path of the item.
        where: for messages.

    Returns:
        The address without a token of Planetary Computer, or a path.

    Raises:
        GlofgeoError: If there is none, nothing reads it, or an item from the network names a file of this computer.
    """
    try:
        urlsplit(href)
    except ValueError:
        href = ""
    if not href:
        raise GlofgeoError(f"{where}: an asset has no address (href)", "search again")
    if is_web(href):
        return without_token(href)
    if not is_web(base):
        return _path(href, base, where)
    if urlsplit(href).scheme or href.startswith("/vsi"):
        raise GlofgeoError(f"{where}: its asset {href} is not on the network", "give another item of this scene")
    try:
        # `urljoin` joins nothing to an address of S3.
        joined = urljoin(base.replace("s3://", "https://", 1), href)
    except ValueError:
        raise GlofgeoError(f"{where}: its own address ({shown(base)}) is none", "give another item") from None
    return joined.replace("https://", "s3://", 1) if base.startswith("s3://") else joined


def _path(href: str, base: str, where: str) -> str:
    """The path that a link in an item of this computer means: escaped, as links are, or as it is."""
    if href.startswith("/vsi"):
        return href  # a `Path` would take two slashes in it for one
    text = _FILE.sub("", href)
    if _SCHEME.match(text):
        raise GlofgeoError(f"{where}: its asset {shown(href)} is at no address that is read", "use a path or https://")
    folder = Path(base).parent if base else Path()
    path, unescaped = str(folder / text), str(folder / url2pathname(text))
    # `Path.exists` raises for what no name can be.
    return path if os.path.exists(path) or not os.path.exists(unescaped) else unescaped  # noqa: PTH110


def is_planetary_computer(url: str) -> bool:
    """Whether an address is one of Azure's storage, whose images Planetary Computer opens with a token."""
    return (urlsplit(url).hostname or "").endswith(_AZURE)


def without_token(url: str) -> str:
    """Takes Planetary Computer's token off; `sign` puts a fresh one on. Other addresses come back as they are."""
    return shown(url) if is_planetary_computer(url) else url


def shown(url: str) -> str:
    """An address as it may be printed or stored: without user name, password, signature and key.

    So, too, the address within a path of GDAL (`/vsicurl/https://…`). Of a malformed one, which may hold secrets
    anywhere, only the scheme is left.
    """
    if url.startswith("/vsi"):
        prefix, address = _split_gdal_path(url)
        return f"{prefix}{shown(address)}" if address else url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition(':')[0]}:…"
    if not parts.netloc:
        return url
    secret = any(name.lower() in _SIGNATURES | _KEYS for name, _ in parse_qsl(parts.query))
    return urlunsplit(
        parts._replace(netloc=parts.netloc.rpartition("@")[2], query="" if secret else parts.query, fragment="")
    )


def _split_gdal_path(path: str) -> tuple[str, str]:
    """Parts a path of GDAL before the address it holds; `/vsicurl?url=…` becomes `/vsicurl/…`."""
    head, _, query = path.partition("?")
    asked = dict(parse_qsl(query)).get("url")
    if asked and "://" not in head:
        return f"{head}/", asked
    start = re.search(r"[a-z][a-z0-9+.-]*://", path)
    return (path[: start.start()], path[start.start() :]) if start else (path, "")


def sign(url: str) -> str:
    """Puts a fresh token on an address of Planetary Computer; others come back as they are.

    Tokens are kept until shortly before they end, so that this may be called at every request.

    Raises:
        GlofgeoError: If the package `planetary-computer` is not installed, or no token was given.
    """
    if not is_planetary_computer(url):
        return url
    try:
        import planetary_computer
    except ImportError:
        raise GlofgeoError(
            f"{shown(url)}: Planetary Computer opens its images only with a token",
            "install the package planetary-computer",
        ) from None
    try:
        # It returns a signed address unchanged, also where that has ended.
        return str(planetary_computer.sign(without_token(url)))
    except Exception as error:
        raise GlofgeoError(
            f"{shown(url)}: Planetary Computer gave no token ({type(error).__name__})", "try again later"
        ) from None
