"""Rolling overlap accumulator that hands out finished rows."""

import numpy as np
import numpy.typing as npt

from glofgeo.inference.windows import WindowPlan, blend_weights

Probability = npt.NDArray[np.float32]


class RollingBlend:
    """Adds up the windows of a plan, row of windows by row of windows, in memory for one such row only.

    Attributes:
        plan: the windows.
        next_row: first grid row not handed out yet.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self.plan = plan
        self.next_row = 0
        self._down = blend_weights(plan.tops, plan.height, plan.shape[0])
        self._across = blend_weights(plan.lefts, plan.width, plan.shape[1])
        self._sum = np.zeros((plan.height, plan.shape[1]), np.float32)

    def add(self, row: int, col: int, probability: Probability) -> None:
        """Adds window (`row`, `col`) of the plan: float32 `(height, width)`, which is weighted in place.

        Raises:
            ValueError: If the rows of this window were handed out already.
        """
        if self.plan.tops[row] != self.next_row:
            raise ValueError(f"row of windows {row} is not the one being blended")
        down, across = self._down[row], self._across[col]
        # Most of a window is seen by no other one and weighs 1.
        for margin in _margins(down):
            probability[margin] *= down[margin, None]
        for margin in _margins(across):
            probability[:, margin] *= across[margin]
        left = self.plan.lefts[col]
        self._sum[:, left : left + self.plan.width] += probability

    def finish(self, row: int) -> Probability:
        """Ends a row of windows.

        Returns:
            float32 `(rows, grid columns)`: the rows that no later window reaches, starting at `next_row`.
        """
        tops = self.plan.tops
        end = tops[row + 1] if row + 1 < len(tops) else self.plan.shape[0]
        count = end - self.next_row
        done = self._sum[:count].copy()
        self._sum[: self.plan.height - count] = self._sum[count:]
        self._sum[self.plan.height - count :] = 0
        self.next_row = end
        return done


def _margins(weights: npt.NDArray[np.float32]) -> tuple[slice, slice]:
    """The two ends of a window's weights that are not 1."""
    whole = np.flatnonzero(weights == 1)
    if len(whole) == 0:
        return slice(0, len(weights)), slice(0, 0)
    return slice(0, int(whole[0])), slice(int(whole[-1]) + 1, len(weights))
