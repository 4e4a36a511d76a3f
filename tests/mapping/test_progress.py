"""What a log and a terminal say while scenes are mapped."""

import io

import pytest
from rich.console import Console

from glofgeo.mapping import progress
from glofgeo.terminal import one_line

NASTY = "[/b] {x} [green]a[/green] :smile: \x1b[2J\n\udcff"


def test_a_log_says_what_begins_and_now_and_then_how_far_it_is(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_PAUSE_S", 0.0)
    with progress.windows_progress(40) as (name, advance):
        name(NASTY)
        advance(10)
        advance(20)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "[/b] {x} [green]a[/green] :smile: \ufffd[2J \ufffd: 0/40 windows done"
    assert "10/40 windows, " in lines[1] and "30/40 windows, " in lines[2] and "min left" in lines[2]


def test_a_log_is_not_filled_with_lines(capfd):
    with progress.windows_progress(1000) as (name, advance):
        name("scene")
        for _ in range(1000):
            advance(1)
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_terminal_shows_names_as_they_are(monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=200)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    with progress.windows_progress(2) as (name, advance):
        name("[/b] [green]a {x}")
        advance(2)
    assert "[/b] [green]a {x}" in screen.getvalue() and "2/2 windows" in screen.getvalue()


@pytest.mark.parametrize("text", ["a  b", "é 湖 km²", "[/b]"])
def test_what_can_be_shown_is_shown(text):
    assert one_line(text) == text


def test_one_line_is_one_line_that_can_be_written():
    line = one_line("a \r\n\t b\x00\x1b[31m\u2028\x85c\udc80 ")
    assert line == "a b\ufffd\ufffd[31m\ufffd\ufffdc\ufffd"
    assert line.encode("utf-8") and len(line.splitlines()) == 1
