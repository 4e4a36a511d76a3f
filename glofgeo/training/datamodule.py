"""A survey -> batches of crops for training, and of the mapper's windows for validation."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import lightning
import shapely
import torch
from rasterio.windows import Window
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datasets_def import GlacialLakes, Scene, TiledCopy, fill_cache, open_scene
from glofgeo.config import TrainConfig
from glofgeo.training.crops import LakeCrops, LakeWindows, Reader
from glofgeo.training.negatives import hard_points
from glofgeo.training.samplers import Crop, LakeSampler, SceneArea, clip_lakes
from glofgeo.training.survey import SceneView, Survey
from glofgeo.training.validation import plan_area


class LakeData(lightning.LightningDataModule):
    """Crops for training and validation.

    Attributes:
        survey: what there is to see.
        plans: the mapper's windows on the validation area of each scene, once set up.
        opened: the scenes to train and validate on as they are read, once set up.
    """

    def __init__(self, survey: Survey, config: TrainConfig, cache: Path, *, progress: bool = False) -> None:
        """Reads nothing yet.

        Args:
            survey: what there is to see.
            config: that of the survey.
            cache: folder for decoded copies of products.
            progress: show how far decoding is.
        """
        super().__init__()
        self.survey = survey
        self.config = config
        self.cache = cache
        self.progress = progress
        # A raster file is read where it lies; a random crop of JPEG 2000 decodes whole blocks.
        self.copies = [
            TiledCopy(view.scene.stored, self._window_in_use(view), cache) if _is_jpeg2000(view.scene) else None
            for view in survey.used
        ]
        self.train_sampler: LakeSampler | None = None

    def decoded(self, split: Literal["train", "val"]) -> list[tuple[Scene, BaseGeometry]]:
        """Gives `survey.of(split)` with the decoded copies of products, once the data are set up."""
        return [
            (scene, view.regions[split])
            for scene, view in zip(self.opened, self.survey.used, strict=True)
            if split in view.regions
        ]

    def _window_in_use(self, view: SceneView) -> Window:
        """Gives the part of a scene's grid that its crops can touch: the area in use and a window around it."""
        bounds = tuple(shapely.total_bounds([view.regions[name] for name in ("train", "val") if name in view.regions]))
        return view.scene.grid.intersect(bounds, max(self.survey.window, self.config.data.window))

    def prepare_data(self) -> None:
        """Decodes what is in use of products once into tiled GeoTIFFs."""
        copies = [copy for copy in self.copies if copy is not None]
        if self.train_sampler is not None or not copies:
            return
        columns = (TextColumn("{task.description}"), BarColumn(12), DownloadColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not self.progress) as bar:
            task = bar.add_task("")

            def tell(text: str, done: int, total: int) -> None:
                bar.update(task, description=text, completed=done, total=total)

            self._held = fill_cache(copies, self.cache, self.config.data.cache_size * 1e9, tell)

    def setup(self, stage: str) -> None:
        """Opens scenes and lakes for reading and plans the windows."""
        if self.train_sampler is not None:
            return
        data, sources = self.config.data, self.survey.sources
        scenes = [view.scene for view in self.survey.used]
        # A copy states its radiometry, whatever its original does.
        self.opened = [
            scene if copy is None else _same_terrain(open_scene(copy.path, scene.stored.bands), scene)
            for scene, copy in zip(scenes, self.copies, strict=True)
        ]
        layers = {crs: GlacialLakes(sources.lakes, crs=crs) for crs in {scene.crs.to_string() for scene in scenes}}
        self.layers = [layers[scene.crs.to_string()] for scene in scenes]
        train = self._areas("train")
        hard = [
            hard_points(self.opened[area.scene], area.region, self.layers[area.scene].polygons, self.config.seed)
            for area in (train if data.hard_share else ())
        ]
        self.train_sampler = LakeSampler(
            train, self.survey.window, data.crops, data.lake_share, self.config.seed,
            hard=hard, hard_share=data.hard_share,
        )  # fmt: skip
        self.plans = [plan_area(area, data.window) for area in self._areas("val")]

    def _areas(self, split: str) -> list[SceneArea]:
        return [
            SceneArea(i, self.opened[i].grid, region, clip_lakes(self.layers[i].polygons, region))
            for i, region in self._regions(split).items()
        ]

    def _regions(self, split: str) -> dict[int, BaseGeometry]:
        return {i: view.regions[split] for i, view in enumerate(self.survey.used) if split in view.regions}

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Gives the random windows of an epoch."""
        return self._loader(LakeCrops(self._reader("train"), self.survey.window), self.train_sampler)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Gives the mapper's windows on the validation area of each scene, in order."""
        return self._loader(LakeWindows(self._reader("val"), self.plans), None)

    def _reader(self, split: str) -> Reader:
        return Reader(self.opened, self.layers, self._regions(split))

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


def _is_jpeg2000(scene: Scene) -> bool:
    return any(scene.layers[band].path.lower().endswith(".jp2") for band in scene.stored.bands)


def _same_terrain(copy: Scene, scene: Scene) -> Scene:
    """Gives a copy of part of a scene the terrain of the whole, under the same sun."""
    terrain = None if scene.terrain is None else replace(scene.terrain, grid=copy.grid)
    return replace(copy, bands=scene.bands, terrain=terrain)
