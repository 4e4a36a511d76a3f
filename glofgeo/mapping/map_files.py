"""From a scene's probability to everything that lies in its folder, but for `run.json`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window

from datasets_def.grid import Grid
from datasets_def.pixel_size import pixel_area
from datasets_def.scene import Scene
from glofgeo import __version__
from glofgeo.config import MapConfig
from glofgeo.inventory import describe_lakes, write_lakes
from glofgeo.inventory.layer_definition import layer_definition
from glofgeo.mapping.components import LakeRuns
from glofgeo.mapping.overview import Backdrop, caption, true_colour, write_overview
from glofgeo.mapping.polygons import lake_polygons
from glofgeo.mapping.rasters import describe_probability, require_pixels, write_mask, write_probability
from glofgeo.mapping.scene_folder import CLOUDS_NOT_MASKED
from glofgeo.mapping.thumbnail import Thumbnail


def write_outputs(
    folder: Path,
    strips: Path,
    checksum: int,
    runs: LakeRuns,
    thumbnail: Thumbnail,
    scene: Scene,
    transform: Affine,
    settings: MapConfig,
    note: str | None = None,
) -> gpd.GeoDataFrame:
    """Writes rasters, lake layer and picture.

    A lake is as large as its outline: whatever number of pixels it has, one whose outline is below the least area is
    land in layer and mask. The mask therefore waits for the outlines.

    Args:
        folder: where to.
        strips: closed file of `open_strip_writer` with the whole probability; it is removed.
        checksum: CRC-32 of its pixels, row by row.
        runs: of the same probability.
        thumbnail: digital numbers of red, green and blue of the same area.
        scene: that was mapped.
        transform: of the rasters.
        settings: threshold and smallest lake.
        note: what whoever opens the files must know besides missing clouds, in a sentence.

    Returns:
        The lakes, as `describe_lakes` gives them.

    Raises:
        OSError: If the disk took less than was written.
    """
    require_pixels(strips, checksum)
    note = "; ".join(filter(None, (None if scene.has_cloud_mask else CLOUDS_NOT_MASKED, note)))
    describe_probability(strips, _tags(scene, note))
    pixel = pixel_area(scene.crs, scene.transform, scene.shape)
    cleaned = runs.clean(max(1, round(settings.min_area / pixel)))
    with ThreadPoolExecutor(2) as pool, rasterio.open(strips) as source:
        rasters = [pool.submit(write_probability, folder / "probability.tif", strips)]

        def read(window: Window) -> npt.NDArray[np.uint8]:
            percent: npt.NDArray[np.uint8] = source.read(1, window=window)
            return percent

        outlines = lake_polygons(read, cleaned.lakes, transform, scene.crs, threshold=settings.threshold)
        lakes = describe_lakes(
            outlines, transform, scene_id=scene.id, acquired=scene.datetime, baseline=scene.baseline
        )  # fmt: skip
        small = (lakes["area_m2"] < settings.min_area).to_numpy()
        lakes, cleaned = lakes[~small].reset_index(drop=True), cleaned.withdraw(small)
        rasters.append(pool.submit(write_mask, folder / "mask.tif", strips, cleaned.mask, _tags(scene, note)))
        write_lakes(folder / "lakes.gpkg", lakes, note)
        grid = thumbnail.grid(Grid(source.shape, transform, scene.crs))
        backdrop = Backdrop(true_colour(_picture(thumbnail, scene)), thumbnail.not_observed(), grid)
        write_overview(folder / "overview.png", backdrop, lakes, scene.id, caption(scene), note)
        definition = layer_definition(scene.id, scene.datetime, scene.crs)
        (folder / "layers.qlr").write_text(definition, encoding="utf-8")
        for raster in rasters:
            raster.result()
    strips.unlink()
    return lakes


def shown_bands(scene: Scene) -> list[int]:
    """Positions of red, green and blue among the scene's bands; three times the first where one is missing."""
    if not {"B04", "B03", "B02"} <= set(scene.bands):
        return [0, 0, 0]
    return [scene.bands.index(band) for band in ("B04", "B03", "B02")]


def _picture(thumbnail: Thumbnail, scene: Scene) -> npt.NDArray[np.float32]:
    return scene.reflectance(thumbnail.image(), [scene.bands[i] for i in shown_bands(scene)])


def _tags(scene: Scene, note: str) -> dict[str, str]:
    tags = {"SCENE_ID": scene.id, "SOFTWARE": f"glofgeo {__version__}"}
    if scene.datetime:
        tags["ACQUISITION_DATETIME"] = scene.datetime.isoformat()
    if note:
        tags["NOTE"] = note
    return tags
