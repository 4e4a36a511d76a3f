"""Probability as whole percent, and 255 where nothing was observed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.percent import NOT_OBSERVED, is_lake, percent_cut, percent_level, to_percent


@given(st.integers(1, 100))
def test_a_threshold_of_whole_percent_is_that_percentage(percent):
    assert percent_level(percent / 100) == percent_cut(percent / 100) == percent


@given(st.floats(0.001, 0.999))
def test_lake_is_what_reaches_the_threshold_and_was_observed(threshold):
    percent = np.arange(256, dtype=np.uint8)
    expected = (np.arange(256) >= round(100 * threshold, 6)) & (np.arange(256) <= 100)
    np.testing.assert_array_equal(is_lake(percent, percent_cut(threshold)), expected)
    assert not is_lake(np.uint8([NOT_OBSERVED]), percent_cut(threshold)).any()


@given(st.lists(st.floats(0, 1, width=32), min_size=1))
def test_probabilities_are_rounded_and_left_as_they_are(values):
    probability = np.float32(values)
    percent = to_percent(probability)
    assert percent.dtype == np.uint8
    assert np.abs(percent - 100 * probability.astype(float)).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(probability, np.float32(values))
