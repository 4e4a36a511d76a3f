"""What the files of a scene have to share, so that one window of them all is part of one scene."""

from concurrent.futures import ThreadPoolExecutor

from rasterio import DatasetReader

from datasets_def.band_files import pixel_factor
from datasets_def.bands import DEFAULT_BANDS
from datasets_def.grid import Grid
from datasets_def.in_place import read_in_place
from datasets_def.raster_checks import CLASSES, check_raster, grid_of
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.search import NEEDED, Found


def shared_grid(scene: Found) -> Grid:
    """Gives the grid of a scene's bands, on which all of them lie; the classification has pixels of twice the side.

    Raises:
        GlofgeoError: If a file cannot be opened, holds several bands, or is on another grid.
    """
    with ThreadPoolExecutor(len(NEEDED)) as pool:
        grids = dict(zip(NEEDED, pool.map(lambda name: _grid_in(scene, name), NEEDED), strict=True))
    grid = grids[DEFAULT_BANDS[0]]
    for name, own in grids.items():
        where = f"{scene.name}: {name}"
        if pixel_factor(where, own, grid) != (2 if name == CLASSES else 1):
            raise GlofgeoError(
                f"{where}: its pixels of {own.transform.a:g} m do not go into a crop with {DEFAULT_BANDS[0]}, whose "
                f"pixels have {grid.transform.a:g} m",
                "fetch the whole scene",
            )
    return grid


def _grid_in(scene: Found, name: str) -> Grid:
    where = f"{scene.name}: {name}"

    def checked(source: DatasetReader) -> Grid:
        if source.count > 1:
            raise GlofgeoError(f"{where}: its file has {source.count} bands", "fetch the whole scene")
        check_raster(where, source, {name: 1}, (name,))
        return grid_of(source)

    return read_in_place(scene.item.assets[name].href, checked)
