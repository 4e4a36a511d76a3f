"""The picture of a scorecard: lakes by size, and how far probabilities can be trusted."""

from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from glofgeo.evaluation.calibration import Calibration
from glofgeo.evaluation.lakes import IOU_LEVELS
from glofgeo.evaluation.score import lake_figure
from glofgeo.evaluation.scorecard import Scorecard
from glofgeo.inventory.attributes import SIZE_CLASSES
from glofgeo.report.glyphs import boxes_for_missing_glyphs
from glofgeo.terminal import one_line

# In the order of `Scorecard.methods`; told apart by any two kinds of cones.
_COLOURS = {"model": "#0b6fa4", "U-Net": "#e69f00", "NDWI > 0": "#b5b5ba"}
_NDWI_AT = "#4d4d52"


def draw_scorecard(card: Scorecard) -> bytes:
    """Draws a scorecard.

    Returns:
        A PNG: lake F1 by size class and IoU, with 95 % intervals, and a reliability plot where there are probabilities.
    """
    panels = len(IOU_LEVELS) + (card.calibration is not None)
    figure = Figure(figsize=(5 * panels, 4.4), dpi=100, facecolor="white", layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for index in range(len(IOU_LEVELS)):
        _draw_sizes(axes[index], card, index)
    if card.calibration is not None:
        _draw_reliability(axes[-1], card.calibration)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(card.methods), fontsize=8)
    # Names may hold what Matplotlib takes for a formula.
    figure.suptitle(one_line(f"{card.prediction} against {card.reference}"), fontsize=11, parse_math=False)
    picture = BytesIO()
    with boxes_for_missing_glyphs():
        FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _draw_sizes(axes: Axes, card: Scorecard, index: int) -> None:
    """Bars with a cross where F1 is undefined, so that it is not taken for 0."""
    iou, width = IOU_LEVELS[index], 0.8 / len(card.methods)
    for number, (method, score) in enumerate(card.methods.items()):
        places = np.arange(len(SIZE_CLASSES)) + (number - (len(card.methods) - 1) / 2) * width
        values = [counts.f1 for counts in score.by_size[index]]
        axes.bar(places, [value or 0 for value in values], width, label=method, color=_COLOURS.get(method, _NDWI_AT))
        for place, size, value in zip(places, SIZE_CLASSES, values, strict=True):
            interval = score.intervals.get(lake_figure(iou, size, "f1"))
            if value is None:
                axes.plot(place, 0.02, "x", color="#999999", markersize=5)
            elif interval is not None:
                axes.vlines(place, *interval, colors="black", linewidth=1)
    judged = [counts.found + counts.missed for counts in card.model.by_size[index]]
    labels = [f"{size}\n{count} lakes" for size, count in zip(SIZE_CLASSES, judged, strict=True)]
    axes.set_xticks(np.arange(len(SIZE_CLASSES)), labels, fontsize=8)
    axes.set(ylim=(0, 1.02), xlabel="lake area, km² (×: undefined)", ylabel="F1", title=f"Lakes, IoU ≥ {iou:g}")


def _draw_reliability(axes: Axes, calibration: Calibration) -> None:
    filled = [(b.probability, b.lake_share) for b in calibration.bins if b.pixels]
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    axes.plot(*np.array(filled, np.float64).reshape(-1, 2).T, "o-", color=_COLOURS["model"])
    error = "" if calibration.ece is None else f", calibration error {calibration.ece:.3f}"
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean lake probability", ylabel="share of lake")
    axes.set_title(f"Reliability{error}")
