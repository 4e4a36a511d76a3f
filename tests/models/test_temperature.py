import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from glofgeo.errors import GlofgeoError
from glofgeo.models import fit_temperature
from glofgeo.percent import percent_steps


def log_loss(logits, labels, temperature):
    chance = np.where(labels, expit(logits / temperature), expit(-logits / temperature))
    return -np.log(chance).mean()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found_again(temperature):
    rng = np.random.default_rng(5)
    honest = rng.normal(-1, 2, (200, 300))
    labels = rng.random(honest.shape) < expit(honest)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.03)


@given(st.integers(0, 1000))
def test_no_other_temperature_has_a_lower_loss(seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 3, 40), np.arange(40) % 3 == 0
    found = fit_temperature(logits, labels)
    others = np.geomspace(0.05, 20, 200)
    assert log_loss(logits, labels, found) <= min(log_loss(logits, labels, t) for t in others) + 1e-7


def test_a_histogram_gives_the_temperature_of_its_pixels():
    rng = np.random.default_rng(1)
    cells, labels = np.tile(np.linspace(-4, 4, 9), 2), np.repeat([False, True], 9)
    counts = rng.integers(0, 30, 18)
    assert fit_temperature(cells, labels, counts) == pytest.approx(
        fit_temperature(np.repeat(cells, counts), np.repeat(labels, counts)), rel=1e-4
    )


def test_logits_that_tell_nothing_or_everything_end_at_the_limits():
    labels = np.array([True, False] * 5)
    assert fit_temperature(np.where(labels, 3.0, -3.0), labels) == pytest.approx(0.05)
    assert fit_temperature(np.where(labels, -3.0, 3.0), labels) == pytest.approx(20)


def test_what_cannot_be_fitted_is_told():
    labels = np.array([True, False])
    for logits, truth, counts, told in (
        (np.zeros(2), np.array([1, 255], np.uint8), None, "not bool"),
        (np.zeros(3), labels, None, "shape"),
        (np.array([np.nan, 0]), labels, None, "finite"),
        (np.zeros(2), labels, np.array([1, -1]), "finite"),
        (np.zeros(2), np.array([True, True]), None, "lake and of land"),
        (np.zeros(2), labels, np.array([0, 4]), "lake and of land"),
    ):
        with pytest.raises(GlofgeoError, match=told):
            fit_temperature(logits, truth, counts)


@given(st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_percentages_are_those_of_the_divided_logit(temperature, seed):
    probability = np.random.default_rng(seed).random(2000).astype(np.float32)
    percent = np.searchsorted(percent_steps(temperature), probability, side="right")
    expected = 100 * expit(logit(probability.astype(np.float64)) / temperature)
    assert np.abs(percent - expected).max() <= 0.5 + 1e-3
    assert np.array_equal(percent >= 50, expected >= 49.5)


def test_certainty_and_doubt_stay_what_they_are():
    for temperature in (0.3, 1.0, 4.0):
        found = np.searchsorted(percent_steps(temperature), np.float32([0, 0.5, 1]), side="right")
        assert found.tolist() == [0, 50, 100]


def test_the_many_pixels_of_a_cell_weigh_more_than_the_few_of_another():
    """One cell in which 90 of 100 pixels are lake, told as 2 where the true logit is ln 9."""
    logits, labels = np.full(2, 2.0), np.array([True, False])
    assert fit_temperature(logits, labels, np.array([90, 10])) == pytest.approx(2 / np.log(9), rel=1e-3)
    assert fit_temperature(logits, labels, np.array([60, 40])) == pytest.approx(2 / np.log(1.5), rel=1e-3)
