"""A plan of overlapping windows that covers a grid exactly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class WindowPlan:
    """Windows of one size on a grid of rows and columns.

    Attributes:
        shape: (rows, cols) of the grid.
        window: side in pixels that a model is given; a smaller grid is continued by reflection up to it.
        height: of the part of a window that lies on the grid; at most the grid's.
        width: likewise.
        tops: first row of each row of windows, ascending.
        lefts: first column of each column of windows, ascending.
    """

    shape: tuple[int, int]
    window: int
    height: int
    width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.tops) * len(self.lefts)

    @property
    def on_grid(self) -> tuple[slice, slice]:
        """Rows and columns of a window that lie on the grid: all of them, or the middle where the grid is smaller."""
        top, left = (self.window - self.height) // 2, (self.window - self.width) // 2
        return slice(top, top + self.height), slice(left, left + self.width)


def plan_windows(shape: tuple[int, int], window: int, overlap: int) -> WindowPlan:
    """Covers a grid with as few windows as the overlap allows.

    The windows are spread evenly, so the first and the last touch the edges and every pair of neighbours shares at
    least `overlap` pixels. Seen from the opposite corner the plan is the same, but for one pixel in the middle where
    an even number of gaps shares an odd number of pixels. A grid smaller than the window gets one window.

    Args:
        shape: (rows, cols), each at least 1.
        window: side in pixels.
        overlap: pixels that neighbours share at the least, below `window`.

    Raises:
        ValueError: If the overlap is negative or not below the window.
    """
    if not 0 <= overlap < window:
        raise ValueError(f"overlap {overlap} must lie between 0 and the window's {window} pixels")
    height, width = (min(window, side) for side in shape)
    tops, lefts = (_starts(side, window, overlap) for side in shape)
    return WindowPlan(shape, window, height, width, tops, lefts)


def reflect_around(plan: WindowPlan, out: npt.NDArray[np.float32]) -> None:
    """Continues what lies on the grid (`plan.on_grid`) by reflection over the rest of a window `(C, H, W)`."""
    inside = out[:, *plan.on_grid]
    if inside.shape != out.shape:
        around = [(0, 0), *((span.start, plan.window - span.stop) for span in plan.on_grid)]
        out[:] = np.pad(inside, around, mode="reflect")


def _starts(length: int, window: int, overlap: int) -> tuple[int, ...]:
    slack = length - window
    if slack <= 0:
        return (0,)
    gaps = -(-slack // (window - overlap))
    half, odd = divmod(gaps, 2)
    # The middle gap of an odd number takes what the two halves cannot share equally.
    middle = slack // gaps + (slack - slack // gaps) % 2 if odd else 0
    side = (slack - middle) // 2
    left = [-(-side * i // half) if half else 0 for i in range(half + 1)]
    return (*left, *(slack - start for start in reversed(left if odd else left[:-1])))


def blend_weights(starts: tuple[int, ...], window: int, length: int) -> npt.NDArray[np.float32]:
    """Weights of windows along one axis that add up to 1 at every pixel.

    Each window counts most in its middle and falls off linearly to its ends, so that where two overlap the better
    informed one decides, and neither edge shows. The weights of a pixel are divided by their sum: where a single
    window sees it, its weight is exactly 1, at the grid's corners too.

    Args:
        starts: first pixel of each window.
        window: length of each.
        length: of the axis.

    Returns:
        float32 `(len(starts), window)`, all above 0.
    """
    ramp = np.minimum(np.arange(1, window + 1), np.arange(window, 0, -1)).astype(np.float64)
    total = np.zeros(length)
    for start in starts:
        total[start : start + window] += ramp
    return np.stack([ramp / total[start : start + window] for start in starts]).astype(np.float32)
