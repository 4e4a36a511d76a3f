"""What Lightning and torch change in a process, and a training changes back."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

import torch
from lightning.pytorch.utilities.seed import isolate_rng

_LOUD = ("lightning.pytorch", "lightning.fabric")


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """Silences what Lightning says to developers, and restores loggers, warnings, random numbers, precision, variables.

    Silenced are device tips, worker counts, and its own products; restored are also the state of all random number
    generators, float32 precision of matrix products, and environment variables.
    """
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels, precision = [logger.level for logger in loggers], torch.get_float32_matmul_precision()
    variables = dict(os.environ)
    try:
        with warnings.catch_warnings(), isolate_rng():
            warnings.filterwarnings("ignore", module="lightning")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            torch.set_float32_matmul_precision("high")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.set_float32_matmul_precision(precision)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
