"""What is shown in a terminal; text from outside (names of files, tags, messages) is made fit for a line of it."""

import re
import sys
import warnings
from typing import NoReturn, TextIO

from glofgeo.errors import GlofgeoWarning

_BREAKS = re.compile(r"\s*[\t\n\v\f\r]\s*")


def one_line(text: str) -> str:
    """Puts text on one line and replaces what a terminal would obey or cannot show.

    Returns:
        Printable characters: a break becomes a space; control characters, and bytes of a name that are no text, become
        U+FFFD. It can be encoded in UTF-8.
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _BREAKS.sub(" ", text).strip())


def say(text: str, file: TextIO | None = None) -> None:
    """Prints one line that is safe to show, whatever the names in it."""
    encoding = getattr(file or sys.stdout, "encoding", None) or "utf-8"
    print(one_line(text).encode(encoding, "replace").decode(encoding), file=file, flush=True)


def told(error: Exception) -> str:
    """Words an error for the command line: where an argument would help, with the flag that gives it."""
    argument = getattr(error, "argument", "")
    return f"{error} (--{argument.replace('_', '-')})" if argument else str(error)


def fail(status: int, message: str) -> NoReturn:
    """Says on the standard error what is wrong, and exits."""
    say(f"glofgeo: {message}", file=sys.stderr)
    raise SystemExit(status)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Shows glofgeo's own warnings as one line; takes the place of `warnings.showwarning`."""
    if issubclass(category, GlofgeoWarning):
        say(f"glofgeo: {message}", file=file or sys.stderr)
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))
