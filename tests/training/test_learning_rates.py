from itertools import pairwise

import pytest
import torch

from glofgeo.config import ModelConfig
from glofgeo.models import build_model
from glofgeo.training.task import parameter_groups, schedule


def rates_of(steps, warmup):
    """The rate of every step, as a share of its peak."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler, rates = schedule(optimizer, steps, warmup), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_every_parameter_is_in_one_group_of_the_right_rate_and_decay():
    model = build_model(ModelConfig(variant="tiny", registers=4))
    groups = parameter_groups(model, 1e-3, 1e-4)
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    names = dict(model.named_parameters())
    assert sum(len(group["params"]) for group in groups) == len(of) == len(names)

    def rate_and_decay(name):
        return of[id(names[name])]["lr"], of[id(names[name])].get("weight_decay")

    assert rate_and_decay("encoder.vit.blocks.3.mlp.fc1.weight") == (1e-4, None)
    assert rate_and_decay("encoder.vit.blocks.12.mlp.fc1.weight") == (1e-3, None)
    assert rate_and_decay("encoder.vit.blocks.12.ls1.gamma") == (1e-3, 0.0)
    assert rate_and_decay("encoder.vit.blocks.3.norm1.weight") == (1e-4, 0.0)
    for name in ("pos_embed", "cls_token", "reg_token", "patch_embed.proj.bias"):
        assert rate_and_decay(f"encoder.vit.{name}") == (1e-4, 0.0)
    assert rate_and_decay("encoder.stem.half_res.0.weight") == (1e-3, None)
    assert rate_and_decay("head.0.weight") == (1e-3, None)


def test_the_rate_rises_then_falls_to_nothing():
    rates = rates_of(100, 0.1)
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == 1.0
    assert all(a >= b for a, b in pairwise(rates[9:])) and rates[-1] < 1e-3
    assert rates_of(1, 0.0) == [1.0]
