"""A high-mountain landscape made of noise: relief, valleys, and what covers the ground whatever the date.

Lengths are metres, rasters are square with 10 m pixels, row 0 is the northernmost.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq
from scipy.special import expit

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

PIXEL_M = 10.0
COARSE = 4
ICE_M = 5230.0
"""Valley-floor elevation above which a glacier's ice is bare."""
SNOUT_M = 5020.0
"""Valley-floor elevation at which its debris-covered tongue ends."""


@dataclass(frozen=True)
class Land:
    """What one place looks like at every date.

    Attributes:
        height: `(H, W)` float32, elevation in metres.
        floor: elevation of the nearest main valley's floor; this and the next two float32, metres, at every
            `COARSE`-th row and column.
        axis: signed distance from the main valley's centre line, roughly.
        side: distance from the nearest side valley's centre line, roughly.
        flow: `(H, W)` float16, metres: distance across the nearest valley, the same along a line of flow.
        ice: `(H, W)` float16 in 0-1: glacier with its ice bare.
        debris: `(H, W)` float16 in 0-1: glacier under rubble.
        gravel: `(H, W)` float16 in 0-1: outwash plain.
        river: `(H, W)` float16 in 0-1: braided channels.
    """

    height: Floats
    floor: Floats
    axis: Floats
    side: Floats
    flow: Halves
    ice: Halves
    debris: Halves
    gravel: Halves
    river: Halves


def noise(rng: np.random.Generator, size: int, longest: float, shortest: float, fall: float = 1.8) -> Floats:
    """Returns `(size, size)` float32 noise of mean 0 and deviation 1 by spectral synthesis.

    Waves between `longest` and `shortest` metres have amplitudes that grow with their length to the power `fall`
    (1.8: a fractal surface with Hurst exponent 0.8). The canvas is at least two of the longest waves wide, so that a
    small scene is a piece of a large landscape. Smooth noise is made on a coarse grid and refined by cubic B-spline
    subdivision, which keeps slopes continuous.
    """
    doublings = max(0, int(np.log2(shortest / 40.0)))
    step = PIXEL_M * 2**doublings
    n = next_fast_len(int(np.ceil(max(size * PIXEL_M, 2 * longest) / step)) + 4, real=True)
    spectrum = rfft2(rng.standard_normal((n, n), dtype=np.float32), workers=-1)
    k = np.hypot(fftfreq(n, step)[:, None], rfftfreq(n, step)[None]).astype(np.float32)
    k[0, 0] = 1.0
    gain = k**-fall * np.exp(-((k * shortest) ** 2)) * -np.expm1(-((k * longest) ** 4))
    gain[0, 0] = 0.0
    spectrum *= gain
    del k, gain
    field = irfft2(spectrum, s=(n, n), workers=-1)
    del spectrum
    field /= field.std()
    for left in range(doublings, 0, -1):
        need = -(-size // 2**left) + 4
        field = _double(_double(field[:need, :need]).T).T
    return np.ascontiguousarray(field[:size, :size], dtype=np.float32)


def _double(rows: Floats) -> Floats:
    """Refines `(h, w)` to `(2 * (h - 2), w)` by one step of cubic B-spline subdivision."""
    fine = np.empty((2 * (len(rows) - 2), rows.shape[1]), np.float32)
    fine[0::2] = (rows[:-2] + 6 * rows[1:-1] + rows[2:]) / 8
    fine[1::2] = (rows[1:-1] + rows[2:]) / 2
    return fine


def step_at(values: NDArray[np.floating], edge: float, width: float) -> Floats:
    """Returns the logistic step from 0 below `edge` to 1 above it, `width` being about a fifth of the transition."""
    step = np.subtract(values, edge, dtype=np.float32)
    step /= width
    return expit(step, out=step)


def build_land(rng: np.random.Generator, size: int) -> Land:
    """Builds the landscape: valleys along the zero lines of smooth noise, ridged relief between them."""
    floor = 5040 + 210 * noise(rng, size, 9000, 3000) + 10 * noise(rng, size, 700, 200, 1.5)
    axis = _distance(noise(rng, size, 9000, 3500)) + 110 * noise(rng, size, 2500, 500, 1.2)
    side = np.abs(_distance(noise(rng, size, 4200, 1500)) + 70 * noise(rng, size, 1500, 300, 1.2))
    flank = 340 + 110 * noise(rng, size, 5000, 1500)

    main = floor + 1500 * _trough(np.abs(axis), flank * 0.75, 1500)
    hanging = floor + 260 + 1250 * _trough(side, 150, 1100)
    height = -90 * np.logaddexp(-main / 90, -hanging / 90)
    rise = np.clip((height - floor) / 1200, 0, 1.3)
    del main, hanging
    ridges = 1 - np.abs(noise(rng, size, 3000, 300, 2.0)) * 1.3
    height += rise * (330 * ridges + 40 * noise(rng, size, 700, 40, 1.8))
    del ridges

    inside = step_at(flank - np.abs(axis), 0, 12)
    tributary = step_at(-side, -190, 12) * step_at(height, 5290, 25) * step_at(-height, -5800, 60)
    ice = np.maximum(inside * step_at(floor, ICE_M, 6), tributary)
    debris = inside * step_at(floor, SNOUT_M, 3) * (1 - ice)
    del inside, tributary, flank, rise
    hummocks = noise(rng, size, 260, 70, 1.0)
    height += debris * (6 * hummocks + 15)
    height += ice * 1.5 * hummocks
    free = (1 - np.maximum(ice, debris)).astype(np.float16)
    ice, debris = ice.astype(np.float16), debris.astype(np.float16)

    forefield = step_at(-floor, -SNOUT_M, 3).astype(np.float16)
    plain = (step_at(150 + 60 * hummocks - np.abs(axis), 0, 12) * forefield).astype(np.float16)
    del hummocks
    brook = np.clip((5.0 - side) / PIXEL_M + 0.5, 0, 1) * step_at(-height, -5150, 20)
    river = brook.astype(np.float16)
    del brook
    for spread, width in ((90.0, 11.0), (90.0, 8.0), (130.0, 6.0)):
        bend = axis - spread * noise(rng, size, 900, 300, 1.5)
        channel = np.clip((width - np.abs(bend)) / PIXEL_M + 0.5, 0, 1)
        river = np.maximum(river, (channel * forefield).astype(np.float16))

    flow = np.where(side < np.abs(axis), side, axis)
    few = (slice(None, None, COARSE),) * 2
    return Land(
        height=height,
        floor=floor[few].copy(),
        axis=axis[few].copy(),
        side=side[few].copy(),
        flow=np.clip(flow, -2e4, 2e4).astype(np.float16),
        ice=ice,
        debris=debris,
        gravel=plain,
        river=river * free,
    )


def _distance(field: Floats) -> Floats:
    """Returns the signed distance in metres from the zero line of a smooth field, to first order."""
    down, right = np.gradient(field, np.float32(PIXEL_M))
    return field / np.sqrt(down**2 + right**2 + np.float32(3e-4) ** 2)


def _trough(distance: Floats, half_width: Floats | float, flank: float) -> Floats:
    """Returns the cross-section of a glacial valley, 0 on its flat floor and 1 far up its flanks."""
    return -np.expm1(-((np.maximum(distance - half_width, 0) / flank) ** 1.3))


def sun_position(lon: float, lat: float, when: datetime) -> tuple[float, float]:
    """Returns the sun's zenith and azimuth in degrees at the satellites' 10:30 local mean solar time of that day.

    The hour of `when` is not used, only its day. Declination and equation of time after Spencer (1971),
    "Fourier series representation of the position of the sun", Search 2(5).
    """
    day = 2 * np.pi * (when.timetuple().tm_yday - 1) / 365
    declination = (
        0.006918
        - 0.399912 * np.cos(day)
        + 0.070257 * np.sin(day)
        - 0.006758 * np.cos(2 * day)
        + 0.000907 * np.sin(2 * day)
        - 0.002697 * np.cos(3 * day)
        + 0.00148 * np.sin(3 * day)
    )
    minutes = 229.18 * (
        0.000075
        + 0.001868 * np.cos(day)
        - 0.032077 * np.sin(day)
        - 0.014615 * np.cos(2 * day)
        - 0.040849 * np.sin(2 * day)
    )
    hour = np.radians((10.5 - 12) * 15 + minutes / 4)
    phi = np.radians(lat)
    cos_zenith = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour)
    zenith = min(float(np.degrees(np.arccos(cos_zenith))), 75.0)
    return zenith, float(np.degrees(np.arctan2(east, north)) % 360)


def shift(field: Floats, east: float, north: float, fill: float) -> Floats:
    """Returns the field as seen `east` and `north` metres away from each pixel, to the nearest pixel."""
    right, up = round(east / PIXEL_M), round(north / PIXEL_M)
    rows, cols = field.shape
    moved = np.full_like(field, fill)
    if abs(right) >= cols or abs(up) >= rows:
        return moved
    target = (slice(max(0, up), rows + min(0, up)), slice(max(0, -right), cols - max(0, right)))
    source = (slice(max(0, -up), rows - max(0, up)), slice(max(0, right), cols + min(0, right)))
    moved[target] = field[source]
    return moved


def sunlight(height: Floats, zenith: float, azimuth: float) -> tuple[Floats, Floats]:
    """Returns how directly the sun lights each pixel, and whether a mountain stands between them.

    Args:
        height: `(H, W)` float32 elevation in metres.
        zenith: of the sun, degrees.
        azimuth: of the sun, degrees clockwise from north.

    Returns:
        `(H, W)` float32 cosine of incidence relative to flat ground (0 and up), and float32 cast shadow in 0-1.
        The shadow is the highest line of sight towards the sun, found by doubling: a march of 2^n steps in n passes.
    """
    # Plain floats throughout: a NumPy scalar would turn a tile of float32 into float64.
    z, a = math.radians(zenith), math.radians(azimuth)
    down, right = np.gradient(height, np.float32(PIXEL_M))
    direct = math.cos(z) - math.sin(z) * (math.sin(a) * right - math.cos(a) * down)
    direct /= np.sqrt(1 + down**2 + right**2) * math.cos(z)
    del down, right
    horizon = height.copy()
    for doubling in range(9):
        metres = PIXEL_M * 2**doubling
        seen = shift(horizon, metres * math.sin(a), metres * math.cos(a), -1e4)
        seen -= metres / math.tan(z)
        np.maximum(horizon, seen, out=horizon)
    horizon -= height
    horizon /= 8
    return np.maximum(direct, 0, out=direct), np.clip(horizon, 0, 1, out=horizon)
