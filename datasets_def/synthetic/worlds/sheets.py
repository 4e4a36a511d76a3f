"""Images of one surface: the middle of a large lake, an ice cap or a snow field, where no shore tells which it is."""

import zlib
from dataclasses import replace

import numpy as np

from datasets_def.synthetic.terrain import PIXEL_M, Floats, step_at
from datasets_def.synthetic.worlds.air import draw_air, draw_sun, light_ground, look_through, sense
from datasets_def.synthetic.worlds.ground import FROZEN, Painter
from datasets_def.synthetic.worlds.materials import BANDS_UM, MATERIALS
from datasets_def.synthetic.worlds.shape import waves
from datasets_def.synthetic.worlds.waters import draw_water
from datasets_def.synthetic.worlds.world import HIDDEN, WATER, World

WET = 0.35
"""Share of the images that is water."""
_FROZEN = 0.6  # of the land
_SHADED = {True: 0.05, False: 0.3}  # of the images, wholly: lakes lie low, and few are wide and in shadow
_BARE = tuple(set(MATERIALS) - set(FROZEN) - {"lake ice", "asphalt", "roofs", "fields", "cloud"})


def draw_sheet(seed: int, size: int = 504) -> World:
    """Draws an image all of water, or all of land; the same seed and size give the same image.

    Args:
        seed: of everything that is drawn.
        size: rows and columns.
    """
    rng = np.random.default_rng((zlib.crc32(b"sheet"), seed))
    pixel_m = 10.0 if rng.random() < 0.6 else float(rng.uniform(10, 30))
    wet = bool(rng.random() < WET)
    sun = draw_sun(rng)
    air = draw_air(rng, size, sun, pixel_m)
    if rng.random() < _SHADED[wet]:
        air = replace(air, shade=np.ones_like(air.shade))
    water = np.full((size, size), wet, np.float32)
    height = np.float32(10 ** rng.uniform(-1.0, 1.6)) * waves(rng, size, rng.uniform(60, 400), 4, 2.2)
    rho = _water(rng, size) if wet else _land(rng, size)
    rho, light = light_ground(rng, rho, height * np.float32(PIXEL_M / pixel_m), water, sun, air)
    image = sense(rng, look_through(rng, rho, air))
    cover = np.full((size, size), WATER if wet else 255, np.uint8)
    return World(image, (water > 0) & (air.cloud < HIDDEN), pixel_m, cover, light, height, sun)


def _land(rng: np.random.Generator, size: int) -> Floats:
    """Paints one material, and sometimes another of its kind in soft patches: `(4, size, size)` reflectance."""
    kind = FROZEN if rng.random() < _FROZEN else sorted(_BARE)
    painter = Painter(rng, size)
    first, second = rng.choice(kind, 2)
    painter.paint(first)
    if rng.random() < 0.4:
        patches = waves(rng, size, rng.uniform(50, 500), rng.uniform(4, 40), 1.6)
        painter.paint(second, step_at(patches, rng.uniform(0, 2), rng.uniform(0.2, 1.5)))
    return painter.reflectance


def _water(rng: np.random.Generator, size: int) -> Floats:
    """Mixes two waters in plumes, under waves and glint: `(4, size, size)` reflectance."""
    clear, brown = rng.uniform(-0.05, 1.1), float(rng.choice([0.1, 0.4, 0.95]))
    first, second = (draw_water(rng, clear, brown).deep[:, None, None] for _ in range(2))
    plume = step_at(waves(rng, size, 500, rng.uniform(10, 100)), rng.uniform(-1, 2), rng.uniform(0.3, 2.0))
    drift = np.exp(10 ** rng.uniform(-2.5, -1.0) * waves(rng, size, 120, rng.uniform(1.5, 10), 1.4))
    glint = 10 ** rng.uniform(-2.5, -1.5) * (BANDS_UM / 0.49) ** -rng.uniform(-0.3, 1.0) * (rng.random() < 0.4)
    return np.asarray((first + plume * rng.random() * (second - first)) * drift + glint[:, None, None], np.float32)
