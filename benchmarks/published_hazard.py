"""Compares `glofgeo hazard` with published tables, for whoever has the elevation model they need.

Potential flood volumes of Fujita et al. 2013 (table 2), and steep lakefronts, avalanches and rockfalls of Rounce et al.
2016 (table 5). A published lake is the outline of the layer that lies nearest to its coordinates, within 1 km; a lake
of table 5 takes those of the same name in table 2.

    python benchmarks/published_hazard.py published.csv --lakes LAKES.gpkg --dem FOLDER-OF-GLO-30 --glaciers RGI.gpkg
"""

import argparse
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.elevation import open_dem
from glofgeo.hazard.assess import assess_lake
from glofgeo.hazard.lakes import LakeLayer, read_lakes
from glofgeo.inventory.glaciers import read_glaciers
from glofgeo.inventory.zonal import local_crs

NEAR_M = 1000.0


def with_places(published: pd.DataFrame) -> pd.DataFrame:
    """The rows that can be compared, with coordinates."""
    rows = published[published["table"].isin(["fujita2013_2", "rounce2016_5"])].copy()
    known = rows.dropna(subset=["lon"]).drop_duplicates("lake").set_index("lake")
    for axis in ("lon", "lat"):
        rows[axis] = rows[axis].fillna(rows["lake"].map(known[axis]))
    return rows


def nearest(lakes: LakeLayer, lon: float, lat: float) -> int | None:
    """The number of the lake that lies nearest to a place, within 1 km."""
    hits = lakes.outlines.sindex.query(shapely.box(lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05))
    if not len(hits):
        return None
    crs = local_crs(lon, lat)
    metres = lakes.outlines.iloc[hits].to_crs(crs).distance(shapely.Point(0, 0)).to_numpy()
    return int(hits[metres.argmin()]) if metres.min() <= NEAR_M else None


def compare(published: pd.DataFrame, lakes: LakeLayer, dem: list[Path], glaciers: gpd.GeoDataFrame) -> pd.DataFrame:
    """One row a published lake: what was published, and what is computed."""
    ground = open_dem(dem)
    rows = []
    for row in with_places(published).itertuples():
        number = None if np.isnan(row.lon) else nearest(lakes, row.lon, row.lat)
        if number is None:
            rows.append({"table": row.table, "lake": row.lake, "name": "no outline within 1 km, or no coordinates"})
            continue
        found = assess_lake(lakes.outlines.iloc[number], ground, glaciers).values
        rows.append(
            {
                "table": row.table, "lake": row.lake, "name": lakes.names[number], "area_km2": found["area_km2"],
                "pfv_published": row.pfv_mm3, "pfv": found["pfv_mm3"], "sla_published": row.sla_deg,
                "sla": found["sla_deg"], "avalanche_published": row.avalanche,
                "avalanche": "T" if found["avalanche_depth_m"] else "F", "rockfall_published": row.rockfall,
                "rockfall": "T" if found["rockfall_deg"] >= 20 else "F",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("published", type=Path)
    parser.add_argument("--lakes", type=Path, required=True)
    parser.add_argument("--dem", type=Path, nargs="+", required=True)
    parser.add_argument("--glaciers", type=Path, required=True)
    given = parser.parse_args()
    table = compare(pd.read_csv(given.published), read_lakes(given.lakes), given.dem, read_glaciers(given.glaciers))
    print(table.to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
