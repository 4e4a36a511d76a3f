"""Fetches public inventories of glacial lakes, and makes of each the layer that training reads."""

import hashlib
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyogrio
from geopandas import GeoDataFrame, GeoSeries
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from datasets_def.atomic import written_beside
from datasets_def.polygons import read_polygons
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.area import lakes_in
from glofgeo.fetch.download import WrongBytes, check_checksum, download
from glofgeo.fetch.opening import size_for_progress
from glofgeo.fetch.progress import progress
from glofgeo.fetch.remote_file import RemoteFile
from glofgeo.fetch.writing import writing

# Tells in every row of a layer which inventory it comes from.
_ORIGIN = "inventory"

# Where the files of inventories lie beside the layer, as they were published.
FOLDER = "inventories"


@dataclass(frozen=True)
class Inventory:
    """A public inventory of glacial lakes.

    Attributes:
        title: what to call it.
        page: where people download it.
        source: address below which its files lie.
        files: name of each file -> multihash, hexadecimal; None where none is known, and then people download it.
        layer: name of the shapefile that is read, also within a zip file, without ending.
        year: in which its lakes were mapped.
    """

    title: str
    page: str
    source: str
    files: dict[str, str | None]
    layer: str
    year: int


# Both are CC BY 4.0. Sources: Chen et al. 2021, doi.org/10.5194/essd-13-741-2021; Kumar and Vijay,
# doi.org/10.5281/zenodo.17948783. The checksum is the MD5 that Zenodo gives, as noted in
# github.com/allenai/olmoearth_pretrain.
KNOWN = {
    "hi-mag": Inventory(
        "Hi-MAG 2017",
        "https://zenodo.org/records/4275164",
        "https://zenodo.org/api/records/4275164/files",
        {"Hi-MAG database.zip": "d50110abd64cb0a4a3584954e6ba1c04465c94"},
        "Hi_MAG_database_2017",
        2017,
    ),
    "kumar-vijay": Inventory(
        "Kumar and Vijay 2022-2024",
        "https://zenodo.org/records/17948783",
        "https://zenodo.org/api/records/17948783/files",
        {f"Glacial_lakes_2022_2024_median.{ending}": None for ending in ("shp", "shx", "dbf", "prj")},
        "Glacial_lakes_2022_2024_median",
        2023,
    ),
}


@dataclass(frozen=True)
class Lakes:
    """What came of an inventory.

    Attributes:
        title: of the inventory.
        count: polygons in the layer.
        inside: how many of them touch the area.
        crs: name of the layer's CRS.
        digests: name of each file it was made of -> SHA-256; empty if the layer was there before.
    """

    title: str
    count: int
    inside: int
    crs: str
    digests: dict[str, str]


def fetch_inventory(inventory: Inventory, area: GeoSeries, path: Path, *, shown: bool = False) -> Lakes:
    """Writes all lakes of an inventory as a GeoPackage, layer `lakes`, with `year` and `inventory` in every row.

    Its files come once and stay in the folder `inventories` beside the layer; those that people put there are taken.

    Args:
        inventory: which.
        area: WGS 84.
        path: file to write; one that was made of this inventory before is left as it is.
        shown: show progress.

    Raises:
        GlofgeoError: If the files cannot be had, are not those that were published or hold no polygons, if `path` holds
            lakes of another origin, or if none lies in the area.
    """
    digests: dict[str, str] = {}
    if not path.exists():
        files = _files(inventory, path, shown)
        lakes = _read(inventory, files)
        with writing(path), written_beside(path) as part:
            lakes.to_file(part, layer="lakes", driver="GPKG", engine="pyogrio")
        digests = {file.name: _sha256(file) for file in files}
    elif _origin(path) != inventory.title:
        raise GlofgeoError(
            f"{path}: holds other lakes than {inventory.title}, and is left as it is",
            "move it away, or choose another folder",
            argument="out",
        )
    inside = len(lakes_in(path, area))
    known = pyogrio.read_info(path, layer="lakes")
    return Lakes(inventory.title, known["features"], inside, CRS(known["crs"]).name, digests)


def _files(inventory: Inventory, path: Path, shown: bool) -> list[Path]:
    """Downloads the files that are not there, and checks all of them."""
    folder = path.parent / FOLDER
    for name, checksum in inventory.files.items():
        file = folder / name
        if not file.exists():
            if checksum is None:
                raise _by_hand(inventory, f"{file}: no such file, and no checksum of it is known", folder)
            try:
                _download(f"{inventory.source}/{quote(name)}/content", checksum, file, shown)
            except GlofgeoError as error:
                raise _by_hand(inventory, error.args[0], folder) from None
        try:
            check_checksum(file, checksum)
        except WrongBytes:
            raise _by_hand(inventory, f"{file}: is not the file that was published", folder) from None
    return [folder / name for name in inventory.files]


def _download(href: str, checksum: str, file: Path, shown: bool) -> None:
    with progress(size_for_progress(href), "bytes", shown=shown) as (name, advance):
        name(file.name)
        download(RemoteFile(href, None, checksum), file, advance, threading.Event())


def _read(inventory: Inventory, files: list[Path]) -> GeoDataFrame:
    """Reads the layer, whether its shapefile lies in a zip file or not."""
    with tempfile.TemporaryDirectory() as unpacked:
        folder = files[0].parent
        if files[0].suffix == ".zip":
            folder = Path(unpacked)
            _unpack(files[0], inventory.layer, folder)
        frame = read_polygons(folder / f"{inventory.layer}.shp", "lakes")
    ours = ("fid", "year", _ORIGIN)
    frame = frame.drop(columns=[name for name in frame.columns if name.lower() in ours])
    return frame.assign(**{"year": inventory.year, _ORIGIN: inventory.title})


def _unpack(archive: Path, layer: str, folder: Path) -> None:
    """Unpacks the files of a layer, wherever in a zip file they lie."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                inside = Path(member.filename)
                if inside.stem == layer:
                    (folder / inside.name).write_bytes(packed.read(member))
    except (zipfile.BadZipFile, OSError) as error:
        raise GlofgeoError(f"{archive}: cannot be unpacked ({error})", "remove it, and try again") from None


def _origin(path: Path) -> str | None:
    """The inventory that a layer was made of; None for any other file."""
    try:
        row = pyogrio.read_dataframe(path, columns=[_ORIGIN], max_features=1, read_geometry=False)
    except (DataSourceError, DataLayerError, ValueError):
        return None
    return str(row[_ORIGIN].iloc[0]) if len(row) and _ORIGIN in row.columns else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_hand(inventory: Inventory, what: str, folder: Path) -> GlofgeoError:
    names = ", ".join(inventory.files)
    return GlofgeoError(what, f"download {names} from {inventory.page} into {folder}, and run the same command again")
