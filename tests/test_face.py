"""glofgeo from a notebook: nothing slow to import, nothing printed, nothing left behind."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest

import glofgeo
from datasets_def import open_scene
from glofgeo.errors import GlofgeoError

# What a cell may find changed after a map: the streams, loggers, warnings, and GDAL's options.
CELL = """
import json, logging, os, sys, warnings
import rasterio
import pyogrio
from rasterio._env import get_gdal_config

def state():
    known = {"": logging.getLogger()} | logging.Logger.manager.loggerDict
    loggers = {name: (log.level, log.disabled, len(log.handlers)) for name, log in known.items()
               if isinstance(log, logging.Logger)}
    options = {name: get_gdal_config(name) for name in ("GDAL_CACHEMAX", "GDAL_NUM_THREADS", "OGR_CURRENT_DATE")}
    options["pyogrio"] = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    return {"loggers": loggers, "options": options, "show": warnings.showwarning is SHOW}

SHOW = warnings.showwarning
import glofgeo
# Whatever other libraries do when they are imported is theirs.
import torch, segmentation_models_pytorch, geopandas, matplotlib.figure, scipy.ndimage, PIL.Image
glofgeo.map_scene, glofgeo.evaluate
before = state()
found = glofgeo.map_scene(sys.argv[1], sys.argv[2])
after = state()
after["loggers"] = {name: after["loggers"][name] for name in before["loggers"]}
assert before == after, (before, after)
print(json.dumps([len(found.lakes), repr(found), os.listdir(), os.listdir(os.environ["TMPDIR"])]))
"""


def test_a_cell_that_maps_prints_nothing_changes_nothing_and_leaves_nothing(product, checkpoint, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-c", CELL, str(product[0]), str(checkpoint)]
    environment = {"TMPDIR": str(tmp_path / "temporary"), "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path / "here", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    count, told, here, temporary = json.loads(line)
    assert told.startswith(f"<LakeMap {product[0].stem}: {count} lake") and "% observed" in told
    # Torch makes a folder of its own there.
    assert (here, [name for name in temporary if not name.startswith("torch")]) == ([], [])


def test_importing_it_imports_nothing_else():
    code = (
        "import sys; before = {*sys.modules}; import glofgeo; glofgeo.__version__; dir(glofgeo)\n"
        "print(sorted({name.split('.')[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['glofgeo']"


def test_every_name_is_there():
    for name in glofgeo.__all__:
        assert getattr(glofgeo, name) is not None
    assert set(glofgeo.__all__) <= set(dir(glofgeo))
    with pytest.raises(AttributeError, match="melt"):
        glofgeo.melt  # noqa: B018


@pytest.fixture(scope="module")
def kept(product, checkpoint, tmp_path_factory):
    return glofgeo.map_scene(str(product[0]), str(checkpoint), out=str(tmp_path_factory.mktemp("kept") / "maps"))


def test_a_map_is_the_same_with_and_without_a_folder(product, checkpoint, kept):
    scene = open_scene(product[0])
    held = glofgeo.map_scene(scene, glofgeo.load_model(checkpoint))
    assert held.folder is None
    assert kept.folder == kept.folder.parent / scene.id and (kept.folder / "lakes.gpkg").is_file()
    for found in (held, kept):
        assert found.grid == scene.grid
        assert found.probability.shape == found.mask.shape == scene.shape
        assert found.lakes.crs == scene.crs
    np.testing.assert_array_equal(held.probability, kept.probability)
    np.testing.assert_array_equal(held.mask, kept.mask)
    assert held.lakes.equals(kept.lakes)
    assert ((held.mask == 255) == ~scene.valid()).all()
    again = glofgeo.read_map(str(kept.folder))
    assert again.lakes.equals(kept.lakes) and again.record == kept.record


def test_a_map_says_what_it_found_on_a_line(kept):
    assert kept._repr_html_().count("\n") == repr(kept).count("\n") == 0
    assert f"{len(kept.lakes)} lake" in kept._repr_html_()
    assert f"{kept.lakes.area_m2.sum() / 1e6:.3g} ± " in repr(kept)


def test_xarray_gets_rasters_with_coordinates_or_the_remedy_is_told(kept, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "xarray", None)
        with pytest.raises(GlofgeoError, match="pip install xarray"):
            kept.to_xarray()
    pytest.importorskip("xarray")
    found = kept.to_xarray()
    np.testing.assert_array_equal(found.mask, kept.mask)
    np.testing.assert_array_equal(found.probability, kept.probability)
    left, _, _, top = kept.grid.bounds
    assert (found.x[0], found.y[0]) == (left + 5, top - 5)
    assert float(found.x[-1]) == kept.grid.bounds[2] - 5
    assert kept.grid.crs.to_wkt() == found.spatial_ref.attrs["crs_wkt"]


def test_wrong_input_is_one_kind_of_error_and_names_no_flag(product, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (
        lambda: glofgeo.map_scene(product[0], "nothing.safetensors"),
        lambda: glofgeo.map_scene("nothing.SAFE", checkpoint),
        lambda: glofgeo.map_scene(product[0], checkpoint, aoi="atlantis"),
        lambda: glofgeo.map_scene(product[0], checkpoint, device="mps"),
        lambda: glofgeo.read_map(tmp_path),
    ):
        with pytest.raises(GlofgeoError) as told:
            call()
        assert "--" not in str(told.value)
        assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_what_was_mapped_is_logged_for_those_who_listen(product, checkpoint, caplog):
    with caplog.at_level(logging.INFO, "glofgeo"):
        glofgeo.map_scene(product[0], checkpoint)
    assert [record.name for record in caplog.records] == ["glofgeo.mapping.scene"]
    assert "% observed" in caplog.text
