"""The verb `change`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from glofgeo.errors import GlofgeoError
from glofgeo.flags import UsageError, require_path, with_fetched
from glofgeo.terminal import say, told


def change(  # noqa: PLR0913
    layers: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    /,
    *,
    maps: Path | None = None,
    dates: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    aoi: str | None = None,
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    glaciers: Path | None = None,
    regions: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    out: Path = Path("change"),
) -> None:
    """Compares lake layers of two or more dates: what grew, shrank, appeared or vanished, and how sure that is.

    Args:
        layers: two or more lake layers, of glofgeo or of any inventory (GeoPackage, GeoJSON, Shapefile).
        maps: folder of maps instead, as map fills it; the maps of one day are one layer.
        dates: year or day of each layer in the same order (2010 or 2010-10-15), for lakes without a date of their own.
        aoi: compare only lakes that at some date meet this area of interest: a polygon file, or a ready-made area.
        dem: elevation model, one or several tiles or their folder: elevations of lakes that have none.
            By default data/dem.tif, if it is there.
        glaciers: glacier outlines, such as RGI: distance to the nearest glacier, and types where a layer tells none.
            By default data/glaciers.gpkg, if it is there.
        regions: polygons of basins or countries (column basin or country): their names where a layer tells none.
        out: output folder: report.html, changes.gpkg for QGIS, and CSV tables.
    """
    if bool(layers) == (maps is not None):
        raise UsageError("change needs two lake layers or more, or --maps FOLDER.")
    if maps and dates:
        raise UsageError("--dates is for lake layers: maps have the dates of their scenes.")
    for path in layers:
        require_path("layer", path)
        if path.is_dir() and path.suffix != ".gdb" and not (path / "run.json").is_file():
            raise UsageError(f"{path} is a folder: give a lake layer in it, or --maps for a folder of maps.")
    for flag, file in (("--maps", maps), ("--glaciers", glaciers), *(("--regions", region) for region in regions)):
        require_path(flag, file)
    from glofgeo.change.compare import compare
    from glofgeo.change.map_layers import layers_of_maps
    from glofgeo.change.outputs import require_place

    require_place(out)
    ground: dict[str, Any] = dict(zip(("dem", "glaciers"), with_fetched(dem, glaciers), strict=True))
    named, found = {"dem": dem, "glaciers": glaciers}, None
    while found is None:
        try:
            found = compare(
                *(layers_of_maps(maps) if maps else layers),
                dates=dates, aoi=aoi, regions=regions, progress=True, **ground,
            )  # fmt: skip
        except GlofgeoError as error:
            # What was fetched for another area may lie off these lakes, and nobody asked for it.
            if named.get(error.argument or "", True) or not ground.pop(error.argument or "", None):
                raise
            say(f"Left out: {told(error)}")
    found.write(out, progress=True)
    say(f"{out / 'report.html'}: {found.told()}")
    if len(found.issues):
        say(f"{out / 'issues.csv'}: {len(found.issues)} oddities of the layers, by row")
    say(f"Drag {out / 'changes.gpkg'} into QGIS: changes, gain and loss, and every outline at its date.")
