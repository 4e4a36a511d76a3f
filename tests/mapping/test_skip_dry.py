"""What is left out as dry holds no lake of any kind."""

import numpy as np
import pytest

from glofgeo.mapping.skip_dry import may_hold_water

BANDS = ("B02", "B03", "B04", "B08")


def window(green, infrared):
    """Bright rock with one pixel of something else."""
    image = np.full((4, 8, 8), 0.3, np.float32)
    image[3] = 0.5
    image[1, 5, 2], image[3, 5, 2] = green, infrared
    return image


@pytest.mark.parametrize(
    ("green", "infrared"),
    [
        (0.05, 0.02),  # clear water
        (0.03, 0.06),  # shaded, below zero in the index, as black water under haze
        (0.05, 0.11),  # dark but greener in the infrared: the darkness alone keeps it
        (0.20, 0.29),  # turbid, NDWI -0.18
        (0.60, 0.55),  # ice
        (-0.01, 0.01),  # below zero after the offset
    ],
)
def test_a_pixel_that_could_be_water_keeps_its_window(green, infrared):
    assert may_hold_water(window(green, infrared), BANDS)
    assert may_hold_water(window(green, infrared)[[3, 0, 1, 2]], ("B08", "B02", "B03", "B04"))


@pytest.mark.parametrize(("green", "infrared"), [(0.05, 0.13), (0.20, 0.31), (0.3, 0.5)])
def test_ground_that_is_neither_dark_nor_watery_does_not(green, infrared):
    assert not may_hold_water(window(green, infrared), BANDS)
