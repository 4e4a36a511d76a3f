"""The recipe of the bundled model, shortened: it makes a model that maps, and goes on where it stopped."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from glofgeo.models import load_model

RECIPE = Path(__file__).parents[1] / "benchmarks" / "bundled_recipe.py"
SHORT = ("--per-kind", "3", "--size", "64", "--crops", "16")


def start_recipe(out):
    return subprocess.Popen(
        [sys.executable, RECIPE, "--out", out, *SHORT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def run_recipe(out):
    with start_recipe(out) as recipe:
        _, errors = recipe.communicate()
    return subprocess.CompletedProcess(recipe.args, recipe.returncode, stderr=errors)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recipe that was killed in its first epoch, and started again."""
    out = tmp_path_factory.mktemp("recipe")
    with start_recipe(out) as killed:
        while not (out / "first" / "config.yaml").exists():
            assert killed.poll() is None
            time.sleep(0.02)
        killed.kill()
    assert not (out / "first.safetensors").exists()
    done = run_recipe(out)
    assert done.returncode == 0, done.stderr
    return out


def test_a_short_recipe_makes_a_model_of_float16_that_answers(made):
    path = made / "lakes.safetensors"
    assert path.stat().st_size <= 15e6
    model = load_model(path)
    answer = model.predict(np.full((1, 4, 56, 56), 0.1, np.float32))
    assert answer.shape == (1, 56, 56)
    assert ((answer >= 0) & (answer <= 1)).all()


def test_worlds_that_are_there_are_not_drawn_again(made):
    scene = made / "scenes" / "alps_2.tif"
    before, other = scene.stat().st_mtime_ns, made / "scenes" / "karst_2.tif"
    other.unlink()
    assert run_recipe(made).returncode == 0
    assert other.exists()
    assert scene.stat().st_mtime_ns == before
