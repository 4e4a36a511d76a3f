"""An inventory that grows with every map: current lakes, all observations, and what an analyst said of them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

from datasets_def.atomic import written_beside
from datasets_def.reproject import to_degrees
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import COLUMNS, columns_of
from glofgeo.inventory.geopackage import SIDECARS
from glofgeo.inventory.identity import name_lakes
from glofgeo.inventory.review import REVIEW, name_reviewed, with_reviews
from glofgeo.inventory.styled_geopackage import StyledLayer, stamp_of, write_styled
from glofgeo.inventory.styles import lake_points_qml, lakes_qml, observations_qml

# What the latest map with a DEM or glacier outlines says of the place also holds for a later outline of the lake.
_LASTING = ("elev_m", "elev_iqr", "mean_slope", "rgi_id", "dist_glacier_m", "lake_type", "lake_type_conf")

# Of every GeoPackage.
_PARTS = ("gpkg_", "rtree_", "sqlite_")
_TABLES = ("lakes", "lakes_points", "lake_observations", "run_metadata")


def read_observations(path: Path) -> gpd.GeoDataFrame | None:
    """Reads all observations of an inventory, in EPSG:4326; None if there is no such file yet.

    Raises:
        GlofgeoError: If the file is no inventory that glofgeo wrote.
    """
    if not path.exists():
        return None
    _require_inventory(path)
    return _read(path, "lake_observations")


def update_inventory(path: Path, layers: Sequence[gpd.GeoDataFrame], runs: pd.DataFrame) -> gpd.GeoDataFrame:
    """Adds observations to an inventory, which is made if there is none.

    Layers: `lakes` (the latest outline of every lake, `first_seen`, `last_seen`, `observations`, and the review of an
    analyst), `lakes_points`, `lake_observations` (a row a lake and date) and `run_metadata`. A scene that is there
    already is replaced. In `lakes`, `review` (accept, reject, redraw), `note`, `analyst` and further columns stay as
    they were found, and so do outlines that an analyst has drawn, also of new lakes. What a DEM or glacier outlines
    tell is kept of maps that had them; a lake whose latest outline is of a map without has in `lakes` what an earlier
    one told of its place.

    Args:
        path: the GeoPackage.
        layers: one for each date, with the columns of `COLUMNS`, and any of `FURTHER_COLUMNS`.
        runs: a row a scene: `scene_id` and how it was mapped.

    Returns:
        The observations that were added, with their names, in EPSG:4326.

    Raises:
        GlofgeoError: If the file is no inventory that glofgeo wrote, or holds another table.
    """
    before, reviewed = read_observations(path), None
    layers = [_in_degrees(layer) for layer in layers if len(layer)]
    scenes = set(runs["scene_id"])
    if before is not None:
        reviewed = name_reviewed(_read(path, "lakes"), before)
        # Replaced observations still tell names, and so does what an analyst drew.
        named = name_lakes(layers, pd.concat([before, reviewed.loc[reviewed["drawn"], ["lake_id", "geometry"]]]))
        before = before[~before["scene_id"].map(lambda name: bool(set(name.split(" + ")) & scenes))]
    else:
        named = name_lakes(layers)
    empty = gpd.GeoDataFrame(columns=[*COLUMNS, "geometry"], geometry="geometry", crs="EPSG:4326").astype(COLUMNS)
    added = _ordered(gpd.GeoDataFrame(pd.concat([empty, *named], ignore_index=True), crs="EPSG:4326"))
    everything = added if before is None else _ordered(pd.concat([before, added], ignore_index=True))
    everything = everything.sort_values(["lake_id", "acq_datetime", "scene_id"], ignore_index=True)
    old_runs = pyogrio.read_dataframe(path, layer="run_metadata") if before is not None else runs.iloc[:0]
    runs = pd.concat([old_runs[~old_runs["scene_id"].isin(scenes)], runs], ignore_index=True).sort_values("scene_id")
    _write(path, everything, _current(everything, reviewed), runs)
    return added


def _ordered(observations: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The columns of a lake layer in their order, with their types."""
    kinds = columns_of(observations)
    return observations[[*kinds, "geometry"]].astype(kinds)


def _current(observations: gpd.GeoDataFrame, reviewed: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """The latest observation of each lake, with what the analyst said of it."""
    by_lake = observations.groupby("lake_id")
    current = by_lake.tail(1).set_index("lake_id")
    for name in columns_of(observations).keys() & _LASTING:
        current[name] = by_lake[name].last()  # the last that is known
    current["first_seen"] = by_lake["acq_datetime"].min()
    current["last_seen"] = by_lake["acq_datetime"].max()
    current["observations"] = by_lake.size().astype("int32")
    return gpd.GeoDataFrame(with_reviews(current, reviewed).reset_index(), geometry="geometry", crs="EPSG:4326")


def _write(path: Path, observations: gpd.GeoDataFrame, current: gpd.GeoDataFrame, runs: pd.DataFrame) -> None:
    names = columns_of(current)
    ours = [*names, "first_seen", "last_seen", "observations", *REVIEW]
    lakes = current[[*ours, *(name for name in current.columns if name not in {*ours, "geometry"}), "geometry"]]
    inside = shapely.point_on_surface(lakes.geometry.to_numpy())
    points = gpd.GeoDataFrame(lakes[["lake_id", "acq_datetime", "area_m2"]], geometry=inside, crs=lakes.crs)
    layers = [
        StyledLayer("lakes", lakes, "MultiPolygon", "glacial lakes, latest outline", lakes_qml(names, review=True)),
        StyledLayer("lakes_points", points, "Point", "a point inside each glacial lake", lake_points_qml()),
        StyledLayer("lake_observations", observations, "MultiPolygon", "every outline", observations_qml()),
        StyledLayer("run_metadata", runs, None, "how each scene was mapped"),
    ]
    with written_beside(path) as part:
        write_styled(part, layers, stamp_of(observations["acq_datetime"].max()))
    for ending in SIDECARS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _in_degrees(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The same lakes in EPSG:4326: an inventory may reach over several UTM zones."""
    outlines = to_degrees(layer.geometry).map(lambda lake: shapely.multipolygons(shapely.get_parts(lake)))
    kinds = columns_of(layer)
    instant = pd.to_datetime(layer["acq_datetime"], utc=True)
    columns = pd.DataFrame(layer[[*kinds]].assign(acq_datetime=instant).astype(kinds))
    return gpd.GeoDataFrame(columns, geometry=outlines.array, crs="EPSG:4326")


def _read(path: Path, layer: str) -> gpd.GeoDataFrame:
    frame = gpd.read_file(path, layer=layer)
    for name in ("acq_datetime", "first_seen", "last_seen"):
        if name in frame.columns:
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[ms, UTC]")
    return frame


def _require_inventory(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        tables = set()
    if not tables >= {*_TABLES}:
        raise GlofgeoError(
            f"{path}: is not an inventory that glofgeo made, and is not replaced",
            "name a new file, or an inventory of an earlier map",
            argument="inventory",
        )
    added = sorted(name for name in tables - {*_TABLES, "layer_styles"} if not name.startswith(_PARTS))
    if added:
        raise GlofgeoError(
            f"{path}: holds the table {added[0]}, which glofgeo did not write and would not keep",
            "move it to a file of its own",
            argument="inventory",
        )
