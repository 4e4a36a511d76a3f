"""One line of progress over all scenes: windows, rate and time left; in a log, a new one now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from glofgeo.terminal import one_line

Advance = Callable[[int], None]

# Between two lines of a log.
_PAUSE_S = 30.0


class _Rate(ProgressColumn):
    """Windows a second, once there is a figure."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class _Log:
    """Says what begins, and then from time to time how far it is."""

    def __init__(self, console: Console, windows: int, noun: str) -> None:
        self.console = console
        self.windows = windows
        self.noun = noun
        self.done = 0
        self.scene = ""
        self.started = self.told = time.monotonic()

    def name(self, text: str) -> None:
        self.scene = one_line(text)
        self._tell(f"{self.scene}: {self.done}/{self.windows} {self.noun} done")

    def advance(self, done: int) -> None:
        self.done += done
        now = time.monotonic()
        if now - self.told >= _PAUSE_S:
            self.told = now
            rate = self.done / (now - self.started)
            left = (self.windows - self.done) / max(rate, 1e-9) / 60
            self._tell(f"{self.scene}: {self.done}/{self.windows} {self.noun}, {rate:.2g}/s, about {left:.0f} min left")

    def _tell(self, text: str) -> None:
        self.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _ignore(_: object) -> None:
    """Shows nothing."""


@contextmanager
def windows_progress(
    windows: int, *, shown: bool = True, note: str = "", noun: str = "windows"
) -> Iterator[tuple[Callable[[str], None], Advance]]:
    """Shows a bar on the standard error while scenes are mapped; where that is no terminal, a plain line now and then.

    Args:
        windows: number of windows of all scenes.
        shown: show it at all.
        note: a line to show first.
        noun: what is counted.

    Yields:
        A function that takes what is worked on now, and one that takes the number of windows done since.
    """
    if not shown:
        yield _ignore, _ignore
        return
    console = Console(stderr=True)
    if note:
        console.print(one_line(note), markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        log = _Log(console, windows, noun)
        yield log.name, log.advance
        return
    count = TextColumn("{task.completed}/{task.total} " + noun)
    # A product's name is as long as a terminal is wide; its first part holds the date.
    column = Column(max_width=33, overflow="ellipsis", no_wrap=True)
    name = TextColumn("{task.description}", markup=False, table_column=column)
    columns = (name, BarColumn(12), count, _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    # Lines for a file or a pipe are not for the terminal that shows the bar.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("", total=windows)
        yield lambda text: progress.update(task, description=one_line(text)), lambda n: progress.advance(task, n)
