"""One line of progress on the standard error; in a log, a new one now and then."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from glofgeo.terminal import one_line

# Between two lines of a log.
_PAUSE_S = 30.0

Name = Callable[[str], None]
Advance = Callable[[int], None]


def _ignore(_: object) -> None:
    """Shows nothing."""


@contextmanager
def progress(total: int, what: str, *, shown: bool = True) -> Iterator[tuple[Name, Advance]]:
    """Shows how far something is.

    Args:
        total: of what is done.
        what: is counted, in the plural; `bytes` are shown as megabytes.
        shown: show it at all.

    Yields:
        A function that takes what is worked on now, and one that takes how much was done since.
    """
    if not shown:
        yield _ignore, _ignore
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        log = _Log(console, total, what)
        yield log.name, log.advance
        return
    counts: list[ProgressColumn] = (
        [DownloadColumn(), TransferSpeedColumn()] if what == "bytes" else [MofNCompleteColumn(), TextColumn(what)]
    )
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(20), *counts, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda text: bar.update(task, description=one_line(text)[:40]), lambda n: bar.advance(task, n)


class _Log:
    """Says what begins, and then from time to time how far it is."""

    def __init__(self, console: Console, total: int, what: str) -> None:
        self.console, self.total, self.what = console, total, what
        self.done = 0
        self.at = ""
        self.started = self.told = time.monotonic()
        self.lock = threading.Lock()

    def name(self, text: str) -> None:
        with self.lock:
            self.at = one_line(text)
            if not self.done:
                self._tell(self.at)

    def advance(self, done: int) -> None:
        with self.lock:
            self.done += done
            now = time.monotonic()
            if now - self.told < _PAUSE_S:
                return
            self.told = now
            rate = max(self.done / (now - self.started), 1e-9)
            left = (self.total - self.done) / rate / 60
            self._tell(f"{self.at}: {self._count(self.done)}, {self._rate(rate)}, about {left:.0f} min left")

    def _count(self, done: int) -> str:
        if self.what == "bytes":
            return f"{done / 1e6:.0f} of {self.total / 1e6:.0f} MB"
        return f"{done} of {self.total} {self.what}"

    def _rate(self, rate: float) -> str:
        return f"{rate / 1e6:.2g} MB/s" if self.what == "bytes" else f"{rate:.2g}/s"

    def _tell(self, text: str) -> None:
        self.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
