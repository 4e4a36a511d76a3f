"""The verb `fetch` on the command line; parses and delegates."""

import json
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from glofgeo.errors import GlofgeoError, NoScenesError
from glofgeo.flags import require_path
from glofgeo.terminal import fail, say


def fetch(  # noqa: PLR0913
    *,
    aoi: str,
    from_: Annotated[str, Parameter(name="--from")],
    to: str | None = None,
    months: str = "1-12",
    max_cloud: float = 20,
    best: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    lakes: Path | None = None,
    catalog: str = "earth-search,planetary-computer",
    crop: bool = False,
    dry_run: bool = False,
    out: Path = Path("data/scenes"),
) -> None:
    """Searches catalogues for Sentinel-2 scenes that see the lakes, and downloads the bands that are needed.

    The same command goes on where it was interrupted, and downloads nothing twice.

    Args:
        aoi: area of interest: a polygon file, or the name of a ready-made area (himalaya, khumbu, …).
        from_: the first day, as in 2023-09-15.
        to: the last day; by default today.
        months: only these months of each year, as in 9-11; 11-2 runs across New Year.
        max_cloud: percent of a tile that may be under cloud by the catalogue's figure.
        best: how many scenes of each tile and year, or of each tile and season where months are given: those that see
            most of the lakes.
        lakes: polygons of lakes that the scenes should see; by default the whole area counts.
        catalog: where to search, in order, each for what those before it lack: earth-search, planetary-computer, cdse
            (JPEG 2000; wants S3 keys), or the address of a STAC API.
        crop: fetch only the area, as one GeoTIFF a scene, where the catalogue's files allow (not from cdse).
        dry_run: only print what would be downloaded.
        out: folder of scenes.
    """
    require_path("--lakes", lakes)
    from glofgeo.fetch.catalogs import find_catalogs
    from glofgeo.fetch.query import parse_day, parse_months

    catalogs, wanted = find_catalogs(catalog), parse_months(months)
    first, last = parse_day(from_, "from"), parse_day(to, "to") if to else date.today()
    from datasets_def.aoi import read_aoi
    from datasets_def.atomic import written_beside
    from glofgeo.fetch.area import area_of, lakes_in
    from glofgeo.fetch.crop import can_crop, crop_path, holds_area, share_of
    from glofgeo.fetch.one_at_a_time import alone_in
    from glofgeo.fetch.plan import choose_scenes, find_scenes_to_fetch, megabytes, table
    from glofgeo.fetch.query import Query, check_query
    from glofgeo.fetch.scene_files import SceneFiles, is_there, other_processings, search_result
    from glofgeo.fetch.search import Found
    from glofgeo.fetch.transfer import bytes_missing, check_room, fetch_crops, fetch_scenes

    area = area_of(read_aoi(aoi))
    query = Query(area.union_all(), first, last, wanted, max_cloud)
    check_query(query)
    seen = lakes_in(lakes, area) if lakes else area

    def was_fetched(files: SceneFiles) -> bool:
        return is_there(files, out) or (crop and holds_area(crop_path(files, out), area))

    def is_cropped(scene: Found) -> bool:
        return crop and can_crop(scene)

    def share(scene: Found) -> float:
        return share_of(scene, area) if is_cropped(scene) else 1.0

    found = find_scenes_to_fetch(query, catalogs, shown=True)
    chosen = choose_scenes(found, seen, wanted, best, was_fetched, shown=True)
    sizes = [round(one.files.size * share(one.files.scene)) for one in chosen]
    for line in table(chosen, sizes, "lakes" if lakes else "area"):
        say(line)
    absent = [one for one in chosen if not one.is_there]
    crops = [one.files for one in absent if is_cropped(one.files.scene)]
    whole = [one.files for one in absent if not is_cropped(one.files.scene)]
    size, of_crops = bytes_missing(whole, out), round(sum(one.size * share(one.scene) for one in crops))
    say(f"{len(chosen)} of {len(found)} scenes, about {megabytes(size + of_crops)} to download into {out}")
    for path in (path for one in absent for path in other_processings(one.files, out)):
        say(f"{path}: another processing of the same acquisition; remove it, or it counts twice")
    if dry_run:
        result = out / f"{Path(aoi).stem}.search.json"
        with written_beside(result) as part:
            part.write_text(json.dumps(search_result(one.files.scene for one in chosen)), encoding="utf-8")
        say(f"{result}: the search, for glofgeo map --scene @{result}, which reads the scenes in place")
        return
    # Until a crop is complete, its pixels lie there twice and not compressed.
    check_room(size + 4 * of_crops, out)
    failed: dict[str, GlofgeoError] = {}
    with alone_in(out):
        if crops:
            failed |= fetch_crops(crops, area, out, shown=True, tell=_tell).failed
        if whole:
            failed |= fetch_scenes(whole, out, shown=True, tell=_tell).failed
    for name, error in failed.items():
        say(f"glofgeo: {name}: {error}", file=sys.stderr)
    if failed:
        fail(1, f"{len(failed)} of {len(absent)} scenes failed; the same command goes on with them")


def _tell(path: Path) -> None:
    say(f"{path}: complete")


def with_fetch_line(error: NoScenesError, aoi: str | None, lakes: Path | None, scenes: Path | None) -> GlofgeoError:
    """Adds to an error the command that fetches scenes of an area: of the latest season with little snow and cloud."""
    today = date.today()
    # After the monsoon of Nepal and Bhutan.
    year = today.year if today.month == 12 else today.year - 1
    layer = lakes or Path("data/lakes.gpkg")
    words = ["glofgeo fetch --aoi", shlex.quote(aoi or "AREA"), f"--from {year}-09-15 --to {year}-11-30"]
    words += ["--lakes", shlex.quote(str(layer))] if layer.exists() else []
    words += ["--out", shlex.quote(str(scenes))] if scenes else []
    return GlofgeoError(f"{error}. Scenes come with: {' '.join(words)}")
