"""A folder of single-band files (`B02.tif`, `T45RVL_20241015T045701_B03_10m.jp2`, ...) as one scene."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from datasets_def.acquired import acquired
from datasets_def.bands import FILE_NAME, band_name
from datasets_def.errors import GlofgeoError
from datasets_def.geotiff import read_raster
from datasets_def.grid import Grid
from datasets_def.radiometry import baseline_in, formula, level_in, refuse_mixture
from datasets_def.scene_facts import SceneFacts

_ENDINGS = (".tif", ".tiff", ".jp2")
_CLASSES = "SCL"
# Corners of files on one grid may differ by this share of a pixel.
_SHIFT = 0.01


def band_files(folder: Path) -> dict[str, Path]:
    """Finds the single-band files of a folder by their names; no file is opened.

    Returns:
        Band name (or `SCL`) -> file, the finest where several resolutions are there; empty where there are less than
        two.

    Raises:
        GlofgeoError: If a band occurs twice at one resolution.
    """
    found: dict[tuple[str, int], Path] = {}
    for path, key in _named(folder).items():
        if key in found:
            raise GlofgeoError(
                f"{folder}: {found[key].name} and {path.name} are both {key[0]}", "use one folder for each scene"
            )
        found[key] = path
    finest = {band: path for (band, _), path in sorted(found.items(), reverse=True)}
    return finest if len(finest) > 1 else {}


def read_band_files(folder: Path, bands: tuple[str, ...], offset: float | None = None) -> SceneFacts:
    """Reads the metadata of single-band files; the finest among the wanted bands gives the grid.

    Args:
        folder: that holds them.
        bands: names of those that are wanted.
        offset: DN to add before dividing, if the files do not tell.

    Raises:
        GlofgeoError: As `read_raster`, or if a wanted band is missing or the files do not share a grid.
    """
    files = band_files(folder)
    missing = [band for band in bands if band not in files]
    if missing:
        raise GlofgeoError(f"{folder}: has no file of {', '.join(missing)}; it has {', '.join(sorted(files))}")
    together = tuple(files[band] for band in bands)
    wanted = [*bands, *([_CLASSES] if _CLASSES in files else [])]
    facts = {band: read_raster(files[band], (band,), offset, together=together) for band in wanted}
    finest = min((facts[band] for band in bands), key=lambda one: one.grid.transform.a)
    _refuse_mixture(folder, bands, facts)
    layers = {
        band: replace(one.layers[band], factor=pixel_factor(files[band], one.grid, finest.grid))
        for band, one in facts.items()
    }
    known = {band: (layers[band].quantification, layers[band].offset) for band in bands}
    how = facts[bands[0]].radiometry.rpartition(", ")[2]
    name = folder.resolve().name
    return replace(
        finest,
        id=_name(folder, together[0]),
        layers=layers,
        radiometry=f"{formula(known, bands)}, {how}",
        baseline=finest.baseline or baseline_in(name),
        level=finest.level or level_in(name),
        datetime=finest.datetime or acquired(folder, name, {}, {}),
    )


def _refuse_mixture(folder: Path, bands: tuple[str, ...], facts: Mapping[str, SceneFacts]) -> None:
    """Refuses files of several days, or with different scales or offsets."""
    days = {band: one.datetime for band, one in facts.items() if one.datetime}
    first, last = min(days, key=days.__getitem__, default=""), max(days, key=days.__getitem__, default="")
    if first and days[last] - days[first] > timedelta(days=1):
        raise GlofgeoError(
            f"{folder}: {first} was acquired on {days[first]:%Y-%m-%d}, {last} on {days[last]:%Y-%m-%d}",
            "use one folder for each scene",
        )
    layers = {band: facts[band].layers[band] for band in bands}
    known = {band: (layer.quantification, layer.offset) for band, layer in layers.items()}
    refuse_mixture(folder, known, "correct the files")


def pixel_factor(where: object, file: Grid, scene: Grid) -> int:
    """Gives the side of a file's pixel in pixels of the scene.

    Args:
        where: for messages.
        file: grid of the file.
        scene: grid of the finest band.

    Raises:
        GlofgeoError: If the file's pixels are not those of the scene, or so many of them together.
    """
    factor = max(1, round(file.transform.a / scene.transform.a))
    expected = scene.coarser(factor)
    if file.shape != expected.shape or max(expected.apart(file)) > _SHIFT / factor:
        raise GlofgeoError(f"{where}: is not on the grid of the other bands beside it", "give bands of one scene")
    return factor


def _name(folder: Path, first: Path) -> str:
    """The part of a file's name before the band, such as tile and time; without one, the name of the folder."""
    match = FILE_NAME.fullmatch(first.stem)
    before = first.stem[: match.start(1)].rstrip("_.-") if match else ""
    return before or folder.resolve().name


def is_band_folder(path: Path) -> bool:
    """Whether a folder holds files of at least two bands, by their names; they need not make a scene."""
    try:
        return len({band for band, _ in _named(path).values()}) > 1
    except OSError:
        return False


def _named(folder: Path) -> dict[Path, tuple[str, int]]:
    """The files of a folder that are named by band, with band and resolution in metres (0 where it is not given)."""
    found = {}
    for path in sorted(folder.iterdir()):
        match = FILE_NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in _ENDINGS and not path.name.startswith(".") and path.is_file():
            found[path] = (band_name(match[1]), int(match[2] or 0))
    return found
