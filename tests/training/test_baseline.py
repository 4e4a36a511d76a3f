"""The U-Net to compare with has what the model has: logarithms and the mean of the weights."""

import numpy as np
import pytest
import torch

from glofgeo.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from glofgeo.models import UnetBaseline
from glofgeo.training.baseline import train_unet
from glofgeo.training.ema import WeightMean

MEAN = (0.1, 0.2, 0.3, 0.4)


class Windows(torch.utils.data.Sampler[int]):
    def __iter__(self):
        return iter(range(4))

    def __len__(self):
        return 4

    def set_epoch(self, epoch):
        pass


class Water(torch.utils.data.Dataset):
    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        mask = rng.random((32, 32)) < 0.5
        image = np.where(mask, 0.03, 0.2) + rng.normal(0, 0.01, (4, 32, 32))
        return {"image": torch.tensor(image, dtype=torch.float32), "mask": torch.tensor(mask.astype(np.uint8))}

    def __len__(self):
        return 4


@torch.inference_mode()
def test_logarithms_are_those_of_the_model():
    torch.manual_seed(0)
    logarithms = UnetBaseline(ModelConfig(mean=MEAN, log_input=True)).eval()
    raw = UnetBaseline(ModelConfig(mean=(0.0,) * 4, std=(1.0,) * 4)).eval()
    raw.net.load_state_dict(logarithms.net.state_dict())
    x = torch.rand(1, 4, 64, 64)
    ratio = (x + 0.01) / (torch.tensor(MEAN).view(4, 1, 1) + 0.01)
    torch.testing.assert_close(logarithms(x), raw(ratio.log() / 0.6))
    assert not torch.allclose(logarithms(x), UnetBaseline(ModelConfig(mean=MEAN)).eval()(x))


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_it_ends_with_the_mean_of_its_weights_over_the_steps(decay, monkeypatch):
    seen = []
    add = WeightMean.add

    def noted(self, model):
        seen.append(model.net.segmentation_head[0].weight.detach().clone())
        add(self, model)

    monkeypatch.setattr(WeightMean, "add", noted)
    config = TrainConfig(
        model=ModelConfig(), data=DataConfig(window=32, batch_size=2), augment=AugmentConfig(), ema=decay
    )
    loader = torch.utils.data.DataLoader(Water(), batch_size=2, sampler=Windows())
    torch.manual_seed(config.seed)
    mean = UnetBaseline(config.model).net.segmentation_head[0].weight.detach().clone()
    unet = train_unet(loader, config, 1.5, torch.device("cpu"))
    assert len(seen) > 1
    for number, weight in enumerate(seen, start=1):
        kept = min(decay, (1 + number) / (10 + number))
        mean = kept * mean + (1 - kept) * weight
    torch.testing.assert_close(unet.net.segmentation_head[0].weight.detach(), mean, atol=1e-5, rtol=1e-4)
