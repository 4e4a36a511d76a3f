"""A small picture of a scene, gathered strip by strip while it is read."""

import numpy as np
import numpy.typing as npt
from affine import Affine

# Longest side in pixels: what a report or a screen shows.
_SIDE = 1100


class Thumbnail:
    """Averages blocks of pixels.

    Attributes:
        step: side of a block in pixels of the scene.
        shape: (rows, cols) of the small picture; blocks that the scene does not fill are left out.
    """

    def __init__(self, shape: tuple[int, int], channels: int) -> None:
        self.step = max(1, -(-max(shape) // _SIDE))
        self.shape = (max(1, shape[0] // self.step), max(1, shape[1] // self.step))
        self._sum = np.zeros((channels, *self.shape), np.float64)
        self._valid = np.zeros(self.shape, np.int64)
        self._count = np.zeros(self.shape, np.int64)

    def add(self, first: int, image: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> None:
        """Adds rows from `first` on: float32 `(C, rows, cols)` and bool `(rows, cols)`."""
        rows = np.arange(first, first + image.shape[1]) // self.step
        keep = rows < self.shape[0]
        rows, lefts = rows[keep], np.arange(self.shape[1]) * self.step
        width = min(image.shape[2], self.shape[1] * self.step)
        for channel, plane in zip(self._sum, image[:, keep, :width], strict=True):
            np.add.at(channel, rows, np.add.reduceat(plane, lefts, axis=1))
        np.add.at(self._valid, rows, np.add.reduceat(valid[keep, :width], lefts, axis=1, dtype=np.int64))
        np.add.at(self._count, rows, np.add.reduceat(np.ones((len(rows), width), np.int64), lefts, axis=1))

    def image(self) -> npt.NDArray[np.float32]:
        """Mean reflectance, float32 `(C, H, W)`."""
        return (self._sum / np.maximum(self._count, 1)).astype(np.float32)

    def not_observed(self) -> npt.NDArray[np.bool_]:
        """Blocks of which most was not observed, bool `(H, W)`."""
        return self._valid * 2 < self._count

    def transform(self, full: Affine) -> Affine:
        """From pixels of the small picture to the CRS, given that of the scene."""
        return full * Affine.scale(self.step)
