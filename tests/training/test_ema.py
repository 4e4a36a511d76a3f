"""What is validated and kept is the running mean of the weights."""

import copy

import pytest
import torch

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.models import build_model
from glofgeo.training.ema import RunningMean
from glofgeo.training.task import LakeTask


@pytest.fixture
def task():
    model = ModelConfig("tiny", image_size=56, decoder_channels=(16, 8, 8, 8, 8))
    config = TrainConfig(model=model, data=DataConfig(window=56), weights="none")
    return LakeTask(build_model(model), config)


def weights_of(task):
    return {name: value.clone() for name, value in task.model.state_dict().items()}


def step(mean, task, amount):
    """Moves every weight, as an optimiser would."""
    with torch.no_grad():
        for parameter in task.model.parameters():
            parameter += amount
    mean.on_train_batch_end(None, task)


def same(one, two):
    return all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_weights_that_stand_still_are_their_own_mean(task):
    mean = RunningMean(0.9)
    before = weights_of(task)
    mean.on_train_start(None, task)
    for _ in range(5):
        step(mean, task, 0.0)
    mean.on_validation_epoch_start(None, task)
    assert same(weights_of(task), before)


def test_validation_sees_the_mean_and_training_goes_on_from_the_weights(task):
    mean, start = RunningMean(0.5), weights_of(task)
    mean.on_train_start(None, task)
    expected, weight = 0.0, 0.0
    for number in range(1, 4):
        step(mean, task, 1.0)
        weight += 1.0
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weight
    name = next(iter(dict(task.model.named_parameters())))
    mean.on_validation_epoch_start(None, task)
    assert torch.allclose(task.model.state_dict()[name], start[name] + expected, atol=1e-5)
    mean.on_train_epoch_end(None, task)
    assert torch.allclose(task.model.state_dict()[name], start[name] + weight, atol=1e-5)


def test_validation_sees_the_start_with_its_share(task):
    mean, start = RunningMean(0.0, start_share=0.25), weights_of(task)
    mean.on_train_start(None, task)
    step(mean, task, 1.0)
    step(mean, task, 1.0)
    name = next(iter(dict(task.model.named_parameters())))
    for _ in range(2):  # what was put in has left no trace
        mean.on_validation_epoch_start(None, task)
        assert torch.allclose(task.model.state_dict()[name], start[name] + 1.5, atol=1e-5)
        mean.on_train_epoch_end(None, task)
        assert torch.allclose(task.model.state_dict()[name], start[name] + 2, atol=1e-5)


@pytest.mark.parametrize("start_share", [0.0, 0.5])
def test_its_state_goes_on_in_another_run(task, start_share):
    one, other = RunningMean(0.9, start_share), copy.deepcopy(task)
    one.on_train_start(None, task)
    for _ in range(3):
        step(one, task, 0.5)
    two = RunningMean(0.9, start_share)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    other.model.load_state_dict(task.model.state_dict())
    two.on_train_start(None, other)
    for mean, module in ((one, task), (two, other)):
        step(mean, module, 0.5)
        mean.on_validation_epoch_start(None, module)
    assert same(weights_of(task), weights_of(other))


def test_what_learns_is_averaged_and_batch_norms_statistics_with_it(task):
    for parameter in task.model.encoder.parameters():
        parameter.requires_grad_(False)
    mean = RunningMean(0.9)
    mean.on_train_start(None, task)
    assert not any(name.startswith("encoder.blocks") for name in mean.weights.mean)
    assert any(name.endswith("running_var") for name in mean.weights.mean)
