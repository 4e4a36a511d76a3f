"""Two looks at an image: the wide one fills lakes and clears ground, and leaves shores and ponds to the near one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.config import ModelConfig
from glofgeo.models import build_model
from glofgeo.models.wide_view import join_looks, shrink

FACTOR, SIDE = 4, 96


def logits(rows, cols, lake=None):
    """Ground but for a rectangle of lake, given as (top, bottom, left, right)."""
    image = torch.full((1, 1, rows, cols), -3.0)
    if lake:
        top, bottom, left, right = lake
        image[..., top:bottom, left:right] = 3.0
    return image


def small(image):
    return image[..., FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]


def lakes(near, wide):
    return (join_looks(near, wide) > 0)[0, 0].numpy()


def test_a_wide_lake_of_which_the_near_look_sees_the_shores_only_is_filled():
    whole = logits(SIDE, SIDE, (16, 80, 16, 80))
    ring = whole.clone()
    ring[..., 24:72, 24:72] = -3.0
    assert np.array_equal(lakes(ring, small(whole)), (whole > 0)[0, 0].numpy())


def test_a_wide_lake_of_which_the_near_look_sees_nothing_is_none():
    assert not lakes(logits(SIDE, SIDE), small(logits(SIDE, SIDE, (0, SIDE, 0, SIDE)))).any()


@pytest.mark.parametrize("pond", [(40, 43, 40, 43), (40, 60, 30, 50), (40, 41, 0, 96)])
def test_ponds_and_shores_are_the_near_looks_whatever_the_wide_one_says(pond):
    near = logits(SIDE, SIDE, pond)
    assert np.array_equal(lakes(near, small(logits(SIDE, SIDE))), (near > 0)[0, 0].numpy())
    # The wide look draws lakes a pixel too large.
    swollen = logits(SIDE, SIDE, (20, 72, 20, 72))
    drawn = logits(SIDE, SIDE, (24, 68, 24, 68))
    assert np.array_equal(lakes(drawn, small(swollen)), (drawn > 0)[0, 0].numpy())


def test_ground_that_the_near_look_takes_for_lake_without_a_shore_is_cleared():
    assert not lakes(torch.full((1, 1, SIDE, SIDE), 3.0), small(logits(SIDE, SIDE))).any()
    beside = logits(200, 400, (0, 200, 0, 200))
    beside[..., 50:53, 20:23] = -3.0  # not quite without a gap
    beside[..., 40:44, 340:344] = 3.0  # a pond on the other side
    cleared = lakes(beside, small(logits(200, 400)))
    assert cleared.sum() == 16 and cleared[40:44, 340:344].all()
    cut = logits(200, 400, (0, 76, 100, 188))  # a lake at the edge of the scene
    assert np.array_equal(lakes(cut, small(logits(200, 400))), (cut > 0)[0, 0].numpy())


@given(st.integers(28, 70), st.integers(28, 70), st.integers(2, 5), st.integers(0, 5))
def test_the_answer_lies_between_both_looks_on_the_images_own_grid(rows, cols, factor, seed):
    generator = torch.Generator().manual_seed(seed)
    near = torch.randn((2, 1, rows, cols), generator=generator)
    wide = torch.randn((2, 1, -(-rows // factor), -(-cols // factor)), generator=generator)
    joined = join_looks(near, wide)
    assert joined.shape == near.shape
    assert ((joined == near) | (joined <= wide.max()) & (joined >= wide.min())).all()
    assert shrink(torch.ones((1, 4, rows, cols)), factor).shape[-2:] == wide.shape[-2:]


def test_only_maps_take_a_second_look_and_only_of_images_that_are_large_enough():
    torch.manual_seed(0)
    config = ModelConfig(variant="tiny", image_size=56)
    once, twice = build_model(config), build_model(replace(config, wide_view=FACTOR))
    twice.load_state_dict(once.state_dict())
    asked = []
    twice.encoder.stem.register_forward_hook(lambda *_: asked.append(True))
    image = torch.rand((2, 4, 126, 130))
    for network in (once.eval(), twice.eval()):
        with torch.inference_mode():
            assert network(image).shape == (2, 1, 126, 130)
    assert len(asked) == 2
    with torch.inference_mode():
        assert torch.equal(twice(image[..., :100, :100]), once(image[..., :100, :100]))
    twice.train()(image)
    assert len(asked) == 4
