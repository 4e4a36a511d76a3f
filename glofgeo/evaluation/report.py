"""The scorecard for people and for files: terminal, JSON, Markdown and a picture."""

import json
import os
import re
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets_def.atomic import written_beside
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.blocks import FEWEST_BLOCKS, NEGLIGIBLE, RESAMPLES, TOO_MUCH, Interval
from glofgeo.evaluation.chart import draw_scorecard
from glofgeo.evaluation.score import FIGURES, LAKE_FIGURES, lake_figure
from glofgeo.evaluation.scorecard import Scorecard
from glofgeo.inventory.attributes import SIZE_CLASSES
from glofgeo.models.bundled import model_words
from glofgeo.terminal import one_line

UNDEFINED = "–"
_LABELS = {
    "iou": "IoU",
    "dice": "Dice",
    "area_bias": "area bias",
    "boundary_f1": "boundary F1 (1 px)",
    "false_per_100_km2": "false per 100 km²",
    "f1": "F1",
}

Row = tuple[str, ...]
# Columns of a terminal that hold all intervals of four methods.
_WIDE = 120

_FILES = ("scorecard.json", "scorecard.md", "scorecard.png")
# What tells a scorecard from any other JSON.
_MARKS = {"prediction", "grid", "model", "by_scene"}


def require_place(path: Path | None = None, *, folder: Path | None = None) -> None:
    """Makes sure that a scorecard may be written: nothing is there, or an earlier scorecard.

    Args:
        path: JSON file.
        folder: of `scorecard.json`, which tells whose the others are, `scorecard.md` and `scorecard.png`.

    Raises:
        GlofgeoError: If something else is there.
    """
    if path is not None and os.path.lexists(path) and not _is_scorecard(path):
        raise GlofgeoError(f"{path}: is not a scorecard, and is not replaced", "name another file", argument="json")
    if folder is None or _is_scorecard(folder / "scorecard.json"):
        return
    for name in _FILES:
        if os.path.lexists(folder / name):
            raise GlofgeoError(
                f"{folder / name}: is not a scorecard of glofgeo's, and is not replaced",
                "name another folder",
                argument="out",
            )


def _is_scorecard(path: Path) -> bool:
    try:
        if path.is_symlink() or not path.is_file():
            return False
        card = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.keys() >= _MARKS


def write_scorecard(card: Scorecard, path: str | Path | None = None, *, folder: str | Path | None = None) -> None:
    """Writes a scorecard; each file is there whole or not at all.

    Args:
        card: what to write.
        path: JSON file.
        folder: gets `scorecard.json`, `scorecard.md` and `scorecard.png`.

    Raises:
        GlofgeoError: If one cannot be written, or something else than a scorecard is there.
    """
    require_place(Path(path) if path else None, folder=Path(folder) if folder else None)
    plain = (json.dumps(card.to_dict(), indent=2) + "\n").encode()
    if path is not None:
        _write(Path(path), plain)
    if folder is not None:
        # The first tells whose the others are.
        for name, content in zip(_FILES, (plain, _markdown(card).encode(), draw_scorecard(card)), strict=True):
            _write(Path(folder) / name, content)


def print_scorecard(card: Scorecard, console: Console | None = None) -> None:
    """Prints a scorecard as a table, one column a method; by default on standard output.

    It fits 80 columns: where it else would not, only the first method's figures have their intervals.
    """
    console = console or Console()
    brief = len(card.methods) > 2 and console.width < _WIDE
    # As text, since brackets in names would be taken for colours.
    table = Table(title=Text(_title(card), style="table.title"))
    table.add_column("", no_wrap=True)
    for number, method in enumerate(card.methods):
        table.add_column(Text(method), justify="right", no_wrap=brief and number == 0)
    for title, rows in _sections(card, brief=brief):
        if title:
            table.add_row(Text(title, style="italic"))
        for label, *figures in rows:
            table.add_row(*map(Text, (f"  {label}" if title else label, *figures)))
        table.add_section()
    console.print(table)
    for line in _remarks(card):
        console.print(Text(line))


def _markdown(card: Scorecard) -> str:
    head = ("", *map(_escaped, card.methods))
    lines = [f"# {_escaped(_title(card))}", "", _line(head), _line(("---", *["---:"] * len(card.methods)))]
    for title, rows in _sections(card):
        lines += [_line((f"{title}: {label}" if title else label, *figures)) for label, *figures in rows]
    lines += ["", "## Lakes by size", "", _line(("km²", "IoU ≥", *head[1:])), _line(("---",) * (len(head) + 1))]
    lines += map(_line, _size_rows(card))
    if card.calibration is not None:
        lines += ["", "## Calibration", "", _line(("probability", "pixels", "mean probability", "share of lake"))]
        lines.append(_line(("---", *["---:"] * 3)))
        for one in card.calibration.bins:
            share = (_decimals(one.probability), _decimals(one.lake_share))
            lines.append(_line((f"{one.low:g}-{one.high:g}", str(one.pixels), *share)))
    return "\n".join([*lines, "", *(f"- {_escaped(line)}" for line in _remarks(card)), "", "![](scorecard.png)", ""])


def _sections(card: Scorecard, *, brief: bool = False) -> list[tuple[str, list[Row]]]:
    """Titles and rows: first the figures of pixels, without a title, then those of lakes for each IoU.

    Args:
        card: what to tell.
        brief: only the first method gets intervals.
    """
    names = (*FIGURES, "boundary_f1", "false_per_100_km2")
    pixels = [_figure_row(card, name, _LABELS.get(name, name), brief) for name in names]
    if card.calibration is not None:
        error = _with_interval(card.calibration.ece, card.calibration.interval)
        pixels.append(("calibration error", error, *[UNDEFINED] * (len(card.methods) - 1)))
    sections = [("", pixels)]
    for index, level in enumerate(card.model.lakes):
        rows: list[Row] = [
            (name, *(str(getattr(score.lakes[index], name)) for score in card.methods.values()))
            for name in ("found", "missed", "false")
        ]
        rows += [
            _figure_row(card, lake_figure(level.iou, "all", name), _LABELS.get(name, name), brief)
            for name in LAKE_FIGURES
        ]
        sections.append((f"lakes at IoU ≥ {level.iou:g}", rows))
    return sections


def _size_rows(card: Scorecard) -> list[Row]:
    rows = []
    for index, level in enumerate(card.model.lakes):
        for number, size in enumerate(SIZE_CLASSES):
            cells = []
            for score in card.methods.values():
                one = score.by_size[index][number]
                f1 = _with_interval(one.f1, score.intervals.get(lake_figure(level.iou, size, "f1")))
                cells.append(f"F1 {f1}; {one.found} found, {one.missed} missed, {one.false} false")
            rows.append((size, f"{level.iou:g}", *cells))
    return rows


def _remarks(card: Scorecard) -> list[str]:
    judged = card.reference_lakes - card.not_observed - card.too_small
    observed = "" if card.observed_share is None else f"{card.observed_share:.1%} of the area observed; "
    threshold = "" if card.threshold is None else f"; lake from probability {card.threshold:g}"
    lines = [
        f"Reference lakes: {card.reference_lakes}, of which {judged} judged, {card.not_observed} mostly not observed "
        f"or outside the area, {card.too_small} too small",
        f"{observed}grid: {card.grid}, {card.aoi_share:.1%} of it in the area{threshold}",
    ]
    if card.blocks < FEWEST_BLOCKS:
        lines.append(f"Note: fewer than {FEWEST_BLOCKS} blocks of {card.block_km:g} km: no intervals")
        return _with_notes(lines, card)
    if card.neighbours <= TOO_MUCH:
        lines.append(
            f"In brackets: 95 % interval, {RESAMPLES} draws from {card.blocks} blocks of {card.block_km:g} km; "
            "for other areas like this one, not for other regions"
        )
    if card.neighbours > NEGLIGIBLE:
        what = "no intervals" if card.neighbours > TOO_MUCH else "the intervals are widened"
        lines.append(
            f"Note: the errors of neighbouring blocks correlate ({card.neighbours:.2f}), and larger blocks would be "
            f"fewer than {FEWEST_BLOCKS}: {what}"
        )
    return _with_notes(lines, card)


def _with_notes(lines: list[str], card: Scorecard) -> list[str]:
    models = (f"Model: {model_words(name, sha256)}" for sha256, name in card.models.items())
    return [one_line(line) for line in (*lines, *models, *(f"Note: {note}" for note in card.notes))]


def _figure_row(card: Scorecard, name: str, label: str, brief: bool) -> Row:
    cells = [
        _with_interval(score.figures()[name], None if brief and number else score.intervals.get(name))
        for number, score in enumerate(card.methods.values())
    ]
    return label, *cells


def _title(card: Scorecard) -> str:
    return one_line(f"{card.prediction} against {card.reference}")


def _escaped(text: str) -> str:
    """Text from outside as Markdown shows it; an underline within a word means nothing there."""
    return re.sub(r"[\\`*\[\]<|&~$#]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _with_interval(figure: float | None, interval: Interval) -> str:
    between = "" if interval is None else f" ({_decimals(interval[0])}, {_decimals(interval[1])})"
    return _decimals(figure) + between


def _decimals(figure: float | None) -> str:
    if figure is None:
        return UNDEFINED
    return f"{figure:.3f}" if abs(figure) < 10 else f"{figure:.1f}"


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"


def _write(path: Path, content: bytes) -> None:
    try:
        with written_beside(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise GlofgeoError(f"{path}: cannot be written ({error.strerror})", "name another place") from None
