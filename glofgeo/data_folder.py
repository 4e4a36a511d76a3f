"""What `fetch` leaves in the folder `data`, and where the other verbs look for what nobody named."""

from collections.abc import Sequence
from pathlib import Path

from datasets_def.bands import TERRAIN

SCENES, LAKES = Path("data/scenes"), Path("data/lakes.gpkg")
DEM, GLACIERS = Path("data/dem.tif"), Path("data/glaciers.gpkg")


def find_dem(named: Sequence[str | Path] = ()) -> list[Path]:
    """Gives the tiles of the elevation model: those that are named, else the fetched one, if there is one."""
    return [Path(path) for path in named] or [path for path in (DEM,) if path.is_file()]


def dem_of(bands: Sequence[str]) -> list[Path]:
    """Gives the fetched elevation model to a model that reads slope or shadow."""
    return [] if TERRAIN.keys().isdisjoint(bands) else find_dem()


def find_glaciers(named: Path | None = None) -> Path | None:
    """Gives the glacier outlines: those that are named, else the fetched ones, if there are any."""
    return named or next((path for path in (GLACIERS,) if path.is_file()), None)
