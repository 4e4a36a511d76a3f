"""A model is one value, whatever runs it."""

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import ComparisonUnet, load_checkpoint, load_model, read_header, torch_predictor

REFLECTANCE = np.random.default_rng(0).random((2, 4, 126, 126), np.float32)


class Brightness(torch.nn.Module):
    """Answers with the logit of the first band."""

    config = ModelConfig("tiny", image_size=56)

    def forward(self, reflectance):
        return torch.logit(reflectance[:, :1])


def test_a_checkpoint_is_its_card_and_its_answer(checkpoint):
    model = load_model(str(checkpoint))
    assert model.card == read_header(checkpoint)
    assert (model.bands, model.window) == (("B02", "B03", "B04", "B08"), 126)
    assert (model.temperature, model.sha256) == (model.card.temperature, model.card.sha256)
    loaded = load_checkpoint(checkpoint)
    with torch.inference_mode():
        expected = loaded.model(torch.from_numpy(REFLECTANCE))[:, 0].sigmoid().numpy()
    for answer in (model.predict(REFLECTANCE), model.on("cpu")(REFLECTANCE)):
        assert (answer.dtype, answer.shape) == (np.float32, (2, 126, 126))
        np.testing.assert_allclose(answer, expected, atol=1e-5)
    assert load_model(model) is model


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (REFLECTANCE[:, :3], r"\(2, 3, 126, 126\).*give B02, B03, B04, B08"), (REFLECTANCE[0], r"\(4, 126, 126\)"),
        (REFLECTANCE[:0], r"\(0, 4, 126, 126\)"), (REFLECTANCE.astype(np.float64), "float64"),
        (REFLECTANCE.astype(np.uint16), "uint16"), (torch.from_numpy(REFLECTANCE), "Tensor"),
        (REFLECTANCE.tolist(), "list"), (np.where(REFLECTANCE > 0.999, np.float32("nan"), REFLECTANCE), "NaN"),
    ],
    ids=["bands", "dimensions", "empty", "float64", "DN", "tensor", "list", "NaN"],
)  # fmt: skip
def test_what_a_model_cannot_answer_is_refused_in_words(checkpoint, given, told):
    with pytest.raises(GlofgeoError) as refusal:
        load_model(checkpoint).predict(given)
    assert re.search(told, str(refusal.value)) and "reflectance" in str(refusal.value)


def test_a_turned_window_is_answered(checkpoint):
    model, turned = load_model(checkpoint), REFLECTANCE[:, :, ::-1]
    np.testing.assert_array_equal(model.predict(turned), model.predict(turned.copy()))


def test_the_card_is_read_without_torch(checkpoint):
    code = (
        "import sys; from glofgeo.models.predictor import load_model\n"
        f"assert load_model({str(checkpoint)!r}).window == 126 and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_damage_to_the_weights_is_told_when_they_are_first_used(checkpoint, tmp_path):
    content = bytearray(checkpoint.read_bytes())
    content[-5] ^= 1
    (tmp_path / "best.safetensors").write_bytes(content)
    model = load_model(tmp_path / "best.safetensors")
    with pytest.raises(GlofgeoError, match="bytes changed"):
        model.predict(REFLECTANCE)


def test_networks_in_memory_are_told_apart():
    torch.manual_seed(0)
    config = ModelConfig("tiny", image_size=56)
    networks = [
        ComparisonUnet(config),
        ComparisonUnet(config),
        Brightness(),
        ComparisonUnet(replace(config, log_input=True)),
    ]
    predictors = [torch_predictor(network) for network in networks]
    assert len({predictor.sha256 for predictor in predictors}) == 4
    assert torch_predictor(networks[0]).sha256 == predictors[0].sha256
    assert {predictor.window for predictor in predictors} == {56}
    np.testing.assert_allclose(predictors[2].predict(REFLECTANCE), REFLECTANCE[:, 0], atol=1e-5)


def test_a_run_folder_stands_for_its_best_checkpoint(checkpoint, tmp_path):
    (tmp_path / "run").mkdir()
    best = tmp_path / "run" / "best.safetensors"
    best.write_bytes(checkpoint.read_bytes())
    assert load_model(tmp_path / "run").file == best


def test_the_newest_run_is_the_default(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_model().name == "bundled"
    for number, name in enumerate(("new", "old")):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        (run / "best.safetensors").write_bytes(checkpoint.read_bytes())

        os.utime(run / "best.safetensors", (1000 - number, 1000 - number))
    assert load_model().name == "runs/new/best.safetensors"
    (tmp_path / "runs" / "new" / "best.safetensors").write_bytes(b"cut off")
    os.utime(tmp_path / "runs" / "new" / "best.safetensors", (1000, 1000))
    with pytest.raises(GlofgeoError, match="the newest run: remove it, or name another model, such as bundled"):
        load_model()
