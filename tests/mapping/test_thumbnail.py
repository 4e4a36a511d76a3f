"""The small picture is the mean of blocks, however the rows arrive."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.mapping import thumbnail
from glofgeo.mapping.thumbnail import Thumbnail


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(4, 30))
def test_blocks_are_averaged_whatever_the_strips(rows, cols, strip, side):
    original, thumbnail._SIDE = thumbnail._SIDE, side
    try:
        picture = Thumbnail((rows, cols), 2)
    finally:
        thumbnail._SIDE = original
    image = np.random.default_rng(rows).random((2, rows, cols), np.float32)
    valid = image[0] > 0.5
    for first in range(0, rows, strip):
        picture.add(first, image[:, first : first + strip], valid[first : first + strip])
    step, (height, width) = picture.step, picture.shape
    assert max(picture.shape) <= side
    for row in range(height):
        for col in range(width):
            block = (slice(row * step, (row + 1) * step), slice(col * step, (col + 1) * step))
            np.testing.assert_allclose(picture.image()[:, row, col], image[:, *block].mean((1, 2)), rtol=1e-5)
            assert picture.not_observed()[row, col] == (valid[block].mean() < 0.5)
