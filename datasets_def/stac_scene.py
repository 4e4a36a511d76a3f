"""A STAC item as a scene: a file a band, read where it is; its radiometry is declared, or it is refused.

What an item says of scale and offset is not believed: Earth Search's statements are wrong in both directions
(github.com/Element84/earth-search, issues 66 and 71). The metadata of the product decide, or else what the files carry.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

import rasterio
from rasterio import DatasetReader
from rasterio.errors import RasterioError

from datasets_def.band_files import pixel_factor
from datasets_def.bands import BANDS, QUANTIFICATION, band_names
from datasets_def.errors import GlofgeoError
from datasets_def.files import Layer
from datasets_def.grid import Grid
from datasets_def.in_place import is_remote, read_in_place, refuse_virtual
from datasets_def.metadata_xml import LARGEST_XML, find_text, parse, time
from datasets_def.product_metadata import product_radiometry
from datasets_def.radiometry import choose_offset, formula, refuse_mixture
from datasets_def.raster_checks import CLASSES, check_raster, grid_of
from datasets_def.raster_layers import Radiometry, bare_layers, declared_radiometry, told_missing, with_radiometry
from datasets_def.remote_raster import UNSEEN, refuse_jpeg2000
from datasets_def.safe_names import check_baseline, check_names
from datasets_def.scene_facts import SceneFacts
from datasets_def.stac_bands import is_jpeg2000
from datasets_def.stac_item import Item
from datasets_def.web_address import shown
from datasets_def.web_get import read_text


@dataclass(frozen=True)
class _File:
    """One band's file: where its pixels lie, and the radiometry that it carries, if any."""

    grid: Grid
    layer: Layer
    declared: tuple[Radiometry, str] | None


@dataclass(frozen=True)
class _Product:
    """What the metadata of the product say."""

    datetime: datetime
    baseline: str
    level: str
    quantification: float
    offsets: dict[str, float]
    radiometry: str


def read_stac_scene(item: Item, bands: tuple[str, ...], offset: float | None = None) -> SceneFacts:
    """Reads the metadata of a STAC item's files; no pixel is read.

    Args:
        item: the scene.
        bands: names of those that are wanted; the finest gives the grid.
        offset: DN to add before dividing, if neither the product's metadata nor the files tell.

    Raises:
        GlofgeoError: If a band is missing, cannot be read in place, the files do not share a grid, scale and offset, or
            nothing tells their radiometry.
    """
    wanted = [*bands, *([CLASSES] if CLASSES in item.assets else [])]
    _check_assets(item, wanted)
    with ThreadPoolExecutor(len(wanted) + 1) as pool:
        metadata = pool.submit(_product_metadata, item)
        files = dict(zip(wanted, pool.map(lambda band: _read_file(item, band, offset), wanted), strict=True))
        root = metadata.result()
    finest = min((files[band] for band in bands), key=lambda file: file.grid.transform.a)
    product = _product(item, root, finest.grid, offset) if isinstance(root, Element) else None
    known, how = _radiometry(item, {band: files[band] for band in bands}, product, root, offset)
    layers = {
        band: replace(
            with_radiometry(file.layer, known.get(band)),
            factor=pixel_factor(f"{item.id}: {band}", file.grid, finest.grid),
        )
        for band, file in files.items()
    }
    return SceneFacts(
        id=(item.product_uri or item.id).removesuffix(".SAFE"),
        grid=finest.grid,
        layers=layers,
        radiometry=f"{formula(known, bands)}, {how}",
        missing=told_missing([layers[band] for band in bands]),
        datetime=product.datetime if product else item.datatake_start or item.datetime,
        baseline=product.baseline if product else item.baseline,
        level=product.level if product else item.level,
    )


def _check_assets(item: Item, wanted: Sequence[str]) -> None:
    missing = [band for band in wanted if band not in item.assets]
    if missing:
        there = ", ".join(name for name in item.assets if name in BANDS)
        raise GlofgeoError(f"{item.id}: has no asset of {', '.join(missing)}; it has {there or 'no band'}")
    for band in wanted:
        asset = item.assets[band]
        if is_remote(asset.href) and is_jpeg2000(asset.href, asset.media_type):
            refuse_jpeg2000(item.id, f"{item.datetime:%Y-%m-%d}")


def _read_file(item: Item, band: str, offset: float | None) -> _File:
    href = item.assets[band].href

    def facts(source: DatasetReader) -> _File:
        names = band_names("", source.descriptions)
        if source.count > 1 and names.count(band) != 1:
            raise GlofgeoError(f"{item.id}: the file of {band} has {source.count} bands, and none or several of it")
        indexes = {band: names.index(band) + 1 if source.count > 1 else 1}
        check_raster(item.id, source, indexes, (band,))
        layers = bare_layers(href, source, indexes)
        declared = declared_radiometry(item.id, source, layers, [band], offset) if band in BANDS else None
        return _File(grid_of(source), layers[band], declared)

    if is_remote(href):
        return read_in_place(href, facts)
    refuse_virtual(f"{item.id}: {href}", href)
    try:
        with rasterio.open(href) as source:
            return facts(source)
    except RasterioError as error:
        raise GlofgeoError(f"{item.id}: {href} cannot be opened ({error})", "check the path in the item") from None


def _product_metadata(item: Item) -> Element | GlofgeoError | None:
    """The metadata of the product, or why they cannot be had; None where the item names none."""
    if "product_metadata" not in item.assets:
        return None
    where = item.assets["product_metadata"].href
    try:
        return parse(read_text(where, LARGEST_XML), shown(where))
    except GlofgeoError as error:
        return error


def _product(item: Item, root: Element, grid: Grid, given: float | None) -> _Product:
    where = f"{item.id}: its product metadata"
    # Products of 2017 and 2018 call it Level-2Ap.
    level = "L1C" if "1C" in find_text(root, "PROCESSING_LEVEL", where) else "L2A"
    baseline = find_text(root, "PROCESSING_BASELINE", where)
    quantification, offsets, how = product_radiometry(root, level, baseline, given, where)
    sensed = time(find_text(root, "PRODUCT_START_TIME", where), "PRODUCT_START_TIME", where)
    check_names(root, sensed, grid.crs.to_epsg() or 0, where)
    check_baseline(root, baseline, offsets, where)
    named = {(element.text or "").strip().removesuffix(".SAFE") for element in root.iter("PRODUCT_URI")}
    expected = (item.product_uri or "").removesuffix(".SAFE")
    if (expected and named and expected not in named) or abs(sensed - item.datetime) > timedelta(days=1):
        raise GlofgeoError(f"{where} are those of another product", "take another item of this scene")
    return _Product(sensed, baseline, level, quantification, offsets, how)


def _radiometry(
    item: Item, files: Mapping[str, _File], product: _Product | None, failed: object, given: float | None
) -> tuple[Radiometry, str]:
    """(quantification, offset in DN) of every wanted band, and how that is known."""
    carried = {band: file.declared[0][band] for band, file in files.items() if file.declared}
    if product:
        known = {band: (product.quantification, product.offsets[band]) for band in files}
        differing = [band for band in carried if not _alike(carried[band], known[band])]
        if differing:
            raise GlofgeoError(
                f"{item.id}: {differing[0]} carries ({formula(carried, differing[:1])}), and the product's metadata "
                f"say ({formula(known, differing[:1])})",
                "take the scene from another catalogue",
            )
        return known, product.radiometry
    if len(carried) == len(files):
        refuse_mixture(item.id, carried, "correct the files, or take the scene from another catalogue")
        return carried, next(file.declared[1] for file in files.values() if file.declared).rpartition(", ")[2]
    if isinstance(failed, GlofgeoError) and given is None:
        raise failed
    if carried:
        bare = [band for band in files if band not in carried]
        raise GlofgeoError(f"{item.id}: {', '.join(bare)} carry no scale and offset, as its other bands do")
    offset, how = choose_offset(item.id, [], given, UNSEEN)
    return dict.fromkeys(files, (QUANTIFICATION, offset)), how


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two radiometries give the same reflectance to a hundredth of a percent."""
    return all(abs((dn + one[1]) / one[0] - (dn + other[1]) / other[0]) < 1e-4 for dn in (0.0, QUANTIFICATION))
