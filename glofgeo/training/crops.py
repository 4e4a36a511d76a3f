"""Windows of scenes with their lakes, read where a sampler or a plan says."""

from typing import Any

import numpy as np
import shapely
import torch
from rasterio.features import geometry_mask
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torch.utils.data import Dataset

from datasets_def import GlacialLakes, Scene
from datasets_def.sentinel2 import blank, fill
from glofgeo.inference.windows import reflect_around
from glofgeo.percent import NOT_OBSERVED
from glofgeo.training.samplers import Crop
from glofgeo.training.validation import AreaPlan


class Reader:
    """Reads windows of scenes with their lakes; where a window leaves its split, it is not observed."""

    def __init__(self, scenes: list[Scene], lakes: list[GlacialLakes], regions: dict[int, BaseGeometry]) -> None:
        """Takes what to read from.

        Args:
            scenes: each on its own grid.
            lakes: for each scene, the layer in its CRS.
            regions: scene number -> area of the split in the scene's CRS.
        """
        self.scenes = scenes
        self.lakes = lakes
        self.regions = regions
        for region in regions.values():
            shapely.prepare(region)

    def read(self, number: int, row: int, col: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Reads a window.

        Args:
            number: of the scene.
            row: first row on the scene's grid; may be negative.
            col: first column.
            shape: (rows, cols).

        Returns:
            float32 `(C, H, W)` reflectance, with the bands' means beyond the scene and where it has no data, and uint8
            `(H, W)`: 1 lake, 0 land, 255 not observed or outside the split.
        """
        scene = self.scenes[number]
        window = Window(col, row, shape[1], shape[0])
        grid = scene.grid.window(window)
        image, valid = blank(scene.bands, shape)
        # Straight from the scene: to look it up in an index, as TorchGeo's datasets do, takes longer than a small crop.
        fill(scene, window, image, valid)
        mask = torch.from_numpy(self.lakes[number].rasterize(grid))
        mask[~valid] = NOT_OBSERVED
        region = self.regions[number]
        if not region.contains(grid.outline):
            inside = region.intersection(grid.outline)
            outside = geometry_mask([inside], shape, grid.transform) if inside.area else True
            mask[torch.from_numpy(np.broadcast_to(outside, mask.shape).copy())] = NOT_OBSERVED
        return image, mask


class LakeCrops(Dataset[dict[str, Tensor]]):
    """Training crops: `image` `(C, window, window)` and `mask` `(window, window)`, as `Reader.read` gives them."""

    def __init__(self, reader: Reader, window: int) -> None:
        self.reader = reader
        self.window = window

    def __getitem__(self, crop: Crop) -> dict[str, Tensor]:
        """Reads a crop."""
        image, mask = self.reader.read(*crop, (self.window, self.window))
        return {"image": image, "mask": mask}


class LakeWindows(Dataset[dict[str, Any]]):
    """The windows of validation plans in order: `image` and `mask` as in `LakeCrops`, and `place`, (area, row, col).

    An area smaller than a window is continued as the mapper does it, and not observed there.
    """

    def __init__(self, reader: Reader, plans: list[AreaPlan]) -> None:
        self.reader = reader
        self.plans = plans
        self.places = [
            (number, row, col)
            for number, area in enumerate(plans)
            for row in range(len(area.plan.tops))
            for col in range(len(area.plan.lefts))
        ]

    def __len__(self) -> int:
        """Windows of all plans."""
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Reads a window."""
        number, row, col = self.places[index]
        area = self.plans[number]
        plan = area.plan
        start = (area.row + plan.tops[row], area.col + plan.lefts[col])
        seen, known = self.reader.read(area.scene, *start, (plan.height, plan.width))
        image = np.zeros((len(seen), plan.window, plan.window), np.float32)
        mask = np.full((plan.window, plan.window), NOT_OBSERVED, np.uint8)
        image[:, *plan.on_grid], mask[plan.on_grid] = seen, known
        reflect_around(plan, image)
        return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask), "place": (number, row, col)}
