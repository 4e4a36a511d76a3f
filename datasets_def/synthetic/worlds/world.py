"""One world: its image as Sentinel-2 would see it, and where its lakes are."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from datasets_def.errors import GlofgeoError
from datasets_def.synthetic.terrain import PIXEL_M, Floats, step_at
from datasets_def.synthetic.worlds.air import draw_air, draw_sun, light_ground, look_through, sense
from datasets_def.synthetic.worlds.ground import MIXED, Ground, cover_ground
from datasets_def.synthetic.worlds.kinds import KINDS
from datasets_def.synthetic.worlds.materials import BANDS_UM, draw_spectrum
from datasets_def.synthetic.worlds.shape import Waters, build_shape, draw_banks, draw_rivers, place_waters, waves
from datasets_def.synthetic.worlds.waters import draw_water

WATER, HAZY = 253, 254
HIDDEN = 0.6
"""Opacity of cloud from which a lake below counts as not seen, hence as land."""


@dataclass(frozen=True)
class World:
    """An image and its lakes.

    Attributes:
        reflectance: `(4, H, W)` float32, B02, B03, B04, B08, 1.0 = 100 %.
        lake: `(H, W)` bool, at least half of the pixel is lake, seen through less than `HIDDEN` of cloud.
        pixel_m: side of a pixel in metres.
        cover: `(H, W)` uint8, the place in `MATERIALS` of what covers nine tenths of the pixel, `WATER` for lakes,
            `HAZY` below cloud and haze and in the shadow of clouds, `MIXED` elsewhere.
        light: `(H, W)` float32, direct sunlight relative to that on flat ground, 0 in shadow.
        height: `(H, W)` float32, elevation in metres; lakes are draped over it rather than level.
        sun: its zenith and azimuth in degrees, the latter clockwise from north, which is up.
    """

    reflectance: Floats
    lake: NDArray[np.bool_]
    pixel_m: float
    cover: NDArray[np.uint8]
    light: Floats
    height: Floats
    sun: tuple[float, float]


def draw_world(kind: str, seed: int, size: int = 504) -> World:
    """Draws a world; the same kind, seed and size give the same world.

    Args:
        kind: a name in `KINDS`.
        seed: of everything that is drawn.
        size: rows and columns.

    Raises:
        GlofgeoError: If there is no such kind.
    """
    if kind not in KINDS:
        raise GlofgeoError(f"{kind}: no kind of world", f"kinds: {', '.join(KINDS)}")
    rng = np.random.default_rng((zlib.crc32(kind.encode()), seed))
    traits = KINDS[kind]
    pixel_m = 10.0 if rng.random() < 0.6 else float(rng.uniform(10, 30))
    shape = build_shape(rng, traits, size, pixel_m)
    waters = place_waters(rng, traits, shape, pixel_m)
    river, gravel = (share * (1 - waters.share) for share in draw_rivers(rng, traits, shape, pixel_m))
    # One world in four is seen in winter or early summer.
    cold = rng.uniform(0.1, 1.0) if rng.random() < 0.25 else 0.0
    sun = draw_sun(rng)
    air = draw_air(rng, size, sun, pixel_m)
    banks = draw_banks(rng, traits, waters)
    ground = cover_ground(rng, traits, shape, gravel, banks, cold, sun[1])
    # The water that mines leave is mud.
    own = rng.uniform(-0.05, 0.35) if banks.any() and rng.random() < 0.6 else rng.uniform(*traits.clear)
    rho = _fill(rng, own, ground, waters, river, pixel_m, frozen=cold)
    rho, light = light_ground(rng, rho, shape.height * np.float32(PIXEL_M / pixel_m), waters.share, sun, air)
    image = sense(rng, look_through(rng, rho, air))
    cover = np.where(waters.share > 0, np.where(waters.share == 1, WATER, MIXED), ground.cover)
    cover = np.where((air.cloud > 0.05) | (air.shade > 0.05) | (air.veil > 0.05), HAZY, cover).astype(np.uint8)
    lake = (waters.share >= 0.5) & (air.cloud < HIDDEN)
    return World(image, lake, pixel_m, cover, light, shape.height, sun)


def _fill(
    rng: np.random.Generator,
    clear: float,
    ground: Ground,
    waters: Waters,
    river: Floats,
    pixel_m: float,
    *,
    frozen: float,
) -> Floats:
    """Fills the lakes with water, shallow at their shores, some with ice and icebergs; and the rivers."""
    size = len(river)
    rho = ground.reflectance
    # Where bogs drain into one lake, they drain into most.
    brown = float(rng.choice([0.1, 0.4, 0.95]))
    lakes = [draw_water(rng, clear, brown) for _ in range(waters.count + 1)]
    deep = np.array([lake.deep for lake in lakes], np.float32)[waters.number]
    murk = np.array([lake.murk for lake in lakes], np.float32)[waters.number]
    steep = 10 ** rng.uniform(-1.6, -0.2, waters.count + 1).astype(np.float32)
    inside = distance_transform_edt(waters.share > 0.5).astype(np.float32) * np.float32(pixel_m)
    depth = 0.2 + inside * steep[waters.number] * (1 + 0.3 * waves(rng, size, 60, 8, 1.4)).clip(0.1, 2)
    # Currents and wind make a lake uneven by a few per cent.
    drift = np.exp(0.06 * rng.random() * waves(rng, size, 120, 10, 1.4))
    sheet = _ice_on_lakes(rng, waters, size, frozen)
    ice = draw_spectrum(rng, "lake ice")
    stream = draw_water(rng, rng.uniform(-0.1, 0.7)).deep
    weeds = (0.0 if frozen else 1.0) * _plants_in_lakes(rng, waters, size)
    leaves = draw_spectrum(rng, rng.choice(["meadow", "bog", "leaf trees"]))
    # Sun and sky mirrored by waves, on all waters alike; draw_water has a calm day's.
    glint = 10 ** rng.uniform(-2.5, -1.5) * (BANDS_UM / 0.49) ** -rng.uniform(-0.3, 1.0) * (rng.random() < 0.4)
    for band in range(4):
        through = np.exp(-np.minimum(murk[..., band] * depth, 30))
        body = deep[..., band] * drift * (1 - through) + 0.6 * rho[band] * through
        body += np.float32(glint[band]) + weeds * (np.float32(leaves[band]) - body)
        body += sheet * (np.float32(ice[band]) - body)
        rho[band] += waters.share * (body - rho[band])
        rho[band] += river * (np.float32(stream[band] + glint[band]) - rho[band])
    return rho


def _plants_in_lakes(rng: np.random.Generator, waters: Waters, size: int) -> Floats:
    """Returns the share of each pixel of lake that plants cover, in patches, by lake: on most of them none."""
    most = np.where(rng.random(waters.count + 1) < 0.12, rng.uniform(0.05, 0.6, waters.count + 1), 0)
    if not most.any():
        return np.zeros((size, size), np.float32)
    patches = step_at(waves(rng, size, 40, 3, 1.2), rng.uniform(-1.0, 1.0), 0.2)
    return most.astype(np.float32)[waters.number] * patches


def _ice_on_lakes(rng: np.random.Generator, waters: Waters, size: int, frozen: float) -> Floats:
    """Returns the share of each pixel of lake under ice, by lake: none, a rim or sheet, icebergs; rarely all."""
    chance = 0.06 + 0.35 * min(1.0, frozen)
    freezes = rng.random(waters.count + 1) < chance * 0.6
    extent = np.where(freezes, rng.normal(0.8, 1.0, waters.count + 1), 9.0).astype(np.float32)
    bergs = np.where(rng.random(waters.count + 1) < 0.05, rng.uniform(0.8, 2.2, waters.count + 1), 9.0).astype(
        np.float32
    )
    if chance < 0.1 and rng.random() < 0.5:
        return np.zeros((size, size), np.float32)
    sheet = step_at(waves(rng, size, 90, 8, 1.5) - extent[waters.number], 0, 0.05)
    floating = step_at(waves(rng, size, 14, 2.5, 0.6) - bergs[waters.number], 0, 0.1)
    return np.maximum(sheet, floating)
