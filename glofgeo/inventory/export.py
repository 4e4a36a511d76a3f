"""The lake layer for other programs: FlatGeobuf, vector tiles for the web (PMTiles), GeoParquet."""

from pathlib import Path

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from datasets_def.atomic import written_beside
from glofgeo.errors import GlofgeoError
from glofgeo.inventory.attributes import COLUMNS

# From a mountain range on the screen to pixels of 10 m at its latitude.
_ZOOM: dict[str, int | str] = {"MINZOOM": 4, "MAXZOOM": 13}


def write_layer(source: Path, path: Path) -> None:
    """Writes the layer `lakes` of a GeoPackage in another format, all or nothing.

    Columns and CRS stay; vector tiles are in Web Mercator, as the format has it, and hold times as text.

    Args:
        source: as `write_lakes` wrote it.
        path: ends in `.fgb`, `.pmtiles` or `.parquet`.

    Raises:
        GlofgeoError: If there is no such layer, it is empty and tiles are wanted, or pyarrow is needed and not
            installed.
        OSError: If the file cannot be written.
    """
    lakes = _read(source)
    with written_beside(path) as part:
        if path.suffix == ".parquet":
            _write_parquet(lakes, part)
            return
        if path.suffix == ".pmtiles" and lakes.empty:
            raise GlofgeoError(f"{source}: holds no lake, and tiles need one", "take another format", argument="format")
        # Else tiles would be called what the file is while it is written.
        options = _ZOOM | {"NAME": path.stem} if path.suffix == ".pmtiles" else {}
        pyogrio.write_dataframe(lakes, part, layer="lakes", geometry_type="MultiPolygon", dataset_options=options)


def _read(source: Path) -> gpd.GeoDataFrame:
    hint = "give a lakes.gpkg that glofgeo wrote"
    try:
        lakes = gpd.read_file(source, layer="lakes")
    except (DataSourceError, DataLayerError) as error:
        raise GlofgeoError(f"{source}: has no layer of lakes ({error})", hint, argument="lakes") from None
    missing = [name for name in COLUMNS if name not in lakes.columns]
    if missing:
        raise GlofgeoError(f"{source}: its lakes have no {', '.join(missing)}", hint, argument="lakes")
    return lakes


def _write_parquet(lakes: gpd.GeoDataFrame, path: Path) -> None:
    try:
        # The box of each lake lets readers skip those that are elsewhere.
        lakes.to_parquet(path, index=False, compression="zstd", write_covering_bbox=True, schema_version="1.1.0")
    except ImportError:
        raise GlofgeoError(
            "GeoParquet needs pyarrow", "`pip install pyarrow` or `uv pip install pyarrow`", argument="format"
        ) from None
