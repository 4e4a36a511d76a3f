"""What everything that computes a model gives: a function from reflectance to probability."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.float32]
Predict = Callable[[Batch], Batch]


class Start(Protocol):
    """Puts a network to work: see `glofgeo.models.predictor.Predictor.on`."""

    def __call__(self, device: str, *, half: bool, compiled: bool) -> Predict:
        """Gives the function that answers."""
