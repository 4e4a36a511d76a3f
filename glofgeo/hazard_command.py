"""The verb `hazard`; parses and delegates."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from glofgeo.data_folder import DEM, GLACIERS
from glofgeo.flags import UsageError, require_path, with_fetched
from glofgeo.terminal import say

# Between two lines of progress in a log.
_PAUSE_S = 30.0


def hazard(
    lakes: Path,
    /,
    *,
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    glaciers: Path | None = None,
    out: Path = Path("hazard"),
    dem_lakes: Path | None = None,
    dem_date: str | None = None,
) -> None:
    """Lists cited indicators for and against an outburst of each lake, without a score.

    Args:
        lakes: lake polygons: a lakes.gpkg that glofgeo wrote, or any inventory.
        dem: elevation model, one or several tiles or their folder; by default data/dem.tif.
        glaciers: glacier outlines, such as RGI; by default data/glaciers.gpkg.
        out: output folder, for hazard.html, hazard.csv, criteria.csv and hazard.gpkg.
        dem_lakes: lake polygons of the time of the elevation model, from which the levels of the lakes are taken.
        dem_date: date of the elevation model; by default taken from the names of its tiles.
    """
    for flag, path in (("LAKES", lakes), ("--glaciers", glaciers), ("--dem-lakes", dem_lakes)):
        require_path(flag, path)
    dem, glaciers = with_fetched(dem, glaciers)
    if not dem or glaciers is None:
        raise UsageError(f"hazard needs --dem and --glaciers, or what fetch leaves of them: {DEM} and {GLACIERS}.")
    from datasets_def.elevation import open_dem
    from datasets_def.polygons import read_polygons
    from datasets_def.reproject import to_degrees
    from glofgeo.hazard.files import FILES, write_sheets
    from glofgeo.hazard.kept import KeptSheets
    from glofgeo.hazard.lakes import assess_lakes, ground_facts, read_lakes
    from glofgeo.hazard.lakes import dem_date as date_of
    from glofgeo.inventory.glaciers import read_glaciers
    from glofgeo.report.page import require_own

    require_own(out, "hazard", FILES[-1], FILES[:-1])
    ground = open_dem(dem)
    layer, outlines = read_lakes(lakes), read_glaciers(glaciers)
    then = to_degrees(read_polygons(dem_lakes, "lakes").geometry) if dem_lakes else None
    inputs = [lakes, *ground.files, glaciers, *([dem_lakes] if dem_lakes else [])]
    kept = KeptSheets(out, inputs, layer.names)
    before = len(kept.read())
    if before:
        say(f"{before} of {len(layer.names)} lakes were assessed before; going on with the others")
    with _progress(len(layer.names) - before) as advance, _written(out):
        sheets = assess_lakes(layer, ground, outlines, then, advance, kept)
    on = ground_facts(ground, date_of(ground, dem_date), str(dem_lakes or ""), str(glaciers))
    facts = {"lakes": str(lakes)} | on
    with _written(out):
        write_sheets(out, layer, sheets, facts)
        kept.remove()
    count = f"{len(sheets)} lake{'s' * (len(sheets) != 1)}"
    say(f"{out / FILES[-1]}: the sheets of {count}, to read; the same as {', '.join(FILES[:-1])}")


@contextmanager
def _written(out: Path) -> Iterator[None]:
    """Tells a folder that cannot be written from a bug."""
    from glofgeo.errors import GlofgeoError

    try:
        yield
    except PermissionError as error:
        raise GlofgeoError(
            f"{out}: cannot be written ({error.strerror})", "name another folder", argument="out"
        ) from None


@contextmanager
def _progress(lakes: int) -> Iterator[Callable[[int], None]]:
    """Shows a bar on the standard error; where that is no terminal, a plain line now and then."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("lakes"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=lakes)
            yield lambda n: bar.advance(task, n)
        return
    done, started, told = 0, time.monotonic(), time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, told
        done, now = done + count, time.monotonic()
        if now - told >= _PAUSE_S:
            told, rate = now, done / (now - started)
            left = (lakes - done) / rate / 60
            console.print(f"{done}/{lakes} lakes, {rate:.2g}/s, about {left:.0f} min left", highlight=False)

    yield advance
