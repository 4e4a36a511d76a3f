"""The shape of a world: relief, glaciers, where its lakes and rivers lie. Lengths are pixels unless a name says m."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_filter
from shapely import Polygon
from shapely.affinity import rotate, scale, translate

from datasets_def.synthetic.lakes import coverage
from datasets_def.synthetic.terrain import PIXEL_M, Floats, noise, step_at
from datasets_def.synthetic.worlds.kinds import Kind

SMALLEST_M2 = 300.0


def waves(rng: np.random.Generator, size: int, longest: float, shortest: float, fall: float = 1.8) -> Floats:
    """Returns `(size, size)` noise of mean 0 and deviation 1 with waves between two lengths in pixels."""
    return noise(rng, size, longest * PIXEL_M, shortest * PIXEL_M, fall)


def uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    """Draws a number from a range."""
    return float(rng.uniform(*span))


@dataclass(frozen=True)
class Shape:
    """The shape of one world, all `(H, W)` float32.

    Attributes:
        height: elevation in metres.
        rank: share of the ground that lies lower, 0-1, blurred by noise.
        slope: rise over run.
        ice: glacier, debris-covered too, 0-1.
        debris: rubble on the glacier, 0-1.
        flow: a coordinate across the glaciers' flow, in pixels.
    """

    height: Floats
    rank: Floats
    slope: Floats
    ice: Floats
    debris: Floats
    flow: Floats


def build_shape(rng: np.random.Generator, kind: Kind, size: int, pixel_m: float) -> Shape:
    """Builds the relief and lays glaciers into it."""
    wave = float(np.clip(uniform(rng, kind.wave_m) / pixel_m, 40, 500))
    rough = waves(rng, size, wave, 2, rng.uniform(1.9, 2.6))
    ridged = 1.2 - np.abs(waves(rng, size, wave, 4, rng.uniform(2.0, 2.6))) * 1.6
    mix = rng.uniform(0.2, 0.9)
    height = (1 - mix) * rough + mix * ridged + 0.5 * waves(rng, size, 2 * wave, wave / 2)
    height /= height.std()
    # A flat floor: what lies below the chosen share of the ground is squeezed.
    low = float(np.quantile(height[::8, ::8], uniform(rng, kind.floor)))
    height = 0.12 * np.logaddexp(0, (height - low) / 0.12) + 0.04 * (height - low)
    relief = uniform(rng, kind.relief_m) * min(1.0, size * pixel_m / 5000)
    height = (height * (relief / max(1e-6, float(np.ptp(height[::4, ::4]))))).astype(np.float32)
    crags = _crags(rng, relief, size)

    few = height[::8, ::8].ravel()
    levels = np.quantile(few, np.linspace(0, 1, 33))
    rank = np.interp(height, levels + np.linspace(0, 1e-3, 33), np.linspace(0, 1, 33)).astype(np.float32)
    rank += 0.05 * waves(rng, size, 80, 8, 1.5)
    down, right = np.gradient(height, np.float32(pixel_m))
    ice, debris, flow = _glaciers(rng, kind, rank, np.hypot(down, right), size)
    hummocks = waves(rng, size, 26, 6, 1.0)
    height += ice * (rng.uniform(0, 0.8) + 4 * debris) * hummocks + crags * (1 - ice)
    down, right = np.gradient(height, np.float32(pixel_m))
    return Shape(height, rank, np.hypot(down, right), ice, debris, flow)


def _crags(rng: np.random.Generator, relief: float, size: int) -> Floats:
    """Returns towers and walls of rock on the mountains of some worlds, in metres: their shadows have jagged ends."""
    if relief < 300 or rng.random() < 0.5:
        return np.zeros((size, size), np.float32)
    field = waves(rng, size, rng.uniform(30, 150), rng.uniform(2, 8), rng.uniform(1.2, 1.8)) - rng.uniform(0.8, 2.0)
    tallest = min(0.3 * relief, 10 ** rng.uniform(1.3, 2.7))
    return np.float32(tallest) * step_at(field, 0, 0.1) * (0.5 + 0.5 * np.clip(field, 0, 1))


def _glaciers(
    rng: np.random.Generator, kind: Kind, rank: Floats, slope: Floats, size: int
) -> tuple[Floats, Floats, Floats]:
    """Returns ice, debris and the coordinate across the flow: tongues down valleys, fed by whatever lies high."""
    flow = 60 * waves(rng, size, 300, 90)
    share = uniform(rng, kind.glaciers)
    if share <= 0:
        none = np.zeros((size, size), np.float32)
        return none, none, flow
    high = step_at(rank, 1 - share * rng.uniform(0.6, 1.0), 0.02) * step_at(-slope, -rng.uniform(0.7, 1.3), 0.08)
    tongue = step_at(-np.abs(flow), -rng.uniform(12, 40), 1.0) * step_at(rank, rng.uniform(0.0, 0.5), 0.02)
    ice = np.maximum(high, tongue * step_at(-slope, -0.7, 0.08))
    snout = rank - rng.uniform(0.2, 0.7) * uniform(rng, kind.debris)
    debris = ice * step_at(-snout - 0.12 * waves(rng, size, 60, 8, 1.4), 0.0, 0.03)
    stripes = np.cos(flow / rng.uniform(2.0, 6.0) + waves(rng, size, 200, 40))
    moraine = step_at(stripes, rng.uniform(0.75, 1.0), 0.04) * rng.uniform(0.3, 0.9)
    return ice, np.maximum(debris, ice * moraine), flow


@dataclass(frozen=True)
class Waters:
    """Where the lakes of a world lie, `(H, W)`.

    Attributes:
        share: float32, share of each pixel that is lake, 0-1.
        number: int32, number of the lake from 1 up, 0 where there is none.
        count: how many lakes there are.
    """

    share: Floats
    number: NDArray[np.int32]
    count: int


def place_waters(rng: np.random.Generator, kind: Kind, shape: Shape, pixel_m: float) -> Waters:
    """Floods valleys, scoops out lakes, and scatters ponds; what is too small to be a lake is left dry."""
    size = len(shape.height)
    share = np.maximum(_flooded(rng, kind, shape), _scooped(rng, kind, shape, pixel_m))
    if rng.random() < 0.5:
        share = np.maximum(share, _ponds(rng, shape))
    wet = share >= 0.5
    found, count = label(wet, np.ones((3, 3)))
    area = np.bincount(found.ravel(), minlength=count + 1) * pixel_m**2
    small = area < max(SMALLEST_M2, 3 * pixel_m**2)
    small[0] = False
    # A shore pixel belongs to the lake beside it, and a puddle is ground.
    near = _spread(np.where(small[found], 0, found).astype("int32"))
    share = np.where((near > 0) & ~(small[found] & wet), share, 0).astype(np.float32)
    kept, number = np.unique(near, return_inverse=True)
    return Waters(share, number.reshape(size, size).astype(np.int32), len(kept) - int(kept[0] == 0))


def _spread(number: NDArray[np.int32]) -> NDArray[np.int32]:
    """Gives the pixels around each lake its number, two pixels far."""
    return np.where(number > 0, number, maximum_filter(number, 5))


def _edge(field: Floats) -> Floats:
    """Returns the share of each pixel on the positive side of a field's zero line, to first order."""
    down, right = np.gradient(field)
    return np.clip(field / (np.hypot(down, right) + 1e-6) + 0.5, 0, 1).astype(np.float32)


def _flooded(rng: np.random.Generator, kind: Kind, shape: Shape) -> Floats:
    """Water up to a level that differs from basin to basin."""
    size = len(shape.height)
    share = uniform(rng, kind.flooded) if rng.random() < 0.7 else 0.0
    if share <= 0.002:
        return np.zeros((size, size), np.float32)
    ground = gaussian_filter(shape.height, rng.uniform(1.0, 3.0)) + shape.ice * 1e4
    spread = float(ground[shape.ice < 0.5].std()) if (shape.ice < 0.5).any() else 1.0
    ground += spread * (0.5 * waves(rng, size, 400, 120) + rng.uniform(0, 0.05) * waves(rng, size, 60, 10))
    return _edge(np.float32(np.quantile(ground[::4, ::4], share)) - ground)


def _scooped(rng: np.random.Generator, kind: Kind, shape: Shape, pixel_m: float) -> Floats:
    """Lakes with outlines of their own, the larger ones on the flattest of many sites."""
    size = len(shape.height)
    ground_m2 = (size * pixel_m) ** 2
    count = rng.poisson(uniform(rng, kind.lakes_per_km2) * min(ground_m2 / 1e6, 40))
    share = np.zeros((size, size), np.float32)
    flat = (
        gaussian_filter(shape.slope, 3) + 0.1 * np.abs(waves(rng, size, 200, 40)) + 2 * step_at(shape.rank, 0.9, 0.03)
    )
    near_ice = gaussian_filter(shape.ice, 12)
    flat -= 0.4 * near_ice * (1 - near_ice)
    middle = 10 ** rng.uniform(3.2, 4.9)
    for _ in range(min(count, 120)):
        area = float(np.clip(middle * np.exp(1.3 * rng.standard_normal()), SMALLEST_M2, 0.2 * ground_m2))
        x, y = rng.integers(0, size, (2, 24))
        best = int(np.argmin(flat[y, x]))
        outline = translate(draw_outline(rng, np.sqrt(area / np.pi)), PIXEL_M * x[best], -PIXEL_M * y[best])
        outline = scale(outline, PIXEL_M / pixel_m, PIXEL_M / pixel_m)
        window, cover = coverage(outline, size, 1)
        share[window] = np.maximum(share[window], cover)
    return share


def draw_outline(rng: np.random.Generator, radius: float) -> Polygon:
    """Returns a lake's outline about zero: a star of low harmonics, stretched and turned."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    wave = np.arange(2, 10)[:, None]
    swing = rng.normal(0, rng.uniform(0.1, 0.35) / wave) * np.cos(wave * angle + rng.uniform(0, 6.3, wave.shape))
    r = radius * np.exp(swing.sum(axis=0))
    ring = Polygon(np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1))
    stretch = np.sqrt(rng.uniform(1, 4))
    return rotate(scale(ring, stretch, 1 / stretch), rng.uniform(0, 180), origin=(0, 0))


def _ponds(rng: np.random.Generator, shape: Shape) -> Floats:
    """Clusters of ponds: on rubble-covered ice and moraine, in bogs, on bare ground."""
    size = len(shape.height)
    field = waves(rng, size, rng.uniform(12, 40), rng.uniform(3, 8), 1.2)
    where = shape.debris if shape.debris.mean() > 0.02 else step_at(-shape.slope, -0.15, 0.02)
    where = where * step_at(waves(rng, size, 200, 50), rng.uniform(0.3, 1.6), 0.1)
    return _edge(field - np.float32(rng.uniform(1.9, 2.8))) * (where > 0.5)


def draw_banks(rng: np.random.Generator, kind: Kind, waters: Waters) -> Floats:
    """Returns the bare ground around all lakes of some worlds with people, `(H, W)` float32 shares of a pixel."""
    size = len(waters.share)
    if rng.random() > 0.4 * kind.people or not waters.count:
        return np.zeros((size, size), np.float32)
    away = distance_transform_edt(waters.share < 0.5).astype(np.float32)
    width = 10 ** rng.uniform(0.3, 1.7)
    return step_at(-away / width + 0.4 * waves(rng, size, 120, 8, 1.6), rng.uniform(-1.4, -0.6), 0.1)


def draw_rivers(rng: np.random.Generator, kind: Kind, shape: Shape, pixel_m: float) -> tuple[Floats, Floats]:
    """Returns rivers and the gravel beside them, `(H, W)` float32 shares of a pixel: bends and braids, up to 40 m."""
    size = len(shape.height)
    river = np.zeros((size, size), np.float32)
    gravel = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(0, kind.rivers + 1)):
        course = 100 * waves(rng, size, 500, 150) + rng.uniform(0, 12) * waves(rng, size, 120, 30)
        channels = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
        spread = rng.uniform(4, 14) * (channels > 1)
        for _ in range(channels):
            line = course + spread * waves(rng, size, 90, 25)
            down, right = np.gradient(line)
            across = np.abs(line) / (np.hypot(down, right) + 0.02)
            half = 10 ** rng.uniform(0.2, 1.3) / pixel_m
            river = np.maximum(river, np.clip(half - across + 0.5, 0, 1) * min(1.0, 2 * half))
        if rng.random() < 0.7:
            down, right = np.gradient(course)
            across = np.abs(course) / (np.hypot(down, right) + 0.05)
            gravel = np.maximum(
                gravel, step_at(-across - 2 * waves(rng, size, 30, 6), -spread - rng.uniform(0, 4), 0.5)
            )
    dry = 1 - step_at(shape.slope, 0.35, 0.05)
    return river * dry * (1 - shape.ice), gravel * dry * (1 - shape.ice)
