"""One line of progress over all scenes: windows, rate and time left."""

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

Advance = Callable[[int], None]


class _Rate(ProgressColumn):
    """Windows a second, once there is a figure."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


@contextmanager
def windows_progress(windows: int) -> Iterator[tuple[Callable[[str], None], Advance]]:
    """Shows a bar on the standard error while scenes are mapped.

    Args:
        windows: number of windows of all scenes.

    Yields:
        A function that takes what is worked on now, and one that takes the number of windows done since.
    """
    count = TextColumn("{task.completed}/{task.total} windows")
    # A product's name is as long as a terminal is wide; its first part holds the date.
    name = TextColumn("{task.description}", table_column=Column(max_width=33, overflow="ellipsis", no_wrap=True))
    columns = (name, BarColumn(12), count, _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=windows)
        yield lambda text: progress.update(task, description=text), lambda done: progress.advance(task, done)
