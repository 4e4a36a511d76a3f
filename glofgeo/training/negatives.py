"""Hard negatives: what is no lake but is often taken for one."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from geopandas import GeoDataFrame
from rasterio.features import geometry_mask
from rasterio.windows import Window
from rasterio.windows import transform as window_transform
from scipy.ndimage import binary_dilation
from shapely.geometry.base import BaseGeometry

from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.scene import Scene

Mask = npt.NDArray[np.bool_]
Points = dict[str, npt.NDArray[np.float64]]
Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

# Classes of the Level-2A scene classification (Sentinel-2 Products Specification Document, SCL).
_SHADOW, _CLOUD, _SNOW = (2, 3), (8, 9, 10), (11,)
# As wide as what a resampled 20 m classification and a 10 m lake outline may disagree by.
_EDGE = 2
_MOST = 5000
# Infrared reflectance below which half of all lakes lie, and little of what the sun shines on.
_DARK = 0.05


def find_hard(
    classes: npt.NDArray[np.uint8] | None, green_and_infrared: Pair | None, lake: Mask, land: Mask
) -> dict[str, Mask]:
    """Marks what optical lake maps most often get wrong (Wangchuk & Bolch 2020, Science of Remote Sensing 2:100008).

    Args:
        classes: scene classification `(H, W)`, None where there is none.
        green_and_infrared: reflectance of `NDWI_BANDS` `(H, W)`, 1.0 = 100 %; None without these bands.
        lake: `(H, W)` reference lakes; nothing on or next to them is marked.
        land: `(H, W)`, what is observed and wanted.

    Returns:
        `shadow` (of mountains and clouds), `dark` (as dark in the infrared as water: shadow where nothing classifies
        it, rivers, dark rock), `wet` (NDWI > 0: slush, wet ice, rivers), `snow margin` (both sides) and `cloud edge`
        (the clear side), as far as they can be told.
    """
    land = land & ~_grown(lake)
    found: dict[str, Mask] = {}
    if green_and_infrared is not None:
        found["wet"] = (ndwi(*green_and_infrared) > 0) & land
        found["dark"] = (green_and_infrared[1] < _DARK) & land
    if classes is not None:
        snow, cloud = np.isin(classes, _SNOW), np.isin(classes, _CLOUD)
        found["shadow"] = np.isin(classes, _SHADOW) & land
        found["snow margin"] = _grown(snow) & _grown(~snow) & land
        found["cloud edge"] = _grown(cloud) & ~cloud & land
    return found


def hard_points(scene: Scene, region: BaseGeometry, lakes: GeoDataFrame, seed: int) -> Points:
    """Draws places of hard negatives on a scene.

    Args:
        scene: read in strips, once.
        region: where to look, in the scene's CRS.
        lakes: all reference lakes, in the scene's CRS.
        seed: of the draw.

    Returns:
        x, y in the scene's CRS, `(N, 2)` of each kind that occurs, at most 5000.

    Raises:
        GlofgeoError: If the scene cannot be read.
    """
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[npt.NDArray[np.float64]]] = {}
    strips = list(_strips(scene, region))
    for window in strips:
        shape, transform = (int(window.height), int(window.width)), window_transform(window, scene.transform)
        image, land = scene.load(window)
        land &= geometry_mask([region], shape, transform, invert=True)
        near = lakes.geometry.iloc[lakes.sindex.query(region, predicate="intersects")]
        lake = geometry_mask(near, shape, transform, invert=True) if len(near) else np.zeros(shape, np.bool_)
        classes = scene.classes(window) if scene.has_cloud_mask else None
        for kind, mask in find_hard(classes, _ndwi_bands(scene, image), lake, land).items():
            places = np.flatnonzero(mask)
            places = rng.choice(places, min(len(places), -(-_MOST // len(strips))), replace=False)
            row, col = np.divmod(places, shape[1])
            drawn.setdefault(kind, []).append(np.column_stack(transform * (col + 0.5, row + 0.5)))
    points = {kind: np.concatenate(parts) for kind, parts in drawn.items()}
    return {kind: places for kind, places in points.items() if len(places)}


def _strips(scene: Scene, region: BaseGeometry) -> Iterator[Window]:
    area = scene.grid.intersect(region.bounds)
    for strip in scene.grid.window(area).strips():
        yield Window(area.col_off, area.row_off + strip.row_off, strip.width, strip.height)


def _ndwi_bands(scene: Scene, image: npt.NDArray[np.float32]) -> Pair | None:
    if not set(NDWI_BANDS) <= set(scene.bands):
        return None
    green, infrared = (image[scene.bands.index(band)] for band in NDWI_BANDS)
    return green, infrared


def _grown(mask: Mask) -> Mask:
    return binary_dilation(mask, np.ones((3, 3), np.bool_), iterations=_EDGE)
