"""What covers the ground of a world: a list of materials, each with the share of every pixel that it paints over."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, rotate, zoom

from datasets_def.synthetic.terrain import Floats, step_at
from datasets_def.synthetic.worlds.kinds import Kind
from datasets_def.synthetic.worlds.materials import MATERIALS, draw_spectrum
from datasets_def.synthetic.worlds.shape import Shape, uniform, waves

MIXED = 255
FROZEN = ("ice", "wet ice", "slush", "snow", "old snow")


@dataclass(frozen=True)
class Ground:
    """The ground without its lakes, on one day, in even light.

    Attributes:
        reflectance: `(4, H, W)` float32, B02, B03, B04, B08, 1.0 = 100 %.
        cover: `(H, W)` uint8, the place in `MATERIALS` of what covers nine tenths of the pixel, `MIXED` elsewhere.
    """

    reflectance: Floats
    cover: NDArray[np.uint8]


class Painter:
    """Paints materials over one another.

    Attributes:
        reflectance: `(4, H, W)` float32, what has been painted so far.
        cover: `(H, W)` uint8, the place in `MATERIALS` of what hides nine tenths of the pixel, 255 for mixtures.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.reflectance = np.zeros((4, size, size), np.float32)
        self.cover = np.full((size, size), MIXED, np.uint8)
        # One fine and one coarse texture serve all materials: what differs is how strong they are.
        # Some worlds are even.
        grain = rng.uniform(0, 0.4) if rng.random() < 0.35 else 1.0
        self.fine = np.float32(grain) * waves(rng, size, 8, 1.2, rng.uniform(0.2, 1.0))
        self.coarse = waves(rng, size, 60, 5, 1.2)

    def paint(self, name: str, share: Floats | None = None) -> None:
        """Paints a material, with one world's colour of it, over a share of each pixel, by default all of it."""
        share = np.ones(self.cover.shape, np.float32) if share is None else share
        material = MATERIALS[name]
        colour, other = draw_spectrum(self.rng, name), draw_spectrum(self.rng, name)
        rough = material.rough * 10 ** self.rng.uniform(-0.8, 0.15)
        if name in FROZEN and self.rng.random() < 0.4:
            # As even as a milky lake.
            rough *= 10 ** self.rng.uniform(-1.0, -0.3)
        texture = np.exp(rough * (0.8 * self.fine + 0.6 * self.coarse))
        patch = np.clip(0.5 + 0.5 * np.roll(self.coarse, self.rng.integers(0, 400), 0), 0, 1)
        for band in range(4):
            own = np.float32(colour[band]) + patch * np.float32(0.5 * (other[band] - colour[band]))
            self.reflectance[band] += share * (np.minimum(own * texture, 1.05) - self.reflectance[band])
        self.cover[share > 0.1] = MIXED
        self.cover[share > 0.9] = list(MATERIALS).index(name)


def cover_ground(
    rng: np.random.Generator,
    kind: Kind,
    shape: Shape,
    gravel: Floats,
    banks: Floats,
    cold: float,
    azimuth: float,
) -> Ground:
    """Paints rock, plants, works of people, gravel, glaciers and snow.

    Args:
        rng: randomness.
        kind: of world.
        shape: relief and glaciers.
        gravel: share of each pixel that is river gravel.
        banks: share of each pixel that is the bare bank of a mine's pond, or of a reservoir drawn down.
        cold: how far the snow line has come down, as a share of the ground.
        azimuth: of the sun in degrees clockwise from north.
    """
    size = len(shape.height)
    painter = Painter(rng, size)
    first, second = rng.choice(kind.rocks, 2)
    painter.paint(first)
    painter.paint(second, step_at(waves(rng, size, 150, 15, 1.5), rng.normal(0, 0.7), 0.15))
    if rng.random() < 0.5:
        painter.paint("scree", 0.9 * step_at(waves(rng, size, 80, 8) - 2 * np.abs(shape.slope - 0.6), 0.3, 0.1))
    if rng.random() < 0.25:
        painter.paint(rng.choice(["basalt", "burnt", "mud"]), step_at(waves(rng, size, 120, 12, 1.6), 1.4, 0.06))
    line = uniform(rng, kind.treeline)
    for name in rng.permutation(kind.plants):
        edge = step_at(line * rng.uniform(0.6, 1.1) - shape.rank + 0.06 * waves(rng, size, 40, 4, 1.3), 0, 0.03)
        gaps = step_at(waves(rng, size, rng.uniform(30, 200), rng.uniform(2, 12), 1.3), rng.uniform(-2.5, 0.8), 0.15)
        painter.paint(name, rng.uniform(0.7, 1.0) * edge * gaps * step_at(-shape.slope, -rng.uniform(0.5, 1.2), 0.08))
    if rng.random() < kind.people:
        _paint_people(painter, rng, shape)
    if banks.any():
        inner, outer = rng.choice(["mud", "sand", "soil", "gravel", "burnt", "basalt", "limestone"], 2)
        painter.paint(outer, banks)
        painter.paint(inner, banks * step_at(banks + 0.3 * waves(rng, size, 60, 6, 1.5), rng.uniform(0.6, 1.1), 0.1))
    painter.paint("gravel", gravel)
    painter.paint("ice", shape.ice)
    melt = step_at(waves(rng, size, 60, 6, 1.2) + 0.5 * np.cos(shape.flow / 3), rng.uniform(0.6, 2.0), 0.12)
    if rng.random() < 0.4:
        # Wet hollows have the outlines of ponds, and nearly the colour of ice.
        hollows = waves(rng, size, rng.uniform(15, 60), rng.uniform(3, 6), 1.4)
        melt = step_at(hollows, rng.uniform(1.2, 2.2), rng.uniform(0.02, 0.2))
    painter.paint(rng.choice(["wet ice", "slush"]), shape.ice * melt)
    painter.paint(rng.choice(["schist", "granite", "gravel"]), shape.debris)
    snow = _snow(rng, kind, shape, cold, azimuth)
    painter.paint("old snow", snow)
    painter.paint("snow", snow * step_at(shape.rank + 0.1 * waves(rng, size, 100, 10), rng.uniform(0.2, 1.1), 0.05))
    if rng.random() < 0.3:
        # Meltwater in snow at its lower edge.
        painter.paint("slush", 0.7 * snow * (1 - snow) * 4 * step_at(waves(rng, size, 30, 4), 0.5, 0.2))
    return Ground(painter.reflectance, painter.cover)


def _snow(rng: np.random.Generator, kind: Kind, shape: Shape, cold: float, azimuth: float) -> Floats:
    """Returns the share under snow: above a line, lower on slopes that face away from the sun, in patches below."""
    size = len(shape.height)
    line = uniform(rng, kind.snowline) - cold
    if line > 1.4:
        return np.zeros((size, size), np.float32)
    # Rows run south: on slopes that face north, the ground rises with them. The sun moves on; its side remains.
    rising, _ = np.gradient(shape.height)
    shady = -np.cos(np.radians(azimuth)) * np.clip(rising / (np.abs(rising).std() * 3 + 1e-6), -1, 1)
    field = shape.rank + rng.uniform(0.1, 0.3) * shady - line + 0.15 * shape.ice
    patches = field + 0.22 * waves(rng, size, 50, 3, 1.3)
    snow = np.maximum(step_at(field, 0.06, 0.02), 0.95 * step_at(patches, 0.06, 0.02))
    return snow * step_at(-shape.slope, -rng.uniform(0.9, 1.6), 0.08)


def _paint_people(painter: Painter, rng: np.random.Generator, shape: Shape) -> None:
    """Paints fields, roads, quarries and roofs on gentle ground."""
    size = len(shape.height)
    gentle = step_at(-shape.slope, -0.25, 0.03) * (1 - shape.ice)
    if rng.random() < 0.5:
        side = int(rng.integers(6, 40))
        parcels = rng.random((size // side + 4, size // side + 4)) < rng.uniform(0.2, 0.9)
        parcels = rotate(parcels.astype(np.float32), rng.uniform(0, 90), order=0, reshape=True, mode="wrap")
        grid = zoom(parcels, side / 1.2, order=0)
        grid = np.resize(grid, (max(size, grid.shape[0]), max(size, grid.shape[1])))[:size, :size]
        painter.paint("fields", gentle * grid * step_at(waves(rng, size, 250, 60), rng.uniform(-1, 1), 0.05))
    if rng.random() < 0.6:
        roofs = (rng.random((size, size)) < rng.uniform(0.1, 0.5)).astype(np.float32)
        roofs = maximum_filter(roofs, int(rng.integers(1, 4)))
        painter.paint("roofs", roofs * gentle * step_at(waves(rng, size, 150, 30), rng.uniform(1.0, 2.0), 0.05))
    if rng.random() < 0.4:
        pit = step_at(waves(rng, size, 120, 20), rng.uniform(1.3, 2.2), 0.04) * (1 - shape.ice)
        painter.paint(rng.choice(["limestone", "sand", "soil", "mud", "basalt"]), pit)
    for _ in range(rng.integers(0, 5)):
        line = 100 * waves(rng, size, 500, rng.uniform(80, 250))
        down, right = np.gradient(line)
        across = np.abs(line - rng.normal(0, 60)) / (np.hypot(down, right) + 0.02)
        road = np.clip(rng.uniform(0.2, 1.2) - across + 0.5, 0, 1)
        painter.paint(rng.choice(["asphalt", "gravel", "sand"]), 0.9 * road * (1 - shape.ice))
