"""Batches: what memory does not hold is split, and nothing else changes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.batches import Batcher, auto_batch, choose_device, symmetric
from glofgeo.models import torch_predictor

FULL = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    "cpu": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes."),
    "numpy": MemoryError(),
}


def pictures(count, side=4):
    return np.random.default_rng(count).random((count, 2, side, side), np.float32)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20), st.sampled_from(list(FULL)))
def test_batches_that_memory_does_not_hold_are_split(count, size, room, kind):
    sizes = []

    def infer(batch):
        if len(batch) > room:
            raise FULL[kind]
        sizes.append(len(batch))
        return batch[:, 0].copy()

    batch = pictures(count)
    batcher = Batcher(infer, size)
    np.testing.assert_array_equal(batcher(batch), batch[:, 0])
    assert max(sizes) <= room
    assert batcher.size == size if size <= room or count <= room else batcher.size <= room
    # What was too much once is not tried again.
    before = len(sizes)
    np.testing.assert_array_equal(batcher(batch), batch[:, 0])
    assert all(taken <= min(size, room) for taken in sizes[before:])


def test_a_single_window_that_does_not_fit_is_told():
    def infer(batch):
        raise FULL["cpu"]

    with pytest.raises(GlofgeoError, match="single window"):
        Batcher(infer, 4)(pictures(3))


def test_other_faults_are_not_taken_for_a_lack_of_memory():
    def infer(batch):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Batcher(infer, 4)(pictures(3))


def test_a_model_that_answers_no_number_is_refused():
    with pytest.raises(GlofgeoError, match="not-a-number"):
        Batcher(lambda batch: np.full((len(batch), 4, 4), np.nan, np.float32), 2)(pictures(3))


def test_symmetries_are_averaged_over_each_once():
    batch = pictures(3, 6)
    weights = np.random.default_rng(0).random((6, 6)).astype(np.float32)

    def lopsided(batch):
        return batch[:, 0] * weights

    eight = [np.rot90(w, k) for w in (weights, weights[:, ::-1]) for k in range(4)]
    np.testing.assert_allclose(symmetric(lopsided)(batch), batch[:, 0] * np.mean(eight, 0), rtol=1e-5)


def test_probabilities_are_those_of_the_logits():
    class Logit(torch.nn.Module):
        config = ModelConfig("tiny", bands=("B03", "B08"), mean=(0.2, 0.2), std=(0.1, 0.1))

        def forward(self, x):
            return torch.logit(x[:, :1])

    batch = pictures(3)
    answer = torch_predictor(Logit()).predict(batch)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, batch[:, 0], atol=1e-5)


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        assert choose_device("cuda").type == "cuda"
    else:
        with pytest.raises(GlofgeoError, match="device cuda") as told:
            choose_device("cuda")
        assert told.value.argument == "device"
    assert choose_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("device", "window", "size"),
    [("cpu", 28, 64), ("cpu", 112, 4), ("cpu", 252, 1), ("cpu", 518, 1), ("cuda", 112, 342), ("cuda", 518, 16)],
)
def test_small_windows_go_through_the_model_together(device, window, size):
    assert auto_batch(torch.device(device), window) == size
