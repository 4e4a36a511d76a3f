"""GeoPackages of several layers that QGIS opens styled."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

# QGIS 3.22 warns at GeoPackages of later versions; there is nothing in them that lakes would need.
GPKG_VERSION = "1.2"

STYLE_MARK = "glofgeo default"

# The table in which QGIS keeps styles inside a database. A style applies itself where the schema is '' (NULL is not
# found), the geometry column is the layer's own, and useAsDefault is set.
_STYLE_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
    styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30),
    ui TEXT(30), update_time DATETIME
)"""


@dataclass(frozen=True, eq=False)
class StyledLayer:
    """A table of a GeoPackage.

    Attributes:
        name: of the table.
        frame: with geometries, or without.
        geometry_type: `MultiPolygon` or `Point`; None without geometries.
        description: for the layer's properties in QGIS.
        qml: its style; empty for none.
    """

    name: str
    frame: gpd.GeoDataFrame | pd.DataFrame
    geometry_type: str | None
    description: str
    qml: str = ""


def write_styled(path: Path, layers: Iterable[StyledLayer], stamp: str) -> None:
    """Writes layers into a GeoPackage that is not there yet; equal layers give equal bytes.

    Args:
        path: the file.
        layers: in the order in which QGIS lists them; those of one name are parts of one layer.
        stamp: the time of all dates inside the file, ISO 8601 in UTC.
    """
    styles: dict[str, str] = {}
    date = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    try:
        # Left to the clock, GDAL notes one change more in the header when a millisecond ends while it writes.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": stamp})
        for layer in layers:
            _write_layer(path, layer)
            styles[layer.name] = layer.qml
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": date})
    with closing(sqlite3.connect(path)) as database, database:
        _add_styles(database, styles, stamp)


def _write_layer(path: Path, layer: StyledLayer) -> None:
    options, frame = {"DESCRIPTION": layer.description}, layer.frame
    if isinstance(frame, gpd.GeoDataFrame) and layer.geometry_type == "MultiPolygon":
        # Shells run anticlockwise, as other programs expect it.
        frame = frame.set_geometry(shapely.orient_polygons(frame.geometry.to_numpy()))
    if layer.geometry_type:
        options |= {"GEOMETRY_NAME": "geom", "SPATIAL_INDEX": "YES"}
    pyogrio.write_dataframe(
        frame,
        path,
        layer=layer.name,
        driver="GPKG",
        geometry_type=layer.geometry_type,
        append=path.exists(),
        dataset_options={} if path.exists() else {"VERSION": GPKG_VERSION},
        layer_options=options,
    )


def _add_styles(database: sqlite3.Connection, styles: dict[str, str], stamp: str) -> None:
    database.execute(_STYLE_TABLE)
    # Unless registered, GDAL hides the table as soon as the file holds another one without geometry.
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles', ?, 0)",
        (stamp,),
    )
    for layer, qml in styles.items():
        if qml:
            database.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
                "styleName, styleQML, styleSLD, useAsDefault, description, owner, ui, update_time) "
                "VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '', '', ?)",
                (layer, layer, qml, STYLE_MARK, stamp),
            )


def stamp_of(newest: pd.Timestamp | None) -> str:
    """A time as a GeoPackage writes it; 1970 where it is unknown."""
    moment = pd.Timestamp(0, tz="UTC") if newest is None or pd.isna(newest) else newest
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
