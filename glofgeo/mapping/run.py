"""The verb `map`: one scene in, its rasters, lake layer, picture and record out."""

import json
import math
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
import torch
from rasterio.features import geometry_mask
from rasterio.windows import Window
from rasterio.windows import transform as window_transform
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text
from shapely.geometry import box

from datasets_def.scene import Scene
from glofgeo import __version__
from glofgeo.config import NOT_OBSERVED, MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import describe_lakes, geodesic_size, write_lakes
from glofgeo.mapping.overview import true_colour, write_overview
from glofgeo.mapping.polygons import clean_mask, lake_polygons
from glofgeo.mapping.rasters import finish_probability, open_strip_writer, write_mask
from glofgeo.mapping.stream import Area, Strip, stream_probability, torch_inference
from glofgeo.mapping.thumbnail import Thumbnail
from glofgeo.mapping.windows import plan_windows
from glofgeo.models import Header, LakeSegmenter, require_bands


def map_scene(
    scene: Scene,
    model: LakeSegmenter,
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
        model: reflectance `(B, C, H, W)` -> logits `(B, 1, H, W)`.
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
    started = time.perf_counter()
    require_bands(model.config, tuple(scene.layers), str(scene.path))
    scene.require(scene.bands)
    if scene.bands != model.config.bands:
        raise GlofgeoError(
            f"{scene.path}: opened with {', '.join(scene.bands)}, but this model reads "
            f"{', '.join(model.config.bands)} in this order"
        )
    area = _area(scene, aoi)
    final = out / scene.id
    partial = out / f".{scene.id}-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise GlofgeoError(f"{out}: cannot write there ({error.strerror}); name another folder with --out") from None
    try:
        record = _map_into(partial, scene, model, area, checkpoint, settings, device)
        record["seconds"]["total"] = round(time.perf_counter() - started, 2)
        (partial / "run.json").write_text(json.dumps(record, indent=2) + "\n")
        _replace_folder(partial, final)
    except OSError as error:
        raise GlofgeoError(f"{out}: cannot write there ({error.strerror or error}); is the disk full?") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def _map_into(
    folder: Path,
    scene: Scene,
    model: LakeSegmenter,
    area: Area,
    checkpoint: Header | None,
    settings: MapConfig,
    device: str,
) -> dict[str, Any]:
    """Writes everything but `run.json`, whose content it returns."""
    window = checkpoint.config.data.window if checkpoint else model.config.image_size
    shape = (int(area.window.height), int(area.window.width))
    plan = plan_windows(shape, window, min(settings.overlap, window // 2))
    transform = window_transform(area.window, scene.transform)
    where = torch.device(device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    shown = [scene.bands.index(band) for band in ("B04", "B03", "B02") if band in scene.bands]
    shown = shown if len(shown) == 3 else [0, 0, 0]
    thumbnail = Thumbnail(shape, 3)

    def look(first: int, strip: Strip) -> None:
        thumbnail.add(first, strip[0][shown], strip[1])

    tags = _tags(scene)

    clock = [time.perf_counter()]
    strips = folder / "strips.tif"
    infer = torch_inference(model, where)
    with _progress(scene.id, len(plan)) as advance, open_strip_writer(strips, shape, transform, scene.crs) as raster:

        def write(first: int, strip: npt.NDArray[np.uint8]) -> None:
            raster.write(strip, 1, window=Window(0, first, strip.shape[1], strip.shape[0]))

        stream_probability(scene, area, plan, infer, settings.batch_size, write, look, advance)
    clock.append(time.perf_counter())

    probability = _read(strips)
    finish_probability(strips, folder / "probability.tif", tags)
    strips.unlink()
    pixel = _pixel_area(scene)
    min_pixels = max(1, round(settings.min_area / pixel))
    mask = clean_mask(probability, threshold=settings.threshold, min_pixels=min_pixels)
    write_mask(folder / "mask.tif", mask, transform, scene.crs, tags)
    outlines = lake_polygons(probability, mask, transform, scene.crs, threshold=settings.threshold)
    lakes = describe_lakes(
        outlines, transform, scene_id=scene.id, acquired=scene.datetime, baseline=scene.baseline
    )  # fmt: skip
    write_lakes(folder / "lakes.gpkg", lakes)
    write_overview(
        folder / "overview.png", true_colour(thumbnail.image()), lakes, thumbnail.transform(transform), scene.crs,
        scene.id, thumbnail.not_observed(),
    )  # fmt: skip
    clock.append(time.perf_counter())
    return {
        "scene": scene.id,
        "acquired": scene.datetime.isoformat() if scene.datetime else None,
        "level": scene.level,
        "baseline": scene.baseline,
        "radiometry": scene.radiometry,
        "cloud_mask": scene.has_cloud_mask,
        "bands": list(scene.bands),
        "observed_share": round(float((mask != NOT_OBSERVED).mean()), 6),
        "lakes": len(lakes),
        "lake_area_m2": round(float(lakes.area_m2.sum()), 1),
        "checkpoint_sha256": checkpoint.sha256 if checkpoint else None,
        "settings": asdict(settings) | {"window": window},
        "seconds": {"probability": round(clock[1] - clock[0], 2), "outputs": round(clock[2] - clock[1], 2)},
        "device": where.type,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"glofgeo": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "rasterio", "timm", "segmentation-models-pytorch")},
    }


def _area(scene: Scene, aoi: gpd.GeoDataFrame | None) -> Area:
    """The scene's rectangle, or the part of it that the area of interest touches."""
    rows, cols = scene.shape
    if aoi is None:
        return Area(Window(0, 0, cols, rows))
    polygons = aoi.to_crs(scene.crs).geometry
    left, bottom, right, top = polygons.total_bounds
    (x0, y0), (x1, y1) = ~scene.transform * (left, top), ~scene.transform * (right, bottom)
    c0, r0 = max(math.floor(x0), 0), max(math.floor(y0), 0)
    c1, r1 = min(math.ceil(x1), cols), min(math.ceil(y1), rows)
    if c0 >= c1 or r0 >= r1:
        raise GlofgeoError(f"{scene.path}: the area of interest lies off this scene; check both in QGIS")
    cut = Window(c0, r0, c1 - c0, r1 - r0)

    def mask(first: int, count: int) -> npt.NDArray[np.bool_]:
        strip = window_transform(Window(c0, r0 + first, c1 - c0, count), scene.transform)
        return geometry_mask(polygons, (count, c1 - c0), strip, invert=True)

    return Area(cut, mask)


def _pixel_area(scene: Scene) -> float:
    """Area in square metres of the pixel in the scene's middle."""
    rows, cols = scene.shape
    x, y = scene.transform * (cols // 2, rows // 2)
    pixel = gpd.GeoSeries([box(x, y + scene.transform.e, x + scene.transform.a, y)], crs=scene.crs)
    return float(geodesic_size(pixel.to_crs("EPSG:4326"))[0][0])


def _read(path: Path) -> npt.NDArray[np.uint8]:
    with rasterio.open(path) as source:
        return source.read(1)


def _tags(scene: Scene) -> dict[str, str]:
    tags = {"SCENE_ID": scene.id, "SOFTWARE": f"glofgeo {__version__}"}
    if scene.datetime:
        tags["ACQUISITION_DATETIME"] = scene.datetime.isoformat()
    return tags


def _replace_folder(partial: Path, final: Path) -> None:
    """Gives a finished folder its name; an earlier one is moved aside first, since folders cannot be swapped."""
    if final.exists():
        old = partial.with_name(partial.name + "-old")
        final.rename(old)
        partial.rename(final)
        shutil.rmtree(old)
    else:
        partial.rename(final)


class _Rate(ProgressColumn):
    """Windows a second, once there is a figure."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


@contextmanager
def _progress(title: str, windows: int) -> Iterator[Callable[[int], None]]:
    count = TextColumn("{task.completed}/{task.total} windows")
    # A product's name is as long as a terminal is wide; its first part holds the date.
    name = TextColumn("{task.description}", table_column=Column(max_width=27, overflow="ellipsis", no_wrap=True))
    columns = (name, BarColumn(12), count, _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=windows)
        yield lambda done: progress.advance(task, done)
