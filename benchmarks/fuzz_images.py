"""Harms the image files and the manifest of a product; see `fuzz_products.py`."""

import shutil
from pathlib import Path
from random import Random

from fuzz_case import flip


def image(rng: Random, product: Path) -> Path:
    """One of the image files that are read."""
    return rng.choice(sorted(product.rglob("*.jp2")))


def flip_jp2(rng: Random, product: Path) -> str:
    """Changes bytes behind the header."""
    path = image(rng, product)
    content = path.read_bytes()
    path.write_bytes(flip(rng, content, start=rng.choice([0, 400]), end=len(content) - 2, most=30))
    return path.name


def truncate_jp2(rng: Random, product: Path) -> str:
    """Cuts an image."""
    path = image(rng, product)
    content = path.read_bytes()
    path.write_bytes(content[: rng.choice([0, 1, 100, rng.randrange(len(content) - 2)])])
    return path.name


def swap_bands(rng: Random, product: Path) -> str:
    """Swaps two bands of one resolution."""
    (a,), (b,) = product.rglob("*_B02*.jp2"), product.rglob("*_B03*.jp2")
    first = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(first)
    return "B02 and B03"


def take_jp2(other: Path, rng: Random, product: Path) -> str:
    """Takes an image of another product, the same band."""
    band = rng.choice(["B02", "B03"])
    (source,), (target,) = other.rglob(f"*_{band}*.jp2"), product.rglob(f"*_{band}*.jp2")
    shutil.copy(source, target)
    return f"{band} of {other.name}"


def wrong_resolution(rng: Random, product: Path) -> str:
    """Puts a band of 10 m where one of 20 m belongs."""
    (source,), (target,) = product.rglob("*_B02*.jp2"), product.rglob("*_B8A*.jp2")
    shutil.copy(source, target)
    return "B02 as B8A"


def lose_jp2(rng: Random, product: Path) -> str:
    """Removes an image, or what is in it."""
    path = image(rng, product)
    if rng.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(b"")
    return path.name


def break_manifest(rng: Random, product: Path) -> str:
    """Cuts or changes the manifest."""
    path = product / "manifest.safe"
    content = path.read_bytes()
    path.write_bytes(flip(rng, content, most=40) if rng.random() < 0.5 else content[: rng.randrange(len(content) - 9)])
    return "manifest"
