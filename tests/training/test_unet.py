"""The U-Net that a model has to beat is given what the model was given."""

from itertools import count, islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from glofgeo.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from glofgeo.models import ComparisonUnet
from glofgeo.training.ema import WeightMean
from glofgeo.training.unet import _endless, _share, train_unet

MEAN = (0.1, 0.2, 0.3, 0.4)


class Windows(Sampler[int]):
    def __iter__(self):
        return iter(range(4))

    def __len__(self):
        return 4

    def set_epoch(self, epoch):
        pass


class Water(Dataset):
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
    logarithms = ComparisonUnet(ModelConfig(mean=MEAN, log_input=True)).eval()
    raw = ComparisonUnet(ModelConfig(mean=(0.0,) * 4, std=(1.0,) * 4)).eval()
    raw.net.load_state_dict(logarithms.net.state_dict())
    x = torch.rand(1, 4, 64, 64)
    ratio = (x + 0.01) / (torch.tensor(MEAN).view(4, 1, 1) + 0.01)
    torch.testing.assert_close(logarithms(x), raw(ratio.log() / 0.6))
    assert not torch.allclose(logarithms(x), ComparisonUnet(ModelConfig(mean=MEAN)).eval()(x))


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_it_ends_with_the_mean_of_its_weights_over_the_steps(decay, monkeypatch):
    seen = []
    add = WeightMean.add

    def noted(self, model):
        seen.append(model.net.segmentation_head[0].weight.detach().clone())
        add(self, model)

    monkeypatch.setattr(WeightMean, "add", noted)
    # A second passes at every look at the clock.
    monkeypatch.setattr("glofgeo.training.unet.time", SimpleNamespace(perf_counter=count().__next__))
    config = TrainConfig(
        model=ModelConfig(), data=DataConfig(window=32, batch_size=2), augment=AugmentConfig(), ema=decay
    )
    loader = DataLoader(Water(), batch_size=2, sampler=Windows())
    torch.manual_seed(config.seed)
    mean = ComparisonUnet(config.model).net.segmentation_head[0].weight.detach().clone()
    unet = train_unet(loader, config, 6.5, torch.device("cpu"))
    assert len(seen) == 6
    for number, weight in enumerate(seen, start=1):
        kept = min(decay, (1 + number) / (10 + number))
        mean = kept * mean + (1 - kept) * weight
    torch.testing.assert_close(unet.net.segmentation_head[0].weight.detach(), mean, atol=1e-5, rtol=1e-4)


class Places(Dataset):
    """Answers a place with itself."""

    def __getitem__(self, place):
        return {"place": torch.tensor(place)}


class OfTheEpoch(Sampler):
    """Places 10, 11, 12 in epoch 1, and so on."""

    epoch = 7  # as training leaves it

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(range(10 * self.epoch, 10 * self.epoch + 3))


def test_it_sees_the_windows_of_every_epoch_from_the_first_on():
    batches = islice(_endless(DataLoader(Places(), batch_size=2, sampler=OfTheEpoch())), 6)
    assert [batch["place"].tolist() for batch in batches] == [[0, 1], [2], [10, 11], [12], [20, 21], [22]]


def test_its_rate_rises_and_then_falls_to_nothing_over_its_time():
    assert _share(0) == 0 and _share(1) < 1e-9
    assert _share(0.025) == 0.5
    assert max(_share(number / 1000) for number in range(1001)) == _share(0.05) == 1
    assert abs(_share(0.525) - 0.5) < 1e-9
