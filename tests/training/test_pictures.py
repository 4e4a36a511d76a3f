from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glofgeo.training.pictures import _ERRORS, MOST, Examples, _errors, draw_curves, draw_examples


def window(share, side=64, seed=0, bands=4):
    rng = np.random.default_rng(seed)
    truth = np.zeros((side, side), np.uint8)
    truth.flat[: round(share * side * side)] = 1
    truth[-5:] = 255
    return rng.random((bands, side, side)).astype(np.float32), truth, rng.random((side, side)).astype(np.float32)


@given(st.lists(st.floats(0, 0.9), max_size=30))
def test_kept_windows_have_lakes_of_different_orders(shares):
    examples = Examples()
    for seed, share in enumerate(shares):
        examples.offer(*window(share, seed=seed))
    kept = [(one.truth == 1).mean() for one in examples.ordered()]
    assert len(kept) <= MOST and all(share > 0 for share in kept)
    assert kept == sorted(kept, reverse=True)
    assert len({min(int(-np.log(share) / np.log(4)), MOST - 1) for share in kept}) == len(kept)
    assert bool(kept) == any(round(share * 64 * 64) for share in shares)


def test_what_is_kept_does_not_change_with_the_batch():
    examples = Examples()
    image, truth, probability = window(0.3)
    before = image.copy()
    examples.offer(image, truth, probability)
    image[:] = 0
    assert np.array_equal(examples.ordered()[0].image, before)


def test_errors_are_told_apart():
    image, truth, probability = window(0.5)
    probability[:, :32] = 0.9
    probability[:, 32:] = 0.1
    examples = Examples()
    examples.offer(image, truth, probability)
    names = np.array(list(_ERRORS))[_errors(examples.ordered()[0])]
    assert (names[:32, :32] == "found").all() and (names[:32, 32:] == "missed").all()
    assert (names[32:59, :32] == "false").all() and (names[32:59, 32:] == "land").all()
    assert (names[59:] == "not observed").all()


@pytest.mark.parametrize("bands", [("B02", "B03", "B04", "B08"), ("B08",), ("B03", "B08", "B11")])
def test_examples_make_a_picture_of_any_bands(bands):
    examples = Examples()
    for share in (0.4, 0.1, 0.02):
        examples.offer(*window(share, bands=len(bands)))
    picture = Image.open(BytesIO(draw_examples(examples.ordered(), bands)))
    assert picture.size[1] > 500 and len(picture.convert("RGB").getcolors(2**24)) > 100


@pytest.mark.parametrize("epochs", [1, 2, 60])
def test_curves_are_drawn_from_the_first_epoch_on(epochs):
    rows = [
        {"epoch": n, "lr": 1e-3 / n, "train_loss": 2 / n, "val_loss": 2.2 / n, "val_iou": 1 - 1 / (n + 1)}
        | {"val_precision": 0.8, "val_recall": 0.6}
        for n in range(1, epochs + 1)
    ]
    picture = Image.open(BytesIO(draw_curves(rows)))
    assert picture.size == (1400, 400)
