"""Window plans cover every grid exactly, and their blend weights add up to one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.inference.blend import RollingBlend
from glofgeo.inference.windows import blend_weights, plan_windows, reflect_around

sides = st.integers(1, 400)


@st.composite
def plans(draw):
    window = draw(st.integers(2, 120))
    return plan_windows((draw(sides), draw(sides)), window, draw(st.integers(0, window - 1)))


@given(sides, sides, st.integers(2, 120), st.data())
def test_windows_cover_the_grid_and_overlap_enough_with_none_to_spare(rows, cols, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    plan = plan_windows((rows, cols), window, overlap)
    for side, size, starts in ((rows, plan.height, plan.tops), (cols, plan.width, plan.lefts)):
        assert size == min(window, side)
        assert starts[0] == 0
        assert starts[-1] + size == side
        assert all(0 < b - a <= window - overlap for a, b in pairwise(starts))
        assert len(starts) == max(1, -(-(side - overlap) // (window - overlap)))


@given(plans())
def test_weights_are_positive_and_add_up_to_one(plan):
    total = np.zeros(plan.shape[0])
    for start, weights in zip(plan.tops, blend_weights(plan.tops, plan.height, plan.shape[0]), strict=True):
        assert (weights > 0).all()
        total[start : start + plan.height] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(plans(), st.integers(0, 2**32 - 1))
def test_blending_equals_the_blend_of_a_whole_image(plan, seed):
    random = np.random.default_rng(seed)
    answers = random.random((len(plan.tops), len(plan.lefts), plan.height, plan.width), np.float32)
    rolling = RollingBlend(plan)
    strips = []
    total, weight = np.zeros(plan.shape), np.zeros(plan.shape)
    ramp_down, ramp_across = (np.minimum(np.arange(n) + 1, n - np.arange(n)) for n in (plan.height, plan.width))
    for i, top in enumerate(plan.tops):
        for j, left in enumerate(plan.lefts):
            rolling.add(i, j, answers[i, j].copy())
            part = (slice(top, top + plan.height), slice(left, left + plan.width))
            total[part] += answers[i, j] * np.outer(ramp_down, ramp_across)
            weight[part] += np.outer(ramp_down, ramp_across)
        strips.append(rolling.finish(i))
    np.testing.assert_allclose(np.concatenate(strips), total / weight, atol=1e-5)


def test_an_impossible_overlap_is_refused():
    with pytest.raises(ValueError, match="overlap"):
        plan_windows((10, 10), 8, 8)


@pytest.mark.parametrize("shape", [(5, 9), (8, 3), (7, 12)])
def test_a_grid_smaller_than_a_window_is_continued_by_reflection_about_its_outer_pixels(shape):
    plan = plan_windows(shape, 12, 0)
    window = np.full((2, 12, 12), np.nan, np.float32)
    inside = np.random.default_rng(0).random((2, *shape), np.float32)
    window[:, *plan.on_grid] = inside
    reflect_around(plan, window)
    first = [span.start for span in plan.on_grid]
    for row, col in np.ndindex(12, 12):
        # The mirror stands in the middle of the outer pixel, so that this one is not repeated.
        at = []
        for place, start, side in zip((row, col), first, shape, strict=True):
            back = (place - start) % (2 * (side - 1))
            at.append(min(back, 2 * (side - 1) - back))
        assert (window[:, row, col] == inside[:, *at]).all()
