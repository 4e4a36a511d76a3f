"""The Sentinel-2 product format (.SAFE): what the metadata say about grid, radiometry and files.

Source: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD, issue 14.9) and, for the radiometric offset,
the processing-baseline 04.00 notice: reflectance = (DN + offset) / quantification, with offsets present in the
metadata from that baseline on. The acquisition date says nothing about the offset, because archives are reprocessed.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from affine import Affine
from rasterio.crs import CRS

from datasets_def.bands import BANDS
from glofgeo.errors import GlofgeoError

_IMAGE = re.compile(r"IMG_DATA/(?:R\d0m/)?[^/]+_(B\d[\dA]|SCL)(?:_(\d0)m)?\.jp2$")
_METADATA = re.compile(r"(?:^|/)MTD_MSIL(1C|2A)\.xml$")
_TILE_METADATA = re.compile(r"GRANULE/[^/]+/MTD_TL\.xml$")


@dataclass(frozen=True)
class SafeProduct:
    """What a product's metadata say.

    Attributes:
        id: product name without `.SAFE`.
        level: `"L1C"` or `"L2A"`.
        baseline: processing baseline as in the product, for example `"05.10"`.
        datetime: start of sensing, UTC.
        quantification: DN per reflectance of 1.
        offsets: DN added per band name before dividing; 0 below baseline 04.00.
        crs: of the tile.
        grids: resolution in metres -> (transform, (rows, cols)).
        files: (band name or "SCL", resolution in metres) -> path that GDAL opens.
        promised: the same for every image the metadata list, whether it is there or not -> its file name.
    """

    id: str
    level: str
    baseline: str
    datetime: datetime
    quantification: float
    offsets: dict[str, float]
    crs: CRS
    grids: dict[int, tuple[Affine, tuple[int, int]]]
    files: dict[tuple[str, int], str]
    promised: dict[tuple[str, int], str]


def is_safe(path: Path) -> bool:
    """Tells whether a path looks like a product: a folder, or a zip file."""
    return path.is_dir() or path.suffix.lower() == ".zip"


def check_image(path: str) -> None:
    """Checks that a JPEG 2000 file has its end, because decoders fill the tiles of one cut short with zeros, silently.

    In Sentinel-2 products the code stream is the last box of the file and closes with the marker EOC (ISO/IEC 15444-1,
    annex A). Members of a zip archive are not checked: an archive cut short does not open.

    Raises:
        GlofgeoError: If it has not.
    """
    if path.endswith(".jp2") and not path.startswith("/vsi"):
        with Path(path).open("rb") as file:
            file.seek(-2, 2)
            if file.read() != b"\xff\xd9":
                raise GlofgeoError(f"{path}: cut short (its end is missing); fetch the product again")


def read_product(path: Path) -> SafeProduct:
    """Reads the metadata of a `.SAFE` folder or of a zipped one; no pixel is touched.

    Raises:
        GlofgeoError: If it is no product, is incomplete, or its metadata cannot be understood.
    """
    names, read, gdal_path = _open_container(path)
    metadata = [name for name in names if _METADATA.search(name)]
    tiles = [name for name in names if _TILE_METADATA.search(name)]
    if not metadata:
        raise GlofgeoError(
            f"{path}: not a Sentinel-2 product (no MTD_MSIL1C.xml or MTD_MSIL2A.xml in it); "
            "give the .SAFE folder itself, or its zip file"
        )
    if len(metadata) != 1 or len(tiles) != 1:
        raise GlofgeoError(f"{path}: holds {len(tiles)} tiles; give one product of one tile")
    level = "L" + _METADATA.search(metadata[0]).group(1)  # type: ignore[union-attr]
    product = _parse(read(metadata[0]), f"{path}/{metadata[0]}")
    tile = _parse(read(tiles[0]), f"{path}/{tiles[0]}")
    baseline = _text(product, "PROCESSING_BASELINE", path)
    quantification, offsets = _radiometry(product, level, baseline, path)
    listed = [f"{element.text}.jp2" for element in product.iter("IMAGE_FILE")]
    return SafeProduct(
        id=path.name.removesuffix(".zip").removesuffix(".SAFE"),
        level=level,
        baseline=baseline,
        datetime=_time(_text(product, "PRODUCT_START_TIME", path), path),
        quantification=quantification,
        offsets=offsets,
        crs=CRS.from_string(_text(tile, "HORIZONTAL_CS_CODE", path)),
        grids=_grids(tile, path),
        files={key: gdal_path(name) for key, name in _images(names)},
        promised={key: PurePosixPath(name).name for key, name in _images(listed)},
    )


def _images(names: list[str]) -> Iterator[tuple[tuple[str, int], str]]:
    """Picks the image files out and tells band and resolution; Level-1C names carry no resolution."""
    for name in names:
        match = _IMAGE.search(name)
        if match:
            band, resolution = match.groups()
            yield (band, int(resolution or (BANDS[band].resolution if band in BANDS else 20))), name


def _open_container(path: Path) -> tuple[list[str], Callable[[str], bytes], Callable[[str], str]]:
    """Gives the member names (relative, `/`), a reader of one, and GDAL's path of one."""
    if path.is_dir():
        names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        return names, lambda name: (path / name).read_bytes(), lambda name: str(path / name)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise GlofgeoError(f"{path}: not a whole zip file ({error}); fetch the product again") from None

    def read(name: str) -> bytes:
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise GlofgeoError(f"{path}: {name} cannot be unpacked ({error}); fetch the product again") from None

    return names, read, lambda name: f"/vsizip/{{{path.resolve()}}}/{name}"


def _parse(content: bytes, where: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise GlofgeoError(f"{where}: broken XML ({error}); fetch the product again") from None


def _text(root: ElementTree.Element, tag: str, path: Path) -> str:
    found = next(root.iter(tag), None)
    if found is None or not (found.text or "").strip():
        raise GlofgeoError(f"{path}: its metadata lack {tag}; fetch the product again")
    return str(found.text).strip()


def _time(text: str, path: Path) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise GlofgeoError(f"{path}: its metadata give {text!r} as start time; fetch the product again") from None


def _number(text: str | None, tag: str, path: Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise GlofgeoError(f"{path}: its metadata give {text!r} as {tag}; fetch the product again") from None


def _radiometry(root: ElementTree.Element, level: str, baseline: str, path: Path) -> tuple[float, dict[str, float]]:
    """Quantification value and offset per band name; products before 04.00 have no offsets."""
    quantifications: tuple[str, ...]
    if level == "L1C":
        quantifications, offset_tag = ("QUANTIFICATION_VALUE",), "RADIO_ADD_OFFSET"
    else:
        # Products of 2017 and 2018 carry the second name.
        quantifications, offset_tag = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"), "BOA_ADD_OFFSET"
    tag = next((tag for tag in quantifications if next(root.iter(tag), None) is not None), quantifications[0])
    quantification = _number(_text(root, tag, path), tag, path)
    by_id = {e.get("band_id"): _number(e.text, offset_tag, path) for e in root.iter(offset_tag)}
    if not by_id and _number(baseline, "PROCESSING_BASELINE", path) >= 4:
        raise GlofgeoError(
            f"{path}: baseline {baseline} without {offset_tag} in its metadata, so its reflectance is unknown; "
            "fetch the product again"
        )
    if by_id:
        missing = [band.name for band in BANDS.values() if str(band.band_id) not in by_id]
        if missing:
            raise GlofgeoError(f"{path}: its metadata lack {offset_tag} of {', '.join(missing)}; fetch it again")
    return quantification, {band.name: by_id.get(str(band.band_id), 0.0) for band in BANDS.values()}


def _grids(root: ElementTree.Element, path: Path) -> dict[int, tuple[Affine, tuple[int, int]]]:
    def value(element: ElementTree.Element, tag: str) -> float:
        return _number(_text(element, tag, path), tag, path)

    sizes = {e.get("resolution"): (int(value(e, "NROWS")), int(value(e, "NCOLS"))) for e in root.iter("Size")}
    grids = {}
    for e in root.iter("Geoposition"):
        resolution = str(e.get("resolution"))
        if resolution in sizes:
            transform = Affine(value(e, "XDIM"), 0, value(e, "ULX"), 0, value(e, "YDIM"), value(e, "ULY"))
            grids[int(resolution)] = (transform, sizes[resolution])
    if not grids:
        raise GlofgeoError(f"{path}: its MTD_TL.xml gives no grid; fetch the product again")
    return grids
