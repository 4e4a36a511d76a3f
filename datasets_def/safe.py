"""The Sentinel-2 product format (.SAFE): what the metadata say about grid, radiometry and files.

Source: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD, issue 14.9) and, for the radiometric offset,
the processing-baseline 04.00 notice: reflectance = (DN + offset) / quantification, with offsets present in the
metadata from that baseline on. The acquisition date says nothing about the offset, because archives are reprocessed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from affine import Affine
from rasterio.crs import CRS

from datasets_def.archive import StoredFile
from datasets_def.bands import BANDS
from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid
from datasets_def.manifest import read_manifest, verify
from datasets_def.metadata_xml import find_text, number, parse, read_xml, short, time, whole_number
from datasets_def.product_image import ProductImage
from datasets_def.product_metadata import product_radiometry
from datasets_def.product_path import open_product, product_name
from datasets_def.safe_names import check_baseline, check_names

_IMAGE = re.compile(r"IMG_DATA/(?:R\d0m/)?[^/]+_(B\d[\dA]|SCL)(?:_(\d0)m)?\.jp2$", re.IGNORECASE)
_METADATA = re.compile(r"MTD_MSIL(1C|2A)\.xml")
_TILE_METADATA = re.compile(r"GRANULE/[^/]+/MTD_TL\.xml")

# A tile is 109.8 km wide.
_WIDEST = 109_800


@dataclass(frozen=True)
class SafeProduct:
    """What a product's metadata say.

    Attributes:
        path: the product's folder or zip.
        id: product name without `.SAFE`.
        level: `"L1C"` or `"L2A"`.
        baseline: processing baseline as in the product, for example `"05.10"`.
        datetime: start of sensing, UTC.
        quantification: DN per reflectance of 1.
        offsets: DN added per band name before dividing; 0 below baseline 04.00.
        radiometry: where quantification and offsets come from, in words.
        grids: resolution in metres -> where its pixels lie.
        files: (band name or "SCL", resolution in metres) -> image.
        promised: the same for every image the metadata list, whether it is there or not -> its file name.
    """

    path: Path
    id: str
    level: str
    baseline: str
    datetime: datetime
    quantification: float
    offsets: dict[str, float]
    radiometry: str
    grids: dict[int, Grid]
    files: dict[tuple[str, int], ProductImage]
    promised: dict[tuple[str, int], str]


def read_product(path: Path, offset: float | None = None) -> SafeProduct:
    """Reads the metadata of a `.SAFE` folder or of a zipped one; no pixel is touched.

    The metadata files are compared with their checksums in `manifest.safe`; images are when they are read.

    Args:
        path: the product, its `MTD_MSIL2A.xml`, its granule or the `MTD_TL.xml` in it.
        offset: DN to add before dividing, for a product that does not tell.

    Raises:
        GlofgeoError: If it is no product, is incomplete, its metadata cannot be understood or say what cannot be, or
            tell another offset.
    """
    root, files = open_product(path)
    main_name, tile_name = _metadata(root, files)
    product_file, tile_file = files[main_name], files[tile_name]
    product, tile = (parse(read_xml(file), file) for file in (product_file, tile_file))
    level = "L" + _METADATA.fullmatch(main_name).group(1)  # type: ignore[union-attr]
    baseline = find_text(product, "PROCESSING_BASELINE", product_file)
    quantification, offsets, radiometry = product_radiometry(product, level, baseline, offset, product_file)
    sensed = time(find_text(product, "PRODUCT_START_TIME", product_file), "PRODUCT_START_TIME", product_file)
    epsg = _epsg(tile, tile_file)
    check_names(product, sensed, epsg, product_file)
    check_baseline(product, baseline, offsets, product_file)
    grids = _grids(tile, CRS.from_epsg(epsg), tile_file)
    checksums = read_manifest(files)
    for name in (main_name, tile_name):
        verify(files[name], checksums.get(name))
    promised = dict(_images(f"{element.text}.jp2" for element in product.iter("IMAGE_FILE")))
    granule = tile_name.removesuffix("MTD_TL.xml")
    tile_grid = next(iter(grids.values()))
    left, _, _, top = tile_grid.bounds
    images = {
        (band, metres): ProductImage(
            files[name], tile_grid.crs, Affine(metres, 0, left, 0, -metres, top), checksums.get(name)
        )
        for (band, metres), name in _choose(root, [name for name in files if name.startswith(granule)], promised)
    }
    return SafeProduct(
        path=root,
        id=product_name(root),
        level=level,
        baseline=baseline,
        datetime=sensed,
        quantification=quantification,
        offsets=offsets,
        radiometry=radiometry,
        grids=grids,
        files=images,
        promised={key: PurePosixPath(name).name for key, name in promised.items()},
    )


def _metadata(root: Path, files: Mapping[str, StoredFile]) -> tuple[str, str]:
    """Gives the names of the metadata files of the product and its tile."""
    products = [name for name in files if _METADATA.fullmatch(name)]
    tiles = [name for name in files if _TILE_METADATA.fullmatch(name)]
    if not products:
        raise GlofgeoError(f"{root}: {_what_it_is(files)}")
    if not tiles:
        raise GlofgeoError(
            f"{root}: incomplete, missing MTD_TL.xml in its GRANULE folder", "download the product again"
        )
    if len(products) > 1 or len(tiles) > 1:
        raise GlofgeoError(f"{root}: holds {len(tiles)} tiles", "give one product of one tile")
    return products[0], tiles[0]


def _what_it_is(files: Mapping[str, StoredFile]) -> str:
    names = [PurePosixPath(name).name for name in files]
    if any(re.match(r"S2\w_\w+_MTD_SAF", name) for name in names):
        tiles = len({name.split("/")[1] for name in files if name.count("/") > 1 and name.startswith("GRANULE/")})
        return (
            f"a product of the format before December 2016, of {tiles} granules, which is not read; "
            "download the same date as reprocessed since, one product a tile"
        )
    other = next((name for name in names if re.fullmatch(r"MTD_MSIL\w\w\.xml", name)), None)
    if other:
        return f"a product of Level-{other[8:10]}; give the Level-2A or Level-1C product of this date"
    images = [name for name in names if name.lower().endswith((".tif", ".tiff"))]
    if images:
        return (
            f"holds GeoTIFFs such as {images[0]}; give one whose bands are named, or a folder of files such as B02.tif"
        )
    if any(name.lower().endswith(".jp2") for name in names):
        return (
            "lacks the metadata of a product (MTD_MSIL1C.xml or MTD_MSIL2A.xml); download it again, "
            "or give the folder in it that holds the images (IMG_DATA)"
        )
    return (
        "not a Sentinel-2 product (no MTD_MSIL1C.xml or MTD_MSIL2A.xml in it); "
        "give the .SAFE folder itself, or its zip file"
    )


def _images(names: Iterable[str]) -> list[tuple[tuple[str, int], str]]:
    """Picks the image files out and tells band and resolution; Level-1C names carry no resolution."""
    found = []
    for name in names:
        match = _IMAGE.search(name)
        if match:
            band, resolution = match.group(1).upper(), match.group(2)
            found.append(((band, int(resolution or (BANDS[band].resolution if band in BANDS else 20))), name))
    return found


def _choose(root: Path, names: list[str], promised: Mapping[tuple[str, int], str]) -> list[tuple[tuple[str, int], str]]:
    """Picks the image files out; of several for one band, the one that the metadata list."""
    found: dict[tuple[str, int], str] = {}
    for key, name in _images(names):
        other = found.setdefault(key, name)
        if name == promised.get(key):
            found[key] = name
        elif other not in (name, promised.get(key)):
            raise GlofgeoError(
                f"{root}: has two files of {key[0]} at {key[1]} m, {PurePosixPath(other).name} and "
                f"{PurePosixPath(name).name}",
                "remove the wrong one",
            )
    return list(found.items())


def _epsg(root: Element, where: StoredFile) -> int:
    """Code of the tile's CRS: tiles lie in UTM, WGS 84, by specification."""
    text = find_text(root, "HORIZONTAL_CS_CODE", where)
    match = re.fullmatch(r"EPSG:32([67])(\d\d)", text, re.ASCII)
    if match is None or not 1 <= int(match.group(2)) <= 60:
        raise GlofgeoError(f"{where}: gives {short(repr(text))} as HORIZONTAL_CS_CODE", "download the product again")
    return int(text.removeprefix("EPSG:"))


def _grids(root: Element, crs: CRS, where: StoredFile) -> dict[int, Grid]:
    sizes: dict[int, tuple[int, int]] = {}
    for element, metres in _by_resolution(root, "Size"):
        rows, cols = (
            whole_number(find_text(element, tag, where), tag, where, 1, _WIDEST // metres) for tag in ("NROWS", "NCOLS")
        )
        sizes[metres] = (rows, cols)
    grids = {}
    for element, metres in _by_resolution(root, "Geoposition"):
        number(find_text(element, "XDIM", where), f"XDIM at {metres} m", where, metres, metres)
        number(find_text(element, "YDIM", where), f"YDIM at {metres} m", where, -metres, -metres)
        left = number(find_text(element, "ULX", where), "ULX", where, -2e6, 3e6)
        top = number(find_text(element, "ULY", where), "ULY", where, 0, 1.1e7)
        if metres in sizes:
            grids[metres] = Grid(sizes[metres], Affine(metres, 0, left, 0, -metres, top), crs)
    if not grids:
        raise GlofgeoError(f"{where}: gives no grid", "download the product again")
    if len({(grid.bounds[0], grid.bounds[3]) for grid in grids.values()}) > 1:
        raise GlofgeoError(f"{where}: gives its grids different corners", "download the product again")
    return grids


def _by_resolution(root: Element, tag: str) -> list[tuple[Element, int]]:
    found = [(element, element.get("resolution")) for element in root.iter(tag)]
    return [(element, int(metres)) for element, metres in found if metres in ("10", "20", "60")]
