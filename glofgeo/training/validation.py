"""Validation as the mapper would see it: its windows, its blending, every pixel of the area once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from glofgeo.config import MapConfig
from glofgeo.inference.blend import RollingBlend
from glofgeo.inference.windows import WindowPlan, plan_windows
from glofgeo.percent import NOT_OBSERVED, percent_cut, to_percent
from glofgeo.training.samplers import SceneArea

# Middles of the bins in which blended logits are counted.
LOGITS = np.linspace(-14.95, 14.95, 300)
_STEP = LOGITS[1] - LOGITS[0]
_CUT = percent_cut(MapConfig().threshold)


@dataclass(frozen=True)
class AreaPlan:
    """How the mapper would cut one scene's validation area into windows.

    Attributes:
        scene: number of the scene.
        row: of the scene's grid at which the area's rectangle starts.
        col: likewise.
        plan: windows on that rectangle.
    """

    scene: int
    row: int
    col: int
    plan: WindowPlan


def plan_area(area: SceneArea, window: int) -> AreaPlan:
    """Cuts an area into windows of a side in pixels, as `glofgeo.mapping.scene.plan_scene` does."""
    part = area.grid.intersect(area.region.bounds)
    shape = (int(part.height), int(part.width))
    plan = plan_windows(shape, window, min(MapConfig().overlap, window // 2))
    return AreaPlan(area.scene, int(part.row_off), int(part.col_off), plan)


class BlendedAreas:
    """Takes the windows of all areas in order, blends them, and counts pixels where the mapper would draw them.

    Memory holds one row of windows.

    Attributes:
        counts: tp, fp, fn, tn over the observed pixels.
        histogram: `(2, len(LOGITS))`, observed land and lake pixels by their blended logit.
    """

    def __init__(self, plans: Sequence[AreaPlan]) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros(4, np.int64)
        self.histogram: npt.NDArray[np.int64] = np.zeros((2, len(LOGITS)), np.int64)
        self._plans = plans
        self._area = -1

    def add(
        self, place: tuple[int, int, int], probability: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]
    ) -> None:
        """Adds a window.

        Args:
            place: number of the plan, row of windows in it, and window in that row.
            probability: float32 `(window, window)`.
            mask: uint8 `(window, window)`: 1 lake, 0 land, 255 not observed or outside the area.
        """
        area, row, col = place
        plan = self._plans[area].plan
        if area != self._area:
            self._area = area
            self._blend = RollingBlend(plan)
            self._reference = np.full((plan.height, plan.shape[1]), NOT_OBSERVED, np.uint8)
        self._blend.add(row, col, probability[plan.on_grid].copy())
        self._reference[:, plan.lefts[col] : plan.lefts[col] + plan.width] = mask[plan.on_grid]
        if col + 1 == len(plan.lefts):
            blended = self._blend.finish(row)
            self._count(blended, self._reference[: len(blended)])

    def _count(self, probability: npt.NDArray[np.float32], reference: npt.NDArray[np.uint8]) -> None:
        observed = reference != NOT_OBSERVED
        probability, lake = probability[observed], reference[observed] == 1
        # Rounded as in probability.tif, from which mask.tif is cut.
        called = to_percent(probability) >= _CUT
        self.counts += [np.count_nonzero(where) for where in (called & lake, called & ~lake, ~called & lake)] + [
            np.count_nonzero(~called & ~lake)
        ]
        place = np.clip((logit(probability.astype(np.float64)) - LOGITS[0]) / _STEP + 0.5, 0, len(LOGITS) - 1)
        code = place.astype(np.intp) + len(LOGITS) * lake
        self.histogram += np.bincount(code, minlength=2 * len(LOGITS)).reshape(2, -1)

    def figures(self) -> dict[str, float]:
        """Gives IoU, Dice, precision, recall (0 where undefined) and accuracy of the lake class."""
        tp, fp, fn, tn = (float(count) for count in self.counts)
        shares = {
            "iou": (tp, tp + fp + fn),
            "dice": (2 * tp, 2 * tp + fp + fn),
            "precision": (tp, tp + fp),
            "recall": (tp, tp + fn),
            "accuracy": (tp + tn, tp + fp + fn + tn),
        }
        return {name: part / whole if whole else 0.0 for name, (part, whole) in shares.items()}
