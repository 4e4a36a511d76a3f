"""The cells of a raster within polygons; cells that a polygon only partly covers count by the part."""

import math
import warnings
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from rasterio.crs import CRS

from datasets_def.grid import Grid


@dataclass(frozen=True)
class Cells:
    """What a raster has within one polygon.

    Attributes:
        values: `(N,)` float64, of the cells that have one.
        shares: `(N,)` float64, how much of each cell the polygon covers, above 0 and up to 1.
    """

    values: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean, weighted by share; NaN without a cell."""
        return float(np.average(self.values, weights=self.shares)) if self.values.size else math.nan

    def quantile(self, share: float) -> float:
        """The least value that, with all lower ones, covers this share of the area (0-1); NaN without a cell."""
        if not self.values.size:
            return math.nan
        order = np.argsort(self.values)
        covered = np.cumsum(self.shares[order])
        return float(self.values[order][np.searchsorted(covered, share * covered[-1] * (1 - 1e-12))])


def cells_within(values: npt.NDArray[np.float32], grid: Grid, polygons: gpd.GeoSeries) -> list[Cells]:
    """Finds the cells of a raster that each polygon covers.

    The quantiles of exactextract 0.3 take equal values for one, which on the level ground of a lake goes wrong: it is
    only asked for the cells.

    Args:
        values: `(H, W)` float32; NaN counts nowhere.
        grid: where they lie.
        polygons: in the CRS of the grid.
    """
    if not len(polygons):
        return []
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    left, bottom, right, top = grid.bounds
    source = NumPyRasterSource(values, left, bottom, right, top)
    zones = gpd.GeoDataFrame({"zone": np.arange(len(polygons))}, geometry=polygons.to_numpy(), crs=polygons.crs)
    with warnings.catch_warnings():
        # The raster has no CRS of its own here; it is the polygons'.
        warnings.filterwarnings("ignore", message="Spatial reference system")
        found = exact_extract(source, zones, ["values", "coverage"], include_cols=["zone"], output="pandas")
    found = found.sort_values("zone")
    return [
        _known(np.asarray(each), np.asarray(part))
        for each, part in zip(found["values"], found["coverage"], strict=True)
    ]


def _known(values: npt.NDArray[np.generic], shares: npt.NDArray[np.generic]) -> Cells:
    flat = np.ma.filled(np.ma.asarray(values, np.float64), np.nan)
    known = ~np.isnan(flat)
    return Cells(flat[known], np.asarray(shares, np.float64)[known])


def middle_of(outlines: gpd.GeoSeries) -> tuple[float, float]:
    """Gives longitude and latitude of the middle of outlines in EPSG:4326, which may lie on both sides of 180."""
    lon, lat = shapely.get_coordinates(outlines.to_numpy()).T
    if np.ptp(lon) > 180:
        lon = lon % 360
    return (float(lon.min() + lon.max()) / 2 + 180) % 360 - 180, float(lat.min() + lat.max()) / 2


def local_crs(lon: float, lat: float) -> CRS:
    """Gives a CRS in metres around a place (azimuthal equidistant, WGS 84).

    Within 100 km of the place, lengths and areas are true to less than a ten-thousandth.
    """
    return CRS.from_proj4(f"+proj=aeqd +lon_0={lon:.6f} +lat_0={lat:.6f} +datum=WGS84 +units=m")
