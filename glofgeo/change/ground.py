"""Fills in what a lake layer does not tell itself, from a DEM, glacier outlines, and layers of basins and countries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from rasterio.env import Env
from rasterio.transform import from_origin

from datasets_def.elevation import Dem, open_dem
from datasets_def.grid import Grid
from datasets_def.reproject import to_crs, to_degrees
from glofgeo.change.read_layer import LakeLayer
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.glaciers import FARTHEST_M, add_glaciers, read_glaciers
from glofgeo.inventory.regions import add_regions, read_regions
from glofgeo.inventory.zonal import cells_within, local_crs, middle_of
from glofgeo.terminal import steps

# Lakes are looked at together within squares of this side: small enough for a plane, and a DEM of fine pixels.
_SQUARE_M = 20_000.0
_FINEST_M = 10.0


@dataclass(frozen=True, eq=False)
class Ground:
    """What is known of the ground on which lakes lie; None where nothing was given.

    Attributes:
        dem: an elevation model.
        glaciers: as `read_glaciers` gives them.
        regions: as `read_regions` gives them.
        ice: name of the layer of glaciers.
    """

    dem: Dem | None
    glaciers: gpd.GeoDataFrame | None
    regions: gpd.GeoDataFrame | None
    ice: str = ""


def read_ground(dem: Sequence[str | Path], glaciers: str | Path | None, regions: Sequence[str | Path]) -> Ground:
    """Opens the files of each kind; there may be none of it.

    Raises:
        GlofgeoError: If one cannot be read.
    """
    return Ground(
        open_dem(dem) if dem else None,
        read_glaciers(glaciers) if glaciers is not None else None,
        read_regions(regions) if regions else None,
        "" if glaciers is None else Path(glaciers).name,
    )


def fill_in(layers: Sequence[LakeLayer], ground: Ground, *, progress: bool = False) -> list[LakeLayer]:
    """Fills in `elev_m` and `dist_glacier_m` of lakes that have none, and what a layer tells of none of its lakes.

    The latter are `lake_type` (as `add_glaciers` tells types), `basin` and `country`: names of two makers do not mix.

    Args:
        layers: to fill in.
        ground: what to take it from.
        progress: show a bar on the standard error.

    Raises:
        GlofgeoError: If the DEM cannot be read, or covers none of the lakes; or no glacier is near one.
    """
    filled, met_dem, met_ice = [], False, False
    for layer in layers:
        lakes = layer.lakes.copy()
        wanted = {name: not (lakes[name] != "").any() for name in ("lake_type", "basin", "country")}
        squares = _squares(lakes.geometry) if ground.dem or ground.glaciers is not None else []
        for which in steps(squares, f"Ground of {layer.name}", progress):
            part = lakes.iloc[which]
            middle = middle_of(to_degrees(part.geometry))
            part = part.set_geometry(to_crs(part.geometry, local_crs(*middle)))
            if ground.dem:
                height = elevations(part.geometry, ground.dem)
                met_dem |= bool(np.isfinite(height).any())
                _fill(lakes, "elev_m", which, height)
            if ground.glaciers is not None:
                icy = add_glaciers(part, ground.glaciers, float(part["pixel_m"].median()), None)
                met_ice |= bool(icy["dist_glacier_m"].notna().any())
                _fill(lakes, "dist_glacier_m", which, icy["dist_glacier_m"].to_numpy())
                if wanted["lake_type"]:
                    lakes.iloc[which, lakes.columns.get_loc("lake_type")] = icy["lake_type"].to_numpy()
        if ground.regions is not None:
            named = add_regions(lakes[["geometry"]], ground.regions)
            for name in named.columns.intersection([name for name, empty in wanted.items() if empty]):
                lakes[name] = named[name]
        filled.append(replace(layer, lakes=lakes))
    if any(len(layer.lakes) for layer in layers):
        if ground.dem and not met_dem:
            message = f"{ground.dem.files[0]}: the DEM covers none of the lakes"
            raise GlofgeoError(message, "check both in QGIS", argument="dem")
        if ground.glaciers is not None and not met_ice:
            message = f"no glacier lies within {FARTHEST_M / 1000:.0f} km of any lake"
            raise GlofgeoError(message, "check both layers in QGIS", argument="glaciers")
    return filled


def elevations(outlines: gpd.GeoSeries, dem: Dem) -> npt.NDArray[np.float64]:
    """Gives the median height of each lake's ground in metres, parts of cells counting by their area; NaN in voids.

    Args:
        outlines: in a CRS in metres, `(N,)`, not far apart.
        dem: warped to that CRS, with pixels as large as its own but no finer than 10 m.
    """
    left, bottom, right, top = outlines.total_bounds
    side = max(dem.pixel_m, _FINEST_M)
    rows, cols = (int(np.ceil(length / side)) + 2 for length in (top - bottom, right - left))
    grid = Grid((rows, cols), from_origin(left - side, top + side, side, side), outlines.crs)
    if not dem.meets(grid):
        return np.full(len(outlines), np.nan)
    with Env(GDAL_CACHEMAX=256):
        height = dem.on(grid)
    return np.array([cells.quantile(0.5) for cells in cells_within(height, grid, outlines)])


def _squares(outlines: gpd.GeoSeries) -> list[npt.NDArray[np.intp]]:
    """Positions of the lakes that lie together in one square of the plane."""
    points = shapely.get_coordinates(shapely.point_on_surface(outlines.to_numpy()))
    _, square = np.unique(np.floor(points / _SQUARE_M), axis=0, return_inverse=True)
    order = np.argsort(square.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(square.ravel()[order])) + 1) if len(order) else []


def _fill(lakes: gpd.GeoDataFrame, name: str, which: Any, values: npt.NDArray[np.float64]) -> None:
    own = lakes[name].to_numpy(float)[which]
    lakes.iloc[which, lakes.columns.get_loc(name)] = np.where(np.isnan(own), values, own)
