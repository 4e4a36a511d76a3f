"""One lake of several outlines: what its attributes become."""

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from glofgeo.inventory.attributes import FURTHER_COLUMNS, columns_of, geodesic_size, lake_ids


def union(parts: gpd.GeoDataFrame, outline: BaseGeometry) -> dict[str, Any]:
    """Gives one lake of one or several outlines, but for what `measured` adds; areas and `n_px` are sums as yet.

    Of the further columns, means are weighted by area, `dist_glacier_m` is the least, `qa_flag` lists all, and names
    and types are those of the largest part.
    """
    return {
        "scene_id": _listed(parts["scene_id"]),
        "acq_datetime": parts["acq_datetime"].min(),
        "proc_baseline": _listed(parts["proc_baseline"]),
        "area_m2": parts["area_m2"].sum(),
        "perim_m": parts["perim_m"].sum(),
        "area_unc_m2": parts["area_unc_m2"].sum(),
        "unc_method": _listed(parts["unc_method"]),
        "prob_mean": np.average(parts["prob_mean"], weights=parts["area_m2"]),
        "prob_p10": parts["prob_p10"].min(),
        "n_px": parts["n_px"].sum(),
        "valid_frac": parts["valid_frac"].max(),
        "touches_edge": parts["touches_edge"].any(),
        "geometry": shapely.multipolygons(shapely.get_parts(outline)),
    } | _further(parts)


def _further(parts: gpd.GeoDataFrame) -> dict[str, Any]:
    largest = parts.loc[parts["area_m2"].idxmax()]
    found: dict[str, Any] = {}
    for name in columns_of(parts).keys() & FURTHER_COLUMNS:
        if name in ("area_lo_m2", "area_hi_m2"):
            found[name] = parts[name].sum()
        elif name == "dist_glacier_m":
            found[name] = parts[name].min()
        elif name == "qa_flag":
            flags = [flag for text in parts[name].fillna("") for flag in text.split(", ") if flag]
            found[name] = ", ".join(dict.fromkeys(flags))
        elif FURTHER_COLUMNS[name] == "float64":
            known = parts[parts[name].notna()]
            found[name] = np.average(known[name], weights=known["area_m2"]) if len(known) else np.nan
        else:
            found[name] = largest[name]
    return found


def _listed(values: pd.Series) -> str | None:
    return " + ".join(sorted(values.dropna().unique())) or None


def measured(unions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Names unions and measures them, and scales what had been summed over their parts."""
    area, perimeter = geodesic_size(unions.geometry.to_crs("EPSG:4326"))
    scaled = {name: unions[name] * area / unions["area_m2"] for name in ("area_lo_m2", "area_hi_m2") if name in unions}
    return unions.assign(
        **scaled,
        lake_id=lake_ids(unions),
        n_px=np.rint(unions["n_px"] * area / unions["area_m2"]),
        area_unc_m2=unions["area_unc_m2"] * perimeter / unions["perim_m"],
        area_m2=area,
        perim_m=perimeter,
    )
