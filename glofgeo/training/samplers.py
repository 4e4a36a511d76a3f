"""Where to look: training windows around lakes, around what is taken for lakes, and anywhere (no pixel is read)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
import torch.distributed
from geopandas import GeoDataFrame
from shapely.geometry.base import BaseGeometry
from torch.utils.data import Sampler

from datasets_def.grid import Grid
from glofgeo.inventory.attributes import SIZE_BOUNDS_KM2, geodesic_size

# The point a window was drawn for lies at this share of its side from the edge at least: a lake cut off is
# seen without its surroundings.
_MARGIN = 0.1


class Crop(NamedTuple):
    """A square window on one scene's grid.

    Attributes:
        scene: number of the scene.
        row: first row, negative or beyond the scene where the scene is smaller than the window.
        col: first column.
    """

    scene: int
    row: int
    col: int


@dataclass(frozen=True)
class SceneArea:
    """What one scene shows of one split.

    Attributes:
        scene: number of the scene.
        grid: of the scene.
        region: area of the split within the scene, in the scene's CRS; not empty.
        lakes: those within the region, clipped to it, in the scene's CRS; index = number in the lake layer,
            column `area_km2` = of the whole lake.
    """

    scene: int
    grid: Grid
    region: BaseGeometry
    lakes: GeoDataFrame


def clip_lakes(lakes: GeoDataFrame, region: BaseGeometry) -> GeoDataFrame:
    """Gives the lakes of a region as `SceneArea` wants them.

    Args:
        lakes: polygons in the region's CRS.
        region: where to look.
    """
    hits = lakes.iloc[np.sort(lakes.sindex.query(region, predicate="intersects"))]
    inside = hits.geometry.intersection(region)
    size = geodesic_size(hits.geometry.to_crs("EPSG:4326"))[0] / 1e6
    hits = GeoDataFrame({"area_km2": size}, index=hits.index, geometry=inside)
    return hits[inside.area > 0]


class LakeSampler(Sampler[Crop]):
    """Draws training windows: around lakes, around what is taken for lakes, and anywhere in the region.

    Around lakes, every size class is as likely as another, every lake within a class, every scene that shows the lake,
    and every vertex of its shore. Around hard negatives, every kind is as likely as another, and every place of a kind.
    A window stays within its scene, or holds the scene if that is smaller. Windows depend on seed and epoch alone;
    several processes that train together share out the same draw. (TorchGeo's `GeoSampler` holds one index in one CRS;
    this one spans scenes of several UTM zones, so it is a plain torch sampler.)
    """

    def __init__(
        self,
        areas: Sequence[SceneArea],
        window: int,
        crops: int,
        lake_share: float,
        seed: int,
        *,
        hard: Sequence[Mapping[str, npt.NDArray[np.float64]]] = (),
        hard_share: float = 0.0,
    ) -> None:
        """Sorts the lakes into size classes.

        Args:
            areas: at least one.
            window: side in pixels.
            crops: windows an epoch.
            lake_share: of the windows, 0 to 1; without a lake in the areas, these fall anywhere.
            seed: of the draws.
            hard: for each area, places of hard negatives by kind, x and y `(N, 2)`.
            hard_share: of the windows, 0 to 1 with `lake_share`; without a place, these fall anywhere.
        """
        self.areas = list(areas)
        self.window = window
        self.crops = crops
        self.lake_share = lake_share
        self.hard_share = hard_share
        self.seed = seed
        self.epoch = 0
        pixels = [one.region.area / abs(one.grid.transform.determinant) for one in self.areas]
        self._odds = np.array(pixels) / sum(pixels)
        self.classes = self._size_classes()
        kinds = sorted({kind for points in hard for kind in points})
        self.hard = {
            kind: [(number, *place) for number, points in enumerate(hard) for place in points.get(kind, ())]
            for kind in kinds
        }

    def _size_classes(self) -> list[list[list[tuple[int, npt.NDArray[np.float64]]]]]:
        """Lists, for each size class that occurs, its lakes; for each lake, its views: (area, shore vertices)."""
        classes: dict[int, dict[int, list[tuple[int, npt.NDArray[np.float64]]]]] = {}
        for number, area in enumerate(self.areas):
            ranks = np.searchsorted(SIZE_BOUNDS_KM2, area.lakes["area_km2"], side="right")
            for lake, rank, shape in zip(area.lakes.index, ranks, area.lakes.geometry, strict=True):
                view = (number, shapely.get_coordinates(shape))
                classes.setdefault(int(rank), {}).setdefault(int(lake), []).append(view)
        return [list(lakes.values()) for _, lakes in sorted(classes.items())]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the windows of an epoch; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Windows an epoch, of this process."""
        return -(-self.crops // _world()[1])

    def __iter__(self) -> Iterator[Crop]:
        """Draws the windows of the epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        rank, world = _world()
        # All processes draw as many, so that none waits for another at the end.
        for number in range(len(self) * world):
            crop = self._draw(rng)
            if number % world == rank:
                yield crop

    def _draw(self, rng: np.random.Generator) -> Crop:
        chance = rng.random()
        if self.classes and chance < self.lake_share:
            lakes = self.classes[rng.integers(len(self.classes))]
            views = lakes[rng.integers(len(lakes))]
            number, shore = views[rng.integers(len(views))]
            x, y = shore[rng.integers(len(shore))]
        elif self.hard and 0 <= chance - self.lake_share < self.hard_share:
            places = self.hard[list(self.hard)[rng.integers(len(self.hard))]]
            number, x, y = places[rng.integers(len(places))]
        else:
            number = int(rng.choice(len(self.areas), p=self._odds))
            x, y = _point_within(self.areas[number].region, rng)
        return self._window_with(self.areas[number], x, y, rng)

    def _window_with(self, area: SceneArea, x: float, y: float, rng: np.random.Generator) -> Crop:
        col, row = ~area.grid.transform * (x, y)
        starts = []
        for at, side in ((row, area.grid.shape[0]), (col, area.grid.shape[1])):
            start = int(np.floor(at - self.window * rng.uniform(_MARGIN, 1 - _MARGIN)))
            slack = side - self.window
            starts.append(int(np.clip(start, min(slack, 0), max(slack, 0))))
        return Crop(area.scene, *starts)


def _point_within(region: BaseGeometry, rng: np.random.Generator) -> tuple[float, float]:
    """Draws a point uniformly; a region that fills next to nothing of its bounds gives a point within it."""
    shapely.prepare(region)
    x0, y0, x1, y1 = region.bounds
    for _ in range(20):
        xs, ys = rng.uniform(x0, x1, 20), rng.uniform(y0, y1, 20)
        inside = np.flatnonzero(shapely.contains_xy(region, xs, ys))
        if len(inside):
            return float(xs[inside[0]]), float(ys[inside[0]])
    point = region.representative_point()
    return point.x, point.y


def _world() -> tuple[int, int]:
    """Number of this process among those that train together, and how many they are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
