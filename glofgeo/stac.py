"""What every STAC document of glofgeo has: links that survive moving the folder, checksums, whole files."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from datasets_def.processes import process_tag
from datasets_def.web_address import shown
from glofgeo.errors import GlofgeoError

VERSION = "1.1.0"

# What the identifiers of our models and collections begin with; it marks documents that may be replaced.
OURS = "glofgeo"

# Launch of Sentinel-2A (ESA).
FIRST_IMAGE = "2015-06-23T00:00:00Z"

JSON, GEOJSON = "application/json", "application/geo+json"


def extension(name: str, version: str) -> str:
    """Gives the address by which a document declares a STAC extension."""
    return f"https://stac-extensions.github.io/{name}/v{version}/schema.json"


def href(target: str | Path, folder: Path) -> str:
    """Gives the link to a file or address from a document in a folder.

    Args:
        target: a path, or an address, whose query, fragment and user are left out: they may be a signature.
        folder: where the document lies.

    Returns:
        A relative link, escaped; where there is none (another drive of Windows) an absolute one.
    """
    text = str(target)
    if "://" in text or text.startswith("/vsi"):
        return re.split(r"[?#]", shown(text))[0]
    try:
        relative = Path(os.path.relpath(Path(target).absolute(), folder.absolute())).as_posix()
    except ValueError:
        return Path(target).absolute().as_uri()
    return quote(os.fsencode(relative if relative.startswith("..") else f"./{relative}"))


def file_facts(path: Path) -> dict[str, Any]:
    """Gives size and checksum of a file as the file extension has them: a multihash, here SHA-256 (code 12, 32 bytes).

    Source of the code: https://github.com/multiformats/multicodec/blob/master/table.csv
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file:size": path.stat().st_size, "file:checksum": f"1220{digest}"}


def read_document(path: Path) -> dict[str, Any]:
    """Gives a STAC document; nothing where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def require_replaceable(path: Path) -> None:
    """Makes sure that a document may be written here: nothing is here, or one whose identifier begins with `glofgeo`.

    Raises:
        GlofgeoError: If something else is here.
    """
    document = read_document(path)
    ours = "stac_version" in document and str(document.get("id")).startswith(OURS)
    if os.path.lexists(path) and not ours:
        raise GlofgeoError(
            f"{path}: is not a catalogue entry that glofgeo wrote, and is not replaced",
            "move it away, or name another folder",
            argument="out",
        )  # fmt: skip


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Writes a document, all or nothing; its folder is made.

    Raises:
        GlofgeoError: As `require_replaceable`.
        OSError: If it cannot be written.
    """
    require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may write the same document at once.
    part = path.with_name(f".{process_tag()}-{path.name}")
    try:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
