"""How much of the lakes a scene sees: by the scene classification over their polygons, not by the tile's cloud."""

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import shapely
from geopandas import GeoSeries
from rasterio import DatasetReader
from rasterio.features import rasterize

from datasets_def.grid import Grid
from datasets_def.in_place import read_in_place
from datasets_def.pixels import OBSERVED_CLASS
from datasets_def.raster_checks import CLASSES, check_raster
from datasets_def.reproject import areas_on_grid
from datasets_def.stac_bands import is_jpeg2000
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.search import Found

logger = logging.getLogger(__name__)

# Of the scene classification. Source: Sentinel-2 L2A product definition, SCL table.
_SNOW = 11

# Scenes that see the same to within this share count as equal, and snow decides.
_STEP = 0.05

_CONNECTIONS = 4


@dataclass(frozen=True)
class Seen:
    """What a scene sees of the lakes, or of the area where no lakes were given.

    Attributes:
        share: of their pixels on the tile that show the surface: neither cloud nor missing; 0-1.
        snow: of those, the share under snow or ice.
        is_measured: by the scene classification; else these are the catalogue's figures for the whole tile.
    """

    share: float
    snow: float
    is_measured: bool = True

    @property
    def order(self) -> tuple[float, float]:
        """Sorts the best first."""
        return -math.floor(self.share / _STEP + 0.5), self.snow


def of_tile(scene: Found) -> Seen:
    """What a scene sees by the catalogue's figures for its tile."""
    cloud, snow = scene.item.cloud, scene.item.snow
    return Seen(1 - (100 if cloud is None else cloud) / 100, (snow or 0) / 100, is_measured=False)


def rank(scenes: Sequence[Found], lakes: GeoSeries, done: Callable[[int], None]) -> dict[str, Seen]:
    """Measures what scenes see, a few at a time.

    Args:
        scenes: to look at.
        lakes: polygons, any CRS.
        done: is called with 1 for each scene.

    Returns:
        Name of the scene -> what it sees.
    """

    def measure(scene: Found) -> Seen:
        try:
            return lakes_seen(scene, lakes)
        except GlofgeoError as error:
            logger.warning("%s; its tile's cloud is taken instead", error)
            return of_tile(scene)
        finally:
            done(1)

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return dict(zip((scene.name for scene in scenes), pool.map(measure, scenes), strict=True))


def lakes_seen(scene: Found, lakes: GeoSeries) -> Seen:
    """Measures what a scene sees; by its tile's figures where its scene classification cannot be read in place.

    Args:
        scene: of a catalogue.
        lakes: polygons, any CRS.

    Raises:
        GlofgeoError: If the classification cannot be read.
    """
    classification = scene.item.assets[CLASSES]
    if is_jpeg2000(classification.href, classification.media_type):
        return of_tile(scene)

    def read(source: DatasetReader) -> Seen:
        check_raster(f"{scene.name}: {CLASSES}", source, {CLASSES: 1}, (CLASSES,))
        grid = Grid(source.shape, source.transform, source.crs)
        shapes = areas_on_grid(lakes, grid.crs, grid.outline)
        if not len(shapes):
            return of_tile(scene)
        window = grid.intersect(tuple(shapely.total_bounds(shapes)))
        part = grid.window(window)
        # A pond smaller than a pixel counts by the pixels it touches.
        inside = rasterize(shapes, part.shape, transform=part.transform, all_touched=True).astype(bool)
        classes = source.read(1, window=window)[inside]
        if not np.isin(classes, np.arange(len(OBSERVED_CLASS))).all():
            raise GlofgeoError(f"{scene.name}: {CLASSES} holds other numbers than classes")
        return seen_in(classes.astype(np.uint8))

    return read_in_place(classification.href, read)


def seen_in(classes: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> Seen:
    """Counts classes of the scene classification, `(N,)`, at the pixels of lakes."""
    observed = OBSERVED_CLASS[classes]
    count = int(observed.sum())
    snow = int((classes == _SNOW).sum())
    return Seen(count / max(len(classes), 1), snow / max(count, 1))
