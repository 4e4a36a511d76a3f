"""What is known of a scene's ground besides its pixels: a DEM, glaciers and regions fill further columns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd

from datasets_def.elevation import Dem, open_dem
from datasets_def.sun import scene_sun
from glofgeo.inventory.glaciers import add_glaciers, read_glaciers
from glofgeo.inventory.quality import qa_flags
from glofgeo.inventory.regions import add_regions, read_regions
from glofgeo.inventory.terrain import add_terrain

if TYPE_CHECKING:
    from glofgeo.mapping.job import Job


@dataclass(frozen=True)
class Surroundings:
    """A DEM, glacier outlines, basins or countries, or several of these.

    Only names are kept, so that jobs travel lightly to the workers of a cluster.

    Attributes:
        dem: the DEM, if there is one.
        glaciers: file of the outlines, if there is one.
        regions: files of basins or countries.
        dem_is_named: for these scenes; a DEM that was only found is left out where a scene lies off it.
    """

    dem: Dem | None
    glaciers: Path | None
    regions: tuple[Path, ...] = ()
    dem_is_named: bool = True

    @property
    def without_dem(self) -> "Surroundings | None":
        """The others, if there are any."""
        return replace(self, dem=None) if self.glaciers or self.regions else None

    @property
    def facts(self) -> list[Any]:
        """What tells these files from others: names, sizes, times of change."""
        files = [*(self.dem.files if self.dem else ()), *([self.glaciers] if self.glaciers else ()), *self.regions]
        return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


@lru_cache(maxsize=1)
def glaciers_of(path: Path) -> gpd.GeoDataFrame:
    """Reads glacier outlines once for all scenes."""
    return read_glaciers(path)


@lru_cache(maxsize=1)
def _regions(paths: tuple[Path, ...]) -> gpd.GeoDataFrame:
    """Reads basins and countries once for all scenes."""
    return read_regions(paths)


def read_surroundings(
    dem: Sequence[str | Path],
    glaciers: str | Path | None,
    regions: Sequence[str | Path] = (),
    *,
    dem_is_named: bool = True,
) -> Surroundings | None:
    """Opens the files, once for all scenes.

    Args:
        dem: its tiles, or folders of them; none if there is no DEM.
        glaciers: the layer of outlines, if there is one.
        regions: layers of basins or countries.
        dem_is_named: as in `Surroundings`.

    Returns:
        None if there is nothing.

    Raises:
        GlofgeoError: If one cannot be read.
    """
    if not dem and glaciers is None and not regions:
        return None
    opened = open_dem([Path(path).absolute() for path in dem]) if dem else None
    outlines = None if glaciers is None else Path(glaciers).absolute()
    if outlines is not None:
        glaciers_of(outlines)
    named = tuple(Path(path).absolute() for path in regions)
    if named:
        _regions(named)
    return Surroundings(opened, outlines, named, dem_is_named)


def add_surroundings(lakes: gpd.GeoDataFrame, outlines: gpd.GeoDataFrame, job: "Job") -> gpd.GeoDataFrame:
    """Adds the columns of `FURTHER_COLUMNS` that the job's files suffice for; none if it has no such file.

    Args:
        lakes: as `describe_lakes` gives them.
        outlines: the same lakes as `lake_polygons` gives them.
        job: what was mapped.

    Raises:
        GlofgeoError: If the DEM cannot be read or does not cover the scene.
    """
    ground, scene = job.surroundings, job.scene
    if ground is None:
        return lakes
    if ground.dem is not None:
        lakes = add_terrain(lakes, ground.dem, job.area.grid, scene_sun(scene))
    if ground.glaciers is not None:
        lakes = add_glaciers(lakes, glaciers_of(ground.glaciers), job.pixel_m, scene.datetime)
    if ground.regions:
        lakes = add_regions(lakes, _regions(ground.regions))
    each = lakes["area_m2"] / outlines["n_px"]
    lakes = lakes.assign(area_lo_m2=each * outlines["n_px_70"], area_hi_m2=each * outlines["n_px_30"])
    return lakes.assign(qa_flag=qa_flags(lakes))
