"""What stands between a world and its image: sunlight and shadow, cloud, haze, the atmosphere, the sensor."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, shift, zoom

from datasets_def.synthetic.terrain import Floats, step_at, sunlight
from datasets_def.synthetic.terrain import shift as look_away
from datasets_def.synthetic.worlds.materials import BANDS_UM, draw_spectrum
from datasets_def.synthetic.worlds.shape import waves

SECONDS = np.array([0.0, 0.527, 1.005, 0.264])
"""When Sentinel-2's B02, B03, B04 and B08 see a place, after B02: what floats above the ground moves meanwhile."""


@dataclass(frozen=True)
class Air:
    """The air of one world on its day.

    Attributes:
        cloud: `(H, W)` float32, opacity of cloud, 0-1.
        shade: `(H, W)` float32, share of the sunlight that cloud takes away.
        veil: `(H, W)` float32, opacity of thin cloud or haze.
        parallax: rows and columns that cloud drifts in a second of the sensor's flight.
    """

    cloud: Floats
    shade: Floats
    veil: Floats
    parallax: tuple[float, float]


def draw_sun(rng: np.random.Generator) -> tuple[float, float]:
    """Draws the sun's zenith, 15 to 72, and azimuth, degrees, as Sentinel-2 finds them in the morning."""
    zenith = float(rng.choice([rng.uniform(15, 40), rng.uniform(30, 60), rng.uniform(55, 72)], p=[0.35, 0.4, 0.25]))
    # Mostly north of the tropics: the sun stands in the south-east.
    azimuth = rng.normal(150, 18) if rng.random() < 0.85 else rng.uniform(20, 80)
    return zenith, float(azimuth)


def draw_air(rng: np.random.Generator, size: int, sun: tuple[float, float], pixel_m: float) -> Air:
    """Draws clouds with their shadows, and thin veils."""
    none = np.zeros((size, size), np.float32)
    cloud, shade, veil, above_m = none, none, none, 0.0
    if rng.random() < 0.25:
        # Sheets and banks, or the small heaps of a summer's noon.
        heaps = rng.random() < 0.4
        longest, shortest = (rng.uniform(25, 90), 2.0) if heaps else (rng.uniform(80, 350), rng.uniform(2, 8))
        field = waves(rng, size, longest, shortest, rng.uniform(1.3, 1.9))
        edge = float(np.quantile(field[::8, ::8], 1 - rng.uniform(0.02, 0.35)))
        cloud = np.clip((field - edge) / rng.uniform(0.15, 0.7), 0, 1) * rng.uniform(0.7, 1.0)
        above_m = rng.uniform(400, 3000)
        away = above_m / pixel_m * 10 * math.tan(math.radians(sun[0]))
        turn = math.radians(sun[1])
        shade = np.float32(rng.uniform(0.5, 0.95)) * look_away(cloud, away * math.sin(turn), away * math.cos(turn), 0.0)
    if rng.random() < 0.3:
        veil = rng.uniform(0.02, 0.25) * step_at(waves(rng, size, 500, rng.uniform(20, 150)), rng.normal(0, 1), 0.4)
    # The satellite does 6.7 km of ground in a second, 786 km up, southwards and a little to the west.
    drift = 6700 * above_m / 786_000 / pixel_m
    return Air(cloud, shade, veil, (0.97 * drift, -0.22 * drift))


def light_ground(
    rng: np.random.Generator, rho: Floats, height: Floats, water: Floats, sun: tuple[float, float], air: Air
) -> tuple[Floats, Floats]:
    """Lights a world.

    Args:
        rng: randomness.
        rho: `(4, H, W)` reflectance in even light.
        height: `(H, W)` elevation in units of a tenth of a pixel.
        water: `(H, W)` share of the pixel that is lake, which lies level.
        sun: zenith and azimuth in degrees.
        air: whose clouds throw shadows.

    Returns:
        `(4, H, W)` float32 reflectance as lit: what is left in shadow is skylight, blue and a tenth to a half of all
        light, and light from slopes around. And `(H, W)` float32, direct light relative to that on flat ground.
    """
    direct, shadow = sunlight(height, *sun)
    # Some processors level slopes with an elevation model, others do not.
    direct = (np.minimum(direct, 2.2) ** rng.uniform(0.4, 1.0)).astype(np.float32)
    direct = (direct * (1 - water) + water) * (1 - gaussian_filter(shadow, 0.6)) * (1 - air.shade)
    bright = rng.uniform(0.08, 0.28) if rng.random() < 0.75 else rng.uniform(0.25, 0.65)
    sky = bright * (BANDS_UM / 0.4927) ** -rng.uniform(0.6, 3.0) + rng.uniform(0.01, 0.08)
    lit = np.empty_like(rho)
    for band in range(4):
        lit[band] = rho[band] * (direct * np.float32(1 - sky[band]) + np.float32(sky[band]))
    return lit, direct


def look_through(rng: np.random.Generator, rho: Floats, air: Air) -> Floats:
    """Adds cloud, light scattered in from the surroundings, and what processing leaves of the atmosphere.

    Args:
        rng: randomness.
        rho: `(4, H, W)` reflectance as lit.
        air: cloud and veil.
    """
    # Dark water between bright meadows is several per cent brighter in the infrared than it would be alone.
    near = gaussian_filter(rho, (0, 6, 6))
    far = gaussian_filter(near, (0, 20, 20))
    most = 0.12 if rng.random() < 0.5 else 0.25
    seen = rho + np.float32(rng.uniform(0, most)) * (rng.random(dtype=np.float32) * (far - near) + near - rho)
    white = draw_spectrum(rng, "cloud")
    # Haze is bluer than cloud.
    haze = white * (BANDS_UM / 0.49) ** -rng.uniform(0, 1.2)
    if rng.random() < 0.2:
        # Level-1C: all of the atmosphere; Level-2A: a rest, sometimes too much taken away.
        path = rng.uniform(0.05, 0.15) * (BANDS_UM / 0.49) ** -rng.uniform(1.8, 4.0) + rng.uniform(0, 0.01)
    else:
        path = max(-0.02, rng.normal(0.012, 0.02)) * (BANDS_UM / 0.49) ** -rng.uniform(1.0, 3.5)
    if rng.random() < 0.4:
        # Dust, and adjacent light taken for the ground's, are as bright in all bands.
        path = path + rng.uniform(0, 0.03)
    for band in range(4):
        cloud = shift(air.cloud, SECONDS[band] * np.array(air.parallax), order=1, mode="nearest")
        seen[band] += air.veil * np.float32(haze[band] * 0.9) - 0.8 * air.veil * seen[band]
        seen[band] += cloud * (np.float32(white[band]) - seen[band])
        seen[band] = np.float32(path[band]) + np.float32(1 - max(0.0, path[band])) * seen[band]
    return seen * np.exp(0.03 * rng.standard_normal((4, 1, 1))).astype(np.float32)


def sense(rng: np.random.Generator, rho: Floats) -> Floats:
    """Blurs each band, sets it off against the others, sometimes resamples it, and adds noise."""
    sigma = rng.uniform(0.25, 0.65)
    apart = rng.uniform(0.3, 1.0) if rng.random() < 0.15 else rng.uniform(0, 0.15)
    image = np.empty_like(rho)
    for band in range(4):
        blurred = gaussian_filter(rho[band], sigma * rng.uniform(0.9, 1.2))
        image[band] = shift(blurred, rng.uniform(-apart, apart, 2), order=1, mode="nearest") if apart > 0.1 else blurred
    if rng.random() < 0.2:
        # Stretched to another grid and back, as by a reprojection or an export.
        factor = rng.uniform(0.7, 0.95)
        small = zoom(image, (1, factor, factor), order=1, mode="nearest", grid_mode=True)
        back = (1, image.shape[1] / small.shape[1], image.shape[2] / small.shape[2])
        image = zoom(small, back, order=int(rng.integers(0, 2)), mode="nearest", grid_mode=True)
    noise = 10 ** rng.uniform(-3.3, -2.2) * (1 + 0.5 * image)
    return image + noise.astype(np.float32) * rng.standard_normal(image.shape, dtype=np.float32)
