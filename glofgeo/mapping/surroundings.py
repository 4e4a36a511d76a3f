"""What is known of a scene's ground besides its pixels: a DEM and glacier outlines fill further columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd

from datasets_def.elevation import Dem, open_dem
from datasets_def.sun import scene_sun
from glofgeo.inventory.glaciers import add_glaciers, read_glaciers
from glofgeo.inventory.quality import qa_flags
from glofgeo.inventory.terrain import add_terrain

if TYPE_CHECKING:
    from glofgeo.mapping.job import Job


@dataclass(frozen=True)
class Surroundings:
    """A DEM, glacier outlines, or both.

    Attributes:
        dem: the DEM, if there is one.
        glaciers: as `read_glaciers` gives them, if there are any.
        files: of both.
    """

    dem: Dem | None
    glaciers: gpd.GeoDataFrame | None
    files: tuple[Path, ...]

    @property
    def facts(self) -> list[Any]:
        """What tells these files from others: names, sizes, times of change."""
        return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in self.files]


def read_surroundings(dem: Sequence[str | Path], glaciers: str | Path | None) -> Surroundings | None:
    """Opens the files.

    Args:
        dem: its tiles, or folders of them; none if there is no DEM.
        glaciers: the layer of outlines, if there is one.

    Returns:
        None if there is neither.

    Raises:
        GlofgeoError: If one cannot be read.
    """
    if not dem and glaciers is None:
        return None
    opened = open_dem(dem) if dem else None
    outlines = None if glaciers is None else read_glaciers(glaciers)
    files = (*(opened.files if opened else ()), *(() if glaciers is None else (Path(glaciers),)))
    return Surroundings(opened, outlines, files)


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
        lakes = add_glaciers(lakes, ground.glaciers, job.pixel_m, scene.datetime)
    each = lakes["area_m2"] / outlines["n_px"]
    lakes = lakes.assign(area_lo_m2=each * outlines["n_px_70"], area_hi_m2=each * outlines["n_px_30"])
    return lakes.assign(qa_flag=qa_flags(lakes))
