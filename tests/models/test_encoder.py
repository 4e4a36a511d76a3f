import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder
from glofgeo.models.encoder import STRIDES, pad_to_multiple

TINY = DinoV2Encoder("tiny", image_size=98).eval()


def encoder(**settings):
    torch.manual_seed(0)
    return DinoV2Encoder("tiny", image_size=98, **settings).eval()


@pytest.mark.parametrize("extra_init", ["copy", "zeros"])
@pytest.mark.parametrize("extra_blocks", [1, 3])
def test_added_blocks_change_no_bit_of_the_features(extra_init, extra_blocks):
    x = torch.randn(2, 4, 84, 112)
    plain, longer = encoder(extra_blocks=0), encoder(extra_blocks=extra_blocks, extra_init=extra_init)
    assert len(longer.blocks) == 12 + extra_blocks
    with torch.no_grad():
        for before, after in zip(plain(x), longer(x), strict=True):
            assert torch.equal(before, after)


def test_copied_block_learns_from_the_first_step_and_whole_from_the_second():
    model = encoder(extra_init="copy")
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    x = torch.randn(1, 4, 56, 56)
    model.tokens(x, (12,))[0].square().mean().backward()
    assert model.blocks[-1].ls1.gamma.grad.abs().max() > 0
    assert model.blocks[-1].ls2.gamma.grad.abs().max() > 0
    optimizer.step()
    optimizer.zero_grad()
    model.tokens(x, (12,))[0].square().mean().backward()
    assert model.blocks[-1].attn.qkv.weight.grad.abs().max() > 0
    assert model.blocks[-1].mlp.fc1.weight.grad.abs().max() > 0


def test_block_of_zeros_never_receives_a_gradient():
    model = encoder(extra_init="zeros")
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        model.tokens(torch.randn(1, 4, 56, 56), (12,))[0].square().mean().backward()
        assert all((p.grad == 0).all() for p in model.blocks[-1].parameters())
        optimizer.step()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 130), st.integers(1, 130))
def test_maps_cover_any_input_at_their_strides(height, width):
    x = torch.randn(1, 4, height, width)
    with torch.no_grad():
        maps = TINY(x)
    assert maps[0] is x
    assert [m.shape[1] for m in maps] == TINY.out_channels
    for found, stride in zip(maps[1:], (2, *STRIDES), strict=True):
        assert found.shape[2:] == (math.ceil(height / stride), math.ceil(width / stride))


def test_odd_sizes_are_continued_by_reflection():
    x = torch.randn(1, 4, 45, 61)
    reflected = F.pad(x, (0, 9, 0, 11), mode="reflect")
    with torch.no_grad():
        assert torch.equal(TINY.tokens(x, (3,))[0], TINY.tokens(reflected, (3,))[0])
        for cropped, whole in zip(TINY.pyramid(x), TINY.pyramid(reflected), strict=True):
            assert torch.equal(cropped, whole[..., : cropped.shape[2], : cropped.shape[3]])


def test_padding_repeats_the_edge_where_there_is_nothing_to_reflect():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(x, 14)
    assert padded.shape == (1, 1, 14, 14)
    assert (padded[0, 0, 1:, 2:] == 5).all()


def test_tokens_come_in_the_order_asked_for():
    x = torch.randn(1, 4, 56, 42)
    with torch.no_grad():
        late, early = TINY.tokens(x, (12, 2))
        assert late.shape == (1, 192, 4, 3)
        assert torch.equal(early, TINY.tokens(x, (2,))[0])
        assert not torch.equal(early, late)


def test_the_last_block_feeds_the_pyramid():
    assert TINY.pyramid_blocks == (2, 5, 8, 12)
    model = encoder()
    x = torch.randn(1, 4, 56, 56)
    with torch.no_grad():
        before = model(x)
        model.blocks[-1].ls2.gamma.fill_(1.0)
        changed = [not torch.equal(a, b) for a, b in zip(before, model(x), strict=True)]
    assert changed == [False, False, False, False, False, True]


def test_impossible_encoders_are_refused():
    with pytest.raises(GlofgeoError, match="500 is not a multiple of 14"):
        DinoV2Encoder("tiny", image_size=500)
    with pytest.raises(GlofgeoError, match="negative"):
        DinoV2Encoder("tiny", extra_blocks=-1)
    with pytest.raises(ValueError, match="0 to 12"):
        TINY.tokens(torch.zeros(1, 4, 28, 28), (13,))
