import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glofgeo.config import LossConfig
from glofgeo.training.losses import LakeLoss

LOVASZ = LakeLoss(LossConfig(lovasz=1.0, dice=0.0, bce=0.0))
DICE = LakeLoss(LossConfig(lovasz=0.0, dice=1.0, bce=0.0))
BCE = LakeLoss(LossConfig(lovasz=0.0, dice=0.0, bce=1.0))
ALL = LakeLoss(LossConfig())

# One lake of two pixels, one cloud, six pixels of land.
TARGET = torch.tensor([[[1, 1, 0], [0, 255, 0], [0, 0, 0]]], dtype=torch.uint8)
LOGITS = torch.tensor([[[[2.0, -1.0, 0.5], [-3.0, 9.0, -3.0], [-3.0, -3.0, -3.0]]]])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_lovasz_by_hand():
    # Hinge errors: 1 - 2 = -1 and 1 + 1 = 2 on the lake, 1 + 0.5 = 1.5 on land, 1 - 3 = -2 on the rest.
    # Sorted 2 (lake), 1.5 (land), then none above zero. Jaccard loss when the first is wrong: 1 - 1/2 = 1/2;
    # when the first two are: 1 - 1/3 = 2/3. So 2 * 1/2 + 1.5 * (2/3 - 1/2).
    assert LOVASZ(LOGITS, TARGET).item() == pytest.approx(2 * 1 / 2 + 1.5 * (2 / 3 - 1 / 2))


def test_dice_by_hand():
    lake = sigmoid(2) + sigmoid(-1)
    land = sigmoid(0.5) + 5 * sigmoid(-3)
    assert DICE(LOGITS, TARGET).item() == pytest.approx(1 - 2 * lake / (lake + land + 2), rel=1e-5)


def test_bce_by_hand():
    wrong = -math.log(sigmoid(2)) - math.log(sigmoid(-1)) - math.log(1 - sigmoid(0.5)) - 5 * math.log(1 - sigmoid(-3))
    assert BCE(LOGITS, TARGET).item() == pytest.approx(wrong / 8, rel=1e-5)


def test_a_lake_weight_of_two_calls_lake_what_is_lake_in_one_case_of_three():
    weighted = LakeLoss(LossConfig(lovasz=0.0, dice=0.0, lake_weight=2.0))
    wrong = -2 * math.log(sigmoid(2)) - 2 * math.log(sigmoid(-1))
    wrong += -math.log(1 - sigmoid(0.5)) - 5 * math.log(1 - sigmoid(-3))
    assert weighted(LOGITS, TARGET).item() == pytest.approx(wrong / 8, rel=1e-5)
    one_of_three = torch.tensor([[[1, 0, 0]]], dtype=torch.uint8)
    everywhere = torch.zeros((), requires_grad=True)
    weighted(everywhere.expand(1, 1, 1, 3), one_of_three).backward()
    assert everywhere.grad.item() == pytest.approx(0, abs=1e-6)


def test_weights_of_the_terms():
    weighted = LakeLoss(LossConfig(lovasz=2.0, dice=3.0, bce=0.5))(LOGITS, TARGET)
    expected = 2 * LOVASZ(LOGITS, TARGET) + 3 * DICE(LOGITS, TARGET) + 0.5 * BCE(LOGITS, TARGET)
    torch.testing.assert_close(weighted, expected)


def test_lovasz_is_averaged_over_images():
    other = torch.tensor([[[0, 0, 0], [0, 1, 0], [0, 0, 0]]], dtype=torch.uint8)
    both = LOVASZ(torch.cat([LOGITS, LOGITS]), torch.cat([TARGET, other]))
    torch.testing.assert_close(both, (LOVASZ(LOGITS, TARGET) + LOVASZ(LOGITS, other)) / 2)


def loss_and_gradient(logits, target):
    logits = logits.clone().requires_grad_()
    loss = ALL(logits, target)
    loss.backward()
    return loss.detach(), logits.grad


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.sampled_from([0.0, 1e4, -1e4, float("inf"), float("nan")]),
    st.sampled_from([torch.uint8, torch.int64]),
)
def test_unobserved_pixels_change_nothing(seed, share, value, dtype):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 1, 6, 7, generator=draw)
    target = (torch.rand(2, 6, 7, generator=draw) < 0.3).to(dtype)
    hidden = torch.rand(2, 6, 7, generator=draw) < share
    target[hidden] = 255
    loss, gradient = loss_and_gradient(logits, target)
    other_loss, other_gradient = loss_and_gradient(logits.masked_fill(hidden.unsqueeze(1), value), target)
    assert torch.equal(loss, other_loss)
    assert torch.equal(gradient, other_gradient)
    assert not gradient[hidden.unsqueeze(1)].any()


def test_an_image_under_cloud_does_not_dilute_the_others():
    cloud = torch.full_like(TARGET, 255)
    torch.testing.assert_close(ALL(torch.cat([LOGITS, LOGITS]), torch.cat([TARGET, cloud])), ALL(LOGITS, TARGET))


@pytest.mark.parametrize("value", [0, 1, 255])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_batches_of_one_kind_are_finite(value, scale):
    torch.manual_seed(0)
    loss, gradient = loss_and_gradient(scale * torch.randn(2, 1, 5, 5), torch.full((2, 5, 5), value))
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert (value == 255) == (not gradient.any())


def test_a_perfect_answer_costs_nothing():
    target = (torch.rand(1, 8, 8) < 0.5).long()
    assert ALL((target.float() * 2 - 1).unsqueeze(1) * 50, target).item() == pytest.approx(0, abs=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
    loss = ALL(LOGITS.bfloat16(), TARGET)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ALL(LOGITS, TARGET), atol=1e-2, rtol=1e-2)


def test_lovasz_sorts_the_errors_of_each_image_by_themselves():
    """One image wrong by much and one by little: sorted together, the first would decide alone."""
    wrong = torch.tensor([[[-3.0, -3.0, 2.0, 0.5]]])
    target = torch.tensor([[[1, 0, 0, 0]], [[1, 1, 1, 0]]], dtype=torch.uint8)
    logits = torch.stack([wrong, -0.2 * wrong])
    alone = [LOVASZ(one[None], truth[None]) for one, truth in zip(logits, target, strict=True)]
    torch.testing.assert_close(LOVASZ(logits, target), (alone[0] + alone[1]) / 2)
    # Errors 4 (the lake), then 3 and 1.5 (land): with the lake missed, the Jaccard loss is 1 from the first on.
    assert alone[0].item() == pytest.approx(4)
