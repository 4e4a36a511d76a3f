import copy
from itertools import pairwise

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from glofgeo import cli
from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.windows import plan_windows
from glofgeo.models import build_model, load_checkpoint
from glofgeo.training.adapt import LowRankLinear, adapt, layer_of, merged
from glofgeo.training.journal import Journal
from glofgeo.training.task import LakeTask, parameter_groups
from glofgeo.training.validation import AreaPlan

MODEL = ModelConfig("tiny", image_size=28, registers=4, decoder_channels=(32, 16, 16, 8, 8))
NEW = ("encoder.stem.", "encoder.levels.", "encoder.vit.blocks.12.", "decoder.", "fuse.", "head.")
LOW_RANK = (".down", ".up")


def config(**words):
    return TrainConfig(model=MODEL, weights="some.pth", lr=1e-3, encoder_lr=1e-4, **words)


def strong_model():
    """LayerScale at one, as after training: near zero, no fault within a block would show in the logits."""
    torch.manual_seed(0)
    model = build_model(MODEL)
    for block in model.encoder.blocks:
        nn.init.ones_(block.ls1.gamma)
        nn.init.ones_(block.ls2.gamma)
    return model


# Six windows of 28 pixels in a row: what validation looks at.
PLANS = [AreaPlan(0, 0, 0, plan_windows((28, 6 * 28), 28, 0))]


def adapted(model, settings):
    adapt(model, settings)
    return LakeTask(model, settings, PLANS)


def task_of(**words):
    return adapted(strong_model(), config(**words))


def batch(seed=0, size=28):
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 4, size, size, generator=draw)
    return {"image": image, "mask": (image[:, 0] > 0.7).byte()}


def step(task, steps=2):
    """Optimises as training does; gives the names of what changed."""
    before = copy.deepcopy(task.model.state_dict())
    optimizer = torch.optim.AdamW(parameter_groups(task.model, 1e-2, 1e-2, 0.9), weight_decay=0.05)
    for number in range(steps):
        optimizer.zero_grad()
        seen = batch(number)
        task.loss(task(seen["image"]), seen["mask"]).backward()
        optimizer.step()
    return {name for name, tensor in task.model.state_dict().items() if not torch.equal(tensor, before[name])}


@torch.inference_mode()
def answer(model):
    """Logits, and the tokens behind them, in which an untrained decoder hides most differences."""
    image = batch(9)["image"]
    return torch.cat([model.eval()(image).flatten(), model.encoder.tokens(image, (12,))[0].flatten()])


@pytest.mark.parametrize("tune", ["full", "frozen", "lora"])
def test_every_trainable_parameter_is_in_exactly_one_group(tune):
    model = task_of(tune=tune).model
    groups = parameter_groups(model, 1e-3, 1e-4, 0.8)
    dealt = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(dealt) == len(set(dealt))
    assert set(dealt) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            still = name.endswith((".bias", "gamma", "token", "pos_embed")) or "norm" in name or parameter.ndim == 1
            assert (of[id(parameter)].get("weight_decay") == 0.0) == still, name
            if name.startswith(NEW) or name.endswith(LOW_RANK):
                assert of[id(parameter)]["lr"] == 1e-3, name


def test_rates_fall_from_the_last_pretrained_block_to_the_embeddings():
    model = strong_model()
    groups = parameter_groups(model, 1e-3, 1e-4, 0.5)
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    rates = {name.removeprefix("encoder.vit."): rate[id(parameter)] for name, parameter in model.named_parameters()}
    upwards = [rates["pos_embed"]] + [rates[f"blocks.{number}.attn.qkv.weight"] for number in range(12)]
    assert all(above == pytest.approx(2 * below) for below, above in pairwise(upwards))
    assert rates["blocks.11.mlp.fc1.bias"] == rates["norm.weight"] == 1e-4
    for name in ("patch_embed.proj.weight", "cls_token", "reg_token"):
        assert rates[name] == rates["pos_embed"]


@pytest.mark.parametrize(
    ("weights", "rates"), [("none", [1e-3]), ("some.pth", [1e-4 * 0.5**layer for layer in range(12, -1, -1)] + [1e-3])]
)
def test_random_weights_train_at_one_rate(weights, rates):
    settings = TrainConfig(model=MODEL, weights=weights, lr=1e-3, encoder_lr=1e-4, layer_decay=0.5)
    task = adapted(build_model(MODEL), settings)
    trainer = lightning.Trainer(accelerator="cpu", max_steps=10, max_epochs=-1, logger=False)
    trainer.strategy.connect(task)
    task.trainer = trainer
    groups = task.configure_optimizers()["optimizer"].param_groups
    assert sorted({group["initial_lr"] for group in groups}) == pytest.approx(rates)


def test_a_parameter_nobody_thought_of_is_an_error():
    for name in ("encoder.vit.rope.freqs", "neck.0.weight", "encoder.extra.weight"):
        with pytest.raises(ValueError, match=name):
            layer_of(name, 12)


def test_a_frozen_transformer_neither_changes_nor_leaves_evaluation_mode():
    task = task_of(tune="frozen", drop_path=0.5)
    task.eval()
    task.train()
    encoder = task.model.encoder
    pretrained = [encoder.vit.patch_embed, encoder.vit.norm, *encoder.blocks[:12]]
    assert not any(inner.training for module in pretrained for inner in module.modules())
    assert encoder.blocks[12].drop_path1.training and task.model.decoder.training

    changed = step(task)
    assert all(name.startswith(NEW) for name in changed)
    assert {p.grad is None for module in pretrained for p in module.parameters()} == {True}
    left = {name for name, _ in task.model.named_parameters() if name.startswith(NEW)} - changed
    assert not left
    assert any(name.startswith("decoder.") and name.endswith("running_mean") for name in changed)


def test_low_rank_training_starts_as_the_plain_model_and_changes_no_pretrained_weight():
    plain = strong_model().to(memory_format=torch.channels_last)
    task = task_of(tune="lora", lora_rank=3, lora_alpha=6)
    assert torch.equal(answer(task.model), answer(plain))
    added = {name: p for name, p in task.model.named_parameters() if name.endswith(LOW_RANK)}
    assert len(added) == 12 * 2 * 2
    assert {min(parameter.shape) for parameter in added.values()} == {3}

    task.train()
    changed = step(task, steps=3)
    assert changed >= set(added)
    assert all(name.startswith(NEW) or name in added for name in changed)
    assert task.model.state_dict().keys() - added.keys() == plain.state_dict().keys()


def test_merged_weights_answer_as_the_low_rank_ones():
    task = task_of(tune="lora", lora_rank=4, lora_alpha=8)
    start = answer(task.model)
    for module in task.modules():
        if isinstance(module, LowRankLinear):
            nn.init.normal_(module.up, std=0.05)
    before = copy.deepcopy(task.model.state_dict())
    learned = answer(task.model)
    assert (learned - start).abs().mean() > 0.1
    plain = merged(task.model)
    torch.testing.assert_close(answer(plain), learned, rtol=1e-4, atol=1e-4)
    assert plain.state_dict().keys() == strong_model().state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.model.state_dict().items())


class Batches(lightning.LightningDataModule):
    def train_dataloader(self):
        return DataLoader([batch(seed) for seed in range(3)], batch_size=None)

    def val_dataloader(self):
        nothing = torch.zeros(2, dtype=torch.int)
        places = [[nothing, nothing, torch.tensor([2 * number, 2 * number + 1])] for number in range(3)]
        return DataLoader([batch(seed) | {"place": place} for seed, place in enumerate(places)], batch_size=None)


def fit(folder, task, epochs, resume=None):
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[
            Journal(folder, {}),
            ModelCheckpoint(folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True),
        ],
    )  # fmt: skip
    trainer.fit(task, datamodule=Batches(), ckpt_path=resume, weights_only=True)
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_a_low_rank_run_saves_plain_weights_goes_on_and_resumes(tmp_path):
    task = task_of(tune="lora")
    fit(tmp_path, task, 1)
    loaded = load_checkpoint(tmp_path / "best.safetensors")
    torch.testing.assert_close(answer(loaded.model), answer(task.model), rtol=1e-4, atol=1e-4)
    assert loaded.config.tune == "lora"
    step(task.train(), steps=1)

    torch.manual_seed(5)
    resumed = adapted(build_model(MODEL), config(tune="lora"))
    trainer = fit(tmp_path, resumed, 2, tmp_path / "last.ckpt")
    assert trainer.global_step == 2 * 3
    kept, now = strong_model().state_dict(), resumed.model.state_dict()
    assert torch.equal(now["encoder.vit.blocks.5.attn.qkv.weight"], kept["encoder.vit.blocks.5.attn.qkv.weight"])
    assert now["encoder.vit.blocks.5.attn.qkv.up"].any()


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_gradient_checkpointing_changes_neither_loss_nor_gradient_but_keeps_less(tune):
    results, kept = [], []
    for grad_checkpoint in (False, True):
        task = task_of(tune=tune, drop_path=0.3, grad_checkpoint=grad_checkpoint)
        sizes: list[int] = []
        torch.manual_seed(1)

        def note(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = task.loss(task(batch(size=56)["image"]), batch(size=56)["mask"])
        loss.backward()
        kept.append(len(sizes))
        results.append([loss.detach(), *(p.grad for p in task.parameters() if p.requires_grad)])
    torch.testing.assert_close(results[0], results[1])
    assert kept[1] < 0.7 * kept[0]


def test_stochastic_depth_rises_to_the_last_block_and_rests_outside_training():
    task = task_of(drop_path=0.4)
    blocks = task.model.encoder.blocks
    for side in ("drop_path1", "drop_path2"):
        rates = [getattr(getattr(block, side), "drop_prob", 0.0) for block in blocks]
        assert rates == pytest.approx([0.4 * number / 12 for number in range(13)])
    assert torch.equal(answer(task.model), answer(strong_model().to(memory_format=torch.channels_last)))
    image = batch()["image"]
    task.train()
    tokens = [task.model.encoder.tokens(image, (12,))[0] for _ in range(2)]
    assert not torch.equal(*tokens)


def test_a_compiled_model_keeps_its_names():
    assert task_of(compile=True).model.state_dict().keys() == strong_model().state_dict().keys()


def test_flags_reach_the_configuration_and_nonsense_is_refused():
    words = "train --aoi x --tune lora --lora-rank 4 --lora-alpha 8 --layer-decay 0.8 --drop-path 0.1"
    _, bound, _ = cli.app.parse_args([*words.split(), "--grad-checkpoint", "--compile"], exit_on_error=False)
    expected = {"tune": "lora", "lora_rank": 4, "lora_alpha": 8.0, "layer_decay": 0.8, "drop_path": 0.1,
                "grad_checkpoint": True, "compile": True}  # fmt: skip
    assert {name: getattr(bound.arguments["settings"], name) for name in expected} == expected
    for wrong in ({"lora_rank": 0}, {"layer_decay": 0.0}, {"layer_decay": 1.1}, {"drop_path": 1.0}):
        with pytest.raises(GlofgeoError, match=next(iter(wrong))):
            config(**wrong)


def test_the_low_rank_part_is_scaled_by_alpha_over_rank():
    plain = nn.Linear(5, 3)
    layer = LowRankLinear(plain, rank=4, alpha=8)
    nn.init.normal_(layer.up)
    x = torch.randn(7, 5)
    torch.testing.assert_close(layer(x), plain(x) + 2 * x @ layer.down.T @ layer.up.T)
    torch.testing.assert_close(layer.merged(), plain.weight + 2 * layer.up @ layer.down)
