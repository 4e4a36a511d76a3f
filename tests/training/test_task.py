"""What a training step draws."""

import itertools

import pytest
import torch

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.models import build_model
from glofgeo.training.task import LakeTask, schedule

MODEL = ModelConfig("tiny", extra_blocks=0, image_size=28, decoder_channels=(8, 8, 8, 8, 8), stem_channels=(4, 8))


@pytest.fixture
def augmented(monkeypatch):
    """Gives the images that a step makes of one batch, for a seed, a step and a process."""

    def images(seed, step, rank):
        task = LakeTask(build_model(MODEL), TrainConfig(model=MODEL, weights="none", seed=seed))
        monkeypatch.setattr(LakeTask, "global_step", property(lambda self: step))
        monkeypatch.setattr(LakeTask, "global_rank", property(lambda self: rank))
        monkeypatch.setattr(LakeTask, "log", lambda self, *args, **more: None)
        made = []
        task.augment.register_forward_hook(lambda module, given, changed: made.append(changed[0]))
        image = torch.rand(2, 4, 28, 28, generator=torch.Generator().manual_seed(0))
        task.training_step({"image": image, "mask": (image[:, 0] > 0.5).byte()}, 0)
        return made[0]

    return images


def test_every_seed_step_and_process_draws_its_own_light_and_turns(augmented):
    cases = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    drawn = [augmented(*case) for case in cases]
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(drawn, 2))
    assert torch.equal(augmented(0, 1, 1), drawn[-1])  # so that a resumed run draws what the whole run drew


def test_the_rate_falls_without_a_step_from_the_end_of_the_warm_up():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler, rates = schedule(optimizer, 110, 10 / 110), []
    for _ in range(110):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[9] == rates[10] == pytest.approx(1)
    assert rates[60] == pytest.approx(0.5)
    assert max(abs(one - other) for one, other in itertools.pairwise(rates[10:])) < 0.02
