"""The STAC item of a model: valid by the schema of the model extension, its bands declared, its links relative."""

import json
import shutil

import pytest

from datasets_def.bands import BANDS
from glofgeo.errors import GlofgeoError
from glofgeo.models import read_header
from glofgeo.models.bundled import bundled_model
from glofgeo.models.mlm import model_item, write_model_item


def load(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("which", ["checkpoint", "bundled"])
def test_items_are_valid(which, checkpoint, tmp_path, stac_faults):
    model = checkpoint if which == "checkpoint" else bundled_model()
    write_model_item(model, tmp_path / "model.json")
    item = load(tmp_path / "model.json")
    assert item["stac_extensions"][0].endswith("/mlm/v1.5.2/schema.json")
    assert stac_faults(item) == []


def test_onnx_answers_with_probability(checkpoint, stac_faults):
    item = model_item(read_header(checkpoint), {"href": "./best.onnx"}, onnx=True)
    assert stac_faults(item) == []
    assert (item["properties"]["mlm:framework"], item["properties"]["mlm:output"][0]["name"]) == ("ONNX", "probability")


@pytest.mark.parametrize("broken", ["mlm:input", "mlm:tasks", "bands"])
def test_the_schema_can_tell(checkpoint, stac_faults, broken):
    item = model_item(read_header(checkpoint), {"href": "./best.safetensors"}, onnx=False)
    del item["properties"][broken]
    assert stac_faults(item)


def test_every_input_band_is_declared(checkpoint):
    """The schema lets unknown names pass."""
    said = model_item(read_header(checkpoint), {"href": "./best.safetensors"}, onnx=False)["properties"]
    assert said["mlm:input"][0]["bands"] == [band["name"] for band in said["bands"]]
    assert said["mlm:input"][0]["bands"] == list(read_header(checkpoint).config.model.bands)
    assert {band["name"] for band in said["bands"]} <= set(BANDS)
    assert len(said["bands"]) == said["mlm:input"][0]["input"]["shape"][1]


def test_the_dimension_of_bands_is_called_so_where_bands_are_listed(checkpoint):
    # A rule of the model extension since 1.5, which the earlier schema that the tests use does not know.
    said = model_item(read_header(checkpoint), {"href": "./best.safetensors"}, onnx=False)["properties"]
    for side, structure in (("mlm:input", "input"), ("mlm:output", "result")):
        for each in said[side]:
            assert ("bands" in each[structure]["dim_order"]) == ("bands" in each)


@pytest.mark.parametrize("torch", ["2.15.0+cu132", "2.16.0.dev20261101", "2.9.0a0+git", "unknown", None])
def test_any_version_of_torch_will_do(checkpoint, stac_faults, torch):
    card = read_header(checkpoint)
    card.provenance["versions"] = {"torch": torch} if torch else {}
    assert stac_faults(model_item(card, {"href": "./best.safetensors"}, onnx=False)) == []


def test_the_item_finds_the_file_and_names_no_place_of_the_machine(checkpoint, tmp_path):
    (tmp_path / "runs").mkdir()
    model = shutil.copy(checkpoint, tmp_path / "runs" / "best.safetensors")
    write_model_item(model, tmp_path / "items" / "model.json")
    text = (tmp_path / "items" / "model.json").read_text()
    assert json.loads(text)["assets"]["model"]["href"] == "../runs/best.safetensors"
    assert str(tmp_path) not in text


def test_something_else_in_its_place_stays(checkpoint, tmp_path):
    path = tmp_path / "best.json"
    path.write_text('{"thesis": "years"}')
    with pytest.raises(GlofgeoError, match=r"best\.json"):
        write_model_item(checkpoint, path)
    assert path.read_text() == '{"thesis": "years"}'
