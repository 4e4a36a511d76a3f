"""The lake layers of many scenes as one, in which no lake is counted twice."""

from collections.abc import Iterator
from itertools import count
from string import ascii_lowercase
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from datasets_def.reproject import to_degrees
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import COLUMNS, geodesic_size, lake_ids, name_suffix

# Two outlines show the same lake where they share more than this part of the smaller one. A pixel of disagreement
# between two grids leaves more than that of the smallest lakes, and gives less to neighbours that merely touch.
_SAME_LAKE = 0.1

# A scene whose lakes cover less than this part of what another one shows there has not seen all of it.
_WHOLE = 0.5

_WGS84 = "EPSG:4326"

Outlines = npt.NDArray[np.object_]


def combine_lakes(layers: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Combines the lake layers of scenes; a lake that several scenes of one date show occurs once.

    Scenes of one UTC day are of one date; a scene of unknown time is a date of its own. Lakes of different dates are
    different observations and all stay. Lakes of different scenes of a date belong together if they overlap by more
    than a tenth of the smaller one. Of lakes that belong together, those of one scene stay that shows them whole: none
    of them touches its border or unobserved pixels, each outline of the other scenes overlaps one of them, and no
    other scene shows more than twice their area. Of several such scenes it is the one with the greatest mean
    `valid_frac`, then with the most pixels, then the first by name.

    Where no scene shows them whole, they become one lake, the union of the outlines. Its `scene_id` and
    `proc_baseline` list those of its parts, `acq_datetime` and `prob_p10` are the least, `valid_frac` is the greatest,
    `prob_mean` is weighted by area, and `touches_edge` is true if it is for one part. Area and perimeter are measured
    anew; `n_px` is the area times the parts' pixels per area, `area_unc_m2` the perimeter times the parts'
    uncertainty per length of shore, which is the same formula with the same pixel.

    Args:
        layers: one for each scene, as `describe_lakes` gives them, possibly without lakes.

    Returns:
        Exactly the columns of `COLUMNS`, and the geometry, MultiPolygon in the CRS of the layers, or in EPSG:4326 if
        they differ. Sorted by date and `lake_id`, which is unique within a date: of lakes that share a name the
        largest keeps it, the next ones get the next free letter. The order of the layers does not matter.

    Raises:
        GlofgeoError: If a layer lacks a column or a CRS, or a scene occurs in two layers.
    """
    _check(layers)
    agree = bool(layers) and all(layer.crs == layers[0].crs for layer in layers)
    crs = layers[0].crs if agree else _WGS84
    filled = sorted((layer for layer in layers if len(layer)), key=lambda layer: min(layer["scene_id"]))
    if not filled:
        return gpd.GeoDataFrame(columns=[*COLUMNS, "geometry"], geometry="geometry", crs=crs).astype(COLUMNS)
    lakes = pd.concat([_plain(layer, crs).assign(layer=i) for i, layer in enumerate(filled)], ignore_index=True)
    dates = [of_date.reset_index(drop=True) for _, of_date in lakes.groupby(_date(lakes))]
    return pd.concat([_combine_date(of_date, agree) for of_date in dates], ignore_index=True)


def _check(layers: list[gpd.GeoDataFrame]) -> None:
    scenes: set[str] = set()
    for layer in layers:
        missing = [name for name in COLUMNS if name not in layer.columns]
        if missing or layer.crs is None:
            raise GlofgeoError(
                f"a lake layer lacks {', '.join(missing) or 'a coordinate reference system'}; "
                "combine layers that `glofgeo map` wrote"
            )
        own = {scene for name in layer["scene_id"].unique() for scene in name.split(" + ")}
        if own & scenes:
            raise GlofgeoError(f"scene {min(own & scenes)} occurs in two lake layers; combine each scene once")
        scenes |= own


def _plain(layer: gpd.GeoDataFrame, crs: Any) -> gpd.GeoDataFrame:
    """The layer as it was before it went to a file: the geometry has another name there, unknown times no time zone."""
    instant = pd.to_datetime(layer["acq_datetime"], utc=True)
    columns = layer[[*COLUMNS]].assign(acq_datetime=instant).astype(COLUMNS)
    return gpd.GeoDataFrame(columns, geometry=_brought(layer.geometry, crs).array, crs=crs)


def _brought(outlines: gpd.GeoSeries, crs: Any) -> gpd.GeoSeries:
    """Brings outlines to EPSG:4326, those across 180 degrees cut there, unless the combined layer has their own CRS."""
    if outlines.crs == crs:
        return outlines
    return to_degrees(outlines).map(lambda lake: shapely.multipolygons(shapely.get_parts(lake)))


def _date(lakes: gpd.GeoDataFrame) -> pd.Series:
    """Names the date of each lake, so that names sort by date and unknown dates come last, one for each scene."""
    instant = lakes["acq_datetime"]
    return instant.dt.strftime("%Y-%m-%d").where(instant.notna(), "unknown " + lakes["scene_id"])


def _combine_date(lakes: gpd.GeoDataFrame, agree: bool) -> gpd.GeoDataFrame:
    """Combines the lakes of one date; `layer` tells where each comes from, `agree` that their CRS is the layers'."""
    planar = lakes.geometry if agree else _project(lakes.geometry)
    outlines = _repaired(planar.to_numpy())
    links = _links(outlines, lakes["layer"].to_numpy())
    traits = {name: lakes[name].to_numpy() for name in ("touches_edge", "area_m2", "valid_frac", "n_px")}
    of_layer = lakes["layer"].tolist()
    stay: list[int] = []
    unions: list[dict[str, Any]] = []
    for group in _groups(links):
        views: dict[int, list[int]] = {}
        for lake in group:
            views.setdefault(of_layer[lake], []).append(lake)
        best = group if len(group) == 1 else _best_view([views[layer] for layer in sorted(views)], links, traits)
        if best is None:
            unions.append(_union(lakes.iloc[group], outlines[group]))
        else:
            stay += best
    found = [lakes.iloc[sorted(stay)]]
    if unions:
        joined = _measured(gpd.GeoDataFrame(unions, crs=planar.crs))
        found.append(joined.set_geometry(_brought(joined.geometry, lakes.crs)))
    return _named(pd.concat([part[[*COLUMNS, "geometry"]].astype(COLUMNS) for part in found], ignore_index=True))


def _project(outlines: gpd.GeoSeries) -> gpd.GeoSeries:
    """Brings outlines to an equal-area plane around the first of them, which has no seam at 180 degrees."""
    longitude, latitude = shapely.get_coordinates(outlines.iloc[0])[0]
    return outlines.to_crs(f"+proj=laea +lon_0={longitude} +lat_0={latitude} +datum=WGS84 +units=m")


def _repaired(outlines: Outlines) -> Outlines:
    """Makes outlines valid, which overlays need: they may cross themselves by a rounding since they were projected."""
    broken = ~shapely.is_valid(outlines)
    repaired = outlines.copy()
    repaired[broken] = shapely.make_valid(outlines[broken], method="structure", keep_collapsed=False)
    return repaired


def _links(outlines: Outlines, layer: npt.NDArray[np.int64]) -> list[set[int]]:
    """Tells for each lake which ones of other scenes show the same lake."""
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    ours = (first < second) & (layer[first] != layer[second])
    first, second = first[ours], second[ours]
    common = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    area = shapely.area(outlines)
    same = common > _SAME_LAKE * np.minimum(area[first], area[second])
    links: list[set[int]] = [set() for _ in outlines]
    for one, other in zip(first[same].tolist(), second[same].tolist(), strict=True):
        links[one].add(other)
        links[other].add(one)
    return links


def _groups(links: list[set[int]]) -> Iterator[list[int]]:
    """Gathers the lakes that are linked, directly or through others."""
    seen: set[int] = set()
    for start in range(len(links)):
        group, ahead = set[int](), {start} - seen
        while ahead:
            group |= ahead
            ahead = set().union(*(links[lake] for lake in ahead)) - group
        seen |= group
        if group:
            yield sorted(group)


def _best_view(
    views: list[list[int]], links: list[set[int]], traits: dict[str, npt.NDArray[Any]]
) -> list[int] | None:  # fmt: skip
    """Chooses the scene that shows linked lakes whole, None if none does; a view is what one scene shows of them."""
    most = max(traits["area_m2"][view].sum() for view in views)
    everything = {lake for view in views for lake in view}

    def is_whole(view: list[int]) -> bool:
        matched = set(view).union(*(links[lake] for lake in view))
        large = traits["area_m2"][view].sum() >= _WHOLE * most
        return bool(large and matched == everything and not traits["touches_edge"][view].any())

    def merit(view: list[int]) -> tuple[float, int]:
        return traits["valid_frac"][view].mean(), traits["n_px"][view].sum()

    # Of equals, max takes the first, and views come in the order of their scenes' names.
    return max(filter(is_whole, views), key=merit, default=None)


def _union(parts: gpd.GeoDataFrame, outlines: Outlines) -> dict[str, Any]:
    """One lake of several outlines, but for what `_measured` adds; `n_px` and `area_unc_m2` are sums as yet."""
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
        "geometry": shapely.multipolygons(shapely.get_parts(shapely.union_all(outlines))),
    }


def _listed(values: pd.Series) -> str | None:
    return " + ".join(sorted(values.dropna().unique())) or None


def _measured(unions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Names unions and measures them, and scales what had been summed over their parts."""
    area, perimeter = geodesic_size(unions.geometry.to_crs(_WGS84))
    return unions.assign(
        lake_id=lake_ids(unions),
        n_px=np.rint(unions["n_px"] * area / unions["area_m2"]),
        area_unc_m2=unions["area_unc_m2"] * perimeter / unions["perim_m"],
        area_m2=area,
        perim_m=perimeter,
    )


def _named(lakes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Makes names unique, the largest lake first to choose, and sorts by them."""
    ranked = lakes.assign(smallness=-lakes["area_m2"]).sort_values(["smallness", "scene_id"], kind="stable")
    names = ranked["lake_id"].tolist()
    taken = set(names)
    used: set[str] = set()
    for i, name in enumerate(names):
        if name in used:
            place = name.rstrip(ascii_lowercase)
            name = next(free for free in (place + name_suffix(number) for number in count(1)) if free not in taken)
            taken.add(name)
        used.add(name)
        names[i] = name
    return ranked.drop(columns="smallness").assign(lake_id=names).sort_values("lake_id", ignore_index=True)
