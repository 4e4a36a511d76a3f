"""The terrain of the synthetic products, and the sun that lights it."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_def.synthetic.terrain import noise, sun_position, sunlight


@given(st.integers(1, 300), st.sampled_from([40, 100, 700, 3000]), st.integers(0, 2**32))
def test_noise_fills_any_size(size, shortest, seed):
    field = noise(np.random.default_rng(seed), size, 3.0 * shortest, shortest)
    assert field.shape == (size, size) and field.dtype == np.float32
    assert np.isfinite(field).all() and np.abs(field).max() < 8


def test_a_wall_throws_its_shadow_away_from_the_sun():
    height = np.zeros((200, 200), np.float32)
    height[100, :] = 300.0
    _, shadow = sunlight(height, 45.0, 180.0)
    assert (shadow[72:100, 50:150] == 1).all()
    assert (shadow[:68] == 0).all() and (shadow[101:] == 0).all()


def test_sun_of_a_real_product():
    # T29UNU on 2022-10-05 at 11:54 UTC, from the product's MTD_TL.xml: zenith 57.8, azimuth 172.8. At the 10:30 of
    # every product's day the sun stands a little further east.
    zenith, azimuth = sun_position(-8.3, 52.8, datetime(2022, 10, 5, tzinfo=UTC))
    assert zenith == pytest.approx(59.5, abs=2)
    assert azimuth == pytest.approx(163, abs=8)
