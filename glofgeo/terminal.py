"""Text for a terminal; what comes from outside (file names, tags, messages) is first made safe to show on one line."""

import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn, TextIO, TypeVar

from glofgeo.errors import GlofgeoWarning

T = TypeVar("T")

_BREAKS = re.compile(r"\s*[\t\n\v\f\r]\s*")


def one_line(text: str) -> str:
    """Puts text on one line and replaces what a terminal would execute or cannot show.

    Returns:
        Printable characters that can be encoded as UTF-8: a line break becomes a space; control characters, and bytes
        of a file name that are not text, become U+FFFD.
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _BREAKS.sub(" ", text).strip())


def say(text: str, file: TextIO | None = None) -> None:
    """Prints text on one line, safe to show whatever it contains.

    Exits with 141, as any program in a pipe, if nobody reads it any more (`glofgeo info … | head`).
    """
    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        print(one_line(text).encode(encoding, "replace").decode(encoding), file=file, flush=True)
    except BrokenPipeError:
        # Python flushes once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
        raise SystemExit(141) from None


def told(error: Exception) -> str:
    """Words an error for the command line: followed by the flag that would help, where there is one."""
    argument = getattr(error, "argument", "")
    return f"{error} (--{argument.replace('_', '-')})" if argument else str(error)


def fail(status: int, message: str) -> NoReturn:
    """Prints what is wrong to standard error, and exits."""
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
    """Shows warnings of glofgeo on one line; replaces `warnings.showwarning`."""
    if issubclass(category, GlofgeoWarning):
        say(f"glofgeo: {message}", file=file or sys.stderr)
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def steps(items: Sequence[T], what: str, shown: bool) -> Iterator[T]:
    """Goes through items; shows on a terminal how far it is, and the time left, if that is wanted."""
    if not (shown and sys.stderr.isatty()):
        yield from items
        return
    # Slow to import.
    from rich.console import Console
    from rich.progress import track

    yield from track(items, what, console=Console(stderr=True), transient=True, show_speed=len(items) > 1)
