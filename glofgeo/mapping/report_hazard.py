"""The sheets of outburst hazard of a scene's largest lakes, for its report."""

import time
from collections.abc import Callable, Iterator, Sequence

import geopandas as gpd
import pandas as pd

from datasets_def.reproject import to_degrees
from glofgeo.hazard.lakes import LakeLayer
from glofgeo.hazard.section import NO_GROUND, HazardGround, Section, hazard_section
from glofgeo.mapping.job import Job
from glofgeo.mapping.surroundings import glaciers_of
from glofgeo.report.page import day

# How many lakes the report shows one by one.
LARGEST = 20
# When it is first told how far the sheets are, and how long until the next time: in a log, each is a line.
_FIRST_S, _PAUSE_S = 2.0, 5.0


def largest(lakes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The lakes that the report shows one by one, the largest first."""
    return lakes.sort_values("area_m2", ascending=False, kind="stable").head(LARGEST)


def hazard_of(lakes: gpd.GeoDataFrame, job: Job, tell: Callable[[str], None] | None = None) -> Section:
    """Gives the sheets of the largest lakes, where DEM and glaciers are at hand.

    Args:
        lakes: the layer, in the CRS of the scene.
        job: what was mapped.
        tell: receives how far it is, in words, if it takes long.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    ground = job.surroundings
    if ground is None or ground.dem is None or ground.glaciers is None:
        return NO_GROUND
    rows = largest(lakes)
    dates = ["" if pd.isna(date) else day(date) for date in rows["acq_datetime"]]
    shown = LakeLayer(rows["lake_id"].tolist(), to_degrees(rows.geometry), dates, [""] * len(rows))
    lead = f"the {len(rows)} largest of {len(lakes)} lakes" if len(rows) < len(lakes) else f"all {len(rows)} lakes"

    def track(numbers: Sequence[int]) -> Iterator[int]:
        due = time.monotonic() + _FIRST_S
        for number in numbers:
            if tell and time.monotonic() >= due:
                due = time.monotonic() + _PAUSE_S
                tell(f"hazard {number}/{len(numbers)}, {job.scene.id}")
            yield number

    known = HazardGround(ground.dem, glaciers_of(ground.glaciers), ground.glaciers.name)
    return hazard_section(shown, rows.index.tolist(), known, lead.capitalize(), track)
