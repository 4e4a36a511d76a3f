"""Text that comes from outside (names of files, tags, messages), made fit for one line of a terminal."""

import re

_BREAKS = re.compile(r"\s*[\t\n\v\f\r]\s*")


def one_line(text: str) -> str:
    """Puts text on one line and replaces what a terminal would obey or cannot show.

    Returns:
        Printable characters: a break becomes a space; control characters, and bytes of a name that are no text, become
        U+FFFD. It can be encoded in UTF-8.
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _BREAKS.sub(" ", text).strip())
