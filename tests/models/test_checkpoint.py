import contextlib
import json
import math
import os
import re
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, load_checkpoint, read_header, save_checkpoint
from glofgeo.models.checkpoint import _sha256, describe_header

MODEL = ModelConfig("tiny", image_size=28, bands=("B08", "B03"), mean=(0.1, 0.2), std=(0.3, 0.4))
CONFIG = TrainConfig(model=MODEL, data=DataConfig(window=98), lr=1e-3)
PROVENANCE = {"aoi": "himalaya.geojson", "scenes": ["S2A_X"], "epoch": 7}
SCORECARD = {"iou": 0.71, "lakes": {"found": 12}}


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    return build_model(MODEL).eval()


@pytest.fixture
def path(tmp_path, trained):
    path = tmp_path / "runs" / "best.safetensors"
    save_checkpoint(path, trained, CONFIG, PROVENANCE, SCORECARD)
    return path


def rewrite(path, change):
    """Writes the checkpoint again with other metadata or tensors, as another program might."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(metadata, tensors)
    save_file(tensors, path, metadata)


@torch.inference_mode()
def test_round_trip_also_of_paths_in_strings(path, trained):
    save_checkpoint(str(path), trained, CONFIG, PROVENANCE, SCORECARD)
    loaded = load_checkpoint(str(path))
    assert (loaded.config, loaded.provenance, loaded.scorecard) == (CONFIG, PROVENANCE, SCORECARD)
    assert loaded.model.config == MODEL
    assert not loaded.model.training
    assert {p.device.type for p in loaded.model.parameters()} == {"cpu"}
    x = torch.rand(1, 2, 61, 45)
    assert torch.equal(loaded.model(x), trained(x))
    header = read_header(str(path))
    assert (header.config, header.sha256) == (CONFIG, loaded.sha256)


def test_a_loaded_model_can_be_trained_on(path):
    model = load_checkpoint(path).model.train()
    model(torch.rand(2, 2, 56, 56)).sum().backward()
    assert all(p.requires_grad for p in model.parameters())


def test_half_precision_models_are_stored_as_float32(tmp_path, trained):
    path = tmp_path / "half.safetensors"
    save_checkpoint(path, build_model(MODEL).to(torch.bfloat16), CONFIG, {})
    assert {t.dtype for t in load_file(path).values()} == {torch.float32, torch.int64}
    assert load_checkpoint(path).scorecard is None


def test_same_model_same_hash(tmp_path, path, trained):
    again = tmp_path / "again.safetensors"
    save_checkpoint(again, trained, CONFIG, PROVENANCE, SCORECARD)
    assert read_header(again).sha256 == read_header(path).sha256
    save_checkpoint(again, trained, CONFIG, {"epoch": 8}, SCORECARD)
    assert read_header(again).sha256 != read_header(path).sha256


def test_the_configuration_stored_is_the_models_own(tmp_path, trained):
    save_checkpoint(tmp_path / "c.safetensors", trained, TrainConfig(), {})
    assert read_header(tmp_path / "c.safetensors").config.model == MODEL


def test_nothing_else_is_left_in_the_folder(path):
    assert [file.name for file in path.parent.iterdir()] == ["best.safetensors"]


def test_a_failed_write_keeps_the_old_file(tmp_path, trained, monkeypatch):
    path = tmp_path / "best.safetensors"
    path.mkdir()
    with pytest.raises(GlofgeoError, match="cannot write"):
        save_checkpoint(path, trained, CONFIG, {})
    assert [file.name for file in tmp_path.iterdir()] == ["best.safetensors"]
    (tmp_path / "file").write_text("")
    with pytest.raises(GlofgeoError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "best.safetensors", trained, CONFIG, {})


def newer(metadata, tensors):
    metadata["glofgeo"] = json.dumps(json.loads(metadata["glofgeo"]) | {"format": 99})


def unknown_setting(metadata, tensors):
    header = json.loads(metadata["glofgeo"])
    header["config"]["model"]["flavour"] = "sweet"
    metadata["glofgeo"] = json.dumps(header)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"),
        (lambda p: p.write_text("<html><body>404</body></html>"), "web page"),
        (lambda p: p.write_text("plain text"), "neither safetensors nor"),
        (lambda p: torch.save({"a": torch.ones(1)}, p), "PyTorch file, not a glofgeo checkpoint"),
        (lambda p: save_file({"a": torch.ones(1)}, p), "not written by glofgeo"),
        (lambda p: os.truncate(p, p.stat().st_size - 1), "copy or download it again"),
        (lambda p: os.truncate(p, 1000), "cut short within its header"),
        (lambda p: rewrite(p, newer), "format 99, this glofgeo reads up to 1; update"),
        (lambda p: rewrite(p, unknown_setting), "unknown setting config.model.flavour"),
        (lambda p: rewrite(p, lambda m, t: m.update(glofgeo="{")), "header is damaged"),
        (lambda p: rewrite(p, lambda m, t: m.pop("sha256")), "header is damaged"),
        (lambda p: rewrite(p, lambda m, t: t["head.0.bias"].add_(1)), "bytes changed"),
        (lambda p: rewrite(p, lambda m, t: m.update(glofgeo=m["glofgeo"].replace("0.71", "0.91"))), "bytes changed"),
    ],
)
def test_each_refusal_names_the_file_and_the_remedy(path, damage, message):
    damage(path)
    with pytest.raises(GlofgeoError, match=message) as raised:
        load_checkpoint(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("head.0.bias"), "head.0.bias is missing"),
        (lambda tensors: tensors.update({"head.0.bias": torch.ones(3)}), r"head.0.bias should be \(1,\) and is \(3,\)"),
        (lambda tensors: tensors.update({"tail": torch.ones(3)}), "tail has no place"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, trained, monkeypatch, change, message):
    tensors = dict(trained.state_dict())
    change(tensors)
    path = tmp_path / "misfit.safetensors"
    odd = build_model(MODEL)
    monkeypatch.setattr(odd, "state_dict", lambda: tensors)
    save_checkpoint(path, odd, CONFIG, {})
    with pytest.raises(GlofgeoError, match=message):
        load_checkpoint(path)


def setting(**changes):
    """Changes what the header says: top-level values, and settings by their dotted path."""

    def change(metadata, tensors):
        header = json.loads(metadata["glofgeo"])
        for name, value in changes.items():
            *sections, last = name.split("__")
            place = header
            for section in sections:
                place = place[section]
            place[last] = value
        metadata["glofgeo"] = json.dumps(header)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((setting(temperature=value), "temperature") for value in (0, -1, math.nan, math.inf, "warm", None, True)),
        *((setting(pixel_m=value), "pixel_m") for value in (0, -10, 1e18, math.nan, math.inf, "ten", [10])),
        (setting(config__model__extra_blocks=100_000), "model.extra_blocks 100000: give a whole number from 0 to 48"),
        (setting(config__model__image_size=10**9), "model.image_size"),
        (setting(config__model__decoder_channels=[10**7] * 5), "model.decoder_channels"),
        (setting(config__model__decoder_channels=[8] * 4), "model.decoder_channels"),
        (setting(config__model__stem_channels=[16, -1]), "model.stem_channels"),
        (setting(config__model__variant="giant"), "model.variant giant: give tiny, small, base or large"),
        (setting(config__model__variant=["tiny"]), "model.variant"),
        (setting(config__model__bands=["B02", {}]), "model.bands"),
        (setting(config__model__bands=[["B02"]]), "model.bands"),
        (setting(config__model__mean=[math.nan, 0.1]), "model.mean"),
        (setting(config__model__std=[0, 0.1]), "model.std"),
        (setting(config__model=[]), "model is"),
        (setting(config=None), "config is None"),
        (setting(config__data__window=10**6), "data.window"),
        (setting(config__epochs=True), "epochs"),
        (setting(provenance="me"), "provenance"),
        (setting(scorecard=[1]), "scorecard"),
        (lambda m, t: m.update(sha256="\x1b[31m"), "header is damaged"),
        (lambda m, t: m.update(glofgeo="[" * 100_000), "header is damaged"),
        (lambda m, t: m.update(glofgeo='{"format": 1, ' + m["glofgeo"][1:]), "header is damaged"),
        (lambda m, t: m.update(glofgeo="5"), "header is damaged"),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused_before_anything_is_built(path, monkeypatch, change, message):
    rewrite(path, change)
    monkeypatch.setattr("glofgeo.models.checkpoint.build_model", lambda config: pytest.fail("built"))
    with pytest.raises(GlofgeoError, match=re.escape(message)) as raised:
        load_checkpoint(path)
    assert str(raised.value).startswith(str(path))
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2**25) + b"{" + bytes(2**25),
        struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995,
        struct.pack("<Q", 8) + b'{"\xff":1}',
        struct.pack("<Q", 14) + b'{"a":1,"a":{}}',
        struct.pack("<Q", 20) + b'{"__metadata__": [1]}',
        struct.pack("<Q", 9) + b'{"a":[1]}',
    ],
)
def test_a_safetensors_header_that_is_none_is_refused(tmp_path, header):
    (tmp_path / "a.safetensors").write_bytes(header)
    with pytest.raises(GlofgeoError, match="header"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_what_is_no_regular_file_is_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for name in (tmp_path / "pipe.safetensors", tmp_path, Path("/dev/zero")):
        with pytest.raises(GlofgeoError, match="give a weight file"):
            load_checkpoint(Path(name))


@torch.inference_mode()
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_another_precision_load_as_float32(path, trained, kind):
    def convert(metadata, tensors):
        tensors.update({name: t.to(kind) for name, t in tensors.items() if t.is_floating_point()})
        metadata["sha256"] = _sha256(metadata["glofgeo"], tensors)

    rewrite(path, convert)
    model = load_checkpoint(path).model
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32, torch.int64}
    x = torch.rand(1, 2, 56, 56)
    torch.testing.assert_close(model(x), trained(x), atol=0.05, rtol=0.05)


@st.composite
def plain(draw):
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    return draw(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))


def places(values, path=()):
    """Every path to a value within nested dictionaries and lists."""
    yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@given(data=st.data())
def test_any_value_anywhere_in_the_header_is_refused_or_describes_a_network(path, data):
    header = {"root": json.loads(safe_open(path, "pt").metadata()["glofgeo"])}
    *above, last = data.draw(st.sampled_from([("root", *place) for place in places(header["root"])]))
    place = header
    for key in above:
        place = place[key]
    place[last] = data.draw(plain())
    mutated = path.with_name("mutated.safetensors")
    save_file({}, mutated, {"glofgeo": json.dumps(header["root"]), "sha256": "0" * 64})
    with contextlib.suppress(GlofgeoError):
        told = read_header(mutated)
        assert 0.01 <= told.temperature <= 100
        assert ", ".join(told.config.model.bands) in describe_header(told)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_anywhere_is_noticed(path, trained, data):
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    # Half of the draws in the header: it is where damage could go unnoticed or unhandled.
    end = data.draw(st.sampled_from([header, len(content)]))
    at = data.draw(st.integers(0, end - 1))
    damaged = path.with_name("damaged.safetensors")
    flip = data.draw(st.integers(1, 255))
    damaged.write_bytes(content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
    try:
        loaded = load_checkpoint(damaged)
    except GlofgeoError:
        return
    # White space that pads the header means nothing, whatever it is.
    assert loaded.sha256 == read_header(path).sha256
    ours, theirs = loaded.model.state_dict(), trained.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
