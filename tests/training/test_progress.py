"""What a terminal shows of a training."""

import io
from types import SimpleNamespace

from rich.console import Console

from glofgeo.training.progress import EpochBar


def test_the_bar_counts_epochs_from_one_and_fits_a_terminal_of_80_columns():
    bar = EpochBar(Console(file=io.StringIO()))
    trainer = SimpleNamespace(current_epoch=0, max_epochs=1000, num_training_batches=123_456, num_val_batches=[98_765])
    bar.on_train_start(trainer, None)
    shown = []
    for begin, step in (
        (bar.on_train_epoch_start, bar.on_train_batch_end),
        (bar.on_validation_epoch_start, bar.on_validation_batch_end),
    ):
        begin(trainer, None)
        for _ in range(1000):
            step(trainer, None, None, None, 0)
        terminal = Console(file=io.StringIO(), width=80)
        terminal.print(bar._bar.get_renderable())
        shown.append(terminal.file.getvalue().rstrip())
    bar.on_train_end(trainer, None)
    training, validating = shown
    assert training.startswith("epoch 1/1000 ") and "1000/123456" in training
    assert validating.startswith("epoch 1/1000, validating ") and "1000/98765" in validating
    assert all(len(line) <= 80 and "\n" not in line for line in shown)
