"""The U-Net that a model has to beat is given what the model was given."""

from itertools import islice

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from glofgeo.training.baseline import _endless, _share


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
