import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.crs import CRS
from scipy.special import expit

from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import fit_temperature
from glofgeo.evaluation.blocks import Blocks
from glofgeo.evaluation.calibration import calibrate, count_percents
from glofgeo.evaluation.pixels import Grid

maps = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(
        arrays(np.uint8, shape, elements=st.integers(0, 100)), arrays(bool, shape), arrays(bool, shape)
    )
)


def log_loss(logits, labels, temperature):
    chance = np.where(labels, expit(logits / temperature), expit(-logits / temperature))
    return -np.log(chance).mean()


@given(maps, st.integers(1, 12), st.integers(1, 12))
def test_bins_and_error_are_those_counted_pixel_by_pixel(three, side, height):
    percent, truth, usable = three
    blocks = Blocks(Grid(CRS.from_epsg(32645), Affine(10, 0, 3e5, 0, -10, 3e6), truth.shape), side)
    hidden = np.where(usable, percent, 255).astype(np.uint8)
    strips = blocks.grid.strips(height)
    card = calibrate(sum(count_percents(hidden[s], truth[s], usable[s], blocks, s) for s in strips))
    pixels = [(p / 100, bool(t)) for p, t, u in zip(percent.flat, truth.flat, usable.flat, strict=True) if u]
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
    truth = np.arange(100) < percent
    blocks = Blocks(Grid(CRS.from_epsg(32645), Affine(10, 0, 3e5, 0, -10, 3e6), truth.shape), 100)
    rows = slice(0, 10)
    assert calibrate(count_percents(percent, truth, np.ones_like(truth), blocks, rows)).ece == pytest.approx(0)
    wrong = calibrate(count_percents(100 - percent, truth, np.ones_like(truth), blocks, rows))
    assert wrong.ece == pytest.approx(0.5)


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
