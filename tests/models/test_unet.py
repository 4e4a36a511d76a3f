"""The network to beat reads what the model reads."""

import pytest
import torch

from glofgeo.config import ModelConfig
from glofgeo.models import ComparisonUnet


def unet(**settings):
    torch.manual_seed(0)
    return ComparisonUnet(ModelConfig("tiny", image_size=56, **settings)).eval()


@torch.inference_mode()
def test_it_sees_reflectance_in_the_models_own_normalisation():
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    x = torch.rand(1, 4, 64, 96)
    by_hand = (x - torch.tensor(mean).view(4, 1, 1)) / torch.tensor(std).view(4, 1, 1)
    plain = unet(mean=(0.0,) * 4, std=(1.0,) * 4)
    torch.testing.assert_close(unet(mean=mean, std=std)(x), plain(by_hand))


@pytest.mark.parametrize("size", [(64, 64), (45, 70), (9, 33)])
@torch.inference_mode()
def test_its_logits_have_the_size_of_the_input(size):
    logits = unet()(torch.rand(2, 4, *size))
    assert logits.shape == (2, 1, *size) and logits.dtype == torch.float32
