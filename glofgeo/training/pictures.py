"""What a run looks like: its curves, and what it makes of some windows of the validation area."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib_scalebar.scalebar import ScaleBar

from glofgeo.percent import NOT_OBSERVED
from glofgeo.report.glyphs import boxes_for_missing_glyphs

MOST = 6
_BLUE, _ORANGE, _GREEN, _GREY = "#0b6fa4", "#d98e04", "#4f9d69", "#8a8a8f"
# Purple and orange stay apart in hue, not in brightness alone, for whoever lacks red or green cones.
_ERRORS = {"land": "#f4f1ea", "found": "#56a7d8", "false": "#4b0092", "missed": "#fe9a00", "not observed": "#a9a9ae"}


@dataclass(frozen=True)
class Example:
    """A window of the validation area.

    Attributes:
        image: float32 `(C, H, W)` reflectance.
        reference: uint8 `(H, W)`: 1 lake, 0 land, 255 not observed.
        probability: float32 `(H, W)`, of this window alone.
    """

    image: npt.NDArray[np.float32]
    reference: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float32]


class Examples:
    """Keeps the first window of each order of lake cover: over a quarter of the window, over a sixteenth, and so on.

    Attributes:
        kept: by that order, at most `MOST`.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Example] = {}

    def offer(
        self, image: npt.NDArray[np.float32], reference: npt.NDArray[np.uint8], probability: npt.NDArray[np.float32]
    ) -> None:
        """Takes a window as in `Example` if its like is not there yet; copies what it keeps."""
        share = float((reference == 1).mean())
        if share == 0:
            return
        order = min(int(-math.log(share, 4)), MOST - 1)
        if order not in self.kept:
            self.kept[order] = Example(image.copy(), reference.copy(), probability.copy())

    def ordered(self) -> list[Example]:
        """Gives them, those with most lake first."""
        return [self.kept[order] for order in sorted(self.kept)]


def draw_curves(rows: Sequence[dict[str, float]]) -> bytes:
    """Draws the course of a run.

    Args:
        rows: of `metrics.csv`, at least one.

    Returns:
        A PNG: losses, lake IoU with precision and recall, learning rate; the best epoch is marked.
    """
    figure = Figure(figsize=(14, 4), dpi=100, facecolor="white", layout="constrained")
    losses, scores, rates = figure.subplots(1, 3)
    best = max(rows, key=lambda row: row["val_iou"])
    for name, colour, dashes in (("train_loss", _GREY, "--"), ("val_loss", _BLUE, "-")):
        _line(losses, rows, name, colour, dashes)
    for name, colour, dashes in (
        ("val_iou", _BLUE, "-"),
        ("val_precision", _ORANGE, "--"),
        ("val_recall", _GREEN, ":"),
    ):
        _line(scores, rows, name, colour, dashes)
    _line(rates, rows, "lr", _GREY, "-")
    scores.plot(best["epoch"], best["val_iou"], "o", color=_BLUE, markersize=9, markerfacecolor="none")
    titles = ("loss", f"validation: best lake IoU {best['val_iou']:.3f}, epoch {best['epoch']:g}", "learning rate")
    for axes, title in zip((losses, scores, rates), titles, strict=True):
        axes.axvline(best["epoch"], color="#cccccc", linewidth=1, zorder=0)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=8)
    scores.set_ylim(0, 1.02)
    losses.set_ylim(bottom=0)
    return _png(figure)


def draw_examples(examples: Sequence[Example], bands: Sequence[str], pixel_m: float | None = None) -> bytes:
    """Draws windows: image with a scale bar, reference lakes, probability with a colour bar, errors.

    Args:
        examples: at least one.
        bands: names of the image's channels.
        pixel_m: side of a pixel in metres; None leaves the scale bar out.
    """
    figure = Figure(figsize=(12, 3 * len(examples) + 0.9), dpi=80, facecolor="white", layout="constrained")
    grid = figure.subplots(len(examples), 4, squeeze=False)
    shown, names = _shown_bands(bands)
    for axes, example in zip(grid, examples, strict=True):
        hidden = np.where(example.reference == NOT_OBSERVED, 2, example.reference)
        axes[0].imshow(_stretched(example.image[shown]))
        axes[1].imshow(hidden, cmap=_colours("land", "found", "not observed"), vmin=0, vmax=2, interpolation="nearest")
        probability = axes[2].imshow(example.probability, cmap="Blues", vmin=0, vmax=1)
        axes[3].imshow(_errors(example), cmap=_colours(*_ERRORS), vmin=0, vmax=4, interpolation="nearest")
        for one in axes:
            one.set(xticks=[], yticks=[])
        if pixel_m is not None:
            axes[0].add_artist(ScaleBar(pixel_m, location="lower left", box_alpha=0.8, font_properties={"size": 8}))
    for axes, title in zip(grid[0], (names, "reference lakes", "lake probability", "errors"), strict=True):
        axes.set_title(title, parse_math=False)
    figure.colorbar(probability, ax=grid[:, 2], location="bottom", aspect=30, shrink=0.9, pad=0.01)
    figure.legend(
        handles=[Patch(facecolor=colour, edgecolor="#777777", label=name) for name, colour in _ERRORS.items()],
        loc="outside lower center", ncols=len(_ERRORS),
    )  # fmt: skip
    return _png(figure)


def _line(axes: Axes, rows: Sequence[dict[str, float]], name: str, colour: str, dashes: str) -> None:
    label = name.replace("val_iou", "IoU").removeprefix("val_" if "loss" not in name else "").replace("_", " ")
    # A run of one epoch is a point.
    marker = "o" if len(rows) < 3 else ""
    values = [row[name] for row in rows]
    axes.plot([row["epoch"] for row in rows], values, dashes, marker=marker, color=colour, label=label)


def _errors(example: Example) -> npt.NDArray[np.uint8]:
    """Numbers of `_ERRORS`."""
    called, lake = example.probability >= 0.5, example.reference == 1
    code = np.where(called & lake, 1, np.where(called, 2, np.where(lake, 3, 0)))
    return np.where(example.reference == NOT_OBSERVED, 4, code).astype(np.uint8)


def _shown_bands(bands: Sequence[str]) -> tuple[list[int], str]:
    """True colour where it can be had, else the first bands there are, and what to call it."""
    names = [name for name in ("B04", "B03", "B02") if name in bands]
    names = names if len(names) == 3 else (list(bands) * 3)[:3] if len(bands) < 3 else list(bands)[:3]
    return [list(bands).index(name) for name in names], ", ".join(names)


def _stretched(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    low, high = np.percentile(image, (1, 99))
    scaled = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return np.moveaxis(scaled, 0, -1) ** np.float32(0.8)


def _colours(*names: str) -> ListedColormap:
    return ListedColormap([_ERRORS[name] for name in names])


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    with boxes_for_missing_glyphs():
        FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
