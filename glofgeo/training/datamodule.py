"""AOI + scenes + lakes -> batches."""

import math
from pathlib import Path
from typing import Any, Literal

import lightning
import pandas as pd
import shapely
import torch
from geopandas import GeoDataFrame, GeoSeries
from rasterio.windows import Window
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datasets_def import GlacialLakes, Scene, TiledCopy, fill_cache, find_scenes, open_scene
from datasets_def.dates import decimal_year, mapped_in
from datasets_def.pixel_size import pixel_side
from datasets_def.reproject import (
    WGS84,
    areas_on_grid,
    lakes_on_grid,
    neighbourhood,
    polygons_of,
    to_crs,
    to_degrees,
)
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.windows import bounding_slices
from glofgeo.training.crops import LakeCrops, LakeWindows, Reader
from glofgeo.training.negatives import hard_points
from glofgeo.training.samplers import Crop, Ground, LakeSampler, clip_lakes
from glofgeo.training.splits import PARTS, audit, split_aoi
from glofgeo.training.validation import plan_ground

# Multiple of the encoder's patch, so that a shrunk training window has no padded tokens; at least two of them.
_PATCH = 14

# A lake mapped too long ago may have grown or shrunk this far (metres).
_STALE_M = 100.0


class LakeData(lightning.LightningDataModule):
    """Crops for training and validation.

    Making one reads metadata and polygons only, so that wrong input is told before any pixel is decoded;
    `prepare_data` decodes the products that are needed.

    Attributes:
        audit: how the ground was dealt out, checked (see `glofgeo.training.splits.audit`).
        scene_ids: of the scenes in use.
        pixel_m: side of their pixels on the ground, in metres (geometric mean).
        window: side of a training crop in pixels, shrunk to the largest scene; validation keeps the mapper's.
        plans: the mapper's windows on the validation ground of each scene, once set up.
        opened: the scenes as they are read, once set up.
    """

    def __init__(
        self,
        *,
        aoi: GeoDataFrame,
        aoi_name: str,
        scenes: Path,
        lakes: Path,
        cache: Path,
        config: TrainConfig,
        offset: float | None = None,
    ) -> None:
        """Finds out which scene shows what of which part.

        Args:
            aoi: features, any CRS.
            aoi_name: for messages.
            scenes: folder of scenes, or one scene.
            lakes: layer of lake polygons.
            cache: folder for tiled copies of products.
            config: bands, windows, split.
            offset: of scenes that do not tell theirs, see `open_scene`.

        Raises:
            GlofgeoError: If a scene or the lakes cannot be used, the scenes' pixels differ in size, the AOI is off the
                scenes, the lakes are off both, or training or validation would have nothing to look at.
        """
        super().__init__()
        self.config = config
        self.cache = cache
        self.lakes_path = lakes
        self.offset = offset
        area = to_degrees(aoi.geometry).union_all()
        used, damaged = _open_whole(scenes, config, area, offset)
        if not used:
            raise GlofgeoError(f"{aoi_name}: lies off all scenes of {scenes}; give scenes that show it")
        polygons = GlacialLakes(lakes, crs=WGS84).polygons
        ground = shapely.union_all([footprint(scene) for scene in used])
        if not len(polygons.sindex.query(ground & area, predicate="intersects")):
            raise GlofgeoError(
                f"{lakes}: none of its {len(polygons)} lakes lies within {aoi_name} and the scenes of {scenes}; "
                "give the lakes of this region"
            )
        split = split_aoi(aoi, ground, polygons, config.data, config.seed, allow_leaks=config.allow_leaks)
        self.audit = audit(split, polygons, allow_leaks=config.allow_leaks)
        for part, task in (("train", "to train on"), ("val", "to validate on")):
            told = self.audit["parts"].get(part)
            if told is None:
                raise GlofgeoError(f"{aoi_name}: no scene of {scenes} shows its {part} part; add one {task}")
            if not told["lakes"]:
                raise GlofgeoError(f"{lakes}: no lake in the {part} part of {aoi_name} where there are scenes")
        limit = config.data.lake_years
        dated = None if limit is None else mapped_in(polygons, lakes.name)
        stale = [
            None if limit is None or dated is None else polygons[~(_years_apart(dated, scene) <= limit)]
            for scene in used
        ]
        views = {
            part: [region_of(split.parts[part], scene, old) for scene, old in zip(used, stale, strict=True)]
            for part in PARTS
            if part in split.parts
        }
        self._ground = {part: [(s, v) for s, v in zip(used, several, strict=True) if not v.is_empty]
                        for part, several in views.items()}  # fmt: skip
        if limit is not None and not (self._ground["train"] and self._ground["val"]):
            raise GlofgeoError(f"{lakes}: no lake was mapped within {limit:g} years of a scene")
        keep = [i for i in range(len(used)) if any(not views[part][i].is_empty for part in ("train", "val"))]
        self.views = {part: [views[part][i] for i in keep] for part in ("train", "val")}
        self.used = [used[i] for i in keep]
        self.scene_ids = [scene.id for scene in self.used]
        self.pixel_m = _common_pixel(self.used)
        side = max(max(scene.shape) for scene in self.used)
        self.window = config.data.window if side >= config.data.window else max(side // _PATCH, 2) * _PATCH
        undated = 0 if dated is None else int(dated.isna().sum())
        self.audit |= {"scene_overlap": self._scene_overlap(), "damaged": damaged, "lakes_undated": undated}
        # A raster file is read where it lies; a random crop of JPEG 2000 decodes whole blocks.
        self.copies = [
            TiledCopy(scene, self._window_in_use(i), cache) if is_jpeg2000(scene) else None
            for i, scene in enumerate(self.used)
        ]
        self.train_sampler: LakeSampler | None = None

    def ground(self, part: str) -> list[tuple[Scene, BaseGeometry]]:
        """Gives the scenes that show a part, and what of it each shows, in the scene's CRS."""
        return self._ground.get(part, [])

    def decoded(self, part: Literal["train", "val"]) -> list[tuple[Scene, BaseGeometry]]:
        """Gives the same with the tiled copies of products, once the data are set up."""
        return [(scene, view) for scene, view in zip(self.opened, self.views[part], strict=True) if not view.is_empty]

    def _scene_overlap(self) -> dict[str, float]:
        """Gives the share of the windows on each part that judges whose scene also shows training ground."""
        learned = {scene.path for scene, _ in self.ground("train")}
        shares = {}
        for part in ("val", "test"):
            windows = [
                (scene.path in learned, len(plan_ground(_bare_ground(scene, view), self.config.data.window).plan))
                for scene, view in self.ground(part)
            ]
            if windows:
                shares[part] = sum(n for known, n in windows if known) / sum(n for _, n in windows)
        return shares

    def _window_in_use(self, i: int) -> Window:
        """Gives the part of a scene's grid that its crops can touch: the ground in use and a window around it."""
        scene = self.used[i]
        bounds = tuple(shapely.total_bounds([views[i] for views in self.views.values()]))
        rows, cols = bounding_slices(scene.transform, scene.shape, bounds, max(self.window, self.config.data.window))
        return Window.from_slices(rows, cols)

    def prepare_data(self) -> None:
        """Decodes the ground in use once into tiled GeoTIFFs: a random crop of JPEG 2000 decodes whole blocks."""
        copies = [copy for copy in self.copies if copy is not None]
        if self.train_sampler is not None or not copies:
            return
        columns = (TextColumn("{task.description}"), BarColumn(12), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("")

            def tell(text: str, done: int, total: int) -> None:
                bar.update(task, description=text, completed=done, total=total)

            self._held = fill_cache(copies, self.cache, self.config.data.cache_size * 1e9, tell)

    def setup(self, stage: str) -> None:
        """Opens scenes and lakes for reading and lays the windows."""
        if self.train_sampler is not None:
            return
        config, bands = self.config, self.config.model.bands
        # A copy tells its radiometry, whatever its original does.
        self.opened = [
            open_scene(scene.path, bands, offset=self.offset) if copy is None else open_scene(copy.path, bands)
            for scene, copy in zip(self.used, self.copies, strict=True)
        ]
        layers = {crs: GlacialLakes(self.lakes_path, crs=crs) for crs in {scene.crs.to_string() for scene in self.used}}
        self.layers = [layers[scene.crs.to_string()] for scene in self.used]
        grounds = {
            part: [
                Ground(i, scene.transform, scene.shape, view, clip_lakes(self.layers[i].polygons, view))
                for i, (scene, view) in enumerate(zip(self.opened, views, strict=True))
                if not view.is_empty
            ]
            for part, views in self.views.items()
        }
        data = config.data
        hard = [
            hard_points(self.opened[g.scene], g.region, self.layers[g.scene].polygons, config.seed)
            for g in (grounds["train"] if data.hard_share else ())
        ]
        self.train_sampler = LakeSampler(
            grounds["train"], self.window, data.crops, data.lake_share, config.seed,
            hard=hard, hard_share=data.hard_share,
        )  # fmt: skip
        self.plans = [plan_ground(ground, data.window) for ground in grounds["val"]]

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Gives the random windows of an epoch."""
        return self._loader(LakeCrops(self._reader("train"), self.window), self.train_sampler)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Gives the mapper's windows on the validation ground of each scene, in order."""
        return self._loader(LakeWindows(self._reader("val"), self.plans), None)

    def _reader(self, part: str) -> Reader:
        regions = {i: view for i, view in enumerate(self.views[part]) if not view.is_empty}
        return Reader(self.opened, self.layers, regions)

    def _loader(self, dataset: Dataset[Any], sampler: Sampler[Crop] | None) -> DataLoader[Any]:
        data = self.config.data
        return DataLoader(
            dataset,
            batch_size=data.batch_size,
            sampler=sampler,
            num_workers=data.workers,
            persistent_workers=data.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def _open_whole(
    folder: Path, config: TrainConfig, area: BaseGeometry, offset: float | None
) -> tuple[list[Scene], dict[str, str]]:
    """Opens the scenes that show an area (EPSG:4326) and checks them; gives them, and what is damaged and why.

    Raises:
        GlofgeoError: If one is damaged, naming all that are, unless they are to be skipped.
    """
    whole, damaged = [], {}
    for path in find_scenes(folder):
        try:
            scene = open_scene(path, config.model.bands, offset=offset)
            if footprint(scene).intersects(area):
                _refuse_beyond_180(scene)
                scene.check()
                whole.append(scene)
        except GlofgeoError as error:
            damaged[path.name] = str(error)
    if damaged and not config.skip_damaged:
        told = "; ".join(f"{name} ({reason})" for name, reason in damaged.items())
        count = len(whole) + len(damaged)
        raise GlofgeoError(f"{len(damaged)} of {count} scenes cannot be used: {told}. Leave out with --skip-damaged")
    return whole, damaged


def is_jpeg2000(scene: Scene) -> bool:
    """Tells whether a scene's bands lie in JPEG 2000 files."""
    return any(scene.layers[band].path.lower().endswith(".jp2") for band in scene.bands)


def _refuse_beyond_180(scene: Scene) -> None:
    west, _, east, _ = scene.outline.bounds
    if scene.crs.is_geographic and max(-west, east) > 180:
        raise GlofgeoError(f"{scene.path}: its longitudes go beyond 180; to train on it, save it in a UTM zone")


def _common_pixel(scenes: list[Scene]) -> float:
    """Gives the size of the scenes' pixels in metres.

    Raises:
        GlofgeoError: If they differ by more than a quarter, as a model learns one size.
    """
    sides = {pixel_side(scene.crs, scene.transform, scene.shape): scene.path for scene in scenes}
    least, most = min(sides), max(sides)
    if most > 1.25 * least:
        raise GlofgeoError(
            f"{sides[most]}: its pixels are {most:.3g} m wide, those of {sides[least]} {least:.3g} m; "
            "train on scenes of one size"
        )
    return math.sqrt(least * most)


def _years_apart(dated: "pd.Series[float]", scene: Scene) -> "pd.Series[float]":
    if scene.datetime is None:
        raise GlofgeoError(f"{scene.path}: tells no date; set ACQUISITION_DATETIME, or leave out --data.lake-years")
    return (dated - decimal_year(pd.Timestamp(scene.datetime))).abs()


def _bare_ground(scene: Scene, view: BaseGeometry) -> Ground:
    return Ground(0, scene.transform, scene.shape, view, GeoDataFrame())


def footprint(scene: Scene) -> BaseGeometry:
    """Gives the outline of a scene's grid in EPSG:4326, within 180 degrees."""
    return to_degrees(GeoSeries([scene.outline], crs=scene.crs)).iloc[0]


def region_of(part: BaseGeometry, scene: Scene, stale: GeoDataFrame | None = None) -> BaseGeometry:
    """Brings a part (EPSG:4326) to a scene.

    Args:
        part: ground.
        scene: whose grid.
        stale: lakes that are neither learned nor judged there, nor the ground within 100 m of them; EPSG:4326.

    Returns:
        The part's ground within the grid, in the scene's CRS; empty if there is none.
    """
    region = shapely.union_all(areas_on_grid(GeoSeries([part], crs=WGS84), scene.crs, scene.outline))
    if stale is not None and not region.is_empty:
        # Metres are metres in a projection around the scene, whatever the scene counts in.
        west, south, east, north = neighbourhood(scene.crs, scene.outline)
        local = f"+proj=aeqd +lon_0={(west + east) / 2} +lat_0={(south + north) / 2} +datum=WGS84 +units=m"
        around = to_crs(GeoSeries([footprint(scene)], crs=WGS84), local).iloc[0].buffer(_STALE_M)
        old = GeoSeries(lakes_on_grid(stale.geometry, local, around), crs=local).buffer(_STALE_M)
        region -= shapely.union_all(areas_on_grid(old, scene.crs, scene.outline))
    return shapely.MultiPolygon(list(polygons_of(region)))
