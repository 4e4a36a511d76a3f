"""The lake layer as a GeoPackage that QGIS opens styled."""

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

from glofgeo.inventory.attributes import COLUMNS
from glofgeo.inventory.styles import lake_points_qml, lakes_qml

# QGIS 3.22 warns at GeoPackages of later versions; there is nothing in them that lakes would need.
_GPKG_VERSION = "1.2"

# The table in which QGIS keeps styles inside a database. A style applies itself where the schema is '' (NULL is not
# found), the geometry column is the layer's own, and useAsDefault is set.
_STYLE_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
    styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30),
    ui TEXT(30), update_time DATETIME
)"""


def write_lakes(path: Path, lakes: gpd.GeoDataFrame) -> None:
    """Writes a lake inventory, all or nothing.

    Layers: `lakes` (MultiPolygon, the columns of `COLUMNS`) and `lakes_points` (a point inside each lake, with
    `lake_id`, `acq_datetime` and `area_m2`), which keeps lakes visible that are under a pixel of the screen. Both
    have the geometry column `geom`, a spatial index, and a default style in the table `layer_styles`. Equal lakes
    give equal bytes: dates inside the file are the newest acquisition time, not the time of writing.

    Args:
        path: file to write; one that exists is replaced.
        lakes: as `describe_lakes` gives them, possibly none, in the CRS to be written.
    """
    part = path.with_name(f".{path.stem}.part.gpkg")
    part.unlink(missing_ok=True)
    try:
        outlines = lakes[[*COLUMNS, lakes.geometry.name]]
        inside = shapely.point_on_surface(lakes.geometry.to_numpy())
        points = gpd.GeoDataFrame(lakes[["lake_id", "acq_datetime", "area_m2"]], geometry=inside, crs=lakes.crs)
        stamp = _stamp(lakes["acq_datetime"])
        # Left to the clock, GDAL notes one change more in the header when a millisecond ends while it writes.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp})
        _write_layer(part, outlines, "lakes", "MultiPolygon", "glacial lakes")
        _write_layer(part, points, "lakes_points", "Point", "a point inside each glacial lake")
        with closing(sqlite3.connect(part)) as database, database:
            _add_styles(database, stamp)
        part.replace(path)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
        part.unlink(missing_ok=True)


def _write_layer(path: Path, frame: gpd.GeoDataFrame, name: str, geometry_type: str, description: str) -> None:
    pyogrio.write_dataframe(
        frame,
        path,
        layer=name,
        driver="GPKG",
        geometry_type=geometry_type,
        append=path.exists(),
        dataset_options={} if path.exists() else {"VERSION": _GPKG_VERSION},
        layer_options={"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES", "DESCRIPTION": description},
    )


def _add_styles(database: sqlite3.Connection, stamp: str) -> None:
    database.execute(_STYLE_TABLE)
    # Unless registered, GDAL hides the table as soon as the file holds another one without geometry.
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles', ?, 0)",
        (stamp,),
    )
    for layer, qml in (("lakes", lakes_qml()), ("lakes_points", lake_points_qml())):
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner, ui, update_time) "
            "VALUES ('', '', ?, 'geom', ?, ?, '', 1, 'glofgeo default', '', '', ?)",
            (layer, layer, qml, stamp),
        )


def _stamp(acquired: pd.Series) -> str:
    newest = acquired.max()
    moment = pd.Timestamp(0, tz="UTC") if pd.isna(newest) else newest
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
