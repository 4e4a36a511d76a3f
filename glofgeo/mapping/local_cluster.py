"""Dask workers on this machine: one a GPU, or as many as cores and memory carry."""

import logging
import os

import dask.config
import psutil
import torch
from distributed import Nanny, Scheduler, SpecCluster

from glofgeo.inference.batches import choose_device


def local_cluster(device: str, scenes: int, worker_bytes: int) -> SpecCluster:
    """Starts a scheduler and workers of one thread each, which end with it.

    Args:
        device: `auto`, `cpu`, `cuda` or `mps`.
        scenes: how many there are to map; more workers are not started.
        worker_bytes: memory that a worker needs.

    Raises:
        GlofgeoError: If the device is not there.
    """
    if choose_device(device).type == "cuda":
        own: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": name} for name in _gpus()[:scenes]]
    else:
        cores = os.cpu_count() or 1
        fit = int(psutil.virtual_memory().available // worker_bytes)
        count = max(1, min(cores, fit, scenes))
        own = [{"OMP_NUM_THREADS": str(cores // count)} for _ in range(count)]
    quiet = {"silence_logs": logging.CRITICAL}  # one bar is enough
    workers = {
        # Dask's own limit on memory would end a worker that needs more for a moment.
        number: {"cls": Nanny, "options": {"nthreads": 1, "memory_limit": 0, "env": environment, **quiet}}
        for number, environment in enumerate(own)
    }
    # A killed worker starts anew; Dask gives it up after 15 s, which a busy machine needs for the imports alone.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "600s"})
    # By default Dask's workers give freed memory back at once, and a network asks for it anew at every layer, which
    # more than doubles the system time of a scene.
    dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}}
    return SpecCluster(workers=workers, scheduler=scheduler, silence_logs=logging.CRITICAL)


def _gpus() -> list[str]:
    """Names GPUs as CUDA does, from among those that this process may use."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return allowed.split(",") if allowed else [str(number) for number in range(torch.cuda.device_count())]
