"""What an analyst made of an inventory in QGIS: reviews, outlines drawn anew, split or added, further columns."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.polygons import is_reviewed
from datasets_def.reproject import polygons_of
from glofgeo.inventory.attributes import columns_of, geodesic_size
from glofgeo.inventory.identity import new_names

# What an analyst fills in; nobody else changes it.
REVIEW = ("review", "note", "analyst")
# The analyst has drawn the lake anew: the outline in `lakes` stays, even if a map has the same.
REDRAWN = "redraw"

# Degrees: a centimetre, so that a program which writes fewer digits draws no lake anew.
_SAME = 1e-7


def name_reviewed(lakes: gpd.GeoDataFrame, observations: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Names what an analyst added to the layer `lakes`, and tells which outlines no map has.

    Of rows that share a name, as the parts of a lake that was split do, the one that a map has, or else the largest,
    keeps it; the others, and lakes without a name, get names of their own.

    Args:
        lakes: the layer as it was found, EPSG:4326.
        observations: from which glofgeo wrote it, in order of time.

    Returns:
        Its rows, but for new ones without a polygon, `lake_id` unique, and `drawn`: outline and row are the analyst's.
    """
    outlines = [shapely.multipolygons(polygons_of(shapely.make_valid(lake))) for lake in lakes.geometry]
    lakes = lakes.set_geometry(gpd.GeoSeries(outlines, lakes.index, crs=lakes.crs))
    latest = observations.groupby("lake_id").tail(1).set_index("lake_id").geometry
    lakes = lakes[~lakes.geometry.is_empty | lakes["lake_id"].isin(latest.index)].reset_index(drop=True)
    names = _names_of_known(lakes, latest)
    mapped = latest.reindex(names).to_numpy()
    unchanged = shapely.equals_exact(shapely.normalize(lakes.geometry.to_numpy()), shapely.normalize(mapped), _SAME)
    order = np.lexsort((-shapely.area(lakes.geometry.to_numpy()), ~unchanged))
    nameless = names.iloc[order].duplicated().reindex(names.index) | (names == "")
    twice = nameless & unchanged
    lakes, names, unchanged, nameless = lakes[~twice], names[~twice], unchanged[~twice], nameless[~twice]
    if nameless.any():
        taken = {*names[~nameless], *latest.index}
        names[nameless] = new_names(lakes[nameless], taken)
    drawn = (~unchanged | nameless | is_reviewed(lakes, REDRAWN)) & ~lakes.geometry.is_empty
    return lakes.assign(lake_id=names, drawn=drawn)


def _names_of_known(lakes: gpd.GeoDataFrame, latest: gpd.GeoSeries) -> "pd.Series[str]":
    """The names of rows; one that has the outline of a lake of the maps under another name is that lake."""
    names = lakes["lake_id"].fillna("").astype(str)
    known = dict(zip(shapely.to_wkb(shapely.normalize(latest.to_numpy())), latest.index, strict=True))
    outlines = shapely.to_wkb(shapely.normalize(lakes.geometry.to_numpy()))
    alike = pd.Series([known.get(outline, "") for outline in outlines], names.index, dtype=names.dtype)
    return names.where(names.isin(latest.index) | (alike == ""), alike)


def with_reviews(current: gpd.GeoDataFrame, reviewed: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """Adds what the analyst wrote and drew.

    Args:
        current: the latest observation of each lake, `lake_id` as index, EPSG:4326.
        reviewed: as `name_reviewed` gives it; None without an earlier inventory.

    Returns:
        `current` with the columns of `REVIEW` and the analyst's own. Lakes that were drawn are measured anew, and have
        nothing of what a map said of its own outline. What was drawn and is of no map has a row, too.
    """
    if reviewed is None:
        return current.assign(**dict.fromkeys(REVIEW))
    reviewed = reviewed.set_index("lake_id")
    theirs = [name for name in reviewed.columns if name not in {*current.columns, "drawn"}]
    known = reviewed[reviewed.index.isin(current.index)]
    own = reviewed[~reviewed.index.isin(current.index) & reviewed["drawn"]]
    current = current.join(known[theirs])
    for name in set(REVIEW) - set(theirs):
        current[name] = None
    redrawn = known.index[known["drawn"]]
    current.loc[redrawn, "geometry"] = known.loc[redrawn].geometry
    empty = {"n_px": 0, "observations": 0, "touches_edge": False}
    if len(own):
        current = pd.concat([current, own.reindex(columns=current.columns).assign(**empty)])
    return _measured(current, [*redrawn, *own.index])


def _measured(current: gpd.GeoDataFrame, drawn: list[str]) -> gpd.GeoDataFrame:
    if not drawn:
        return current
    before = current.loc[drawn, "perim_m"].to_numpy(float)
    area, perimeter = geodesic_size(gpd.GeoSeries(current.loc[drawn, "geometry"], crs="EPSG:4326"))
    current.loc[drawn, "area_m2"] = area
    current.loc[drawn, "perim_m"] = perimeter
    # In proportion to the perimeter, see `UNCERTAINTY_METHOD`.
    current.loc[drawn, "area_unc_m2"] *= perimeter / before
    current.loc[drawn, "n_px"] = 0
    for name in current.columns.intersection(["prob_mean", "prob_p10", "area_lo_m2", "area_hi_m2"]):
        current.loc[drawn, name] = float("nan")
    return current.astype({name: kind for name, kind in columns_of(current).items() if kind in ("int32", "bool")})
