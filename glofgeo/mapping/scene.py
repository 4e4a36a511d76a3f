"""Maps one scene: its rasters, lake layer, picture and record."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import rasterio

from datasets_def.scene import Scene, open_scene
from glofgeo.config import MapConfig
from glofgeo.inference.stream import GDAL_CACHE, stream_probability
from glofgeo.mapping.catalogue import write_catalogue, write_item
from glofgeo.mapping.job import Job, plan_scene, require_same_place
from glofgeo.mapping.lake_map import LakeMap, read_map
from glofgeo.mapping.progress import windows_progress
from glofgeo.mapping.rasters import PercentCounts, StripWriter, describe_probability
from glofgeo.mapping.scene_folder import scene_folder, writing
from glofgeo.mapping.scene_list import SceneSource
from glofgeo.mapping.skip_dry import may_hold_water
from glofgeo.mapping.surroundings import read_surroundings
from glofgeo.models.predictor import Predictor, load_model

if TYPE_CHECKING:
    from glofgeo.inference.batches import Batcher

logger = logging.getLogger(__name__)


def map_scene(  # noqa: PLR0913
    scene: Scene | SceneSource,
    model: Predictor | str | Path | None = None,
    *,
    out: str | Path | None = None,
    aoi: gpd.GeoDataFrame | str | Path | None = None,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    device: str = "auto",
    offset: float | None = None,
    dem: Sequence[str | Path] = (),
    glaciers: str | Path | None = None,
    regions: Sequence[str | Path] = (),
    progress: bool = False,
) -> LakeMap:
    """Maps the lakes of one scene.

    With `out`, `probability.tif`, `mask.tif`, `lakes.gpkg`, `overview.png`, `report.html`, `run.json` and `item.json`
    are written into `OUT/<scene id>/`, which appears when all of it is done and replaces an earlier map, and
    `OUT/collection.json` lists all maps. Without, the map is held in memory, compressed, and nothing stays on disk.

    Args:
        scene: what `open_scene` takes (a product, a GeoTIFF with named bands, the address of a STAC item or COG); or
            a Scene with the bands that the model reads.
        model: a checkpoint, an exported `.onnx`, `bundled`, or a Predictor; by default the newest
            `runs/*/best.safetensors`, and where there is none, the bundled model, which comes with glofgeo.
        out: folder of all maps.
        aoi: map only within these polygons (a file, the name of a ready-made area, or a frame in any CRS); the rasters
            are cut to their bounds.
        settings: threshold, smallest lake, overlap, batch size.
        device: `auto`, `cpu`, `cuda` or `mps`.
        offset: DN to add in a scene that does not tell; see `open_scene`.
        dem: tiles of an elevation model, or folders of them: adds what it tells of each lake to the layer; a model that
            reads slope or shadow needs one.
        glaciers: a layer of glacier outlines: adds the nearest glacier and the type of each lake.
        regions: layers of basins or countries: adds the names of those that each lake lies in.
        progress: show a bar on the standard error.

    Returns:
        The lakes, and the rasters they were drawn from.

    Raises:
        GlofgeoError: If the scene lacks a band or cannot be read, the model cannot be used, the area of interest lies
            off the scene, or the folder cannot be written.
    """
    predictor = load_model(model)
    surroundings = read_surroundings(dem, glaciers, regions)
    if isinstance(scene, Scene):
        opened = scene
    else:
        ground = surroundings.dem if surroundings else None
        opened = open_scene(scene, predictor.bands, offset=offset, dem=ground)
    job = plan_scene(opened, predictor, settings, _read_area(aoi), surroundings)

    from glofgeo.inference.batches import make_batcher

    batcher = make_batcher(predictor, settings, device)
    with windows_progress(job.windows, shown=progress) as (name, advance):
        name(opened.id)
        if out is not None:
            folder = run_job(job, batcher, Path(out), advance, name)
            with writing(Path(out)):
                write_catalogue(Path(out), predictor)
            return read_map(folder)
        with tempfile.TemporaryDirectory(prefix="glofgeo-") as place:
            return read_map(run_job(job, batcher, Path(place), advance, sheets=False), in_memory=True)


def run_job(
    job: Job,
    batcher: "Batcher",
    out: Path,
    advance: Callable[[int], None] | None = None,
    tell: Callable[[str], None] | None = None,
    *,
    sheets: bool = True,
) -> Path:
    """Maps a planned scene into its folder below `out`, which it returns.

    Args:
        job: what to map.
        batcher: its model at work.
        out: folder of all maps.
        advance: receives the number of windows done since the last call.
        tell: receives what is done after the last window, in words, if that takes long.
        sheets: put outburst hazard into the report, which takes seconds, if what that needs is at hand.

    Raises:
        GlofgeoError: If the scene cannot be read, or something that is no map has its name.
        CannotWriteError: If the folder cannot be written.
    """
    # SciPy and Matplotlib are slow to import, and a finished map needs neither.
    from glofgeo.hazard.section import NO_GROUND
    from glofgeo.mapping.components import LakeRuns
    from glofgeo.mapping.map_files import PictureSink, tags, write_outputs
    from glofgeo.mapping.record import Pace, make_record, summary
    from glofgeo.mapping.report_file import REPORT, write_report
    from glofgeo.mapping.report_hazard import hazard_of

    scene, area, settings = job.scene, job.area, job.settings
    worth = partial(may_hold_water, bands=scene.bands) if settings.skip_dry else None
    require_same_place(out / scene.id, scene)
    started = time.perf_counter()
    with writing(out), scene_folder(out, scene.id, job.fingerprint) as folder, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        runs = LakeRuns(area.plan.shape, threshold=settings.threshold)
        counts, picture = PercentCounts(), PictureSink(scene, area.plan.shape)
        with StripWriter(folder / "strips.tif", area.grid) as writer:
            stream_probability(area, batcher, [writer, runs, counts], read=[picture], advance=advance, worth=worth)
            statistics = counts.finish()
            describe_probability(writer, statistics, tags(job))
            probability = writer.finish()
        streamed = time.perf_counter()
        backdrop = picture.finish(area.grid)
        lakes = write_outputs(folder, job, probability, runs, backdrop)
        pace = Pace(batcher.size, streamed - started, time.perf_counter() - streamed)
        # An area of interest may cover no pixel's centre.
        observed = statistics.observed / (area.wanted or 1.0)
        record = make_record(job, lakes, observed, pace)
        hazard = hazard_of(lakes, job, tell) if sheets else NO_GROUND
        write_report(folder / REPORT, lakes, record, backdrop, hazard)
        (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n")
        write_item(folder, out / scene.id, job, record)
    logger.info("%s: %s", scene.id, summary(record))
    return out / scene.id


def _read_area(aoi: gpd.GeoDataFrame | str | Path | None) -> gpd.GeoDataFrame | None:
    if aoi is None or isinstance(aoi, gpd.GeoDataFrame):
        return aoi
    from datasets_def.aoi import read_aoi

    return read_aoi(str(aoi))
