"""From what was gathered of a scene to the layers and rasters in its folder, their styles, and the overview."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import rasterio

from datasets_def.grid import Grid
from datasets_def.scene import Scene
from glofgeo.inference.stream import Strip
from glofgeo.inventory import describe_lakes, write_lakes
from glofgeo.inventory.attributes import columns_of
from glofgeo.inventory.layer_definition import layer_definition
from glofgeo.mapping.components import LakeRuns
from glofgeo.mapping.job import Job
from glofgeo.mapping.overview import Backdrop, caption, write_overview
from glofgeo.mapping.polygons import lake_polygons
from glofgeo.mapping.rasters import WorkingRaster, write_mask, write_probability
from glofgeo.mapping.scene_folder import CLOUDS_NOT_MASKED
from glofgeo.mapping.surroundings import add_surroundings
from glofgeo.mapping.thumbnail import Thumbnail
from glofgeo.report.pictures import true_colour
from glofgeo.version import __version__


class PictureSink:
    """Sink that gathers a picture of a scene while it is read."""

    def __init__(self, scene: Scene, shape: tuple[int, int]) -> None:
        """Starts at the first row.

        Args:
            scene: what is read.
            shape: (rows, columns) of the area that is read.
        """
        self._scene = scene
        self._bands = _shown_bands(scene.bands)
        self._thumbnail = Thumbnail(shape, len(self._bands))

    def add(self, first_row: int, strip: Strip) -> None:
        """Takes the next strip."""
        planes = [strip.dn[self._scene.bands.index(band)] for band in self._bands]
        self._thumbnail.add(first_row, planes, strip.valid)

    def finish(self, grid: Grid) -> Backdrop:
        """Gives the picture of what was added, an area with this grid."""
        reflectance = self._scene.reflectance(self._thumbnail.image(), self._bands)
        return Backdrop(true_colour(reflectance), self._thumbnail.not_observed(), self._thumbnail.grid(grid))


def write_outputs(
    folder: Path, job: Job, probability: WorkingRaster, runs: LakeRuns, picture: Backdrop
) -> gpd.GeoDataFrame:
    """Writes rasters, lake layer and picture.

    A lake is as large as its outline: whatever number of pixels it has, one whose outline is below the least area is
    land in layer and mask. The mask therefore waits for the outlines.

    Args:
        folder: where to.
        job: what was mapped.
        probability: working copy of the whole probability; it is removed.
        runs: of the same probability.
        picture: of the same area.

    Returns:
        The lakes, as `describe_lakes` and `add_surroundings` give them.

    Raises:
        OSError: If the disk took less than was written.
        GlofgeoError: If the DEM cannot be read or does not cover the scene.
    """
    scene, settings, transform = job.scene, job.settings, job.area.grid.transform
    cleaned = runs.clean(max(1, round(settings.min_area / scene.grid.pixel_area)))
    with ThreadPoolExecutor(2) as pool, rasterio.open(probability.path) as source:
        rasters = [pool.submit(write_probability, folder / "probability.tif", probability)]
        outlines = lake_polygons(
            lambda window: source.read(1, window=window), cleaned.lakes, transform, scene.crs,
            threshold=settings.threshold,
        )  # fmt: skip
        lakes = describe_lakes(
            outlines, transform, scene_id=scene.id, acquired=scene.datetime, baseline=scene.baseline
        )  # fmt: skip
        small = (lakes["area_m2"] < settings.min_area).to_numpy()
        lakes, outlines = (frame[~small].reset_index(drop=True) for frame in (lakes, outlines))
        cleaned = cleaned.withdraw(small)
        rasters.append(pool.submit(write_mask, folder / "mask.tif", probability, cleaned.mask, tags(job)))
        lakes = add_surroundings(lakes, outlines, job)
        write_lakes(folder / "lakes.gpkg", lakes, note(job))
        write_overview(folder / "overview.png", picture, lakes, scene.id, caption(scene), note(job))
        layers = layer_definition(scene.id, scene.datetime, scene.crs, columns_of(lakes))
        (folder / "layers.qlr").write_text(layers, encoding="utf-8")
        for raster in rasters:
            raster.result()
    probability.path.unlink()
    return lakes


def tags(job: Job) -> dict[str, str]:
    """What the rasters say about themselves."""
    scene = job.scene
    said = {"SCENE_ID": scene.id, "SOFTWARE": f"glofgeo {__version__}"}
    if scene.datetime:
        said["ACQUISITION_DATETIME"] = scene.datetime.isoformat()
    if note(job):
        said["NOTE"] = note(job)
    return said


def note(job: Job) -> str:
    """What whoever opens the files must know, in a sentence; empty if there is nothing."""
    return "; ".join(filter(None, (None if job.scene.has_cloud_mask else CLOUDS_NOT_MASKED, job.note)))


def _shown_bands(bands: tuple[str, ...]) -> tuple[str, str, str]:
    """Red, green and blue; three times the first band where one is missing."""
    red, green, blue = ("B04", "B03", "B02") if {"B04", "B03", "B02"} <= {*bands} else (bands[0],) * 3
    return red, green, blue
