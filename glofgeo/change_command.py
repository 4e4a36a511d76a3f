"""The verb `change`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from glofgeo.flags import UsageError, require_path
from glofgeo.terminal import say


def change(
    layers: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    /,
    *,
    maps: Path | None = None,
    dates: Annotated[list[str], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    aoi: str | None = None,
    out: Path = Path("change"),
) -> None:
    """Compares lake layers of two or more dates: what grew, shrank, appeared or vanished, and how sure that is.

    Args:
        layers: two or more lake layers, of glofgeo or of any inventory (GeoPackage, GeoJSON, Shapefile).
        maps: folder of maps instead, as map fills it; the maps of one day are one layer.
        dates: year or day of each layer in the same order (2010 or 2010-10-15), for lakes without a date of their own.
        aoi: compare only lakes that meet this area of interest: a polygon file, or the name of a ready-made area.
        out: output folder: report.html, changes.gpkg for QGIS, and CSV tables.
    """
    if bool(layers) == (maps is not None):
        raise UsageError("change needs two lake layers or more, or --maps FOLDER.")
    for path in layers:
        require_path("layer", path)
    require_path("--maps", maps)
    from glofgeo.change.compare import compare
    from glofgeo.change.map_layers import layers_of_maps
    from glofgeo.change.outputs import require_place

    require_place(out)
    found = compare(*(layers_of_maps(maps) if maps else layers), dates=dates, aoi=aoi, progress=True)
    found.write(out)
    say(f"{out / 'report.html'}: {found.told()}")
    if len(found.issues):
        say(f"{out / 'issues.csv'}: {len(found.issues)} oddities of the layers, by row")
    say(f"Drag {out / 'changes.gpkg'} into QGIS: changes, gain and loss, and every outline at its date.")
