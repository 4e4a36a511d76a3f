"""What `change` leaves in its folder: a GeoPackage for QGIS, CSV tables fit for a paper, and a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.atomic import written_beside
from glofgeo.change.classes import CLASSES
from glofgeo.change.read_layer import PLANE, LakeLayer
from glofgeo.change.report import write_report
from glofgeo.change.significance import Total
from glofgeo.change.styles import alerts_qml, changes_qml, gain_loss_qml
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.styled_geopackage import StyledLayer, stamp_of, write_styled
from glofgeo.inventory.styles import observations_qml
from glofgeo.report.page import require_own

if TYPE_CHECKING:
    from glofgeo.change.compare import Changes

REPORT, LAYERS = "report.html", "changes.gpkg"
TABLES = ("summary", "changes", "links", "alerts", "series", "trends", "issues")


def require_place(folder: Path) -> None:
    """Makes sure that a folder may be written to: none of our files is there, or all are ours.

    Raises:
        GlofgeoError: If a file of one of our names is there without a report of ours beside it.
    """
    require_own(folder, "change", REPORT, (LAYERS, *(f"{table}.csv" for table in TABLES)))


def write_outputs(changes: "Changes", folder: Path, *, progress: bool = False) -> Path:
    """Writes everything; each file is there whole or not at all. The report comes first: it tells whose the rest is.

    Raises:
        GlofgeoError: If something else is there, or the folder cannot be written.
    """
    require_place(folder)
    summary = summarise(changes)
    outlines = gpd.GeoSeries(
        np.concatenate([_outlines(changes, number) for number in range(len(changes.intervals))]), crs=PLANE
    ).to_crs("EPSG:4326")
    try:
        with written_beside(folder / REPORT) as part:
            write_report(part, changes, summary, outlines, progress=progress)
        with written_beside(folder / LAYERS) as part:
            write_styled(part, _layers(changes, outlines), stamp_of(changes.changes["date_after"].max()))
        tables = {"summary": summary} | {name: getattr(changes, name) for name in TABLES[1:]}
        for name, table in tables.items():
            if not len(table.columns):
                # Of an earlier run over more dates: it would pass for a part of this one.
                (folder / f"{name}.csv").unlink(missing_ok=True)
            else:
                with written_beside(folder / f"{name}.csv") as part:
                    in_km2(table).to_csv(part, index=False, lineterminator="\n")
    except OSError as error:
        raise GlofgeoError(
            f"{folder}: cannot be written ({error.strerror or error})", "name another folder", argument="out"
        ) from None
    return folder


def summarise(changes: "Changes") -> pd.DataFrame:
    """Counts and adds up the clusters of each class, for each pair of dates; the changes of an interval add up."""
    rows = []
    for number, (before, after) in enumerate(changes.intervals):
        interval = changes.interval(number)
        for name in CLASSES:
            part = interval[interval["class"] == name]
            sigma = np.hypot(part["sigma_before_m2"].to_numpy(), part["sigma_after_m2"].to_numpy())
            if name == "carried_over":
                sigma = sigma * 0.0  # nothing was measured anew
            total = Total.of(part["change_m2"].to_numpy(), sigma)
            rows.append(
                {
                    "layer_before": before,
                    "layer_after": after,
                    "class": name,
                    "clusters": len(part),
                    "lakes_before": int(part["n_before"].sum()),
                    "lakes_after": int(part["n_after"].sum()),
                    "area_before_m2": part["area_before_m2"].sum(),
                    "area_after_m2": part["area_after_m2"].sum(),
                    "change_m2": total.value,
                    "sigma_independent_m2": total.independent,
                    "sigma_correlated_m2": total.correlated,
                }
            )
    return pd.DataFrame(rows)


def in_km2(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with areas in km2, dates as days, and no more digits than mean anything."""
    out = table.copy()
    for name in table.columns:
        if pd.api.types.is_datetime64_any_dtype(table[name]):
            out[name] = table[name].dt.strftime("%Y-%m-%d")
        elif name.endswith(("_m2", "_m2_per_year")) or name in ("slope_low", "slope_high"):
            out[name] = (table[name] / 1e6).round(6)
        elif name.endswith("_km2"):
            out[name] = table[name].round(6)
        elif pd.api.types.is_float_dtype(table[name]):
            out[name] = table[name].round(4)
    names = {name: name.replace("_m2", "_km2") for name in table.columns}
    ends = {"slope_low": "slope_low_km2_per_year", "slope_high": "slope_high_km2_per_year"}
    return out.rename(columns=names | ends)


def _outlines(changes: "Changes", number: int) -> Any:
    """One outline for each cluster of an interval: of the later date, or of the earlier one where that has none."""
    graph, before, after = changes.graphs[number], changes.layers[number], changes.layers[number + 1]
    found = _unions(before, graph.cluster_before, graph.clusters)
    later = _unions(after, graph.cluster_after, graph.clusters)
    there = later != None  # noqa: E711 (element by element)
    found[there] = later[there]
    return found


def _unions(layer: LakeLayer, cluster: Any, clusters: int) -> Any:
    """What a layer has of each cluster, as a MultiPolygon; None where it has nothing."""
    found = np.full(clusters, None, dtype=object)
    shapes = layer.lakes.geometry.to_numpy()
    many = np.bincount(cluster, minlength=clusters)[cluster] > 1
    found[cluster[~many]] = shapes[~many]
    for member, group in pd.Series(np.flatnonzero(many)).groupby(cluster[many]):
        found[member] = shapely.union_all(shapes[group.to_numpy()])
    single = shapely.get_type_id(found) == 3
    found[single] = [shapely.MultiPolygon([shape]) for shape in found[single]]
    return found


def _layers(changes: "Changes", outlines: gpd.GeoSeries) -> list[StyledLayer]:
    table = changes.changes.drop(columns=["cut"])
    everything = gpd.GeoDataFrame(table, geometry=outlines.array, crs=outlines.crs)
    alerts = changes.alerts.merge(
        everything[["cluster_id", "layer_before", "geometry"]], on=["cluster_id", "layer_before"], how="left"
    )
    points = gpd.GeoDataFrame(
        alerts.drop(columns="geometry"), geometry=shapely.point_on_surface(alerts["geometry"].to_numpy()),
        crs=outlines.crs,
    )  # fmt: skip
    layers = [
        StyledLayer("changes", everything, "MultiPolygon", "what became of each lake", changes_qml()),
        StyledLayer("gain_loss", _gain_loss(changes), "MultiPolygon", "lake at one date only", gain_loss_qml()),
        StyledLayer("lake_observations", _observations(changes), "MultiPolygon", "every outline", observations_qml()),
        StyledLayer("alerts", points, "Point", "lakes to look at", alerts_qml()),
        StyledLayer("links", changes.links, None, "which outlines overlap"),
    ]
    if len(changes.trends):
        layers.append(StyledLayer("trends", changes.trends, None, "trend of each lake"))
    return layers


def _observations(changes: "Changes") -> gpd.GeoDataFrame:
    lakes = pd.concat([layer.lakes.assign(layer=layer.name) for layer in changes.layers], ignore_index=True)
    names = ["layer", "row", "lake_id", "acq_datetime", "area_m2", "perim_m", "sigma_m2", "lake_type", "elev_m",
             "dist_glacier_m", "basin", "country"]  # fmt: skip
    table = gpd.GeoDataFrame(lakes.rename(columns={"date": "acq_datetime"}), crs=PLANE).to_crs("EPSG:4326")
    return table[[*names, "geometry"]]


def _gain_loss(changes: "Changes") -> gpd.GeoDataFrame:
    """Where there is lake at one of two dates only; of copied outlines nowhere."""
    parts = []
    for number in range(len(changes.intervals)):
        graph, before, after = changes.graphs[number], changes.layers[number], changes.layers[number + 1]
        rows = changes.interval(number).reset_index(drop=True)
        rows = rows[~rows["class"].isin(["carried_over", "not_observed"])]
        which = rows["cluster_id"].to_numpy()
        earlier = _unions(before, graph.cluster_before, graph.clusters)[which]
        later = _unions(after, graph.cluster_after, graph.clusters)[which]
        nothing = shapely.MultiPolygon()
        earlier[earlier == None], later[later == None] = nothing, nothing  # noqa: E711 (element by element)
        for kind, has, lacks in (("gain", later, earlier), ("loss", earlier, later)):
            columns = ["cluster_id", "lake_id", "class", "layer_before", "layer_after", "date_before", "date_after"]
            part = gpd.GeoDataFrame(rows[columns].assign(kind=kind), geometry=_polygons(has, lacks), crs=PLANE)
            parts.append(part[~part.geometry.is_empty])
    found = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=PLANE)
    found["area_m2"] = found.geometry.area
    return found.to_crs("EPSG:4326")


def _polygons(has: Any, lacks: Any) -> Any:
    """What the first have and the second lack; lines that are left over are no area."""
    rest = shapely.difference(has, lacks)
    parts, of_part = shapely.get_parts(rest, return_index=True)
    flat = shapely.get_type_id(parts) == 3
    return shapely.multipolygons(parts[flat], indices=of_part[flat], out=np.full(len(has), shapely.MultiPolygon()))
