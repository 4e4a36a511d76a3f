"""What `glofgeo export` refuses, and what it leaves alone."""

import sys

import pytest
import torch
from torch import nn

import glofgeo.models.onnx as exporter
from glofgeo import cli
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import export_onnx

# A window that is no multiple of 14, and a position embedding stored for another size than it.
CONFIG = TrainConfig(model=ModelConfig("tiny", image_size=70), data=DataConfig(window=128))
WINDOW = 126


def test_what_cannot_be_written_is_told_before_the_work(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("exported before looking"))
    (tmp_path / "file").write_text("")
    with pytest.raises(GlofgeoError, match="cannot write the model"):
        export_onnx(loaded, tmp_path / "file" / "model.onnx")


def test_more_weights_than_a_file_holds_are_refused(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "_LARGEST", 1000)
    with pytest.raises(GlofgeoError, match="one ONNX file holds 2"):
        export_onnx(loaded, tmp_path / "model.onnx")


def test_exporting_leaves_the_model_as_it_was(loaded):
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    other = exporter._for_window(loaded.model, WINDOW)
    x = torch.rand(1, 4, WINDOW, WINDOW)
    with torch.inference_mode():
        assert torch.equal(other(x), loaded.model(x))
    assert all(torch.equal(before[name], tensor) for name, tensor in loaded.model.state_dict().items())
    assert loaded.model.config == CONFIG.model
    assert isinstance(loaded.model.encoder.vit.pos_embed, nn.Parameter)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "nothing.safetensors"], "nothing.safetensors: no such file"),
        (["--format", "tflite"], "tflite"),
        (["--format", "fgb"], "give --lakes FILE"),
        (["--format", "mlm", "--lakes", "lakes.gpkg"], "--format mlm exports a model"),
        (["--format", "fgb", "--lakes", "lakes.gpkg"], "lakes.gpkg: no such file"),
    ],
)
def test_wrong_commands_end_in_one_line(monkeypatch, capsys, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["glofgeo", "export", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
