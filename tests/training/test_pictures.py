from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from glofgeo.training.pictures import _ERRORS, MOST, Examples, _errors, draw_curves, draw_examples


def window(share, side=64, seed=0, bands=4):
    rng = np.random.default_rng(seed)
    reference = np.zeros((side, side), np.uint8)
    reference.flat[: round(share * side * side)] = 1
    reference[-5:] = 255
    return rng.random((bands, side, side)).astype(np.float32), reference, rng.random((side, side)).astype(np.float32)


@given(st.lists(st.floats(0, 0.9), max_size=30))
def test_kept_windows_have_lakes_of_different_orders(shares):
    examples = Examples()
    for seed, share in enumerate(shares):
        examples.offer(*window(share, seed=seed))
    kept = [(one.reference == 1).mean() for one in examples.ordered()]
    assert len(kept) <= MOST and all(share > 0 for share in kept)
    assert kept == sorted(kept, reverse=True)
    assert len({min(int(-np.log(share) / np.log(4)), MOST - 1) for share in kept}) == len(kept)
    assert bool(kept) == any(round(share * 64 * 64) for share in shares)


def test_what_is_kept_does_not_change_with_the_batch():
    examples = Examples()
    image, reference, probability = window(0.3)
    before = image.copy()
    examples.offer(image, reference, probability)
    image[:] = 0
    assert np.array_equal(examples.ordered()[0].image, before)


def test_errors_are_told_apart():
    image, reference, probability = window(0.5)
    probability[:, :32] = 0.9
    probability[:, 32:] = 0.1
    examples = Examples()
    examples.offer(image, reference, probability)
    names = np.array(list(_ERRORS))[_errors(examples.ordered()[0])]
    assert (names[:32, :32] == "found").all() and (names[:32, 32:] == "missed").all()
    assert (names[32:59, :32] == "false").all() and (names[32:59, 32:] == "land").all()
    assert (names[59:] == "not observed").all()


@pytest.mark.parametrize("bands", [("B02", "B03", "B04", "B08"), ("B08",), ("B03", "B08", "B11")])
def test_examples_make_a_picture_of_any_bands(bands):
    examples = Examples()
    for share in (0.4, 0.1, 0.02):
        examples.offer(*window(share, bands=len(bands)))
    plain, scaled = (
        Image.open(BytesIO(draw_examples(examples.ordered(), bands, pixel_m))).convert("RGB")
        for pixel_m in (None, 10.0)
    )
    assert plain.size == scaled.size and plain.size[1] > 500 and len(plain.getcolors(2**24)) > 100
    changed = np.abs(np.asarray(plain).astype(int) - np.asarray(scaled)).max(axis=-1).any(axis=0)
    # The scale bar stands in the images alone, which are the first of four columns.
    assert changed.any() and not changed[len(changed) // 4 :].any()


def seen_without(cones, colours):
    """Colours (N, 3) in sRGB 0-1 as CIE L*a*b* of whoever lacks these cones: Machado et al. 2009, severity 1."""
    matrix = {
        "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }[cones]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(matrix), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("cones", ["red", "green"])
def test_missed_and_false_differ_in_hue_for_the_colour_blind_and_all_kinds_differ(cones):
    names = list(_ERRORS)
    lab = seen_without(cones, np.array([to_rgb(colour) for colour in _ERRORS.values()]))
    missed, false = lab[names.index("missed")], lab[names.index("false")]
    assert np.linalg.norm(missed[1:] - false[1:]) > 60
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(names), 1)]
    assert apart.min() > 20


@pytest.mark.parametrize("epochs", [1, 2, 60])
def test_curves_are_drawn_from_the_first_epoch_on(epochs):
    rows = [
        {"epoch": n, "lr": 1e-3 / n, "train_loss": 2 / n, "val_loss": 2.2 / n, "val_iou": 1 - 1 / (n + 1)}
        | {"val_precision": 0.8, "val_recall": 0.6}
        for n in range(1, epochs + 1)
    ]
    picture = Image.open(BytesIO(draw_curves(rows)))
    assert picture.size == (1400, 400)
