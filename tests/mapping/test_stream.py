"""The stream gives what a whole-image computation gives, for any size, window and reading offset."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from datasets_def import open_scene
from glofgeo.mapping import stream
from glofgeo.mapping.stream import Area, stream_probability
from glofgeo.mapping.windows import plan_windows


def collect(scene, area, plan, infer, batch_size=3):
    strips, seen, done = [], [], []
    stream_probability(
        scene, area, plan, infer, batch_size,
        lambda row, strip: strips.append((row, strip)), lambda row, strip: seen.append((row, strip[0])), done.append,
    )  # fmt: skip
    return strips, seen, done


@settings(max_examples=30)
@given(st.data())
def test_a_pointwise_model_gives_its_answer_at_every_observed_pixel(tmp_path, write_raster, monkeypatch, data):
    monkeypatch.setattr(stream, "_READ_ROWS", data.draw(st.sampled_from([7, 32, 1024])))
    rows, cols = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    array = np.random.default_rng(rows * 100 + cols).integers(1, 10000, (4, rows, cols)).astype(np.uint16)
    array[:, : rows // 3, : cols // 2] = 0
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    shape = data.draw(st.integers(1, rows - row)), data.draw(st.integers(1, cols - col))
    size = data.draw(st.integers(2, 50))
    plan = plan_windows(shape, size, data.draw(st.integers(0, size - 1)))
    strips, seen, done = collect(scene, Area(Window(col, row, *shape[::-1])), plan, lambda batch: batch[:, 1])

    part = array[:, row : row + shape[0], col : col + shape[1]]
    expected = np.where((part == 0).any(0), 255, np.rint(part[1] / 100.0)).astype(int)
    assert [first for first, _ in strips] == np.cumsum([0, *(len(s) for _, s in strips[:-1])]).tolist()
    result = np.concatenate([strip for _, strip in strips]).astype(int)
    assert result.shape == shape
    assert ((result == 255) == (expected == 255)).all()
    assert np.abs(result - expected).max() <= 1
    np.testing.assert_allclose(np.concatenate([image for _, image in seen], 1), part / 1e4, atol=1e-6)
    assert sum(done) == len(plan)


def test_windows_without_an_observed_pixel_are_not_inferred(tmp_path, write_raster):
    array = np.full((4, 40, 120), 3000, np.uint16)
    array[:, :, :60] = 0
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    asked = []

    def infer(batch):
        asked.append(len(batch))
        return batch[:, 0]

    mask = np.zeros((40, 120), bool)
    mask[:, :100] = True
    area = Area(Window(0, 0, 120, 40), lambda first, count: mask[first : first + count])
    strips, _, _ = collect(scene, area, plan_windows((40, 120), 20, 0), infer)
    assert sum(asked) == 2 * 2
    result = np.concatenate([strip for _, strip in strips])
    assert (result[:, :60] == 255).all()
    assert (result[:, 60:100] == 30).all()
    assert (result[:, 100:] == 255).all()
