import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.crs import CRS

from datasets_def.grid import Grid
from glofgeo.evaluation.blocks import Blocks
from glofgeo.evaluation.calibration import calibrate, count_percents
from glofgeo.evaluation.pixels import strips

maps = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(
        arrays(np.uint8, shape, elements=st.integers(0, 100)), arrays(bool, shape), arrays(bool, shape)
    )
)


@given(maps, st.integers(1, 12), st.integers(1, 12))
def test_bins_and_error_are_those_counted_pixel_by_pixel(three, side, height):
    percent, reference, usable = three
    blocks = Blocks(Grid(reference.shape, Affine(10, 0, 3e5, 0, -10, 3e6), CRS.from_epsg(32645)), side)
    hidden = np.where(usable, percent, 255).astype(np.uint8)
    cuts = strips(blocks.grid, height)
    card = calibrate(sum(count_percents(hidden[s], reference[s], usable[s], blocks, s) for s in cuts))
    pixels = [(p / 100, bool(t)) for p, t, u in zip(percent.flat, reference.flat, usable.flat, strict=True) if u]
    error = 0.0
    for number, found in enumerate(card.bins):
        inside = [(p, t) for p, t in pixels if min(int(p * 10 + 1e-9), 9) == number]
        assert found.pixels == len(inside)
        if not inside:
            assert found.probability is found.lake_share is None
            continue
        mean, share = np.mean([p for p, _ in inside]), np.mean([t for _, t in inside])
        assert (found.probability, found.lake_share) == pytest.approx((mean, share))
        error += abs(mean - share) * len(inside) / len(pixels)
    assert card.ece == (pytest.approx(error) if pixels else None)


def test_probabilities_that_come_true_have_no_error():
    percent = np.repeat(np.arange(5, 100, 10, dtype=np.uint8), 100).reshape(10, 100)
    reference = np.arange(100) < percent
    blocks = Blocks(Grid(reference.shape, Affine(10, 0, 3e5, 0, -10, 3e6), CRS.from_epsg(32645)), 100)
    rows = slice(0, 10)
    assert calibrate(count_percents(percent, reference, np.ones_like(reference), blocks, rows)).ece == pytest.approx(0)
    wrong = calibrate(count_percents(100 - percent, reference, np.ones_like(reference), blocks, rows))
    assert wrong.ece == pytest.approx(0.5)
