import pytest
import torch
from torch import nn

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.windows import plan_windows
from glofgeo.models import build_model, export_onnx, load_checkpoint, load_onnx, members_of, save_checkpoint
from glofgeo.models.checkpoint import describe_header
from glofgeo.training.task import LakeTask
from glofgeo.training.validation import GroundPlan

MODEL = ModelConfig("tiny", image_size=28, decoder_channels=(32, 16, 16, 8, 8), members=3)
CONFIG = TrainConfig(model=MODEL, data=DataConfig(window=56), weights="none", lr=1e-3)


def committee():
    torch.manual_seed(0)
    model = build_model(MODEL)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    model.train()(0.4 * torch.rand(4, 4, 56, 56))
    return model.eval()


def batch(seed=0):
    image = torch.rand(2, 4, 28, 28, generator=torch.Generator().manual_seed(seed))
    return {"image": image, "mask": (image[:, 0] > 0.7).byte()}


@torch.inference_mode()
def test_members_differ_and_their_mean_logit_is_the_answer():
    model, x = committee(), torch.rand(2, 4, 45, 61)
    answers = [member(x) for member in members_of(model)]
    assert len(answers) == 3
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[1], answers[2])
    torch.testing.assert_close(model(x), (answers[0] + answers[1] + answers[2]) / 3)


def test_each_member_is_trained_as_if_it_were_alone():
    torch.manual_seed(0)
    task = LakeTask(build_model(MODEL), CONFIG, [GroundPlan(0, 0, 0, plan_windows((28, 28), 28, 0))])
    task.augment = nn.Module()
    task.augment.forward = lambda *pair: pair
    task.log = lambda *args, **words: None
    task.training_step(batch(), 0).backward()
    for member in members_of(task.model):
        together = {name: p.grad.clone() for name, p in member.named_parameters() if p.grad is not None}
        member.zero_grad()
        seen = batch()
        task.loss(member(seen["image"]), seen["mask"]).backward()
        alone = {name: p.grad for name, p in member.named_parameters() if p.grad is not None}
        assert together.keys() == alone.keys()
        assert all(torch.allclose(together[name], alone[name], atol=1e-6) for name in alone)


def test_every_parameter_of_every_member_learns():
    task = LakeTask(build_model(MODEL), CONFIG, [GroundPlan(0, 0, 0, plan_windows((28, 28), 28, 0))])
    task._trainer = type("Trainer", (), {"estimated_stepping_batches": 10})()
    groups = task.configure_optimizers()["optimizer"].param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in task.model.parameters())


@torch.inference_mode()
def test_a_checkpoint_holds_all_members_and_says_how_many(tmp_path):
    model, x = committee(), torch.rand(1, 4, 56, 56)
    save_checkpoint(tmp_path / "c.safetensors", model, CONFIG, {})
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    assert torch.equal(loaded.model(x), model(x))
    assert "3 times DINOv2 tiny" in describe_header(loaded)


@torch.inference_mode()
def test_an_exported_committee_answers_as_in_torch(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", committee(), CONFIG, {})
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    export_onnx(loaded, tmp_path / "c.onnx")
    x = torch.rand(2, 4, 56, 56)
    found = torch.from_numpy(load_onnx(tmp_path / "c.onnx")(x.numpy()))
    torch.testing.assert_close(found, loaded.model(x).sigmoid()[:, 0], atol=1e-4, rtol=1e-4)


def test_no_members_is_refused():
    with pytest.raises(GlofgeoError, match=r"--model\.members 0: give 1 or more"):
        ModelConfig("tiny", members=0)
