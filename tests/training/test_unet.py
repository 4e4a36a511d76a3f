"""The U-Net that a model has to beat is given what the model was given."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from glofgeo.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from glofgeo.models import ComparisonUnet
from glofgeo.training.ema import WeightMean
from glofgeo.training.options import RunOptions
from glofgeo.training.unet import UnetTask, share_of_peak, train_unet

MEAN = (0.1, 0.2, 0.3, 0.4)


class Windows(Sampler[int]):
    """Windows 0 to 3 in epoch 0, 10 to 13 in epoch 1, and so on."""

    epoch = 7  # as training leaves it

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return iter(range(10 * self.epoch, 10 * self.epoch + 4))

    def __len__(self):
        return 4


class Water(Dataset):
    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        mask = rng.random((32, 32)) < 0.5
        image = np.where(mask, 0.03, 0.2) + rng.normal(0, 0.01, (4, 32, 32))
        image, mask = torch.tensor(image, dtype=torch.float32), torch.tensor(mask.astype(np.uint8))
        return {"image": image, "mask": mask, "number": index}

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


@pytest.fixture
def trained(monkeypatch):
    """Trains a U-Net for six steps: a second passes at every look at the clock."""

    def train(decay):
        clock = count()
        monkeypatch.setattr(
            "lightning.pytorch.callbacks.timer.time", SimpleNamespace(monotonic=lambda: next(clock) // 2)
        )
        config = TrainConfig(
            model=ModelConfig(), data=DataConfig(window=32, batch_size=2), augment=AugmentConfig(), ema=decay
        )
        torch.manual_seed(config.seed)
        start = ComparisonUnet(config.model).net.segmentation_head[0].weight.detach().clone()
        loader = DataLoader(Water(), batch_size=2, sampler=Windows())
        data = SimpleNamespace(train_dataloader=lambda: loader)
        return start, train_unet(data, config, 6.5, RunOptions(device="cpu"))

    return train


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_it_ends_with_the_mean_of_its_weights_over_the_steps(decay, trained, monkeypatch):
    seen = []
    add = WeightMean.add

    def noted(self, model):
        seen.append(model.net.segmentation_head[0].weight.detach().clone())
        add(self, model)

    monkeypatch.setattr(WeightMean, "add", noted)
    mean, unet = trained(decay)
    assert len(seen) > 4 and not torch.equal(seen[0], seen[-1])
    for number, weight in enumerate(seen, start=1):
        kept = min(decay, (1 + number) / (10 + number))
        mean = kept * mean + (1 - kept) * weight
    torch.testing.assert_close(unet.net.segmentation_head[0].weight.detach(), mean, atol=1e-5, rtol=1e-4)
    assert not unet.training


def test_it_sees_the_windows_of_every_epoch_from_the_first_on(trained, monkeypatch):
    seen = []
    step = UnetTask.training_step

    def noted(self, batch, index):
        seen.append(batch["number"].tolist())
        return step(self, batch, index)

    monkeypatch.setattr(UnetTask, "training_step", noted)
    trained(0.9)
    assert seen[:5] == [[0, 1], [2, 3], [10, 11], [12, 13], [20, 21]]


def test_its_rate_rises_and_then_falls_to_nothing_over_its_time():
    assert share_of_peak(0) == 0 and share_of_peak(1) < 1e-9
    assert share_of_peak(0.025) == 0.5
    assert max(share_of_peak(number / 1000) for number in range(1001)) == share_of_peak(0.05) == 1
    assert abs(share_of_peak(0.525) - 0.5) < 1e-9
