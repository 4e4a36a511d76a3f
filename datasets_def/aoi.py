"""Areas of interest: polygons by path or by the name of one that comes with glofgeo."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from geopandas import GeoDataFrame

from datasets_def.errors import GlofgeoError
from datasets_def.polygons import read_polygons

SPLITS = ("train", "val", "test")


def find_aoi(name: str | Path) -> Path:
    """Finds an area of interest: as a path, then in `./aoi`, then among the ready-made ones that come with glofgeo.

    Args:
        name: a path or a bare name, with or without `.geojson`.

    Raises:
        GlofgeoError: If it is nowhere; the message lists the ready-made names.
    """
    ready = _ready_made()
    for folder in (Path(), Path("aoi"), ready):
        for candidate in (folder / name, folder / f"{name}.geojson"):
            if candidate.is_file():
                return candidate
    names = ", ".join(sorted(path.stem for path in ready.glob("*.geojson"))) or "none"
    raise GlofgeoError(f"{name}: no such area of interest", f"give a polygon file or a ready-made one ({names})")


def _ready_made() -> Path:
    """Gives the folder of the ready-made areas."""
    package = Path(str(files("datasets_def")))
    installed = package / "areas"
    # In a checkout they lie beside the package.
    return installed if installed.is_dir() else package.parent / "aoi"


def read_aoi(name: str | Path) -> GeoDataFrame:
    """Reads an area of interest by path or ready-made name.

    Returns:
        Polygons in the file's CRS with those of the columns `name`, `split` (each value train, val or test) and
        `place` that the file has, however these are capitalised.

    Raises:
        GlofgeoError: As `find_aoi` and `read_polygons`, or if two columns go by one of these names, a feature lacks
            its place, or `split` has another value.
    """
    path = find_aoi(name)
    aoi = read_polygons(path, "areas of interest")
    columns: dict[str, Any] = {}
    for wanted in ("name", "split", "place"):
        found = [column for column in aoi.columns if str(column).strip().casefold() == wanted]
        if len(found) > 1:
            raise GlofgeoError(f"{path}: has the columns {', '.join(map(repr, found))}", "keep one of them")
        if found:
            columns[wanted] = aoi[found[0]].map(lambda value: value.strip() if isinstance(value, str) else value)
    if "split" in columns:
        columns["split"] = columns["split"].map(lambda value: value.lower() if isinstance(value, str) else value)
        _refuse_rows(~columns["split"].isin(SPLITS), columns["split"], f"{path}: split", f"give {', '.join(SPLITS)}")
    if "place" in columns:
        missing = columns["place"].isna() | (columns["place"] == "")
        _refuse_rows(missing, columns["place"], f"{path}: place", "name the place of every feature")
    return GeoDataFrame(columns, geometry=aoi.geometry.array, crs=aoi.crs)


def _refuse_rows(wrong: "pd.Series[bool]", values: "pd.Series[Any]", what: str, wanted: str) -> None:
    if wrong.any():
        value = values[wrong].iloc[0]
        shown = "missing" if pd.isna(value) or value == "" else str(value)
        where = f"feature {wrong.argmax() + 1} of {len(wrong)}"
        raise GlofgeoError(f"{what} is {shown} on {where}", f"{wanted} on every feature")
