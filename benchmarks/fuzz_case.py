"""What a hostile case is, and how a scene is judged; see `fuzz.py`."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS

from datasets_def.scene import Scene, open_scene

# Kinds in which the change leaves no trace in any file, and why.
NO_FILE_TELLS: dict[str, str] = {}

NUMBERS = ("0", "-1", "nan", "inf", "-inf", "1e18", "-1e18", "1e-18", "", "many", "0x10", "1,5", "٣")


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        note: what was done to it.
        read: reads it through the public API.
        judge: tells what is wrong with what was read; empty if nothing is.
        words: what that says of itself.
        told: part of those words that makes a wrong reading a told one.
    """

    note: str
    read: Callable[[], Any]
    judge: Callable[[Any], str]
    words: Callable[[Any], str] = lambda found: ""
    told: str = ""


Kind = Callable[[Random, Path], Case]


@dataclass(frozen=True)
class Reading:
    """A scene as it was read."""

    scene: Scene
    image: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What a scene shows."""

    image: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    crs: CRS
    transform: Affine
    when: datetime

    @classmethod
    def of(cls, reading: Reading) -> "Truth":
        """Takes an unharmed scene's word."""
        scene = reading.scene
        assert scene.datetime
        return cls(reading.image, reading.valid, scene.crs, scene.transform, scene.datetime)


def read_scene(path: Path, bands: tuple[str, ...]) -> Reading:
    """Opens a scene and reads all of it."""
    scene = open_scene(path, bands)
    return Reading(scene, *scene.load())


def scene_case(note: str, path: Path, truth: Truth, bands: tuple[str, ...], told: str = "") -> Case:
    """A case of a scene that should be read as `truth` or not at all."""
    return Case(
        note, functools.partial(read_scene, path, bands), functools.partial(compare, truth=truth), describe, told
    )


def compare(found: Reading, truth: Truth) -> str:
    """Tells what differs: what is unknown (a time) is not wrong."""
    scene, wrong = found.scene, []
    if not re.fullmatch(r"[^/\\\x00-\x1f*?\[\]<>:|\"]{1,255}", scene.id) or scene.id in (".", ".."):
        wrong.append(f"id {scene.id!r}")
    if scene.crs != truth.crs:
        wrong.append(f"CRS {scene.crs}")
    if not scene.transform.almost_equals(truth.transform, 1e-6):
        wrong.append(f"transform {tuple(scene.transform)[:6]}")
    if scene.datetime is not None and abs((scene.datetime - truth.when).total_seconds()) > 86_400:
        wrong.append(f"time {scene.datetime}")
    if found.image.shape != truth.image.shape:
        return ", ".join([*wrong, f"shape {found.image.shape}"])
    if not np.isfinite(found.image).all():
        wrong.append("not finite")
    apart = np.abs(found.image - truth.image).max(axis=0)
    if (apart[found.valid & truth.valid] > 1e-4).any():
        wrong.append(f"reflectance off by {apart[found.valid & truth.valid].max():.3g}")
    if (found.valid & ~truth.valid).any():
        wrong.append(f"{(found.valid & ~truth.valid).sum()} pixels more than were seen")
    if (truth.valid & ~found.valid).any():
        wrong.append(f"{(truth.valid & ~found.valid).sum()} seen pixels lost")
    return ", ".join(wrong)


def describe(found: Reading) -> str:
    """The scene's own words."""
    return f"{found.scene.radiometry}; no data: {found.scene.missing}"


def change_digits(rng: Random, content: bytes) -> bytes:
    """Changes one to three digits into others: what is text stays well-formed."""
    changed = bytearray(content)
    places = [at for at, byte in enumerate(content) if 48 <= byte < 58]
    for at in rng.sample(places, min(len(places), rng.randint(1, 3))):
        changed[at] = 48 + (changed[at] - 48 + rng.randint(1, 9)) % 10
    return bytes(changed)


def flip(rng: Random, content: bytes, start: int = 0, end: int | None = None, most: int = 8) -> bytes:
    """Changes a few bytes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, most)):
        changed[rng.randrange(start, end or len(changed))] ^= rng.randint(1, 255)
    return bytes(changed)
