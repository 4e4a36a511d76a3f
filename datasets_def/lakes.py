"""GlacialLakes: a TorchGeo index of lake polygons."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from geopandas import GeoDataFrame
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely.geometry import box
from torchgeo.datasets import GeoDataset, IntersectionDataset, VectorDataset
from torchgeo.datasets.utils import GeoSlice

from datasets_def.grid import Grid
from datasets_def.polygons import read_polygons, without_rejected
from datasets_def.reproject import to_crs
from datasets_def.sentinel2 import Sentinel2


class GlacialLakes(VectorDataset):
    """Lake polygons, rasterised on the grid of each query: polygons are reprojected to the scene, never the reverse.

    A sample is `{"mask": int64 (H, W), 1 lake, 0 land}`; a pixel is lake if its centre is.

    Attributes:
        polygons: every lake, in the dataset's CRS.
    """

    def __init__(
        self,
        paths: str | Path | Iterable[str | Path] = "data/lakes.gpkg",
        crs: CRS | None = None,
        res: float | tuple[float, float] = (10.0, 10.0),
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        layer: str | None = None,
    ) -> None:
        """Reads the polygons.

        Args:
            paths: one layer file or several (GeoPackage, GeoJSON, Shapefile).
            crs: to bring them to; by default that of the first file.
            res: pixel size in units of that CRS.
            transforms: applied to every sample.
            layer: of a GeoPackage that has several.

        Raises:
            GlofgeoError: If a file is missing, unreadable, without CRS or without polygons.
        """
        self.paths = [paths] if isinstance(paths, str | Path) else list(paths)
        layers = [without_rejected(read_polygons(Path(path), "lakes", layer)) for path in self.paths]
        crs = crs or layers[0].crs
        self.polygons = pd.concat(
            [_brought(lakes, crs).assign(filepath=str(path)) for path, lakes in zip(self.paths, layers, strict=True)],
            ignore_index=True,
        )
        self.transforms = transforms
        self._res = (res, res) if isinstance(res, int | float) else res
        self._index()

    def _index(self) -> None:
        """One row per file, as in TorchGeo: what lies between the lakes of an inventory is land, not unknown.

        Made anew for every CRS: the corners of a box of many degrees do not bound its curved edges.
        """
        bounds = {path: box(*lakes.total_bounds) for path, lakes in self.polygons.groupby("filepath", sort=False)}
        always = [(pd.Timestamp.min, pd.Timestamp.max)] * len(bounds)
        self.index = GeoDataFrame(
            {"filepath": list(bounds)},
            index=pd.IntervalIndex.from_tuples(always, closed="both", name="datetime"),
            geometry=list(bounds.values()),
            crs=self.polygons.crs,
        )

    @property
    def crs(self) -> CRS:
        """CRS of the polygons."""
        return self.index.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs != self.crs:
            self.polygons = _brought(self.polygons, new_crs)
            self._index()

    @property
    def res(self) -> tuple[float, float]:
        """Pixel width and height in CRS units."""
        return self._res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._res = (new_res, new_res) if isinstance(new_res, int | float) else new_res

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """As TorchGeo's, except that imagery always comes first: it must not be warped."""
        return IntersectionDataset(other, self) if isinstance(other, Sentinel2) else super().__and__(other)

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Rasterises the lakes of a window.

        Args:
            query: `[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]` in the dataset's CRS. Pixels without a lake are 0,
                also outside the layer's bounds.
        """
        x, y, _ = self._disambiguate_slice(query)
        size = (round((y.stop - y.start) / y.step), round((x.stop - x.start) / x.step))
        mask = self.rasterize(Grid(size, from_origin(x.start, y.stop, x.step, y.step), self.crs))
        sample = {"mask": torch.from_numpy(mask.astype(np.int64))}
        return sample if self.transforms is None else self.transforms(sample)

    def rasterize(self, grid: Grid) -> npt.NDArray[np.uint8]:
        """Draws the lakes of a window.

        Args:
            grid: its pixels, in the dataset's CRS.

        Returns:
            uint8 `(H, W)`, 1 = lake, 0 = land.
        """
        shapes = self.polygons.geometry.values
        hits = shapes.sindex.query(grid.outline)
        if not len(hits):
            return np.zeros(grid.shape, np.uint8)
        mask: npt.NDArray[np.uint8] = rasterize(shapes[hits], out_shape=grid.shape, transform=grid.transform)
        return mask


def _brought(lakes: GeoDataFrame, crs: Any) -> GeoDataFrame:
    return lakes.set_geometry(to_crs(lakes.geometry, crs))
