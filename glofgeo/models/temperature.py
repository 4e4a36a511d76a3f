"""Temperature: one number that makes a model's probabilities fit what is seen in held-out areas."""

import numpy as np
import numpy.typing as npt

from glofgeo.errors import GlofgeoError

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.bool_], counts: npt.NDArray[np.floating] | None = None
) -> float:
    """Finds the temperature T that makes sigmoid(logit / T) the most likely on held-out pixels.

    Guo et al. 2017, ICML, section 4.2. Above 1: the model was too sure. A histogram goes in with one logit for each of
    its cells and the cell's pixels as `counts`.

    Args:
        logits: of the lake class, any shape.
        labels: True = lake, same shape.
        counts: how many pixels each stands for, same shape; one each by default.

    Returns:
        T, from 0.05 to 20; the limits stand for "any surer is better" and "of no use".

    Raises:
        GlofgeoError: If labels are not booleans, shapes differ, a logit or count is not finite, a count is negative,
            or lake or land is missing.
    """
    if labels.dtype != np.bool_:
        raise GlofgeoError(f"temperature: labels are {labels.dtype}, not bool", "leave out what is not known first")
    # Slow to import, and mapping needs none of it.
    from scipy.optimize import minimize_scalar

    counts = np.ones(np.shape(logits)) if counts is None else counts
    if not np.shape(logits) == np.shape(labels) == np.shape(counts):
        raise GlofgeoError("temperature: logits, labels and counts differ in shape", "give one of each for every pixel")
    margin = np.where(labels, logits, -logits).astype(np.float64)
    if not (np.isfinite(margin).all() and np.isfinite(counts).all() and (counts >= 0).all()):
        raise GlofgeoError("temperature: a logit or a count is not a finite number (counts: from 0)", "leave it out")
    if not counts[labels].sum() > 0 or not counts[~labels].sum() > 0:
        raise GlofgeoError("temperature: needs pixels of lake and of land", "validate in an area that has both")

    def log_loss(sharpness: float) -> float:
        scaled = sharpness * margin
        return float(np.average(np.maximum(-scaled, 0) + np.log1p(np.exp(-np.abs(scaled))), weights=counts))

    # In 1 / T the loss is convex, so that a search between limits cannot miss its minimum.
    limits = (1 / _HOTTEST, 1 / _COLDEST)
    found = minimize_scalar(log_loss, bounds=limits, method="bounded", options={"xatol": 1e-6}).x
    return float(1 / min((*limits, found), key=log_loss))
