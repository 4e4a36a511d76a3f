"""Where to look: windows around lakes and anywhere for training, a grid for validation (no pixel is read here)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from geopandas import GeoDataFrame
from shapely.geometry.base import BaseGeometry
from torch.utils.data import Sampler

# Upper bounds in km2 of all but the largest size class, so that small lakes get their share of the windows.
SIZE_CLASSES_KM2 = (0.005, 0.02, 0.1, 1.0)
_EQUAL_AREA = "EPSG:6933"

# The point a window was drawn for lies at this share of its side from the edge at least: a lake cut off is
# seen without its surroundings.
_MARGIN = 0.1


class Crop(NamedTuple):
    """A square window on one scene's grid.

    Attributes:
        scene: number of the scene.
        row: first row, negative or beyond the scene where the scene is smaller than the window.
        col: first column.
        skip_rows: leading rows that another window of a grid answers for.
        skip_cols: leading columns of the same.
    """

    scene: int
    row: int
    col: int
    skip_rows: int = 0
    skip_cols: int = 0


@dataclass(frozen=True)
class Ground:
    """What one scene shows of one part.

    Attributes:
        scene: number of the scene.
        transform: pixel corner to CRS; north-up.
        shape: (rows, cols) of the scene.
        region: the part's ground within the scene, in the scene's CRS; not empty.
        lakes: those within the region, clipped to it, in the scene's CRS; index = number in the lake layer,
            column `area_km2` = of the whole lake.
    """

    scene: int
    transform: Affine
    shape: tuple[int, int]
    region: BaseGeometry
    lakes: GeoDataFrame


def clip_lakes(lakes: GeoDataFrame, region: BaseGeometry) -> GeoDataFrame:
    """Gives the lakes of a region as `Ground` wants them.

    Args:
        lakes: polygons in the region's CRS.
        region: where to look.
    """
    hits = lakes.iloc[np.sort(lakes.sindex.query(region, predicate="intersects"))]
    inside = hits.geometry.intersection(region)
    hits = GeoDataFrame({"area_km2": hits.to_crs(_EQUAL_AREA).area / 1e6}, geometry=inside)
    return hits[inside.area > 0]


class LakeSampler(Sampler[Crop]):
    """Draws training windows: `lake_share` of them around lakes, the rest anywhere on the ground.

    Around lakes, every size class is as likely as another, every lake within a class, every scene that shows the lake,
    and every vertex of its shore. A window stays within its scene, or holds the scene if that is smaller. Windows
    depend on seed and epoch alone. (TorchGeo's `GeoSampler` holds one index in one CRS; this one spans scenes of
    several UTM zones, so it is a plain torch sampler.)
    """

    def __init__(self, grounds: Sequence[Ground], window: int, crops: int, lake_share: float, seed: int) -> None:
        """Sorts the lakes into size classes.

        Args:
            grounds: at least one.
            window: side in pixels.
            crops: windows an epoch.
            lake_share: 0 to 1; without a lake on the grounds, all windows fall anywhere.
            seed: of the draws.
        """
        self.grounds = list(grounds)
        self.window = window
        self.crops = crops
        self.lake_share = lake_share
        self.seed = seed
        self.epoch = 0
        pixels = [g.region.area / abs(g.transform.determinant) for g in self.grounds]
        self._odds = np.array(pixels) / sum(pixels)
        self.classes = self._size_classes()

    def _size_classes(self) -> list[list[list[tuple[int, npt.NDArray[np.float64]]]]]:
        """Lists, for each size class that occurs, its lakes; for each lake, its views: (ground, shore vertices)."""
        classes: dict[int, dict[int, list[tuple[int, npt.NDArray[np.float64]]]]] = {}
        for number, ground in enumerate(self.grounds):
            ranks = np.searchsorted(SIZE_CLASSES_KM2, ground.lakes["area_km2"], side="right")
            for lake, rank, shape in zip(ground.lakes.index, ranks, ground.lakes.geometry, strict=True):
                view = (number, shapely.get_coordinates(shape))
                classes.setdefault(int(rank), {}).setdefault(int(lake), []).append(view)
        return [list(lakes.values()) for _, lakes in sorted(classes.items())]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the windows of an epoch; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Windows an epoch."""
        return self.crops

    def __iter__(self) -> Iterator[Crop]:
        """Draws the windows of the epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        for _ in range(self.crops):
            if self.classes and rng.random() < self.lake_share:
                lakes = self.classes[rng.integers(len(self.classes))]
                views = lakes[rng.integers(len(lakes))]
                number, shore = views[rng.integers(len(views))]
                x, y = shore[rng.integers(len(shore))]
            else:
                number = int(rng.choice(len(self.grounds), p=self._odds))
                x, y = _point_within(self.grounds[number].region, rng)
            yield self._window_with(self.grounds[number], x, y, rng)

    def _window_with(self, ground: Ground, x: float, y: float, rng: np.random.Generator) -> Crop:
        col, row = ~ground.transform * (x, y)
        starts = []
        for at, side in ((row, ground.shape[0]), (col, ground.shape[1])):
            start = int(np.floor(at - self.window * rng.uniform(_MARGIN, 1 - _MARGIN)))
            slack = side - self.window
            starts.append(int(np.clip(start, min(slack, 0), max(slack, 0))))
        return Crop(ground.scene, *starts)


class GridWindows(Sampler[Crop]):
    """A grid of windows in which every pixel of the grounds counts exactly once.

    The last window of a row or column shifts in; the pixels that its neighbour has answered for are to be skipped.
    """

    def __init__(self, grounds: Sequence[Ground], window: int) -> None:
        """Lays the grid.

        Args:
            grounds: what to cover.
            window: side in pixels.
        """
        self.windows = [crop for ground in grounds for crop in _grid(ground, window)]

    def __len__(self) -> int:
        """Windows altogether."""
        return len(self.windows)

    def __iter__(self) -> Iterator[Crop]:
        """Gives the windows, scene by scene in row order."""
        return iter(self.windows)


def _grid(ground: Ground, window: int) -> list[Crop]:
    crops = [
        Crop(ground.scene, row, col, skip_rows, skip_cols)
        for row, skip_rows in _starts(ground.shape[0], window)
        for col, skip_cols in _starts(ground.shape[1], window)
    ]
    # A pixel counts where its centre lies in the region, so a window that only touches the region has none.
    boxes = []
    for crop in crops:
        x0, y0 = ground.transform * (crop.col + crop.skip_cols, crop.row + crop.skip_rows)
        x1, y1 = ground.transform * (crop.col + window, crop.row + window)
        boxes.append(shapely.box(x0, y1, x1, y0))
    shapely.prepare(ground.region)
    keep = shapely.intersects(ground.region, boxes)
    return [crop for crop, wanted in zip(crops, keep, strict=True) if wanted]


def _starts(side: int, window: int) -> list[tuple[int, int]]:
    """Cuts one axis into windows: (first pixel, leading pixels to skip)."""
    if side <= window:
        return [(0, 0)]
    starts = [(start, 0) for start in range(0, side - window + 1, window)]
    rest = side - (starts[-1][0] + window)
    return [*starts, (side - window, window - rest)] if rest else starts


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
