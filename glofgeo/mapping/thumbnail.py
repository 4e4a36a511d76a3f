"""A small picture of a scene, gathered strip by strip while it is read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from datasets_def.grid import Grid

# Longest side in pixels: what is printed 8 inches wide at 200 dots an inch.
_SIDE = 1600


class Thumbnail:
    """Averages blocks of pixels.

    Attributes:
        step: side of a block in pixels of the scene.
        shape: (rows, cols) of the small picture; blocks that the scene does not fill are left out.
    """

    def __init__(self, shape: tuple[int, int], channels: int) -> None:
        self.step = max(1, -(-max(shape) // _SIDE))
        self.shape = (max(1, shape[0] // self.step), max(1, shape[1] // self.step))
        # Sums of digital numbers over a block of a scene are whole in 24 bits.
        self._sum = np.zeros((channels, *self.shape), np.float32)
        self._valid = np.zeros(self.shape, np.float32)
        self._count = np.zeros(self.shape, np.int32)

    def add(self, first: int, planes: Sequence[npt.NDArray[Any]], valid: npt.NDArray[np.bool_]) -> None:
        """Adds rows from `first` on: for each channel `(rows, cols)` of any number type, and bool `(rows, cols)`."""
        end = min(first + len(valid), self.shape[0] * self.step) - first
        if end <= 0:
            return
        width = self.shape[1] * self.step
        # Rows are added up before columns: along rows numpy adds whole lines at once.
        tops = np.r_[0, np.arange(-first % self.step or self.step, end, self.step)]
        rows = slice(first // self.step, first // self.step + len(tops))
        lefts = np.arange(0, min(width, valid.shape[1]), self.step)

        def blocks(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
            lines = np.add.reduceat(plane[:end, :width], tops, axis=0, dtype=np.float32)
            return np.add.reduceat(lines, lefts, axis=1)

        for channel, plane in zip(self._sum, planes, strict=True):
            channel[rows] += blocks(plane)
        self._valid[rows] += blocks(valid)
        heights = np.diff(np.r_[tops, end])
        self._count[rows] += heights[:, None] * np.diff(np.r_[lefts, min(width, valid.shape[1])])

    def image(self) -> npt.NDArray[np.float32]:
        """Means, `(C, H, W)`."""
        count: npt.NDArray[np.float32] = np.maximum(self._count, 1).astype(np.float32)
        return np.divide(self._sum, count)

    def not_observed(self) -> npt.NDArray[np.bool_]:
        """Blocks of which most was not observed, bool `(H, W)`."""
        return self._valid * 2 < self._count

    def grid(self, full: Grid) -> Grid:
        """Gives the grid of the small picture, given that of the scene."""
        return Grid(self.shape, full.transform * Affine.scale(self.step), full.crs)
