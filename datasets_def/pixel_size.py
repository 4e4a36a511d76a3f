"""The size of a scene's pixels on the ground."""

import numpy as np
from affine import Affine
from pyproj import Geod, Transformer
from pyproj.exceptions import ProjError
from rasterio.crs import CRS

from datasets_def.errors import GlofgeoError

_WGS84 = Geod(ellps="WGS84")


def pixel_area(crs: CRS, transform: Affine, shape: tuple[int, int]) -> float:
    """Measures the pixel in the middle of a grid.

    Its sides in the CRS say little: they can be degrees, and in Web Mercator a metre at 60 degrees north is half a one.

    Args:
        crs: of the grid.
        transform: pixel corner to CRS.
        shape: (rows, cols).

    Returns:
        Its geodesic area (WGS 84) in square metres.

    Raises:
        GlofgeoError: If the CRS has no longitudes and latitudes there.
    """
    rows, cols = shape
    corners = [transform * (cols // 2 + dx, rows // 2 + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
    try:
        to_degrees = Transformer.from_crs(crs.to_wkt(), "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform([x for x, _ in corners], [y for _, y in corners], errcheck=True)
        area = abs(_WGS84.polygon_area_perimeter(lon, lat)[0])
    except ProjError as error:
        raise GlofgeoError(f"the grid does not lie on the Earth in its CRS ({str(error).splitlines()[0]})") from None
    if not (np.isfinite(area) and area > 0):
        raise GlofgeoError("the middle of the grid does not lie on the Earth", "check its CRS and corner in QGIS")
    return float(area)


def pixel_side(crs: CRS, transform: Affine, shape: tuple[int, int]) -> float:
    """Gives the side in metres of a square as large as the pixel in the middle of a grid; see `pixel_area`."""
    return float(np.sqrt(pixel_area(crs, transform, shape)))
