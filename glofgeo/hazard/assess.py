"""Puts together what is known of one lake: its indicators, and the path that a flood would take."""

import math
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from datasets_def.elevation import Dem
from datasets_def.reproject import to_degrees
from glofgeo.hazard.drainage import drain, flow_path
from glofgeo.hazard.ground import PATH_M, PIXEL_M, Ground, read_ground
from glofgeo.hazard.indicators import DEPTHS, DISCHARGES, VOLUMES, ice_dam_discharge, potential_flood_volume
from glofgeo.hazard.lakefront import steep_lakefront
from glofgeo.hazard.mass_movement import movements
from glofgeo.inventory import geodesic_size
from glofgeo.inventory.glaciers import FARTHEST_M, glaciers_around

# How far down the path the slope below the lake is measured, how far around the glacier's point nearest to the lake its
# own, and how far around the lake that of the ground.
DOWNSTREAM_M, TONGUE_M, AROUND_M = 1000.0, 500.0, 250.0
# A lake that is less level than this in the DEM, in metres between its quartiles, was another when the DEM was made.
LEVEL_M = 5.0
# How far around the catchment is first looked for.
CATCHMENT_M = 5000.0


@dataclass(frozen=True)
class Sheet:
    """What is known of one lake.

    Attributes:
        values: column -> value, as `glofgeo.hazard.sheet` describes the columns; NaN where it is not known.
        notes: what to mind, in words.
        path: of a flood, a line in EPSG:4326; None where there is none.
    """

    values: dict[str, float | str | None]
    notes: list[str]
    path: BaseGeometry | None


def assess_lake(
    lake: BaseGeometry, dem: Dem, glaciers: gpd.GeoDataFrame, then: BaseGeometry | None = None, dam: str = ""
) -> Sheet:
    """Computes the indicators of one lake.

    Args:
        lake: polygon in EPSG:4326.
        dem: the DEM.
        glaciers: as `read_glaciers` gives them.
        then: the lake at the time of the DEM, in EPSG:4326; by default the same.
        dam: type of the dam as ICIMOD codes it, I(s) and I(v) for ice; may be empty.

    Raises:
        GlofgeoError: If the DEM cannot be read.
    """
    ground = read_ground(lake, dem, then)
    near = glaciers_around(lake.bounds, glaciers, FARTHEST_M, ground.grid.crs)
    area = float(geodesic_size(gpd.GeoSeries([lake], crs="EPSG:4326"))[0][0]) / 1e6
    return assess_ground(ground, near, area, _area_change(area, then), dam)


def assess_ground(ground: Ground, glaciers: gpd.GeoDataFrame, area_km2: float, grown: float, dam: str) -> Sheet:
    """Computes the indicators of one lake from the ground around it.

    Args:
        ground: around it.
        glaciers: with `rgi_id`, in the CRS of the ground.
        area_km2: of the lake.
        grown: its area now by that at the time of the DEM; NaN where the latter is not known.
        dam: type of the dam.
    """
    values: dict[str, float | str | None] = {
        "area_km2": area_km2, "level_m": ground.level_m, "uneven_m": ground.uneven_m, "dam_type": dam or None,
    }  # fmt: skip
    front = steep_lakefront(ground)
    values |= {
        "sla_deg": front.angle_deg if front else math.nan,
        "hp_m": front.lowering_m if front else math.nan,
        "steep_km2": front.steep_km2 if front else math.nan,
    }
    values |= _water(area_km2, front.lowering_m if front else math.nan, dam)
    values |= _nearest_glacier(ground, glaciers)
    around = ground.distance(ground.outline, AROUND_M)
    values["slope_250_deg"] = _mean(ground.slope[(around > 0) & (around <= AROUND_M) & ~ground.lake])
    notes = _doubts(ground, grown)
    path = None
    if math.isnan(ground.level_m):
        values |= dict.fromkeys(
            ("catchment_km2", "glacier_km2", "downstream_deg", "path_km", "path_drop_m", "avalanche_deg",
             "avalanche_depth_m", "rockfall_deg"), math.nan,
        )  # fmt: skip
        return Sheet(values, notes, path)
    # Most catchments end within a few kilometres, and a small piece of ground is drained much faster.
    for reach_m in (CATCHMENT_M, 2 * CATCHMENT_M, PATH_M):
        basin = ground.within(reach_m)
        drainage = drain(basin.height, basin.lake, basin.level_m, PIXEL_M)
        if drainage.complete:
            break
    ice = _painted(basin, list(glaciers.geometry))
    reach = movements(basin, drainage, ice)
    values |= {
        "catchment_km2": float(drainage.catchment.sum()) * PIXEL_M**2 / 1e6,
        "glacier_km2": float((drainage.catchment & ice).sum()) * PIXEL_M**2 / 1e6,
        "avalanche_deg": reach.avalanche_deg,
        "avalanche_depth_m": reach.avalanche_depth_m,
        "rockfall_deg": reach.rockfall_deg,
    }
    if not drainage.complete:
        notes.append("its catchment goes on where no height is known: areas are least values")
    found, path = _downstream(ground)
    length = found["path_km"]
    if isinstance(length, float) and length < PATH_M / 1000 - 0.1:
        notes.append(f"the path ends after {length:.1f} km, at the edge of the DEM")
    return Sheet(values | found, notes, path)


def _water(area_km2: float, lowering_m: float, dam: str) -> dict[str, float | str | None]:
    """Volumes, depths, potential flood volume and peak discharges."""
    values = {formula.key: formula.value(area_km2) for formula in (*VOLUMES, *DEPTHS)}
    volumes = [values[formula.key] for formula in VOLUMES]
    pfv = potential_flood_volume(area_km2, lowering_m)
    values |= {"vol_low_mm3": min(volumes), "vol_high_mm3": max(volumes), "pfv_mm3": pfv}
    values |= {formula.key: formula.value(pfv) for formula in DISCHARGES}
    icy = dam.startswith("I")
    values["q_ice_low_m3s"] = ice_dam_discharge(min(volumes), tunnel=True) if icy else math.nan
    values["q_ice_high_m3s"] = ice_dam_discharge(max(volumes), tunnel=False) if icy else math.nan
    return {**values}


def _nearest_glacier(ground: Ground, glaciers: gpd.GeoDataFrame) -> dict[str, float | str | None]:
    """The nearest glacier within 10 km, and the slope of its end towards the lake."""
    shapes = np.array(glaciers.geometry.array, dtype=object)
    metres = shapely.distance(shapes, ground.outline)
    if not len(shapes) or metres.min() > FARTHEST_M:
        return {"rgi_id": None, "dist_glacier_m": math.nan, "glacier_slope_deg": math.nan}
    best = int(metres.argmin())
    meet = shapely.shortest_line(ground.outline, shapes[best])
    end = ground.distance(shapely.get_point(meet, 1) if metres[best] else ground.outline, TONGUE_M)
    tongue = np.isfinite(end) & _painted(ground, [shapes[best]]) & ~ground.lake
    return {
        "rgi_id": str(glaciers["rgi_id"].iloc[best]),
        "dist_glacier_m": float(metres[best]),
        "glacier_slope_deg": _mean(ground.slope[tongue]),
    }


def _downstream(ground: Ground) -> tuple[dict[str, float | str | None], BaseGeometry | None]:
    """The path of a flood down to 15 km: its length, fall, slope below the lake, and line."""
    rows, cols = np.unravel_index(flow_path(ground.height, ground.lake, PIXEL_M, PATH_M), ground.height.shape)
    x, y = ground.places(rows, cols)
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))[: len(x)]
    kept = along <= PATH_M
    if kept.sum() < 2:
        return {"downstream_deg": math.nan, "path_km": math.nan, "path_drop_m": math.nan}, None
    x, y, along = x[kept], y[kept], along[kept]
    fall = ground.level_m - ground.height[rows[kept], cols[kept]].astype(np.float64)
    slope = math.nan
    if along[-1] >= DOWNSTREAM_M:
        slope = math.degrees(math.atan(float(np.interp(DOWNSTREAM_M, along, fall)) / DOWNSTREAM_M))
    line = shapely.simplify(shapely.linestrings(np.column_stack([x, y])), PIXEL_M / 2)
    degrees = gpd.GeoSeries([line], crs=ground.grid.crs).to_crs("EPSG:4326").iloc[0]
    found = {"downstream_deg": slope, "path_km": float(along[-1]) / 1000, "path_drop_m": float(fall[-1])}
    return {**found}, degrees


def _doubts(ground: Ground, grown: float) -> list[str]:
    notes = []
    if math.isnan(ground.level_m):
        notes.append("it lies in a void of the DEM: nothing is said of the ground")
    if grown > 1.1:
        notes.append(f"it has grown by {grown - 1:.0%} since the DEM was made")
    if ground.uneven_m > LEVEL_M:
        notes.append(
            f"it is not level in the DEM ({ground.uneven_m:.0f} m between quartiles): it may have grown since, and its "
            "level be too high"
        )
    return notes


def _area_change(area_km2: float, then: BaseGeometry | None) -> float:
    if then is None:
        return math.nan
    return area_km2 * 1e6 / float(geodesic_size(to_degrees(gpd.GeoSeries([then], crs="EPSG:4326")))[0][0])


def _painted(ground: Ground, shapes: list[Any]) -> npt.NDArray[np.bool_]:
    if not shapes:
        return np.zeros(ground.height.shape, dtype=bool)
    return np.asarray(geometry_mask(shapes, ground.height.shape, ground.grid.transform, invert=True))


def _mean(values: npt.NDArray[np.float32]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
