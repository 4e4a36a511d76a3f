"""Scorecard: the figures of one comparison, for people and for files."""

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.lakes import LakeCounts
from glofgeo.evaluation.pixels import PixelCounts

FIGURES = ("iou", "dice", "precision", "recall", "accuracy")
UNDEFINED = "–"


@dataclass(frozen=True)
class Score:
    """How one method did.

    Attributes:
        pixels: confusion over the usable pixels.
        lakes: found, missed and false lakes, one entry for each IoU.
    """

    pixels: PixelCounts
    lakes: tuple[LakeCounts, ...]

    def to_dict(self) -> dict[str, Any]:
        """Gives figures and counts as plain values; an undefined figure is None."""
        figures = {name: getattr(self.pixels, name) for name in FIGURES}
        return figures | {
            "pixels": dataclasses.asdict(self.pixels),
            "lakes": [dataclasses.asdict(c) for c in self.lakes],
        }


@dataclass(frozen=True)
class Scorecard:
    """A prediction against the truth, with NDWI > 0 on the same pixels beside it.

    Attributes:
        prediction: name of the predicted file.
        truth: name of the file of true lakes.
        scene: id of the scene, if one was given.
        grid: where the grid comes from.
        crs: of the grid.
        threshold: probability from which on a pixel counted as lake; None for masks and layers.
        aoi_share: share of the grid's pixels inside the area of interest (1 without one), 0-1.
        observed_share: share of those that were observed, 0-1; None if there are none. Only these enter the figures.
        true_lakes: lakes of the truth that touch the grid.
        not_observed: those of them mostly not observed or outside the area of interest; neither found nor missed.
        too_small: those of them observed but below the minimum size; neither found nor missed.
        model: how the prediction did.
        ndwi: how NDWI > 0 did; None where it cannot be had.
        notes: what a reader must know besides.
    """

    prediction: str
    truth: str
    scene: str | None
    grid: str
    crs: str
    threshold: float | None
    aoi_share: float
    observed_share: float | None
    true_lakes: int
    not_observed: int
    too_small: int
    model: Score
    ndwi: Score | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Gives plain values that survive JSON unchanged."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        ndwi = None if self.ndwi is None else self.ndwi.to_dict()
        return values | {"model": self.model.to_dict(), "ndwi": ndwi, "notes": list(self.notes)}


def write_scorecard(card: Scorecard, path: str | Path) -> None:
    """Writes a scorecard as JSON; the file is there whole or not at all.

    Raises:
        GlofgeoError: If it cannot be written.
    """
    path = Path(path)
    half = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(json.dumps(card.to_dict(), indent=2) + "\n", encoding="utf-8")
        half.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink()
        raise GlofgeoError(f"{path}: cannot be written ({error.strerror}); name another file") from None


def print_scorecard(card: Scorecard, console: Console | None = None) -> None:
    """Prints a scorecard as a table, one column a method; by default on standard output."""
    console = console or Console()
    methods = {"model": card.model} | ({"NDWI > 0": card.ndwi} if card.ndwi else {})
    table = Table(title=f"{card.prediction} against {card.truth}")
    table.add_column("")
    for method in methods:
        table.add_column(method, justify="right")
    labels = {"iou": "IoU", "dice": "Dice"}
    for name in FIGURES:
        values = [getattr(score.pixels, name) for score in methods.values()]
        table.add_row(labels.get(name, name), *map(_decimals, values))
    for index, level in enumerate(card.model.lakes):
        table.add_section()
        for name in ("found", "missed", "false"):
            counts = [str(getattr(score.lakes[index], name)) for score in methods.values()]
            table.add_row(f"lakes {name} (IoU ≥ {level.iou:g})", *counts)
    console.print(table)
    judged = card.true_lakes - card.not_observed - card.too_small
    console.print(
        f"{card.true_lakes} true lakes: {judged} judged, {card.not_observed} mostly not observed or outside the area, "
        f"{card.too_small} too small",
        highlight=False,
    )
    observed = UNDEFINED if card.observed_share is None else f"{card.observed_share:.1%}"
    threshold = "" if card.threshold is None else f"; lake from probability {card.threshold:g}"
    console.print(
        f"{observed} of the area observed (grid: {card.grid}, {card.aoi_share:.1%} of it in the area){threshold}",
        highlight=False,
    )
    for note in card.notes:
        console.print(f"Note: {note}", highlight=False)


def _decimals(figure: float | None) -> str:
    return UNDEFINED if figure is None else f"{figure:.3f}"
