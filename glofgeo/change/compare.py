"""Compares lake layers of two or more dates: all that the verb `change` finds, to work with in Python."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.reproject import to_crs
from glofgeo.change.alerts import find_alerts, without_omissions
from glofgeo.change.classes import compare_layers
from glofgeo.change.gaps import across_gaps
from glofgeo.change.ground import Ground, fill_in, read_ground
from glofgeo.change.layer_dates import given_day
from glofgeo.change.links import Links, clusters_of
from glofgeo.change.reach import beyond_reach, require_common_ground
from glofgeo.change.read_layer import PLANE, LakeLayer, layer_of, read_layer
from glofgeo.change.series import fit_trends, lake_series, overlapping
from glofgeo.change.significance import Total
from glofgeo.errors import GlofgeoError, GlofgeoWarning
from glofgeo.terminal import steps


@dataclass(frozen=True, eq=False, repr=False)
class Changes:
    """What became of lakes between layers of two or more dates.

    Attributes:
        layers: in the order of their dates.
        changes: a row for each cluster of lakes and pair of neighbouring dates; columns as in `compare_layers`, and
            `layer_before`, `layer_after`.
        links: the links of all pairs, with the same two columns.
        alerts: lakes to look at; see `find_alerts`.
        series: a row for each lake and date, from three dates on; see `lake_series`.
        trends: a row for each lake with three points or more; see `fit_trends`.
        issues: what is odd about the layers, by row.
        graphs: the links of each pair of neighbouring dates as a graph.
        of_lake: by name of layer, the `series_id` of each of its lakes, from three dates on.
        ground: what was given of the ground on which the lakes lie.
    """

    layers: tuple[LakeLayer, ...]
    changes: pd.DataFrame
    links: pd.DataFrame
    alerts: pd.DataFrame
    series: pd.DataFrame
    trends: pd.DataFrame
    issues: pd.DataFrame
    graphs: tuple[Links, ...]
    of_lake: dict[str, Any]
    ground: Ground

    @property
    def intervals(self) -> list[tuple[str, str]]:
        """Names of the layers that were compared, in pairs."""
        return [(before.name, after.name) for before, after in pairwise(self.layers)]

    def interval(self, number: int) -> pd.DataFrame:
        """The rows of `changes` of one pair of dates, from 0."""
        before, after = self.intervals[number]
        found = (self.changes["layer_before"] == before) & (self.changes["layer_after"] == after)
        return self.changes[found]

    def write(self, folder: str | Path, *, progress: bool = False) -> Path:
        """Writes `changes.gpkg`, CSV tables and `report.html` into a folder, which it returns.

        Args:
            folder: made if need be.
            progress: show a bar on the standard error.

        Raises:
            GlofgeoError: If something there is not glofgeo's own, or cannot be written.
        """
        from glofgeo.change.outputs import write_outputs

        return write_outputs(self, Path(folder), progress=progress)

    def __repr__(self) -> str:
        return f"<Changes: {self.told()}>"

    def told(self) -> str:
        """What was found, on a line."""
        words = []
        for number in range(len(self.intervals)):
            total = change_total(self.interval(number))
            words.append(
                f"{total.value / 1e6:+.2f} km² ± {total.independent / 1e6:.2f} "
                f"(± {total.correlated / 1e6:.2f} if all err alike)"
            )
        counts = self.changes["class"].value_counts()
        what = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in counts.index)
        return f"{', then '.join(words)}; {what or 'no lakes'}; alerts: {len(self.alerts)}"


def change_total(rows: pd.DataFrame) -> Total:
    """Adds up the changes of area in m2; copied outlines and what was not observed at both dates count for nothing."""
    counted = rows[~rows["class"].isin(["carried_over", "not_observed"])]
    sigma = np.hypot(counted["sigma_before_m2"].to_numpy(), counted["sigma_after_m2"].to_numpy())
    return Total.of(counted["change_m2"].to_numpy(), sigma)


def compare(
    *layers: Any,
    dates: Sequence[str] = (),
    aoi: gpd.GeoDataFrame | str | Path | None = None,
    dem: Sequence[str | Path] = (),
    glaciers: str | Path | None = None,
    regions: Sequence[str | Path] = (),
    progress: bool = False,
) -> Changes:
    """Compares lake layers of two or more dates.

    Args:
        *layers: paths, GeoDataFrames, LakeMaps or LakeLayers, of glofgeo or of any inventory, in any order.
        dates: year or day of each layer, in the same order, for lakes that have none of their own.
        aoi: compare only lakes that meet these polygons at one of the dates (a file, the name of a ready-made area, or
            a frame).
        dem: tiles of an elevation model, or folders of them: elevations of lakes that have none.
        glaciers: a layer of glacier outlines: distance to the nearest glacier and, for layers that tell none, types.
        regions: layers of basins or countries: their names, for layers that tell none.
        progress: show a bar on the standard error.

    Raises:
        GlofgeoError: If there are fewer than two layers, one cannot be read, two show different places, or the dates or
            the ground do not fit.
    """
    if len(layers) < 2:
        raise GlofgeoError(f"{len(layers)} layer of lakes", "give two or more, of different dates")
    if dates and len(dates) != len(layers):
        raise GlofgeoError(f"{len(dates)} dates for {len(layers)} layers", "give one for each", argument="dates")
    for date in dates:
        given_day(date)
    given: list[str | None] = [*dates] or [None] * len(layers)
    read = [
        _layer(layer, date, number)
        for number, (layer, date) in enumerate(steps(list(zip(layers, given, strict=True)), "Reading", progress), 1)
    ]
    ground, area = read_ground(dem, glaciers, regions), _read_area(aoi)
    named = _named_apart(read)
    within = named if area is None else _within(named, area)
    ordered = _in_order(fill_in(within, ground, progress=progress))
    tables, graphs = [], []
    for before, after in steps(list(pairwise(ordered)), "Comparing", progress):
        require_common_ground(before, after)
        rows, graph = compare_layers(before, after)
        tables.append(rows.assign(layer_before=before.name, layer_after=after.name))
        graphs.append(graph)
    changes = pd.concat(tables, ignore_index=True)
    unmasked = [layer.name for layer in ordered if not layer.knows_clouds]
    alerts, series, trends = find_alerts(changes, unmasked), pd.DataFrame(), pd.DataFrame()
    of_lake: dict[str, Any] = {}
    if len(ordered) > 2:
        for _ in steps([None], "Fitting trends", progress):
            series, of_lake = lake_series(ordered)
            trends = fit_trends(series)
            gaps = across_gaps(series, ordered, graphs, of_lake)
        alerts = find_alerts(pd.concat([changes, gaps], ignore_index=True) if len(gaps) else changes, unmasked)
        alerts = without_omissions(alerts, series, _members(alerts, ordered, graphs, of_lake))
    beyond = beyond_reach(changes, ordered, graphs)
    for issue in beyond:
        warnings.warn(f"{issue.issue} ({issue.value}), {issue.consequence}", GlofgeoWarning, stacklevel=2)
    issues = pd.DataFrame(
        [issue for layer in ordered for issue in layer.issues] + beyond,
        columns=["layer", "row", "lake_id", "issue", "value", "consequence"],
    )
    links = [
        graph.table.assign(layer_before=before.name, layer_after=after.name)
        for graph, (before, after) in zip(graphs, pairwise(ordered), strict=True)
    ]
    return Changes(
        tuple(ordered),
        changes,
        pd.concat(links, ignore_index=True),
        alerts,
        series,
        trends,
        issues,
        tuple(graphs),
        of_lake,
        ground,
    )


def _layer(layer: Any, date: str | None, number: int) -> LakeLayer:
    if isinstance(layer, LakeLayer):
        return layer
    if isinstance(layer, gpd.GeoDataFrame):
        return layer_of(layer, f"layer {number}", date)
    if isinstance(layer, str | Path):
        path = Path(layer)
        return read_layer(path / "lakes.gpkg" if (path / "lakes.gpkg").is_file() else path, date)
    if getattr(layer, "folder", None) is not None:
        return read_layer(layer.folder / "lakes.gpkg", date)
    if isinstance(lakes := getattr(layer, "lakes", None), gpd.GeoDataFrame):
        return layer_of(lakes, layer.record["scene"], date)
    raise GlofgeoError(f"{type(layer).__name__}: is no layer of lakes", "give a path, a GeoDataFrame or a LakeMap")


def _named_apart(layers: list[LakeLayer]) -> list[LakeLayer]:
    """Numbers layers that share a name, as files of different folders may."""
    names = [layer.name for layer in layers]
    return [
        layer if names.count(layer.name) == 1
        else replace(layer, name=f"{layer.name} ({names[:i].count(layer.name) + 1})")
        for i, layer in enumerate(layers)
    ]  # fmt: skip


def _in_order(layers: list[LakeLayer]) -> list[LakeLayer]:
    """Sorts layers by date; where one has none, the order in which they were given is theirs."""
    if any(pd.isna(layer.middle) for layer in layers):
        return layers
    return sorted(layers, key=lambda layer: (layer.middle, layer.name))


def _read_area(aoi: Any) -> Any:
    """The area of interest on `PLANE`, in one piece."""
    if aoi is None:
        return None
    if not isinstance(aoi, gpd.GeoDataFrame):
        from datasets_def.aoi import read_aoi

        aoi = read_aoi(aoi)
    return shapely.union_all(to_crs(aoi.geometry, PLANE).to_numpy())


def _within(layers: list[LakeLayer], area: Any) -> list[LakeLayer]:
    """Keeps the lakes that meet an area at any of the dates: one that grows into it is not new there."""
    outlines = np.concatenate([layer.lakes.geometry.to_numpy() for layer in layers])
    of_layer = np.repeat(np.arange(len(layers)), [len(layer.lakes) for layer in layers])
    _, label = clusters_of(*overlapping(outlines, of_layer), len(outlines))
    shapely.prepare(area)
    inside = np.isin(label, np.unique(label[shapely.intersects(area, outlines)]))
    return [
        replace(layer, lakes=layer.lakes[inside[of_layer == i]].reset_index(drop=True), day=layer.middle)
        for i, layer in enumerate(layers)
    ]


def _members(alerts: pd.DataFrame, layers: list[LakeLayer], graphs: list[Links], of_lake: dict[str, Any]) -> list[int]:
    """The series of each alert's lake."""
    number = {layer.name: i for i, layer in enumerate(layers)}
    found = []
    for row in alerts.to_dict("records"):
        graph = graphs[number[row["layer_before"]]]
        lake = int(np.flatnonzero(graph.cluster_before == row["cluster_id"])[0])
        found.append(int(of_lake[row["layer_before"]][lake]))
    return found
