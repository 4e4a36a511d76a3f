"""The lake layer as a GeoPackage that QGIS opens styled."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from datasets_def.atomic import written_beside
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import COLUMNS, columns_of
from glofgeo.inventory.styled_geopackage import STYLE_MARK, StyledLayer, stamp_of, write_styled
from glofgeo.inventory.styles import lake_points_qml, lakes_qml

# What SQLite keeps beside a database that is open, or was when its program died; it fits no other database.
SIDECARS = ("-wal", "-shm", "-journal")

_TABLES = ("lakes", "lakes_points", "layer_styles")
# Not in gpkg_contents, so that no program shows it. What is in the tables when they are written tells later whether
# somebody has changed them.
_MARK = "glofgeo"


def require_replaceable(path: Path) -> None:
    """Makes sure that a layer may be written here: nothing is here, or what `write_lakes` left, unchanged.

    Raises:
        GlofgeoError: If something else is here, or somebody has changed the lakes or styles or added a layer.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise GlofgeoError(
            f"{path}: is not a file of its own, and is not replaced",
            "move it away, or name another folder",
            argument="out",
        )
    if not path.exists():
        return
    try:
        # Opened by its address, since a plain name would be made where it is missing.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            reason = _foreign(database)
    except sqlite3.Error:
        reason = "is no layer of lakes that glofgeo wrote"
    if reason:
        raise GlofgeoError(
            f"{path}: {reason}, and is not replaced",
            "move it away, or name another folder",
            argument="out",
        )


def _foreign(database: sqlite3.Connection) -> str | None:
    """Why a GeoPackage is not to be replaced, if it is not."""
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if _MARK in tables:
        ((digest,),) = database.execute(f"SELECT digest FROM {_MARK}")
        changed = digest != _digest(database)
    else:  # as written before there was a mark
        styles = "SELECT count(*) FROM layer_styles WHERE description = ? AND f_table_name = 'lakes'"
        ((count,),) = database.execute(styles, (STYLE_MARK,))
        columns = {name for _, name, *_ in database.execute("PRAGMA table_info(lakes)")}
        if not count or columns != {"fid", "geom", *COLUMNS}:
            return "is no layer of lakes that glofgeo wrote"
        changed = False
    added = sorted(
        name for name in tables - {*_TABLES, _MARK} if not name.startswith(("gpkg_", "rtree_", "sqlite_"))
    )  # fmt: skip
    if added:
        return f"holds the table {added[0]}, which glofgeo did not write"
    return "was changed since glofgeo wrote it" if changed else None


def _digest(database: sqlite3.Connection) -> str:
    """SHA-256 of all rows of our tables."""
    value = hashlib.sha256()
    for table in _TABLES:
        for row in database.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            value.update(repr(row).encode())
    return value.hexdigest()


def write_lakes(path: Path, lakes: gpd.GeoDataFrame, note: str = "") -> None:
    """Writes a lake inventory, all or nothing.

    Layers: `lakes` (MultiPolygon, the columns that `columns_of` names) and `lakes_points` (a point inside each lake, of
    `lake_id`, `acq_datetime` and `area_m2`), which keeps lakes visible that are under a pixel of the screen. Both
    have the geometry column `geom`, a spatial index, and a default style in the table `layer_styles`. Equal lakes
    give equal bytes: dates inside the file are the newest acquisition time, not the time of writing.

    Args:
        path: file to write; an earlier one is replaced.
        lakes: as `describe_lakes` gives them, possibly none, in the CRS to be written.
        note: what a reader must know, for the layers' descriptions; QGIS shows these in the layer's properties.

    Raises:
        GlofgeoError: If a file is there that `write_lakes` did not write, or that was changed since.
    """
    write_parts(path, [lakes], lakes["acq_datetime"].max(), note)


def write_parts(path: Path, parts: Iterable[gpd.GeoDataFrame], newest: pd.Timestamp | None, note: str = "") -> None:
    """As `write_lakes`, for lakes that come in parts, of which one is in memory at a time.

    Args:
        path: file to write; an earlier one is replaced.
        parts: one or more frames, all in one CRS and with the same columns.
        newest: acquisition time of the newest lake; None or NaT where unknown.
        note: as in `write_lakes`.

    Raises:
        GlofgeoError: As `write_lakes`.
    """
    require_replaceable(path)
    with written_beside(path) as part:
        write_styled(part, _layers(parts, note), stamp_of(newest))
        with closing(sqlite3.connect(part)) as database, database:
            database.execute(f"CREATE TABLE {_MARK} (digest TEXT NOT NULL)")
            database.execute(f"INSERT INTO {_MARK} VALUES (?)", (_digest(database),))
        for ending in SIDECARS:
            path.with_name(path.name + ending).unlink(missing_ok=True)


def _joined(description: str, note: str) -> str:
    return f"{description}. Note: {note}" if note else description


def _layers(parts: Iterable[gpd.GeoDataFrame], note: str) -> Iterator[StyledLayer]:
    """The outlines and the points of each part in turn."""
    for lakes in parts:
        columns = columns_of(lakes)
        outlines = lakes[[*columns, lakes.geometry.name]]
        inside = shapely.point_on_surface(lakes.geometry.to_numpy())
        points = gpd.GeoDataFrame(lakes[["lake_id", "acq_datetime", "area_m2"]], geometry=inside, crs=lakes.crs)
        told = (_joined("glacial lakes", note), _joined("a point inside each glacial lake", note))
        yield StyledLayer("lakes", outlines, "MultiPolygon", told[0], lakes_qml(columns))
        yield StyledLayer("lakes_points", points, "Point", told[1], lake_points_qml())
