"""Names in scripts that Matplotlib's font lacks."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def boxes_for_missing_glyphs() -> Iterator[None]:
    """Draws a box for what the font lacks, as a Chinese name, and says nothing: nobody can do anything about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from", category=UserWarning)
        yield
