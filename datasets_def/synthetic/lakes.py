"""Glacial lakes of a synthetic landscape: where they lie, what shape and colour they have, how they change.

Sizes are log-normal about a median of 0.05 km2; outlines are smooth closed curves in the scene's own CRS, so that the
polygon is exact and the pixels are drawn from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, gaussian_filter
from shapely import Polygon
from shapely.affinity import translate

from datasets_def.synthetic.terrain import COARSE, PIXEL_M, SNOUT_M, Floats, Halves, Land

REFERENCE = datetime(2024, 10, 15, tzinfo=UTC)
"""The day at which a lake has its nominal area."""
DRAINED = datetime(2025, 1, 1, tzinfo=UTC)
"""The day on which one lake of every place bursts."""

MEDIAN_M2, SIGMA, SMALLEST_M2, LARGEST_M2 = 50_000.0, 1.2, 500.0, 1_000_000.0
PER_KM2 = 0.42
PIXELS = Affine.scale(PIXEL_M, -PIXEL_M)
"""The grid with its origin at zero: where on Earth the scene lies does not matter for drawing."""

FAMILIES: dict[str, tuple[float, ...]] = {
    "grey": (0.170, 0.200, 0.210, 0.215),
    "milky": (0.245, 0.280, 0.225, 0.150),
    "turquoise": (0.165, 0.182, 0.100, 0.045),
    "blue": (0.090, 0.085, 0.045, 0.016),
    "black": (0.036, 0.030, 0.019, 0.009),
}
"""Reflectance of water at 493, 560, 665 and 833 nm, from the most turbid to the clearest; lakes lie in between."""


@dataclass(frozen=True)
class Lake:
    """One lake of a place.

    Attributes:
        lake_id: the same at every date.
        kind: `proglacial`, `supraglacial` or `unconnected`.
        colour: the nearest of `FAMILIES`.
        water: reflectance of its water at 493, 560, 665 and 833 nm.
        x: column of its centre, in pixels.
        y: row of its centre, in pixels.
        ring: `(N, 2)` outline about the centre in metres at the reference day, x east, y north.
        growth: change of area in a year, as a share.
        bursts: whether this is the lake that drains on `DRAINED`.
        freezes: 0-1, how early in the season ice forms on it.
        icebergs: whether a calving front feeds it with ice.
    """

    lake_id: str
    kind: str
    colour: str
    water: tuple[float, ...]
    x: float
    y: float
    ring: NDArray[np.float64]
    growth: float
    bursts: bool
    freezes: float
    icebergs: bool

    def outline(self, when: datetime, transform: Affine) -> Polygon:
        """Returns its shore on a day, in the CRS of `transform`; a burst lake keeps the shore it had."""
        days = ((min(when, DRAINED) if self.bursts else when) - REFERENCE).days
        years = float(np.clip(days / 365.25, -10, 10))
        east, north = transform * (self.x, self.y)
        return translate(Polygon(self.ring * (1 + self.growth) ** (years / 2)), east, north)

    def drained(self, when: datetime) -> bool:
        """Tells whether only the lake's bed is left on a day."""
        return self.bursts and when >= DRAINED


def place_lakes(rng: np.random.Generator, land: Land, seed: int) -> list[Lake]:
    """Places the lakes of a landscape, the largest first, each on the flattest of many likely sites.

    Likely are valley floors, the forefield of a glacier, and for small ponds the debris of its tongue.
    """
    size = len(land.height)
    ground = size**2 * PIXEL_M**2
    count = max(3, round(PER_KM2 * ground / 1e6))
    areas = MEDIAN_M2 * np.exp(SIGMA * rng.standard_normal(count))
    areas = np.sort(np.clip(areas, SMALLEST_M2, min(LARGEST_M2, 0.04 * ground)))[::-1]

    relief = gaussian_filter(land.height, COARSE / 2)[::COARSE, ::COARSE]
    glacier = np.maximum(land.ice, land.debris)[::COARSE, ::COARSE].astype(np.float32)
    to_glacier = distance_transform_edt(glacier < 0.5) * COARSE * PIXEL_M if glacier.max() > 0.5 else relief + 1e6
    debris = land.debris[::COARSE, ::COARSE].astype(np.float32)
    likely = _likely(land, relief, to_glacier, glacier)
    sites = np.cumsum(likely.ravel())
    with_ponds = np.cumsum((likely + 1.2 * (debris > 0.8)).ravel())

    lakes: list[Lake] = []
    taken = np.empty((0, 3))
    for area in areas:
        radius = np.sqrt(area / np.pi)
        cells = with_ponds if radius < 70 else sites
        drawn = np.searchsorted(cells, rng.random(60) * cells[-1])
        y, x = (np.stack(np.divmod(drawn, relief.shape[1])) + rng.random((2, 60))) * COARSE
        shape = _shape(rng, area)
        reach = np.hypot(*shape.T).max() / PIXEL_M * 1.3 + 5
        gap = np.hypot(x[:, None] - taken[:, 0], y[:, None] - taken[:, 1]) - taken[:, 2] - reach
        free = np.flatnonzero((gap > 0).all(axis=1) & (x < size) & (y < size))
        if not len(free):
            continue
        best, turn = _flattest(relief, x[free], y[free], shape)
        col, row = float(x[free[best]]), float(y[free[best]])
        taken = np.vstack([taken, (col, row, reach)])
        cell = (int(row) // COARSE, int(col) // COARSE)
        if debris[cell] > 0.5:
            kind = "supraglacial"
        else:
            kind = "proglacial" if to_glacier[cell] < radius + 250 else "unconnected"
        lakes.append(_character(rng, f"S{seed:04d}-{len(lakes):04d}", kind, col, row, _turned(shape, turn)))
    return _with_burst(lakes, size)


def _likely(land: Land, relief: Floats, to_glacier: Floats, glacier: Floats) -> Floats:
    """Returns how likely a lake lies in each coarse cell, up to a factor."""
    down, right = np.gradient(relief, PIXEL_M * COARSE)
    gentle = np.exp(-((np.hypot(down, right) / 0.22) ** 2))
    valley = np.exp(-((land.axis / 260) ** 2)) + np.exp(-((land.side / 130) ** 2)) + 0.05
    snout = 1 + 3 * np.exp(-((to_glacier / 250) ** 2)) + 3 * np.exp(-(((land.floor - SNOUT_M + 15) / 15) ** 2))
    warm = 1 / (1 + np.exp((relief - 5420) / 40))
    return gentle * valley * snout * warm * (glacier < 0.1) + 1e-9


def _shape(rng: np.random.Generator, area: float) -> NDArray[np.float64]:
    """Returns an outline `(N, 2)` in metres about its centre: a star of low harmonics, stretched along x and bent."""
    points = int(np.clip(np.sqrt(area) / 2, 40, 240))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    wave = np.arange(2, 9)
    swing = rng.normal(0, 0.26 / wave[:, None], (7, 1)) * np.cos(wave[:, None] * angle + rng.uniform(0, 6.3, (7, 1)))
    radius = np.exp(swing.sum(axis=0))
    stretch = np.sqrt(rng.uniform(1.1, 2.8))
    x, y = stretch * radius * np.cos(angle), radius * np.sin(angle) / stretch
    ring = np.stack([x, y + rng.normal(0, 0.12) * x**2], axis=1)
    return ring * np.sqrt(area / Polygon(ring).area)


def _turned(ring: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """Turns an outline counter-clockwise by `turn` radians."""
    return ring @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


def _flattest(
    relief: Floats, x: NDArray[np.float64], y: NDArray[np.float64], ring: NDArray[np.float64]
) -> tuple[int, float]:
    """Returns which site, and which turn of the outline there, has the least relief along the shore."""
    turns = np.arange(8) * np.pi / 8
    shore = np.stack([_turned(ring[::4], turn) for turn in turns]) / PIXEL_M
    rows = np.clip((y[:, None, None] - shore[..., 1]) // COARSE, 0, len(relief) - 1).astype(int)
    cols = np.clip((x[:, None, None] + shore[..., 0]) // COARSE, 0, len(relief) - 1).astype(int)
    rise = np.ptp(relief[rows, cols], axis=2)
    site, turn = np.unravel_index(rise.argmin(), rise.shape)
    return int(site), float(turns[turn])


def _character(
    rng: np.random.Generator, lake_id: str, kind: str, x: float, y: float, ring: NDArray[np.float64]
) -> Lake:
    """Draws a lake's colour and habits by its kind."""
    shares, growth = {
        "proglacial": ((0.20, 0.33, 0.35, 0.10, 0.02), rng.uniform(0.02, 0.06)),
        "supraglacial": ((0.35, 0.25, 0.25, 0.10, 0.05), rng.normal(0.01, 0.02)),
        "unconnected": ((0.05, 0.10, 0.28, 0.32, 0.25), rng.uniform(0.0, 0.01)),
    }[kind]
    names, spectra = list(FAMILIES), np.array(list(FAMILIES.values()))
    clearness = float(np.clip(rng.choice(len(names), p=shares) + rng.uniform(-0.5, 0.5), 0, len(names) - 1))
    water = [np.interp(clearness, range(len(names)), values) for values in spectra.T]
    bright = rng.uniform(0.85, 1.15)
    icebergs = kind == "proglacial" and rng.random() < 0.35
    return Lake(
        lake_id=lake_id,
        kind=kind,
        colour=names[round(clearness)],
        water=tuple(float(bright * value) for value in water),
        x=x,
        y=y,
        ring=ring,
        growth=float(growth),
        bursts=False,
        freezes=rng.random(),
        icebergs=icebergs,
    )


def _with_burst(lakes: list[Lake], size: int) -> list[Lake]:
    """Marks the lake that will drain: of the middle of the size range, the one nearest to the scene's centre."""
    middle = lakes[len(lakes) // 5 : -(-len(lakes) // 2)]
    land = [lake for lake in middle if lake.kind != "supraglacial"] or middle
    burst = min(land, key=lambda lake: np.hypot(lake.x - size / 2, lake.y - size / 2))
    return [replace(lake, bursts=lake is burst) for lake in lakes]


def flatten(height: Floats, lakes: Sequence[Lake]) -> None:
    """Lays every lake level into the terrain, in place: its surface at the lowest third of its ground, banks around."""
    for lake in lakes:
        window, cover = coverage(lake.outline(REFERENCE, PIXELS), len(height), 16)
        if not cover.any():
            continue
        ground = height[window]
        inside = cover > 0
        level = np.quantile(ground[inside], 0.33)
        bank = np.exp(-((distance_transform_edt(~inside) / 6.0) ** 2)).astype(np.float32)
        ground += bank * (level - ground)


def draw(lakes: Sequence[Lake], when: datetime, size: int) -> tuple[Halves, NDArray[np.int16]]:
    """Draws the lakes' outlines on a day, drained ones too.

    Returns:
        `(H, W)` float16, the share of each pixel inside an outline, and `(H, W)` int16, the lake's place in `lakes`
        (0 where there is none).
    """
    share = np.zeros((size, size), np.float16)
    index = np.zeros((size, size), np.int16)
    for number, lake in enumerate(lakes):
        window, cover = coverage(lake.outline(when, PIXELS), size, 1)
        share[window] = np.maximum(share[window], cover)
        index[window][cover > 0] = number
    return share, index


def coverage(polygon: Polygon, size: int, margin: int) -> tuple[tuple[slice, slice], Floats]:
    """Returns the window around a polygon and the share of each of its pixels inside, to 1/36."""
    west, south, east, north = (edge / PIXEL_M for edge in polygon.bounds)
    left, top = max(0, int(np.floor(west)) - margin), max(0, int(np.floor(-north)) - margin)
    right, bottom = min(size, int(np.ceil(east)) + margin), min(size, int(np.ceil(-south)) + margin)
    rows, cols = max(0, bottom - top), max(0, right - left)
    if rows == 0 or cols == 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    fine = PIXELS * Affine.translation(left, top) * Affine.scale(1 / 6)
    burnt = rasterize([polygon], (rows * 6, cols * 6), transform=fine, dtype="uint8")
    cover = burnt.reshape(rows, 6, cols, 6).mean(axis=(1, 3), dtype=np.float32)
    return (slice(top, bottom), slice(left, right)), cover
