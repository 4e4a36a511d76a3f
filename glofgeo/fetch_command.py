"""The verb `fetch` on the command line; parses and delegates."""

import json
import logging
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from glofgeo.data_folder import DEM, GLACIERS, LAKES, SCENES
from glofgeo.errors import GlofgeoError, NoScenesError
from glofgeo.flags import UsageError, require_path
from glofgeo.terminal import fail, say, told

if TYPE_CHECKING:
    from geopandas import GeoSeries

    from glofgeo.fetch.plan import Chosen
    from glofgeo.fetch.scene_files import SceneFiles


def fetch(  # noqa: PLR0913
    *,
    aoi: str,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    months: str = "1-12",
    max_cloud: float = 20,
    best: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    lakes: Path | None = None,
    catalog: str = "earth-search,planetary-computer",
    crop: bool = False,
    dem: bool = False,
    glaciers: bool = False,
    inventory: Literal["hi-mag", "kumar-vijay"] | None = None,
    dry_run: bool = False,
    out: Path = SCENES,
) -> None:
    """Searches catalogues for Sentinel-2 scenes that see the lakes, and downloads the bands that are needed.

    The same command goes on where it was interrupted, and downloads nothing twice.

    Args:
        aoi: area of interest: a polygon file, or the name of a ready-made area (himalaya, khumbu, …).
        from_: the first day, as in 2023-09-15. Required unless only --dem, --glaciers or --inventory is
            wanted.
        to: the last day; by default today.
        months: only these months of each year, as in 9-11; 11-2 runs across New Year.
        max_cloud: percent of a tile that may be under cloud by the catalogue's figure.
        best: how many scenes of each tile and year, or of each tile and season where months are given: those that see
            most of the lakes.
        lakes: polygons of lakes that the scenes should see; by default the whole area counts.
        catalog: where to search, in order, each for scenes missing from those before it: earth-search,
            planetary-computer, cdse (JPEG 2000; wants S3 keys), or the address of a STAC API.
        crop: fetch only the area, as one GeoTIFF a scene, where the catalogue's files allow (not from cdse).
        dem: also fetch the elevation model Copernicus GLO-30 around the area, as dem.tif above the folder of scenes.
        glaciers: also fetch the glacier outlines of RGI 7 around the area, as glaciers.gpkg beside it.
        inventory: also fetch a public inventory of glacial lakes, as lakes.gpkg beside it: hi-mag or
            kumar-vijay, both of High Mountain Asia, of 2017 and of 2022 to 2024; the latter is downloaded by hand.
        dry_run: only print what would be downloaded.
        out: folder of scenes.
    """
    if from_ is None and not (dem or glaciers or inventory):
        raise UsageError("fetch needs --from DAY for scenes, or --dem, --glaciers or --inventory.")
    require_path("--lakes", lakes)
    logging.getLogger("glofgeo.fetch").handlers = [_Shown(logging.WARNING)]
    from glofgeo.fetch.catalogs import find_catalogs
    from glofgeo.fetch.query import Query, check_query, parse_day, parse_months

    catalogs, wanted = find_catalogs(catalog), parse_months(months)
    last = parse_day(to, "to") if to else date.today()
    first = parse_day(from_, "from") if from_ else last
    from datasets_def.aoi import read_aoi
    from glofgeo.fetch.area import area_of, lakes_in

    area = area_of(read_aoi(aoi))
    seen = lakes_in(lakes, area) if lakes else area
    failed: dict[str, GlofgeoError] = {}
    if from_:
        from glofgeo.fetch.plan import choose_scenes, find_scenes_to_fetch, gaps, table

        query = Query(area.union_all(), first, last, wanted, max_cloud)
        check_query(query)
        plan = _Downloads(area, out, crop)
        found = find_scenes_to_fetch(query, catalogs, seen, shown=True)
        chosen = choose_scenes(found, seen, wanted, best, plan.is_there, shown=True)
        for line in table(chosen, [plan.size(one.files) for one in chosen], "lakes" if lakes else "area"):
            say(line)
        say(f"{len(chosen)} of {len(found)} scenes")
        for line in gaps(query, found, chosen):
            say(line)
        failed |= plan.save_search(chosen, Path(aoi).stem) if dry_run else plan.fetch(chosen)
        if not chosen:
            words = f"none of those found shows the {'lakes' if lakes else 'area'}"
            failed["scenes"] = GlofgeoError(words, "allow more cloud or more days")
    if dem or glaciers or inventory:
        failed |= _fetch_beside(area, out.parent, dem, glaciers, inventory, dry_run)
    for name, error in failed.items():
        say(f"glofgeo: {name}: {told(error)}", file=sys.stderr)
    if failed:
        fail(1, f"{len(failed)} could not be fetched; the same command goes on with what is missing")


class _Shown(logging.Handler):
    """Prints what the library logs, on one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"glofgeo: {record.getMessage()}", file=sys.stderr)


class _Downloads:
    """What becomes of chosen scenes: whole files, or the crop where that is wanted and the files allow it."""

    def __init__(self, area: "GeoSeries", out: Path, crop: bool) -> None:
        self.area, self.out, self.crop = area, out, crop

    def is_there(self, files: "SceneFiles") -> bool:
        from glofgeo.fetch.crop import crop_path, holds_area
        from glofgeo.fetch.scene_files import is_there

        return is_there(files, self.out) or (self.crop and holds_area(crop_path(files, self.out), self.area))

    def size(self, files: "SceneFiles") -> int:
        """Bytes to download of a scene, roughly where it is cropped."""
        from glofgeo.fetch.crop import share_of

        return round(files.size * (share_of(files.scene, self.area) if self._is_cropped(files) else 1))

    def fetch(self, chosen: "list[Chosen]") -> dict[str, GlofgeoError]:
        """Downloads what is not there; gives what failed, by name."""
        from glofgeo.fetch.one_at_a_time import alone_in
        from glofgeo.fetch.plan import megabytes
        from glofgeo.fetch.scene_files import other_processings
        from glofgeo.fetch.transfer import bytes_missing, check_room, fetch_crops, fetch_scenes

        absent = [one.files for one in chosen if not one.is_there]
        for path in (path for files in absent for path in other_processings(files, self.out)):
            say(f"{path}: another processing of the same acquisition; remove it, or it counts twice")
        crops = [files for files in absent if self._is_cropped(files)]
        whole = [files for files in absent if not self._is_cropped(files)]
        size, of_crops = bytes_missing(whole, self.out), sum(self.size(files) for files in crops)
        say(f"About {megabytes(size + of_crops)} to download into {self.out}")
        # Until a crop is complete, its pixels lie there twice and not compressed.
        check_room(size + 4 * of_crops, self.out)
        failed: dict[str, GlofgeoError] = {}
        with alone_in(self.out):
            failed |= fetch_crops(crops, self.area, self.out, shown=True, tell=_tell).failed if crops else {}
            failed |= fetch_scenes(whole, self.out, shown=True, tell=_tell).failed if whole else {}
        return failed

    def save_search(self, chosen: "list[Chosen]", name: str) -> dict[str, GlofgeoError]:
        """Says what there is to download, and leaves the scenes as a search result."""
        from datasets_def.atomic import written_beside
        from glofgeo.fetch.plan import megabytes
        from glofgeo.fetch.scene_files import search_result

        path = self.out / f"{name}.search.json"
        with written_beside(path) as part:
            part.write_text(json.dumps(search_result(one.files.scene for one in chosen)), encoding="utf-8")
        size = sum(self.size(one.files) for one in chosen if not one.is_there)
        say(f"About {megabytes(size)} to download into {self.out}")
        words = f"glofgeo map --scene {shlex.quote(f'@{path}')}"
        say(f"{path}: the search, for {words}, which reads the scenes in place")
        return {}

    def _is_cropped(self, files: "SceneFiles") -> bool:
        from glofgeo.fetch.crop import can_crop

        return self.crop and can_crop(files.scene)


def _fetch_beside(
    area: "GeoSeries", folder: Path, dem: bool, glaciers: bool, inventory: str | None, dry_run: bool
) -> dict[str, GlofgeoError]:
    """Fetches what lies beside the scenes, or says what would come; gives what failed, by name."""
    from glofgeo.fetch.elevation import dem_tiles
    from glofgeo.fetch.one_at_a_time import alone_in

    places = tuple(folder / path.name for path in (DEM, GLACIERS, LAKES))
    if dry_run:
        whats = f"Copernicus GLO-30, {len(dem_tiles(area))} tiles of 20 to 45 MB", "outlines of RGI 7", inventory
        for wanted, place, what in zip((dem, glaciers, inventory), places, whats, strict=True):
            if wanted:
                say(f"{place}: {'is there' if place.exists() else 'would come'} ({what})")
        return {}
    failed: dict[str, GlofgeoError] = {}
    with alone_in(folder):
        failed |= _fetch_dem(area, places[0]) if dem else {}
        failed |= _fetch_glaciers(area, places[1]) if glaciers else {}
        failed |= _fetch_inventory(inventory, area, places[2]) if inventory else {}
    return failed


def _fetch_dem(area: "GeoSeries", path: Path) -> dict[str, GlofgeoError]:
    from glofgeo.fetch.elevation import fetch_dem

    try:
        fetched = fetch_dem(area, path, shown=True)
    except GlofgeoError as error:
        return {"elevation model": error}
    if fetched.voids:
        say(f"Copernicus GLO-30 has no tile {', '.join(fetched.voids)}: sea, or withheld")
    if not fetched.failed:
        made = "was there" if fetched.tiles is None else f"made of {fetched.tiles} tiles"
        say(f"{path}: Copernicus GLO-30 around the area, {made}")
    return fetched.failed


def _fetch_glaciers(area: "GeoSeries", path: Path) -> dict[str, GlofgeoError]:
    from glofgeo.fetch.glaciers import fetch_glaciers

    try:
        say(f"{path}: {fetch_glaciers(area, path, shown=True)} glacier outlines of RGI 7")
    except GlofgeoError as error:
        return {"glaciers": error}
    return {}


def _fetch_inventory(name: str, area: "GeoSeries", path: Path) -> dict[str, GlofgeoError]:
    from glofgeo.fetch.inventories import KNOWN, fetch_inventory

    try:
        lakes = fetch_inventory(KNOWN[name], area, path, shown=True)
    except GlofgeoError as error:
        return {name: error}
    say(f"{path}: {lakes.count} lakes of {lakes.title} ({lakes.crs}), {lakes.inside} of them in the area")
    for file, digest in lakes.digests.items():
        say(f"made of {file}, SHA-256 {digest}")
    return {}


def _tell(path: Path) -> None:
    say(f"{path}: complete")


def with_fetch_line(error: NoScenesError, aoi: str, lakes: Path | None, scenes: Path | None) -> GlofgeoError:
    """Adds to an error the command that fetches what training on an area lacks.

    It asks for scenes of the latest season with little snow and cloud, and for lakes if there are none either.
    """
    today = date.today()
    # After the monsoon of Nepal and Bhutan.
    year = today.year if today.month == 12 else today.year - 1
    layer = lakes or LAKES
    words = ["glofgeo fetch --aoi", shlex.quote(aoi), f"--from {year}-09-15 --to {year}-11-30"]
    if layer.exists():
        words += ["--lakes", shlex.quote(str(layer))]
    elif not (lakes or scenes):
        words += ["--inventory hi-mag"]
    words += ["--out", shlex.quote(str(scenes))] if scenes else []
    return GlofgeoError(f"{told(error)}. Scenes come with: {' '.join(words)}")
