"""The stream gives what a whole-image computation gives, for any size, window and reading offset."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window
from scipy.special import expit, logit

from datasets_def import open_scene
from glofgeo.inference import stream
from glofgeo.inference.batches import Batcher
from glofgeo.inference.blend import RollingBlend
from glofgeo.inference.stream import Area, stream_probability
from glofgeo.inference.windows import plan_windows
from glofgeo.mapping.skip_dry import may_hold_water


class Sink(list):
    """Keeps what is added."""

    def add(self, first_row, values):
        self.append((first_row, values))


class Mask:
    def __init__(self, wanted):
        self.wanted = wanted

    def rows(self, first, count):
        return self.wanted[first : first + count]


def whole(scene, plan):
    return Area(scene, Window(0, 0, plan.shape[1], plan.shape[0]), plan)


def collect(area, infer, temperature=1.0, **more):
    strips, seen, done = Sink(), Sink(), []
    batcher = Batcher(infer, 3, temperature)
    stream_probability(area, batcher, [strips], read=[seen], advance=done.append, **more)
    return strips, [(first, strip.dn) for first, strip in seen], done


@settings(max_examples=30)
@given(st.data())
def test_a_pointwise_model_gives_its_answer_at_every_observed_pixel(tmp_path, write_raster, monkeypatch, data):
    monkeypatch.setattr(stream, "READ_ROWS", data.draw(st.sampled_from([7, 32, 1024])))
    rows, cols = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    array = np.random.default_rng(rows * 100 + cols).integers(1, 10000, (4, rows, cols)).astype(np.uint16)
    array[:, : rows // 3, : cols // 2] = 0
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    shape = data.draw(st.integers(1, rows - row)), data.draw(st.integers(1, cols - col))
    size = data.draw(st.integers(2, 50))
    plan = plan_windows(shape, size, data.draw(st.integers(0, size - 1)))
    strips, seen, done = collect(Area(scene, Window(col, row, *shape[::-1]), plan), lambda batch: batch[:, 1].copy())

    part = array[:, row : row + shape[0], col : col + shape[1]]
    expected = np.where((part == 0).any(0), 255, np.rint(part[1] / 100.0)).astype(int)
    assert [first for first, _ in strips] == np.cumsum([0, *(len(s) for _, s in strips[:-1])]).tolist()
    result = np.concatenate([strip for _, strip in strips]).astype(int)
    assert result.shape == shape
    assert ((result == 255) == (expected == 255)).all()
    assert np.abs(result - expected).max() <= 1
    np.testing.assert_array_equal(np.concatenate([numbers for _, numbers in seen], 1), part)
    assert sum(done) == len(plan)


def test_windows_without_an_observed_pixel_are_not_inferred(tmp_path, write_raster):
    array = np.full((4, 40, 120), 3000, np.uint16)
    array[:, :, :60] = 0
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    asked = []

    def infer(batch):
        asked.append(len(batch))
        return batch[:, 0].copy()

    mask = np.zeros((40, 120), bool)
    mask[:, :100] = True
    area = Area(scene, Window(0, 0, 120, 40), plan_windows((40, 120), 20, 0), Mask(mask))
    strips, _, _ = collect(area, infer)
    assert sum(asked) == 2 * 2
    result = np.concatenate([strip for _, strip in strips])
    assert (result[:, :60] == 255).all()
    assert (result[:, 60:100] == 30).all()
    assert (result[:, 100:] == 255).all()


def place_dependent(batch):
    """An answer that differs with the place in the window, but not when the window is turned by 180 degrees."""
    side = batch.shape[-1]
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / side
    return (batch[:, 1] * 0.6 + np.add.outer(ramp, ramp) * 0.4).astype(np.float32)


def whole_image(image, plan):
    """The blend in one piece and in double precision, each window weighted by a pyramid over it."""
    total, weight = np.zeros(plan.shape), np.zeros(plan.shape)
    down, across = (np.minimum(np.arange(n) + 1, n - np.arange(n)) for n in (plan.height, plan.width))
    for top in plan.tops:
        for left in plan.lefts:
            part = (slice(top, top + plan.height), slice(left, left + plan.width))
            around = [(0, 0), *((s.start, plan.window - s.stop) for s in plan.on_grid)]
            window = np.pad(image[:, *part], around, mode="reflect")[None]
            total[part] += place_dependent(window)[0][plan.on_grid].astype(np.float64) * np.outer(down, across)
            weight[part] += np.outer(down, across)
    return total / weight


@st.composite
def scenes_and_plans(draw):
    rows, cols, window = draw(st.integers(1, 120)), draw(st.integers(1, 120)), draw(st.integers(4, 60))
    plan = plan_windows((rows, cols), window, draw(st.integers(0, window // 2)))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(1, 10000, (4, rows, cols)).astype(np.uint16), plan


def percent_of(path, array, plan, write_raster):
    scene = open_scene(write_raster(path, array, scale=1e-4))
    strips, _, _ = collect(whole(scene, plan), place_dependent)
    return np.concatenate([strip for _, strip in strips]).astype(int)


@given(scenes_and_plans())
def test_the_stream_equals_the_blend_of_the_whole_image(tmp_path, write_raster, case):
    array, plan = case
    expected = whole_image(array.astype(np.float32) / 10000, plan) * 100
    result = percent_of(tmp_path / "scene.tif", array, plan, write_raster)
    # Half a percent is rounded; what is left is the difference in precision.
    assert np.abs(result - expected).max() <= 0.5 + 1e-2


@given(scenes_and_plans())
def test_a_scene_turned_upside_down_gives_the_map_turned_upside_down(tmp_path, write_raster, case):
    array, plan = case
    for starts, side, size in ((plan.tops, plan.shape[0], plan.height), (plan.lefts, plan.shape[1], plan.width)):
        # With an odd number of pixels to share, one window in the middle stands a pixel off.
        assume(all(a + b == side - size for a, b in zip(starts, reversed(starts), strict=True)))
    assume(all((plan.window - size) % 2 == 0 for size in (plan.height, plan.width)))
    upright = percent_of(tmp_path / "scene.tif", array, plan, write_raster)
    turned = percent_of(tmp_path / "turned.tif", array[:, ::-1, ::-1], plan, write_raster)
    assert np.abs(upright - turned[::-1, ::-1]).max() <= 1
    assert (upright == turned[::-1, ::-1]).mean() > 0.99


@given(scenes_and_plans(), st.integers(0, 100))
def test_a_constant_answer_is_that_constant_everywhere(tmp_path, write_raster, case, percent):
    array, plan = case
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    blended = []
    blend = RollingBlend(plan)
    for row in range(len(plan.tops)):
        for col in range(len(plan.lefts)):
            blend.add(row, col, np.full((plan.height, plan.width), percent / 100, np.float32))
        blended.append(blend.finish(row))
    assert np.abs(np.concatenate(blended) - percent / 100).max() <= 1e-5
    strips, _, _ = collect(
        whole(scene, plan), lambda batch: np.full((len(batch), *batch.shape[2:]), percent / 100, np.float32)
    )
    assert (np.concatenate([strip for _, strip in strips]) == percent).all()


@given(scenes_and_plans(), st.floats(0.3, 4))
def test_the_blended_probability_is_calibrated(tmp_path, write_raster, case, temperature):
    array, plan = case
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    strips, _, _ = collect(whole(scene, plan), place_dependent, temperature)
    blended = whole_image(array.astype(np.float32) / 10000, plan)
    expected = 100 * expit(logit(blended) / temperature)
    assert np.abs(np.concatenate([strip for _, strip in strips]) - expected).max() <= 0.5 + 2e-2


def test_windows_that_hold_no_water_are_land_and_not_inferred(tmp_path, write_raster):
    array = np.full((4, 40, 120), 500, np.uint16)
    array[3] = 4000
    array[3, 20, 90] = 300
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, scale=1e-4))
    asked = []

    def infer(batch):
        asked.append(len(batch))
        return np.full((len(batch), *batch.shape[2:]), 0.8, np.float32)

    area = whole(scene, plan_windows((40, 120), 40, 0))
    strips, _, done = collect(area, infer, worth=lambda image: may_hold_water(image, scene.bands))
    result = np.concatenate([strip for _, strip in strips])
    assert (sum(asked), sum(done)) == (1, 3)
    assert (result[:, :80] == 0).all()
    assert (result[:, 80:] == 80).all()


def test_not_a_number_in_a_raster_stays_where_it_is(tmp_path, write_raster):
    array = np.full((4, 30, 30), 0.2, np.float32)
    array[2, 10, 10] = np.nan
    scene = open_scene(write_raster(tmp_path / "scene.tif", array, nodata=None, scale=1.0))

    def mean_of_the_window(batch):
        return np.broadcast_to(batch.mean((1, 2, 3))[:, None, None], batch[:, 0].shape).copy()

    strips, _, _ = collect(whole(scene, plan_windows((30, 30), 30, 0)), mean_of_the_window)
    result = np.concatenate([strip for _, strip in strips])
    assert result[10, 10] == 255
    assert np.count_nonzero(result == 255) == 1
    assert (np.delete(result.ravel(), 310) == 20).all()
