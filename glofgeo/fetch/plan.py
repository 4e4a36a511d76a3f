"""What to fetch: scenes found, chosen, ranked by what they see of the lakes, and measured in bytes."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import shapely
from geopandas import GeoSeries
from rasterio import DatasetReader
from shapely.geometry.base import BaseGeometry

from datasets_def.in_place import read_in_place
from datasets_def.stac_bands import is_jpeg2000
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.catalogs import Catalog
from glofgeo.fetch.choose import best, by_season, fill_gaps, likely, needed_tiles
from glofgeo.fetch.cover import SLIVER_KM2, km2
from glofgeo.fetch.opening import size_of
from glofgeo.fetch.progress import progress
from glofgeo.fetch.query import Query, season_of
from glofgeo.fetch.rank import Seen, rank
from glofgeo.fetch.remote_file import Interrupted, NotThereError
from glofgeo.fetch.scene_files import PRODUCT_METADATA, SceneFiles, files_of
from glofgeo.fetch.search import Found, search

logger = logging.getLogger(__name__)

# Scenes of which the lakes are looked at, for each one wanted.
_LOOKED_AT = 3

_CONNECTIONS = 4

# The share of a small area at its edge that footprints of scenes may leave uncovered.
_SMALL = 0.01


@dataclass(frozen=True)
class Chosen:
    """A scene to fetch.

    Attributes:
        files: what to download of it.
        seen: what it sees of the lakes.
        is_there: it was fetched before.
    """

    files: SceneFiles
    seen: Seen
    is_there: bool


def find_scenes_to_fetch(query: Query, catalogs: Sequence[Catalog], lakes: GeoSeries, *, shown: bool) -> list[Found]:
    """Searches catalogues in order, each for what the ones before it lack.

    Args:
        query: for what.
        catalogs: where.
        lakes: polygons that scenes should see, WGS 84.
        shown: show progress.

    Returns:
        One scene of each acquisition, on the tiles that the area needs.

    Raises:
        GlofgeoError: If none answers, or none has a scene.
    """
    listed: list[list[Found]] = []
    failures: list[GlofgeoError] = []
    slices = len(list(query.slices()))
    with progress(len(catalogs) * slices, "searches", shown=shown) as (name, advance):

        def tell(text: str) -> None:
            name(text)
            advance(1)

        for catalog in catalogs:
            name(catalog.name)
            try:
                listed.append(search(catalog, query, tell))
            except GlofgeoError as error:
                failures.append(error)
    if not listed:
        raise failures[0]
    for failure in failures:
        logger.warning("%s", failure)
    scenes = fill_gaps(listed)
    if not scenes:
        raise GlofgeoError(
            f"no scene from {query.first} to {query.last} with cloud up to {query.max_cloud:g} % in "
            f"{', '.join(catalog.name for catalog in catalogs)}",
            f"allow more days or more cloud, and look whether the area lies where it should ({_place(query.area)})",
            argument="max_cloud",
        )
    tiles = set(needed_tiles(scenes, query.area, lakes))
    return [scene for scene in scenes if scene.item.tile in tiles]


def choose_scenes(
    scenes: Iterable[Found],
    lakes: GeoSeries,
    months: tuple[int, ...],
    count: int,
    is_there: Callable[[SceneFiles], bool],
    *,
    shown: bool,
) -> list[Chosen]:
    """Chooses the best scenes of each tile and season.

    Args:
        scenes: one of each acquisition.
        lakes: polygons that they should see, any CRS.
        months: of the season.
        count: scenes of each tile and season.
        is_there: tells whether a scene was fetched before.
        shown: show progress.
    """
    seasons = by_season(scenes, months)
    candidates = {season: likely(group, _LOOKED_AT * count) for season, group in seasons.items()}
    everyone = [scene for group in candidates.values() for scene in group]
    with progress(len(everyone), "scenes", shown=shown) as (name, advance):
        name("looking at the lakes")
        seen = rank(everyone, lakes, advance)
    chosen: list[Chosen] = []
    wanted = sum(min(count, len(group)) for group in candidates.values())
    with progress(wanted, "scenes", shown=shown) as (name, advance):
        name("asking for sizes")
        for group in candidates.values():
            left = count
            for scene in best(group, seen, len(group)):
                if left and seen[scene.name].share > 0 and (files := _available(files_of(scene), is_there)):
                    chosen.append(Chosen(files, seen[scene.name], is_there(files)))
                    left -= 1
                    advance(1)
    return chosen


def _available(files: SceneFiles, is_there: Callable[[SceneFiles], bool]) -> SceneFiles | None:
    """Adds the sizes of files that the catalogue does not give; None where a scene cannot be used, with a warning."""
    if is_there(files):
        return files
    if not tells_radiometry(files.scene):
        return None
    hrefs = [file.href for file in files.files.values()]
    try:
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            sizes = dict(zip(hrefs, pool.map(_ask_size, hrefs), strict=True))
    except NotThereError as error:
        logger.warning("%s: left out: %s", files.scene.name, error)
        return None
    for name, file in files.files.items():
        size = sizes[file.href]
        if size and file.size and size != file.size:
            reason = f"{name} has {size} bytes, and the catalogue says {file.size}"
            logger.warning("%s: left out: %s", files.scene.name, reason)
            return None
    return files.with_sizes(sizes)


def _ask_size(href: str) -> int | None:
    try:
        return size_of(href)
    except NotThereError:
        raise
    except (Interrupted, GlofgeoError):
        return None  # the download will be more patient, and tell what is wrong, such as keys that are missing


def tells_radiometry(scene: Found) -> bool:
    """Whether a scene says how its DN become reflectance: in its product's metadata, or in the files themselves.

    What the item says of scale and offset is no proof, and a scene that says nothing is left out with a warning.
    """
    if PRODUCT_METADATA in scene.item.assets:
        return True
    band = scene.item.assets["B02"]

    def scaled(source: DatasetReader) -> bool:
        return (source.scales[0], source.offsets[0]) != (1.0, 0.0)

    try:
        if not is_jpeg2000(band.href, band.media_type) and read_in_place(band.href, scaled):
            return True
        reason = "neither a metadata file nor its images say whether its DN include the offset of baseline 04.00"
    except GlofgeoError as error:
        reason = str(error)
    logger.warning("%s: left out: %s", scene.name, reason)
    return False


def table(chosen: Sequence[Chosen], sizes: Sequence[int], what: str) -> list[str]:
    """Words what would be fetched, a line for each scene and one for the total.

    Args:
        chosen: scenes.
        sizes: bytes to download of each.
        what: they should see, "lakes" or "area".
    """
    rows = [("date", "tile", "cloud", "snow", f"{what} seen", "size", "scene")]
    for one, count in zip(chosen, sizes, strict=True):
        item = one.files.scene.item
        seen = f"{one.seen.share:.0%}" if one.seen.is_measured else f"~{one.seen.share:.0%}"
        size = "there" if one.is_there else megabytes(count)
        rows.append(
            (f"{item.datetime:%Y-%m-%d}", item.tile, _percent(item.cloud), _percent(item.snow), seen, size,
             one.files.scene.name)
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def gaps(query: Query, scenes: Iterable[Found], chosen: Iterable[Chosen]) -> list[str]:
    """Words for which tile and season there is no scene, and how much of the area no scene covers.

    Args:
        query: what was searched for.
        scenes: all that were found.
        chosen: those of them that are fetched.
    """
    years = sorted({season_of(first, query.months) for first, _ in query.slices()})
    tiles = sorted({scene.item.tile for scene in scenes})
    items = [one.files.scene.item for one in chosen]
    have = {(item.tile, season_of(item.datetime.date(), query.months)) for item in items}
    lines = [
        f"{tile}, {year}: no scene; allow more cloud or more days"
        for tile in tiles
        for year in years
        if (tile, year) not in have
    ]
    # Of a tile that no catalogue lists, nothing above tells.
    left, whole = km2([query.area.difference(shapely.union_all([item.geometry for item in items])), query.area])
    if left > min(_SMALL * whole, SLIVER_KM2):
        lines.append(f"{_size(left)} of {_size(whole)} km² of the area: no scene; allow more cloud or more days")
    return lines


def _size(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _place(area: BaseGeometry) -> str:
    point = area.representative_point()
    return f"around {abs(point.y):.1f}° {'NS'[point.y < 0]}, {abs(point.x):.1f}° {'EW'[point.x < 0]}"


def megabytes(size: int) -> str:
    """Words a size."""
    return f"{size / 1e6:,.0f} MB" if size < 10e9 else f"{size / 1e9:,.1f} GB"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f} %"
