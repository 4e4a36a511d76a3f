"""A short run of `benchmarks/fuzz.py`, which harms inputs of every kind and compares what is read with the truth."""

from dataclasses import replace
from pathlib import Path

import pytest
from rasterio.windows import Window


@pytest.fixture
def fuzz(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import fuzz

    return fuzz


@pytest.mark.filterwarnings("ignore")
def test_hostile_inputs_are_refused_read_rightly_or_told(fuzz):
    results = fuzz.run(64, 3)
    assert [line for kind, _, verdict, line in results if verdict != "slow" and fuzz.is_failure(kind, verdict)] == []
    assert {verdict for _, _, verdict, _ in results} >= {"refused", "right", "told", "silent"}
    assert fuzz.table(results)[-1].startswith("- ")


def test_a_wrong_reading_is_noticed(fuzz, product):
    from datetime import timedelta

    from fuzz_case import Truth, compare, read_scene

    bands = ("B03", "B08")
    found = read_scene(product[0], bands)
    truth = Truth.of(found)
    assert compare(found, truth) == ""
    assert "reflectance off by 0.1" in compare(replace(found, image=found.image + 0.1), truth)
    assert "seen pixels lost" in compare(replace(found, valid=found.valid & False), truth)
    assert "pixels more" in compare(replace(found, valid=found.valid | True), truth)
    moved = replace(found.scene, grid=found.scene.grid.window(Window(0.1, 0, 96, 96)))
    assert "transform" in compare(replace(found, scene=moved), truth)
    assert "time" in compare(found, replace(truth, when=truth.when + timedelta(days=2)))
