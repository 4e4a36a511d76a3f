"""What a training starts from."""

import dataclasses

import pytest
import torch
from rich.console import Console

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, load_checkpoint, save_checkpoint
from glofgeo.models.bundled import bundled_model
from glofgeo.presets import load_preset
from glofgeo.settings import from_dict
from glofgeo.training.adapt import adapt
from glofgeo.training.start import start_model
from glofgeo.training.task import parameter_groups

QUIET = Console(quiet=True)
MODEL = ModelConfig("tiny", image_size=28)


@pytest.mark.parametrize("weights", ["none", "auto"])
def test_keeping_pretrained_weights_that_are_not_there_is_refused(weights):
    with pytest.raises(GlofgeoError, match="tune frozen keeps pretrained weights"):
        start_model(TrainConfig(model=MODEL, weights=weights, tune="frozen"), QUIET)


def test_a_share_of_weights_that_are_no_whole_model_is_refused():
    with pytest.raises(GlofgeoError, match="no whole trained network") as refusal:
        start_model(TrainConfig(model=MODEL, weights="none", start_share=0.5), QUIET)
    assert refusal.value.argument == "start_share"


def test_published_weights_do_not_get_logarithms():
    with pytest.raises(GlofgeoError, match="logarithms"):
        start_model(TrainConfig(model=dataclasses.replace(MODEL, log_input=True), weights="dinov2"), QUIET)


@pytest.mark.parametrize("tune", ["full", "frozen", "lora"])
def test_from_the_bundled_model_training_starts_with_its_answers(tune):
    own = load_checkpoint(bundled_model())
    config = from_dict(TrainConfig, load_preset("finetune"), "finetune")
    model, started = start_model(dataclasses.replace(config, tune=tune), QUIET)
    assert started.weights == "bundled" and started.model == own.config.model
    adapt(model, started)
    image = torch.rand(1, 4, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.eval()(image), own.model(image))
    parameter_groups(model, config.lr, config.encoder_lr, config.layer_decay)
    learned = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learned == {"encoder", "decoder", "fuse", "head"}


def test_a_checkpoint_of_the_same_network_is_taken_whole_and_of_another_its_encoder(tmp_path):
    loaded = load_checkpoint(bundled_model())
    file = tmp_path / "mine.safetensors"
    save_checkpoint(file, loaded.model, loaded.config, {})
    config = dataclasses.replace(loaded.config, weights=str(file))
    model, _ = start_model(config, QUIET)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), loaded.model.parameters(), strict=True))
    other = dataclasses.replace(config.model, decoder_channels=(64, 48, 32, 16, 16))
    model, _ = start_model(dataclasses.replace(config, model=other), QUIET)
    name = "encoder.vit.blocks.0.attn.qkv.weight"
    assert torch.equal(model.get_parameter(name), loaded.model.get_parameter(name))


def test_settings_that_start_from_the_bundled_model_have_its_network(tmp_path):
    own = load_checkpoint(bundled_model()).config
    file = tmp_path / "mine.yaml"
    file.write_text("weights: bundled\nepochs: 3\nmodel: {variant: tiny}\ndata: {crops: 9}\n")
    given = [load_preset("finetune"), load_preset(weights="bundled"), load_preset(str(file))]
    named, default, mine = (from_dict(TrainConfig, values, "") for values in given)
    assert named == default
    assert named.model == mine.model == own.model
    assert (mine.epochs, mine.data.crops, mine.lr) == (3, 9, TrainConfig().lr)
    assert from_dict(TrainConfig, load_preset("large", "bundled"), "").lr == TrainConfig().lr
    assert load_preset("finetune", "none").get("model") is None
    assert load_preset() == load_preset("large") == {}


def test_settings_that_start_from_a_run_have_its_network(tmp_path):
    loaded = load_checkpoint(bundled_model())
    network = dataclasses.replace(loaded.config.model, wide_view=1)
    own = build_model(network)
    own.load_state_dict(loaded.model.state_dict())
    file = tmp_path / "best.safetensors"
    save_checkpoint(file, own, dataclasses.replace(loaded.config, model=network), {})
    settings = from_dict(TrainConfig, load_preset(weights=str(file)) | {"weights": str(file)}, "")
    assert settings.model == network
    assert settings.start_share == from_dict(TrainConfig, load_preset("finetune"), "").start_share > 0
    model, _ = start_model(settings, QUIET)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), loaded.model.parameters(), strict=True))


def test_other_networks_than_the_bundled_one_are_refused():
    with pytest.raises(GlofgeoError, match="the bundled model has") as refusal:
        start_model(TrainConfig(weights="bundled"), QUIET)
    assert refusal.value.argument.startswith("model.")
