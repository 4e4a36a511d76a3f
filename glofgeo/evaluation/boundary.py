"""Shores: how many of the predicted ones lie where the reference has them, to a pixel."""

from dataclasses import dataclass

import numpy as np

from glofgeo.evaluation.pixels import Mask, harmonic_mean, ratio

# Rows around a strip that its shores depend on: one for a shore's bank, one for the shore beside it.
HALO = 2


@dataclass(frozen=True)
class ShoreCounts:
    """Shore pixels, and those with a shore pixel of the other map within one pixel, diagonals included.

    Attributes:
        predicted: of the prediction.
        predicted_near: those of them near one of the reference.
        reference: of the reference lakes.
        reference_near: those of them near a predicted one.
    """

    predicted: int = 0
    predicted_near: int = 0
    reference: int = 0
    reference_near: int = 0

    @property
    def precision(self) -> float | None:
        """Share of the predicted shore that is right; None if there is none."""
        return ratio(self.predicted_near, self.predicted)

    @property
    def recall(self) -> float | None:
        """Share of the reference shore that was drawn; None if there is none."""
        return ratio(self.reference_near, self.reference)

    @property
    def f1(self) -> float | None:
        """Boundary F1 at one pixel, the harmonic mean of both; Csurka et al. 2013, BMVC."""
        return harmonic_mean(self.precision, self.recall)


def mark_shores(predicted: Mask, reference: Mask, usable: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """Marks the shores of two masks.

    A shore pixel is a usable lake pixel that shares an edge with usable land: neither the edge of a cloud nor that of
    the grid is a shore.

    Args:
        predicted: `(rows, cols)`, True = lake.
        reference: same shape.
        usable: same shape.

    Returns:
        What `ShoreCounts` counts, in its order.
    """
    drawn, real = _shore(predicted, usable), _shore(reference, usable)
    return drawn, drawn & _widen(real), real, real & _widen(drawn)


def _shore(lake: Mask, usable: Mask) -> Mask:
    land = usable & ~lake
    beside = np.zeros_like(land)
    beside[1:] |= land[:-1]
    beside[:-1] |= land[1:]
    beside[:, 1:] |= land[:, :-1]
    beside[:, :-1] |= land[:, 1:]
    return lake & usable & beside


def _widen(mask: Mask) -> Mask:
    """Adds the eight neighbours."""
    tall = mask.copy()
    tall[1:] |= mask[:-1]
    tall[:-1] |= mask[1:]
    wide = tall.copy()
    wide[:, 1:] |= tall[:, :-1]
    wide[:, :-1] |= tall[:, 1:]
    return wide
