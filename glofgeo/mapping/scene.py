"""Maps one scene: its rasters, lake layer, picture and record."""

import json
import math
import platform
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from rasterio.features import geometry_mask
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from datasets_def.pixel_size import pixel_side
from datasets_def.reproject import areas_on_grid
from datasets_def.scene import Scene
from glofgeo import __version__
from glofgeo.config import NOT_OBSERVED, MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.stream import GDAL_CACHE, Area, Strip, stream_probability
from glofgeo.inference.windows import WindowPlan, bounding_slices, plan_windows
from glofgeo.mapping.progress import Advance, windows_progress
from glofgeo.mapping.rasters import open_strip_writer
from glofgeo.mapping.scene_folder import fingerprint, scene_folder, writing
from glofgeo.mapping.skip_dry import may_hold_water
from glofgeo.mapping.thumbnail import Thumbnail
from glofgeo.models.bands import require_bands
from glofgeo.models.header import Header

if TYPE_CHECKING:
    from glofgeo.inference.batches import Batcher, Infer
    from glofgeo.models import LakeSegmenter, OnnxSegmenter, UnetBaseline

    Segmenter = LakeSegmenter | OnnxSegmenter | UnetBaseline

# Pixels differ by more than this share from those a model was trained on: its windows then show another landscape.
_OTHER_PIXEL = 0.25


class OffSceneError(GlofgeoError):
    """The area of interest does not meet the scene."""


@dataclass(frozen=True)
class Job:
    """A scene and how it will be cut into windows.

    Attributes:
        scene: what to map.
        area: the part of it that is wanted.
        plan: windows on that part.
        fingerprint: of everything that decides what the map will say.
        pixel_m: side of the scene's pixels on the ground, in metres.
        note: what is unusual about it, in a sentence.
    """

    scene: Scene
    area: Area
    plan: WindowPlan
    fingerprint: str
    pixel_m: float
    note: str | None

    @property
    def transform(self) -> Affine:
        """From (column, row) of the area to the scene's CRS."""
        return window_transform(self.area.window, self.scene.transform)


def map_scene(
    scene: Scene,
    model: "Segmenter",
    out: Path,
    *,
    checkpoint: Header | None = None,
    aoi: gpd.GeoDataFrame | None = None,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    device: str = "auto",
) -> Path:
    """Maps the lakes of one scene.

    Writes `probability.tif`, `mask.tif`, `lakes.gpkg`, `overview.png` and `run.json` into `OUT/<scene id>/`, which
    appears when all of it is done and replaces an earlier one.

    Args:
        scene: with the bands that the model reads.
        model: reflectance `(B, C, H, W)` -> logits `(B, 1, H, W)`, or a loaded ONNX file.
        out: folder of all maps.
        checkpoint: what the model's file says of itself, for the record; its training window is used.
        aoi: map only within these polygons; the rasters are cut to their bounds.
        settings: threshold, smallest lake, overlap, batch size.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Returns:
        The scene's folder.

    Raises:
        GlofgeoError: If the scene lacks a band or cannot be read, the area of interest lies off it, or the folder
            cannot be written.
    """
    job = plan_scene(scene, model, checkpoint, aoi, settings)
    infer = make_inference(model, settings, device, job.plan.window)
    with windows_progress(len(job.plan)) as (name, advance):
        name(scene.id)
        return run_job(job, infer, out, checkpoint, settings, advance)


def plan_scene(
    scene: Scene,
    model: "Segmenter | Path",
    checkpoint: Header | None,
    aoi: gpd.GeoDataFrame | None,
    settings: MapConfig,
) -> Job:
    """Checks that a model can map a scene, and cuts it into windows; reads no pixel.

    Args:
        scene: with the bands that the model reads.
        model: the network, or the file that a `checkpoint` was read from and the network will be.
        checkpoint: what the model's file says of itself.
        aoi: map only within these polygons.
        settings: how to map.

    Raises:
        OffSceneError: If the area of interest lies off the scene.
        GlofgeoError: If the scene lacks a band that the model or a setting needs, or has pixels of another size than
            those the model was trained on.
    """
    if isinstance(model, Path):
        assert checkpoint is not None
        config = checkpoint.config.model
    else:
        config = model.config
    require_bands(config, tuple(scene.layers), str(scene.path))
    scene.require(scene.bands)
    if scene.bands != config.bands:
        raise GlofgeoError(
            f"{scene.path}: opened with {', '.join(scene.bands)}, but this model reads "
            f"{', '.join(config.bands)} in this order"
        )
    if settings.skip_dry and not {"B03", "B08"} <= set(scene.bands):
        raise GlofgeoError("--skip-dry looks at B03 and B08, which this model does not read: leave it out")
    pixel_m = pixel_side(scene.crs, scene.transform, scene.shape)
    note = _other_pixel(pixel_m, checkpoint.pixel_m if checkpoint else None)
    if note and not settings.any_resolution:
        raise GlofgeoError(f"{scene.path}: {note}; take a model for these pixels, or map it with --any-resolution")
    area = _area(scene, aoi)
    window = checkpoint.config.data.window if checkpoint else config.image_size
    shape = (int(area.window.height), int(area.window.width))
    plan = plan_windows(shape, window, min(settings.overlap, window // 2))
    name = f"{_kind(model)} {checkpoint.sha256 if checkpoint else ''}"
    return Job(scene, area, plan, fingerprint(scene, name, window, aoi, settings), pixel_m, note)


def _kind(model: "Segmenter | Path") -> str:
    if isinstance(model, Path):
        return "OnnxSegmenter" if model.suffix == ".onnx" else "LakeSegmenter"
    return type(model).__name__


def _other_pixel(pixel_m: float, trained_m: float | None) -> str | None:
    if trained_m is None or abs(pixel_m / trained_m - 1) <= _OTHER_PIXEL:
        return None
    return f"its pixels are {pixel_m:.3g} m wide, and the model was trained on {trained_m:.3g} m"


def load_model(path: Path) -> "tuple[Segmenter, Header]":
    """Loads a checkpoint's network, or an exported `.onnx`.

    Raises:
        GlofgeoError: As `load_checkpoint` and `load_onnx`.
    """
    from glofgeo.models import load_checkpoint, load_onnx

    if path.suffix == ".onnx":
        exported = load_onnx(path)
        return exported, exported.header
    loaded = load_checkpoint(path)
    return loaded.model, loaded


def make_inference(model: "Segmenter", settings: MapConfig, device: str, window: int) -> "Batcher":
    """Puts a model to work on a device, in batches of windows of this side in pixels.

    Raises:
        GlofgeoError: If the device is not there.
    """
    from glofgeo.inference.batches import Batcher, auto_batch, choose_device, symmetric, torch_inference
    from glofgeo.models import OnnxSegmenter

    where = choose_device(device)
    answer = model if isinstance(model, OnnxSegmenter) else torch_inference(model, where, compiled=settings.compile)
    infer: Infer = symmetric(answer) if settings.tta else answer
    size = auto_batch(where, window) if settings.batch_size == "auto" else settings.batch_size
    return Batcher(infer, size)


def run_job(
    job: Job, infer: "Batcher", out: Path, checkpoint: Header | None, settings: MapConfig, advance: Advance
) -> Path:
    """Maps a planned scene into its folder below `out`, which it returns.

    Raises:
        GlofgeoError: If the scene cannot be read.
        CannotWriteError: If the folder cannot be written.
        GlofgeoError: If something that is no map has its name.
    """
    # SciPy and Matplotlib are slow to import, and a finished map needs neither.
    from glofgeo.mapping.components import LakeRuns
    from glofgeo.mapping.map_files import shown_bands, write_outputs

    scene, plan = job.scene, job.plan
    clock = [time.perf_counter()]
    with writing(out), scene_folder(out, scene.id, job.fingerprint) as folder, rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        strips = folder / "strips.tif"
        shown = shown_bands(scene)
        thumbnail = Thumbnail(plan.shape, len(shown))
        runs = LakeRuns(plan.shape, threshold=settings.threshold)
        observed, checksum = 0, 0

        def look(strip: Strip) -> None:
            thumbnail.add(strip.first, [strip.numbers[i] for i in shown], strip.valid)

        worth = (lambda image: may_hold_water(image, scene.bands)) if settings.skip_dry else None
        with open_strip_writer(strips, plan.shape, job.transform, scene.crs) as raster:

            def write(first: int, percent: npt.NDArray[np.uint8]) -> None:
                nonlocal observed, checksum
                checksum = crc32(percent.data, checksum)
                runs.add(first, percent)
                observed += int(np.count_nonzero(percent != NOT_OBSERVED))
                raster.write(percent, 1, window=Window(0, first, percent.shape[1], percent.shape[0]))

            temperature = checkpoint.temperature if checkpoint else 1.0
            stream_probability(scene, job.area, plan, infer, write, look, advance, worth=worth, temperature=temperature)
        clock.append(time.perf_counter())
        lakes = write_outputs(folder, strips, checksum, runs, thumbnail, scene, job.transform, settings, job.note)
        clock.append(time.perf_counter())
        record = _record(job, lakes, observed / math.prod(plan.shape), checkpoint, settings, clock, infer)
        (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n")
    return out / scene.id


def _record(
    job: Job,
    lakes: gpd.GeoDataFrame,
    observed: float,
    checkpoint: Header | None,
    settings: MapConfig,
    clock: list[float],
    infer: "Batcher",
) -> dict[str, Any]:
    scene = job.scene
    return {
        "scene": scene.id,
        "acquired": scene.datetime.isoformat() if scene.datetime else None,
        "level": scene.level,
        "baseline": scene.baseline,
        "radiometry": scene.radiometry,
        "no_data": scene.missing,
        "cloud_mask": scene.has_cloud_mask,
        "bands": list(scene.bands),
        "pixel_m": round(job.pixel_m, 3),
        "trained_pixel_m": checkpoint.pixel_m if checkpoint and checkpoint.pixel_m else "not known",
        "note": job.note,
        "observed_share": round(observed, 6),
        "lakes": len(lakes),
        "lake_area_m2": round(float(lakes.area_m2.sum()), 1),
        "checkpoint_sha256": checkpoint.sha256 if checkpoint else None,
        "settings": asdict(settings) | {"window": job.plan.window, "batch_size": infer.size},
        "windows": len(job.plan),
        "seconds": {"probability": round(clock[1] - clock[0], 2), "outputs": round(clock[2] - clock[1], 2)},
        "peak_memory_mib": _peak_memory(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"glofgeo": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "rasterio", "timm", "segmentation-models-pytorch")},
        "fingerprint": job.fingerprint,
    }


def _peak_memory() -> int | None:
    """Most memory that this process has held so far; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def _area(scene: Scene, aoi: gpd.GeoDataFrame | None) -> Area:
    """The scene's rectangle, or the part of it that the area of interest touches."""
    rows, cols = scene.shape
    if aoi is None:
        return Area(Window(0, 0, cols, rows))
    polygons = areas_on_grid(aoi.geometry, scene.crs, scene.outline)
    if not polygons.size:
        raise OffSceneError(f"{scene.path}: the area of interest lies off this scene; check both in QGIS")
    span = bounding_slices(scene.transform, scene.shape, tuple(shapely.total_bounds(polygons)))
    cut = Window.from_slices(*span)

    def mask(first: int, count: int) -> npt.NDArray[np.bool_]:
        strip = window_transform(Window(cut.col_off, cut.row_off + first, cut.width, count), scene.transform)
        return geometry_mask(polygons, (count, cut.width), strip, invert=True)

    return Area(cut, mask)
