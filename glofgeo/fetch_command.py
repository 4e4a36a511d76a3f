"""The verb `fetch` on the command line; parses and delegates."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from glofgeo.flags import require_path
from glofgeo.terminal import fail, say


def fetch(  # noqa: PLR0913
    *,
    aoi: str,
    from_: Annotated[str, Parameter(name="--from")],
    to: str | None = None,
    months: str = "1-12",
    max_cloud: float = 20,
    best: int = 3,
    lakes: Path | None = None,
    catalog: str = "earth-search,planetary-computer",
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
        dry_run: only print what would be downloaded.
        out: folder of scenes.
    """
    require_path("--lakes", lakes)
    from glofgeo.fetch.catalogs import find_catalogs
    from glofgeo.fetch.query import parse_day, parse_months

    catalogs, wanted = find_catalogs(catalog), parse_months(months)
    first, last = parse_day(from_, "from"), parse_day(to, "to") if to else date.today()
    from datasets_def.aoi import read_aoi
    from glofgeo.fetch.area import area_of, lakes_in
    from glofgeo.fetch.plan import choose_scenes, find_scenes_to_fetch, measure, megabytes, missing, table
    from glofgeo.fetch.query import Query, check_query
    from glofgeo.fetch.transfer import bytes_missing, check_room, fetch_scenes

    area = area_of(read_aoi(aoi))
    query = Query(area.union_all(), first, last, wanted, max_cloud)
    check_query(query)
    seen = lakes_in(lakes, area) if lakes else area
    found = find_scenes_to_fetch(query, catalogs, shown=True)
    chosen = measure(choose_scenes(found, seen, wanted, best, out, shown=True), shown=True)
    for line in table(chosen, "lakes" if lakes else "area"):
        say(line)
    scenes = missing(chosen)
    say(f"{len(chosen)} of {len(found)} scenes, {megabytes(bytes_missing(scenes, out))} to download into {out}")
    if dry_run:
        return
    check_room(scenes, out)
    fetched = fetch_scenes(scenes, out, shown=True, tell=lambda folder: say(f"{folder}: complete"))
    for name, error in fetched.failed.items():
        say(f"glofgeo: {name}: {error}", file=sys.stderr)
    if fetched.failed:
        fail(1, f"{len(fetched.failed)} of {len(scenes)} scenes failed; the same command goes on with them")
