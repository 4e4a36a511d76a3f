"""AOI + scenes + lakes -> batches."""

import math
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import shapely
import torch
from geopandas import GeoDataFrame, GeoSeries
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from rasterio.windows import Window
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datasets_def import GlacialLakes, Scene, Sentinel2, TiledCopy, fill_cache, find_scenes, open_scene
from datasets_def.safe import is_safe
from glofgeo.config import NOT_OBSERVED, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.training.samplers import Crop, GridWindows, Ground, LakeSampler, clip_lakes
from glofgeo.training.splits import WGS84, audit, split_aoi

# Multiple of the encoder's patch, so that a shrunk training window has no padded tokens; at least two of them.
_PATCH = 14

# Straight edges in degrees are curved on a UTM grid: points this far apart (1 km) keep them within centimetres.
_SEGMENT_DEG = 0.01


class LakeCrops(Dataset[dict[str, Tensor]]):
    """Crops of scenes with their lakes; where a crop leaves its part, it is not observed."""

    def __init__(
        self, scenes: list[Sentinel2], lakes: list[GlacialLakes], regions: dict[int, BaseGeometry], window: int
    ) -> None:
        """Takes what to read from.

        Args:
            scenes: each one scene on its own grid.
            lakes: for each scene, the layer in its CRS.
            regions: scene number -> the part's ground in the scene's CRS.
            window: side of a crop in pixels.
        """
        self.scenes = scenes
        self.lakes = lakes
        self.regions = regions
        self.window = window
        for region in regions.values():
            shapely.prepare(region)

    def __getitem__(self, crop: Crop) -> dict[str, Tensor]:
        """Reads a crop.

        Returns:
            `image`: float32 `(C, window, window)` reflectance, 0 beyond the scene; `mask`: uint8 `(window, window)`,
            1 lake, 0 land, 255 not observed, outside the part, or to be skipped.
        """
        scene = self.scenes[crop.scene]
        (xres, yres), (left, _, _, top) = scene.res, scene.index.total_bounds
        x, y = left + crop.col * xres, top - crop.row * yres
        query = (slice(x, x + self.window * xres, xres), slice(y - self.window * yres, y, yres))
        seen = scene[query]
        mask = self.lakes[crop.scene][query]["mask"].to(torch.uint8)
        mask[~seen["valid"]] = NOT_OBSERVED
        mask[: crop.skip_rows] = NOT_OBSERVED
        mask[:, : crop.skip_cols] = NOT_OBSERVED
        bounds = shapely.box(x, query[1].start, query[0].stop, y)
        region = self.regions[crop.scene]
        if not region.contains(bounds):
            inside = region.intersection(bounds)
            outside = geometry_mask([inside], mask.shape, from_origin(x, y, xres, yres)) if inside.area else True
            mask[torch.from_numpy(np.broadcast_to(outside, mask.shape).copy())] = NOT_OBSERVED
        return {"image": seen["image"], "mask": mask}


class LakeData(lightning.LightningDataModule):
    """Crops for training and validation.

    Making one reads metadata and polygons only, so that wrong input is told before any pixel is decoded;
    `prepare_data` decodes the products that are needed.

    Attributes:
        audit: how the ground was dealt out, checked (see `glofgeo.training.splits.audit`).
        scene_ids: of the scenes in use.
        window: side of a training crop in pixels; that of a validation window is `val_window`.
    """

    def __init__(
        self, *, aoi: GeoDataFrame, aoi_name: str, scenes: Path, lakes: Path, cache: Path, config: TrainConfig
    ) -> None:
        """Finds out which scene shows what of which part.

        Args:
            aoi: features, any CRS.
            aoi_name: for messages.
            scenes: folder of scenes, or one scene.
            lakes: layer of lake polygons.
            cache: folder for tiled copies of products.
            config: bands, windows, split.

        Raises:
            GlofgeoError: If a scene or the lakes cannot be used, the AOI is off the scenes, the lakes are off both, or
                training or validation would have nothing to look at.
        """
        super().__init__()
        self.config = config
        self.cache = cache
        self.lakes_path = lakes
        bands = config.model.bands
        opened = [open_scene(path, bands) for path in find_scenes(scenes)]
        area = aoi.to_crs(WGS84).union_all()
        used = [scene for scene in opened if footprint(scene).intersects(area)]
        if not used:
            raise GlofgeoError(f"{aoi_name}: lies off all {len(opened)} scenes of {scenes}; give scenes that show it")
        for scene in used:
            scene.require(bands)
        polygons = GlacialLakes(lakes, crs=WGS84).polygons
        ground = shapely.union_all([footprint(scene) for scene in used])
        if not len(polygons.sindex.query(ground & area, predicate="intersects")):
            raise GlofgeoError(
                f"{lakes}: none of its {len(polygons)} lakes lies within {aoi_name} and the scenes of {scenes}; "
                "give the lakes of this region"
            )
        split = split_aoi(aoi, ground, polygons, config.data, config.seed)
        self.audit = audit(split, polygons)
        for part, task in (("train", "to train on"), ("val", "to validate on")):
            told = self.audit["parts"].get(part)
            if told is None:
                raise GlofgeoError(f"{aoi_name}: no scene of {scenes} shows its {part} part; add one {task}")
            if not told["lakes"]:
                raise GlofgeoError(f"{lakes}: no lake in the {part} part of {aoi_name} where there are scenes")
        self.views = {part: [region_of(split.parts[part], scene) for scene in used] for part in ("train", "val")}
        keep = [i for i in range(len(used)) if any(not views[i].is_empty for views in self.views.values())]
        self.views = {part: [views[i] for i in keep] for part, views in self.views.items()}
        self.used = [used[i] for i in keep]
        self.scene_ids = [scene.id for scene in self.used]
        side = max(max(scene.shape) for scene in self.used)
        self.val_window = min(config.data.window, side)
        self.window = self.val_window if side >= config.data.window else max(side // _PATCH, 2) * _PATCH
        # A raster file is read where it lies.
        self.copies = [
            TiledCopy(scene, self._window_in_use(i), cache) if is_safe(scene.path) else None
            for i, scene in enumerate(self.used)
        ]
        self.train_sampler: LakeSampler | None = None

    def _window_in_use(self, i: int) -> Window:
        """Gives the part of a scene's grid that its crops can touch: the ground in use and a window around it."""
        scene, margin = self.used[i], max(self.window, self.val_window)
        left, bottom, right, top = shapely.total_bounds([views[i] for views in self.views.values()])
        (col0, row0), (col1, row1) = ~scene.transform * (left, top), ~scene.transform * (right, bottom)
        rows, cols = (
            (max(math.floor(first) - margin, 0), min(math.ceil(last) + margin, side))
            for first, last, side in ((row0, row1, scene.shape[0]), (col0, col1, scene.shape[1]))
        )
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

            fill_cache(copies, self.cache, self.config.data.cache_size * 1e9, tell)

    def setup(self, stage: str) -> None:
        """Opens scenes and lakes for reading and lays the windows."""
        if self.train_sampler is not None:
            return
        config, bands = self.config, self.config.model.bands
        paths = [scene.path if copy is None else copy.path for scene, copy in zip(self.used, self.copies, strict=True)]
        self.datasets = [Sentinel2(path, bands=bands) for path in paths]
        opened = [dataset.scenes[str(path)] for dataset, path in zip(self.datasets, paths, strict=True)]
        layers = {crs: GlacialLakes(self.lakes_path, crs=crs) for crs in {scene.crs.to_string() for scene in self.used}}
        self.layers = [layers[scene.crs.to_string()] for scene in self.used]
        grounds = {
            part: [
                Ground(i, scene.transform, scene.shape, view, clip_lakes(self.layers[i].polygons, view))
                for i, (scene, view) in enumerate(zip(opened, views, strict=True))
                if not view.is_empty
            ]
            for part, views in self.views.items()
        }
        data = config.data
        self.train_sampler = LakeSampler(grounds["train"], self.window, data.crops, data.lake_share, config.seed)
        self.val_sampler = GridWindows(grounds["val"], self.val_window)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Gives the random windows of an epoch."""
        assert self.train_sampler is not None
        return self._loader("train", self.train_sampler, self.window)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Gives windows that count every pixel of the validation ground once for each scene that shows it."""
        return self._loader("val", self.val_sampler, self.val_window)

    def _loader(self, part: str, sampler: Sampler[Crop], window: int) -> DataLoader[dict[str, Tensor]]:
        regions = {i: view for i, view in enumerate(self.views[part]) if not view.is_empty}
        data = self.config.data
        return DataLoader(
            LakeCrops(self.datasets, self.layers, regions, window),
            batch_size=data.batch_size,
            sampler=sampler,
            num_workers=data.workers,
            persistent_workers=data.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def footprint(scene: Scene) -> BaseGeometry:
    """Gives the outline of a scene's grid in EPSG:4326."""
    outline = GeoSeries([_grid_box(scene)], crs=scene.crs)
    rows, cols = scene.shape
    return outline.segmentize(max(rows, cols) * scene.transform.a / 50).to_crs(WGS84).iloc[0]


def region_of(part: BaseGeometry, scene: Scene) -> BaseGeometry:
    """Brings a part (EPSG:4326) to a scene: its ground within the grid, in the scene's CRS; empty if there is none."""
    near = (part & footprint(scene).buffer(_SEGMENT_DEG)).segmentize(_SEGMENT_DEG)
    region: Any = GeoSeries([near], crs=WGS84).to_crs(scene.crs).iloc[0] & _grid_box(scene)
    areas = [piece for piece in shapely.get_parts(region) if piece.geom_type == "Polygon" and piece.area > 0]
    return shapely.MultiPolygon(areas)


def _grid_box(scene: Scene) -> BaseGeometry:
    rows, cols = scene.shape
    (x0, y0), (x1, y1) = scene.transform * (0, 0), scene.transform * (cols, rows)
    return shapely.box(x0, y1, x1, y0)
