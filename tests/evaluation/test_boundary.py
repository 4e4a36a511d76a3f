import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from glofgeo.evaluation.boundary import HALO, ShoreCounts, mark_shores

masks = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(*[arrays(bool, shape) for _ in range(3)])
)


def shore(lake, usable):
    """The shore pixels, one by one."""
    rows, cols = lake.shape
    return {
        (r, c)
        for r, c in np.argwhere(lake & usable)
        if any(
            0 <= y < rows and 0 <= x < cols and usable[y, x] and not lake[y, x]
            for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1))
        )
    }


def near(ones, others):
    return sum(any(abs(r - y) <= 1 and abs(c - x) <= 1 for y, x in others) for r, c in ones)


@given(masks)
def test_shores_are_those_found_pixel_by_pixel(three):
    predicted, reference, usable = three
    drawn, real = shore(predicted, usable), shore(reference, usable)
    counts = ShoreCounts(*(int(mark.sum()) for mark in mark_shores(*three)))
    assert counts == ShoreCounts(len(drawn), near(drawn, real), len(real), near(real, drawn))


@given(masks, st.integers(1, 12))
def test_a_strip_and_its_halo_give_the_shores_of_the_whole(three, height):
    whole = mark_shores(*three)
    rows = len(three[0])
    for top in range(0, rows, height):
        wide = slice(max(top - HALO, 0), min(top + height + HALO, rows))
        part = mark_shores(*(mask[wide] for mask in three))
        for one, other in zip(part, whole, strict=True):
            assert (one[top - wide.start :][:height] == other[top : top + height]).all()


def test_a_shift_of_one_pixel_is_forgiven_and_one_of_three_is_not():
    reference = np.zeros((30, 30), bool)
    reference[8:20, 8:20] = True
    everywhere = np.ones_like(reference)
    f1 = [
        ShoreCounts(*(int(m.sum()) for m in mark_shores(np.roll(reference, k, axis=1), reference, everywhere))).f1
        for k in (0, 1, 3)
    ]
    assert f1[:2] == [1, 1]
    # Of 44 shore pixels a side, 18 lie along the rows that both share; those in the corners move away.
    assert 0.2 < f1[2] < 0.6


def test_without_a_shore_the_figure_is_undefined_and_a_missed_one_is_zero():
    assert ShoreCounts().f1 is None
    assert ShoreCounts(reference=9).f1 == 0
    assert ShoreCounts(4, 4, 8, 4).f1 == pytest.approx(2 / 3)


def test_precision_is_of_the_predicted_shore_and_recall_of_the_reference():
    counts = ShoreCounts(predicted=10, predicted_near=4, reference=8, reference_near=6)
    assert (counts.precision, counts.recall) == (0.4, 0.75)
    assert counts.f1 == pytest.approx(2 * 0.4 * 0.75 / 1.15)
