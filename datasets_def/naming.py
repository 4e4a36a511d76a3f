"""Makes file names of names that come from inside files."""

import hashlib
import re
import unicodedata

# Letters, digits and underscores of any script, and punctuation that means nothing to a shell, a glob pattern, Windows,
# rich, matplotlib or Markdown.
_UNSAFE = re.compile(r"[^\w .+,=@()-]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]) *(?:\..*)?", re.IGNORECASE)
# File systems take 255 bytes; what is put before and behind a name has to fit as well.
_LONGEST = 150


def safe_name(text: str) -> str:
    """Turns any text into one component of a path, safe on Linux, macOS and Windows.

    Names of Sentinel-2 products come back unchanged. Two texts may become one name, as `a/b` and `a_b` do: who writes
    by such names has to look for twins.

    Args:
        text: such as a tag of a file.

    Returns:
        1 to 150 bytes in UTF-8; never `.` or `..`, hidden, a device of Windows, or with a space or dot at either end.
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    if not name or _RESERVED.fullmatch(name):
        name = f"scene_{name}" if name else "scene"
    if len(name.encode()) > _LONGEST:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
        name = name.encode()[: _LONGEST - 9].decode(errors="ignore").rstrip(" .") + "_" + digest
    return name
