"""What the files of a scene have to share, so that one window of them all is part of one scene."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rasterio import DatasetReader

from datasets_def.band_files import pixel_factor
from datasets_def.bands import DEFAULT_BANDS, QUANTIFICATION
from datasets_def.grid import Grid
from datasets_def.in_place import read_in_place
from datasets_def.product_metadata import FILE_NAME, offset_in
from datasets_def.radiometry import formula, from_scales, refuse_mixture
from datasets_def.raster_checks import CLASSES, check_raster, grid_of
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.download import download
from glofgeo.fetch.scene_files import SceneFiles
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
        where, factor = f"{scene.name}: {name}", 2 if name == CLASSES else 1
        if pixel_factor(where, own, grid) != factor:
            raise GlofgeoError(
                f"{where}: has pixels of {own.transform.a:g} m, and crops are made of pixels of "
                f"{grid.transform.a * factor:g} m",
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


def shared_radiometry(files: SceneFiles, folder: Path) -> list[tuple[float, float]]:
    """Gives scale and offset of each band, from the product's metadata or else the images.

    Args:
        files: of the scene.
        folder: where its metadata file is put.

    Returns:
        Of every band, in order: reflectance = DN x scale + offset.

    Raises:
        GlofgeoError: If nothing tells, images and metadata or the images themselves disagree, or one cannot be had.
    """
    scene = files.scene
    scales: dict[str, tuple[float, float]] = {
        band: read_in_place(scene.item.assets[band].href, lambda source: (source.scales[0], source.offsets[0]))
        for band in DEFAULT_BANDS
    }
    carrying = [band for band in DEFAULT_BANDS if scales[band] != (1.0, 0.0)]
    if FILE_NAME in files.files:
        declared = (float(QUANTIFICATION), _offset_beside(files, folder))
        for band in carrying:
            carried, _ = from_scales(scene.name, {band: scales[band]}, [band], None)
            if tuple(round(number, 2) for number in carried[band]) != declared:
                raise GlofgeoError(
                    f"{scene.name}: {band} carries {formula(carried, [band])}, and the product's metadata say "
                    f"{formula({band: declared}, [band])}",
                    "try another catalogue",
                )
        return [(1 / QUANTIFICATION, declared[1] / QUANTIFICATION)] * len(DEFAULT_BANDS)
    if not carrying:
        raise GlofgeoError(
            f"{scene.name}: neither a metadata file nor its images say whether its DN include the offset of "
            "baseline 04.00",
            "try another catalogue",
        )
    known, _ = from_scales(scene.name, scales, DEFAULT_BANDS, None)
    refuse_mixture(scene.name, known, "try another catalogue")
    return [scales[band] for band in DEFAULT_BANDS]


def _offset_beside(files: SceneFiles, folder: Path) -> float:
    """Downloads the metadata of the product and reads the offset in DN."""
    path = folder / FILE_NAME
    path.unlink(missing_ok=True)  # of an earlier try, and of no known checksum
    download(files.files[FILE_NAME], path, lambda _: None, threading.Event())
    return offset_in(path.read_bytes(), f"{files.scene.name}: {FILE_NAME}", files.scene.item.product_uri)
