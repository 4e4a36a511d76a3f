"""Tables of `bundled.py`: a figure a row, a method a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from judge_maps import Verdict

from glofgeo.evaluation.blocks import Interval

LABELS = {"model": "model", "unet": "U-Net, ResNet-18", "ndwi": "NDWI > 0"}
UNDEFINED = "–"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what it is.
        cells: by method; a method without the figure has none.
        target: what is asked of the model, in words.
    """

    name: str
    cells: dict[str, str]
    target: str = ""


def table(title: str, rows: Sequence[Row], methods: Sequence[str]) -> str:
    """Gives Markdown, with a heading and an empty line at the end."""
    lines = [
        f"## {title}\n",
        f"| | {' | '.join(LABELS[method] for method in methods)} | wanted |",
        f"|---|{'---|' * len(methods)}---|",
        *(
            f"| {row.name} | {' | '.join(row.cells.get(method, UNDEFINED) for method in methods)} | {row.target} |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def number(value: float | None, interval: Interval = None, digits: int = 3) -> str:
    """Words a figure and its 95 % interval, where there is one."""
    if value is None:
        return UNDEFINED
    text = f"{value:.{digits}f}"
    return text if interval is None else f"{text} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def score_row(verdicts: dict[str, Verdict], figure: str, name: str, target: str = "", digits: int = 3) -> Row:
    """Gives one of `Score.figures` for every method."""
    cells = {
        method: number(one.score.figures()[figure], one.score.intervals.get(figure), digits)
        for method, one in verdicts.items()
    }
    return Row(name, cells, target)


def count_row(verdicts: dict[str, Verdict], name: str, count: Callable[[Verdict], str], target: str = "") -> Row:
    """Gives what is counted for every method."""
    return Row(name, {method: count(one) for method, one in verdicts.items()}, target)


def calibration_row(verdicts: dict[str, Verdict], name: str = "ECE", target: str = "") -> Row:
    """Gives the expected calibration error of methods with probabilities."""
    told = {method: one.calibration for method, one in verdicts.items() if one.calibration is not None}
    return Row(name, {method: number(one.ece, one.interval, 4) for method, one in told.items()}, target)
