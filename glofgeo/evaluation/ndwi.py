"""NDWI, the classical method that a model is compared with."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from geopandas import GeoDataFrame
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from datasets_def.grid import READ_ROWS, Grid
from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.scene import open_scene
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation.pixels import bring, burn

if TYPE_CHECKING:
    from datasets_def.scene import Scene

_BINS = 400
_VISIBLE = ("B02", "B03", "B04")


def open_judged(path: str | Path, offset: float | None = None) -> "Scene":
    """Opens a scene that a map was made from, with the bands of the index, or at least to see what was observed.

    Raises:
        GlofgeoError: As `open_scene`.
    """
    try:
        return open_scene(path, NDWI_BANDS, offset=offset)
    except GlofgeoError:
        try:
            return open_scene(path, _VISIBLE, offset=offset)
        except GlofgeoError:
            pass
        raise


def why_no_ndwi(scene: "Scene") -> str | None:
    """Tells in words why the index cannot be had from a scene, or None if it can."""
    try:
        scene.require(NDWI_BANDS)
    except GlofgeoError as error:
        return str(error)
    return None


def tune_ndwi(regions: "Iterable[tuple[Scene, BaseGeometry]]", lakes: GeoDataFrame) -> float | None:
    """Finds the threshold above which NDWI has the best lake IoU, pooled over regions of scenes.

    Every observed pixel counts as it does where the threshold is judged: an index beyond -1 or 1 too, and one that is
    undefined as land.

    Args:
        regions: scenes, and polygons in each one's CRS within which its observed pixels count.
        lakes: reference lakes, any CRS.

    Returns:
        -0.995 to 0.995 in steps of 0.005; None if a scene has no NDWI, or no lake was observed.
    """
    counts = np.zeros((2, _BINS))
    for scene, region in regions:
        if why_no_ndwi(scene) is not None:
            return None
        for grid, window in _strips(scene, region):
            image, valid = scene.load(window, NDWI_BANDS)
            observed = valid & burn(np.array([region], dtype=object), grid)
            index = np.nan_to_num(ndwi(*image), nan=-1).clip(-1, 1)
            lake = burn(bring(lakes, grid), grid)
            for row, which in enumerate((~lake & observed, lake & observed)):
                # Mirrored, so that an index on a bin's edge counts below it: it is not above that threshold.
                counts[row] += np.histogram(-index[which], _BINS, (-1, 1))[0][::-1]
    if not counts[1].any():
        return None
    # Above the lower edge of each bin.
    false, found = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    edge = 1 + int(np.argmax((found / (counts[1].sum() + false))[1:]))
    return 2 * edge / _BINS - 1


def _strips(scene: "Scene", region: BaseGeometry) -> "Iterable[tuple[Grid, Window]]":
    """Cuts the part of a scene that a region lies in into strips, each with its own grid."""
    part = scene.grid.intersect(region.bounds)
    for strip in scene.grid.window(part).strips(READ_ROWS):
        window = Window(part.col_off, part.row_off + strip.row_off, strip.width, strip.height)
        yield scene.grid.window(window), window
