"""The exported file answers as torch does, through ONNX Runtime and as Deepness feeds it."""

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

import glofgeo.models.onnx as exporter
from datasets_def.scene import open_scene
from datasets_def.synthetic.product import write_product
from glofgeo import cli
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.deepness_layer import write_stack
from glofgeo.models import Header, export_onnx, load_model, read_header, torch_predictor
from glofgeo.models.onnx_metadata import onnx_metadata
from glofgeo.models.onnx_runtime import open_session

# A window that is no multiple of 14, and a position embedding stored for another size than it.
CONFIG = TrainConfig(model=ModelConfig("tiny", image_size=70), data=DataConfig(window=128))
WINDOW = 126
# Far from 1, so that leaving it out, or dividing by it twice, shows.
TEMPERATURE = 1.7
COMMAND = Path(sys.executable).with_name("glofgeo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, product, opinionated):
    """What `glofgeo export` leaves, run as a shell would: it takes a while, so once for all tests."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copy(opinionated, folder)
    words = ["export", "--checkpoint", "best.safetensors", "--format", "onnx", "--scene", product[0], "--out", "out"]
    result = subprocess.run([COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2, result.stdout
    assert result.stderr == ""
    return folder


@pytest.fixture(scope="module")
def path(folder):
    return folder / "out" / "best.onnx"


@pytest.fixture(scope="module")
def predictor(path):
    return load_model(path)


@pytest.fixture(scope="module")
def session(path):
    return open_session(path)


@pytest.fixture(scope="module")
def metadata(session):
    return session.get_modelmeta().custom_metadata_map


@torch.inference_mode()
def probability(model, reflectance):
    return (model(torch.from_numpy(reflectance)) / TEMPERATURE).sigmoid()[:, 0].numpy()


def windows(scene, count):
    starts = [(0, 0), (174, 100), (90, 174)][:count]
    return np.stack([scene.read(Window(col, row, WINDOW, WINDOW)) for row, col in starts])


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_answer_as_torch(loaded, predictor, product, count):
    reflectance = windows(open_scene(product[0]), count)
    expected = probability(loaded.model, reflectance)
    answer = predictor.predict(reflectance)
    assert answer.dtype == np.float32
    assert answer.shape == (count, WINDOW, WINDOW)
    assert expected.std() > 0.05
    np.testing.assert_allclose(answer, expected, atol=1e-3)


def test_the_same_answer_as_torch_on_real_pixels(loaded, predictor, real_data):
    (path,) = (real_data / "scenes").glob("dolomites*.tif")
    reflectance = windows(open_scene(path, offset=-1000), 1)
    np.testing.assert_allclose(predictor.predict(reflectance), probability(loaded.model, reflectance), atol=1e-3)


def as_deepness_does(session, stack):
    """Reads a window of a layer and answers, with Deepness's own preprocessing in float32."""
    metadata = session.get_modelmeta().custom_metadata_map
    mean, std = (np.array(json.loads(metadata[f"standardization_{name}"]), np.float32) for name in ("mean", "std"))
    with rasterio.open(stack) as layer:
        digits = layer.read(window=Window(0, 0, WINDOW, WINDOW)).transpose(1, 2, 0)[None]
    tiles = (np.float32(digits * 1.0 / 255.0) - mean) / std
    (answer,) = session.run(None, {session.get_inputs()[0].name: tiles.transpose(0, 3, 1, 2)})
    return answer[:, 0]


def test_deepness_gets_the_same_answer_from_the_stack(loaded, session, folder, product):
    (stack,) = (folder / "out").glob("*.vrt")
    expected = probability(loaded.model, windows(open_scene(product[0]), 1))
    np.testing.assert_allclose(as_deepness_does(session, stack), expected, atol=1e-3)


def test_deepness_gets_the_same_answer_from_a_product_without_offset(loaded, session, tmp_path):
    product, _ = write_product(tmp_path, size=WINDOW + 6, seed=0, baseline="02.12")
    scene = open_scene(product)
    # Where nothing was recorded the numbers differ: Scene.read gives 0 there, a stack's 0 means -0.1.
    assert scene.load_dn(None, scene.bands).dn.all()
    expected = probability(loaded.model, windows(scene, 1))
    stack = write_stack(scene, tmp_path, scene.bands)
    np.testing.assert_allclose(as_deepness_does(session, stack), expected, atol=1e-3)


def test_deepness_finds_its_settings(metadata):
    names = json.loads(metadata["class_names"])
    assert names == {"0": "background", "1": "lake"}
    assert [int(key) for key in sorted(names)] == list(range(len(names)))
    assert str(json.loads(metadata["model_type"])).capitalize() == "Segmentor"
    assert float(json.loads(metadata["resolution"])) == 1000
    assert int(json.loads(metadata["tile_size"])) == int(json.loads(metadata["tiles_size"])) == WINDOW
    assert json.loads(metadata["tiles_overlap"]) == 50
    assert float(json.loads(metadata["seg_thresh"])) == 0.5
    assert int(json.loads(metadata["seg_small_segment"])) == 0
    assert len(json.loads(metadata["standardization_mean"])) == 4
    assert len(json.loads(metadata["standardization_std"])) == 4


def test_one_file_with_one_square_input_and_any_batch(path, session):
    assert {file.name for file in path.parent.iterdir() if file.suffix not in (".vrt", ".qml")} == {"best.onnx"}
    (entry,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (entry.type, entry.shape) == ("tensor(float)", ["batch", 4, WINDOW, WINDOW])
    assert (answer.type, answer.shape) == ("tensor(float)", ["batch", 1, WINDOW, WINDOW])


def test_nothing_is_padded_or_interpolated_but_the_decoders_maps(path):
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Resize") == len(CONFIG.model.decoder_channels)
    assert "Pad" not in kinds


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(path):
    assert str(Path(exporter.__file__).parent).encode() not in path.read_bytes()


def test_the_file_says_what_it_was_exported_from(loaded, predictor):
    assert predictor.card.config.model == replace(CONFIG.model, image_size=WINDOW)
    assert (predictor.window, predictor.temperature) == (WINDOW, 1)
    assert predictor.sha256 == loaded.sha256
    assert predictor.card.provenance == {"aoi": "himalaya"}
    assert predictor.card.scorecard == {"iou": 0.5}


@pytest.mark.parametrize("shape", [(1, 4, 112, 126), (1, 3, 126, 126), (4, 126, 126)])
def test_another_shape_is_refused(predictor, shape):
    with pytest.raises(GlofgeoError, match=r"this model takes float32 \(B, 4, 126, 126\)"):
        predictor.predict(np.zeros(shape, np.float32))


def write_anew(path, **changed):
    """Writes the file again with other metadata, as another program might."""
    model = onnx.load(path)
    entries = {entry.key: entry.value for entry in model.metadata_props} | changed
    onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
    onnx.save(model, path)


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: p.write_text("plain text"), "not an ONNX file"),
        (lambda p: p.write_bytes(b""), "not an ONNX file"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "cut short"),
        (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "cut short"),
        (lambda p: write_anew(p, glofgeo=None), "not exported by glofgeo"),
        (lambda p: write_anew(p, glofgeo="{"), "header is damaged"),
        (lambda p: write_anew(p, glofgeo='{"format": 99}'), "format 99, this glofgeo reads up to 1; update"),
        (lambda p: write_anew(p, glofgeo='{"format": 1}'), "header is damaged"),
        (lambda p: write_anew(p, glofgeo_sha256=None), "bytes changed"),
        (lambda p: write_anew(p, standardization_mean="[0, 0, 0, 0]"), "bytes changed"),
        (lambda p: flip(p, p.stat().st_size // 2), "bytes changed"),
    ],
)
def test_each_refusal_names_the_file_and_the_remedy(path, tmp_path, damage, message):
    copy = tmp_path / "model.onnx"
    shutil.copy(path, copy)
    damage(copy)
    with pytest.raises(GlofgeoError, match=message) as raised:
        load_model(copy).on()
    assert str(raised.value).startswith(str(copy))
    assert "\n" not in str(raised.value)


def test_a_checkpoint_is_no_onnx_file(folder, tmp_path):
    renamed = shutil.copy(folder / "best.safetensors", tmp_path / "best.onnx")
    with pytest.raises(GlofgeoError, match="not an ONNX file"):
        load_model(renamed)


def test_without_the_extra_its_name_is_told(monkeypatch, loaded, path, tmp_path):
    # What Python keeps for a module that cannot be imported.
    for name in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: load_model(path).on(), lambda: export_onnx(loaded, tmp_path / "model.onnx")):
        with pytest.raises(GlofgeoError, match="pip install onnx"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_failed_export_keeps_the_old_file(loaded, path, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(torch.onnx, "export", fail)
    old = Path(shutil.copy(path, tmp_path / "model.onnx"))
    with pytest.raises(GlofgeoError, match="No space left"):
        export_onnx(loaded, old)
    assert old.read_bytes() == path.read_bytes()
    assert list(tmp_path.iterdir()) == [old]


def test_onnxruntime_reads_it_without_glofgeo(path):
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map["glofgeo"]


def test_a_map_through_onnx_runtime_is_that_of_torch(tmp_path, product, loaded, predictor):
    scenes = [product[0]]
    of_torch = torch_predictor(loaded.model, replace(predictor.card, temperature=TEMPERATURE))
    map_scenes(scenes, of_torch, out=tmp_path / "torch")
    map_scenes(scenes, predictor, out=tmp_path / "onnx")
    percent = []
    for name in ("torch", "onnx"):
        with rasterio.open(tmp_path / name / product[0].stem / "probability.tif") as source:
            percent.append(source.read(1).astype(int))
    assert np.array_equal(percent[0] == 255, percent[1] == 255)
    assert percent[0][percent[0] != 255].std() > 5
    # Where windows overlap, one calibrates what it has blended and the other blends what it has calibrated.
    differences = np.abs(percent[0] - percent[1])
    assert (differences <= 1).mean() > 0.9, differences.max()
    assert differences.max() <= 5


def test_the_command_line_maps_and_describes_an_exported_model(tmp_path, product, path, monkeypatch, capsys):
    for words in (["map", "--scene", product[0], "--checkpoint", path, "--out", tmp_path / "maps"], ["info", path]):
        monkeypatch.setattr(sys, "argv", ["glofgeo", *map(str, words)])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    assert (tmp_path / "maps" / product[0].stem / "lakes.gpkg").exists()
    assert "B02, B03, B04, B08" in capsys.readouterr().out


def test_metadata_are_those_that_onnx_reads(path):
    assert onnx_metadata(path) == {prop.key: prop.value for prop in onnx.load(path).metadata_props}


@given(data=st.data())
def test_damaged_metadata_are_refused_or_still_a_header(path, tmp_path, data):
    props = [onnx.StringStringEntryProto(key=key, value=value) for key, value in onnx_metadata(path).items()]
    content = bytearray(onnx.ModelProto(ir_version=8, producer_name="me", metadata_props=props).SerializeToString())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[at] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    with contextlib.suppress(GlofgeoError):
        assert isinstance(read_header(damaged), Header)


def test_an_exported_header_that_cannot_be_meant_is_refused(path, tmp_path):
    header = json.loads(onnx_metadata(path)["glofgeo"])
    for name, value in (("temperature", 0), ("pixel_m", "ten"), ("sha256", 5), ("provenance", None)):
        copy = tmp_path / "model.onnx"
        shutil.copy(path, copy)
        write_anew(copy, glofgeo=json.dumps(header | {name: value}))
        with pytest.raises(GlofgeoError, match=r"model\.onnx.*(damaged|temperature|pixel_m|provenance)"):
            load_model(copy)
