"""The model that comes with glofgeo: it is there, it is small, and it goes by its name."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import glofgeo
from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import load_model, read_header
from glofgeo.models.bundled import bundled_card, bundled_model, require_network


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A folder without runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_one_small_file_of_the_package_with_a_card():
    assert bundled_model().parent.parent.parent.name == "glofgeo"
    assert bundled_model().stat().st_size <= 15e6
    assert "Himalayan glacial lakes is unmeasured" in bundled_card()


def test_it_reads_the_default_bands_and_answers():
    model = load_model("bundled")
    assert (model.name, model.bands, model.runtime) == ("bundled", ("B02", "B03", "B04", "B08"), "torch")
    answer = model.predict(np.full((1, 4, 56, 56), 0.1, np.float32))
    assert np.isfinite(answer).all() and answer.min() >= 0 and answer.max() <= 1


def test_its_name_means_it_whatever_file_is_called_so(nowhere, checkpoint):
    (nowhere / "bundled").mkdir()
    assert load_model("bundled").sha256 == load_model(bundled_model()).sha256 == read_header(bundled_model()).sha256
    (nowhere / "bundled").rmdir()
    shutil.copy(checkpoint, nowhere / "bundled")
    assert load_model("bundled").sha256 == read_header(bundled_model()).sha256


def test_a_notebook_maps_without_any_model(nowhere, write_raster):
    scene = write_raster(nowhere / "scene.tif", np.full((4, 96, 96), 1800, np.uint16), scale=1e-4)
    found = glofgeo.map_scene(scene)
    assert found.record["model"] == glofgeo.load_model().name == "bundled"
    assert found.record["checkpoint_sha256"] == read_header(bundled_model()).sha256
    assert found.mask.shape == (96, 96)


def test_its_weights_fit_its_own_network_only():
    own = read_header(bundled_model()).config.model
    require_network(own)
    other = {"variant": "small", "log_input": not own.log_input, "extra_blocks": own.extra_blocks + 1}
    for name, value in other.items():
        with pytest.raises(GlofgeoError, match=f"model.{name} {value}: the bundled model has ") as refusal:
            require_network(replace(own, **{name: value}))
        assert refusal.value.argument == f"model.{name}"
    with pytest.raises(GlofgeoError, match="the bundled model has"):
        require_network(ModelConfig())
