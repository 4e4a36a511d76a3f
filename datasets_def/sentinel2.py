"""Sentinel2: a TorchGeo index of scenes on one native grid."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from geopandas import GeoDataFrame
from rasterio.crs import CRS
from rasterio.windows import Window
from torch import Tensor
from torchgeo.datasets import RasterDataset
from torchgeo.datasets.utils import GeoSlice

from datasets_def.bands import CHANNELS, DEFAULT_BANDS
from datasets_def.errors import GlofgeoError
from datasets_def.scene import Scene, open_scene
from datasets_def.scene_search import find_scenes


class Sentinel2(RasterDataset):
    """Scenes that share a CRS and a resolution, read without resampling.

    A sample is `{"image": float32 (C, H, W) reflectance, "valid": bool (H, W), "bounds": float64 (9,)}`; the bounds are
    `xmin, xmax, xres, ymin, ymax, yres, tmin, tmax, tres` of the query in the dataset's CRS, times in seconds since
    1970. A query is snapped to the scene's grid; what lies beyond a scene has the bands' means and is not valid. Where
    several scenes answer a query, the earlier in the index fills first and later ones fill what is still not valid, so
    give a time slice to ask one of them.
    """

    all_bands = ()
    is_image = True

    def __init__(
        self,
        paths: str | Path | Iterable[str | Path] = "data/scenes",
        crs: CRS | None = None,
        res: float | tuple[float, float] | None = None,
        bands: Sequence[str] = DEFAULT_BANDS,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        """Opens every scene's metadata.

        Args:
            paths: folders to search, or scenes.
            crs: take only scenes of this CRS; they are never warped.
            res: take only scenes of this resolution, in CRS units.
            bands: names of the bands, in order.
            transforms: applied to every sample.

        Raises:
            GlofgeoError: If there is no scene, one cannot be opened, or they have several grids (see `by_grid`).
        """
        scenes = [s for s in _open_all(paths, bands) if crs is None or s.crs == crs]
        if res is not None:
            wanted = (res, res) if isinstance(res, int | float) else tuple(res)
            scenes = [s for s in scenes if _resolution(s) == wanted]
        grids = {_grid(s) for s in scenes}
        if not scenes:
            raise GlofgeoError(f"{paths}: no scene in {crs} at the wanted resolution")
        if len(grids) > 1:
            listed = "; ".join(sorted(f"{grid_crs} at {grid_res[0]:g}" for grid_crs, grid_res in grids))
            raise GlofgeoError(f"{paths}: scenes on {len(grids)} grids ({listed})", "open them with Sentinel2.by_grid")
        self._index(paths, scenes, bands, transforms)

    @classmethod
    def by_grid(
        cls, paths: str | Path | Iterable[str | Path], bands: Sequence[str] = DEFAULT_BANDS
    ) -> list["Sentinel2"]:
        """Opens scenes of any number of UTM zones and resolutions, one dataset per grid."""
        groups: dict[tuple[str, tuple[float, float]], list[Scene]] = {}
        for scene in _open_all(paths, bands):
            groups.setdefault(_grid(scene), []).append(scene)
        datasets = []
        for _, scenes in sorted(groups.items()):
            dataset = cls.__new__(cls)
            dataset._index([scene.path for scene in scenes], scenes, bands, None)
            datasets.append(dataset)
        return datasets

    def _index(
        self,
        paths: Any,
        scenes: list[Scene],
        bands: Sequence[str],
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None,
    ) -> None:
        self.paths = paths
        self.bands = tuple(bands)
        self.transforms = transforms
        self.scenes = {str(scene.path): scene for scene in scenes}
        self._res = _resolution(scenes[0])
        # Torchgeo's index wants naive timestamps; a scene without a time matches every time.
        times = [
            (pd.Timestamp.min, pd.Timestamp.max)
            if s.datetime is None
            else (pd.Timestamp(s.datetime).tz_convert("UTC").tz_localize(None),) * 2
            for s in scenes
        ]
        self.index = GeoDataFrame(
            {"filepath": list(self.scenes)},
            index=pd.IntervalIndex.from_tuples(times, closed="both", name="datetime"),
            geometry=[s.outline for s in scenes],
            crs=scenes[0].crs,
        )

    @property
    def crs(self) -> CRS:
        """CRS of the grid."""
        return self.index.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs != self.crs:
            raise GlofgeoError("imagery is never warped: put the Sentinel2 dataset first (scenes & lakes)")

    @property
    def res(self) -> tuple[float, float]:
        """Pixel width and height in CRS units."""
        return self._res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        if new_res not in (self._res, self._res[0]):
            raise GlofgeoError("imagery is never resampled: put the Sentinel2 dataset first (scenes & lakes)")

    def __getitem__(self, query: GeoSlice) -> dict[str, Any]:
        """Reads a window.

        Args:
            query: `[xmin:xmax, ymin:ymax, tmin:tmax]` in the dataset's CRS; a step other than the resolution is
                refused.

        Raises:
            IndexError: If no scene answers the query.
            GlofgeoError: If a file cannot be read.
        """
        x, y, t = self._disambiguate_slice(query)
        if (x.step, y.step) != self.res:
            raise GlofgeoError(f"imagery is never resampled: ask for {self.res}, not {(x.step, y.step)}")
        hits = self.index.iloc[self.index.index.overlaps(pd.Interval(t.start, t.stop, closed="both"))]
        # A copy: Shapely takes back the right to write into an array while it reads it, under other threads' hands.
        hits = hits.iloc[:: t.step].copy().cx[x.start : x.stop, y.start : y.stop]
        if hits.empty:
            raise IndexError(f"query: {query} not found in index with bounds: {self.bounds}")
        size = (round((y.stop - y.start) / self.res[1]), round((x.stop - x.start) / self.res[0]))
        image, valid = blank(self.bands, size)
        for filepath in hits.filepath:
            scene = self.scenes[filepath]
            fill(scene, scene.grid.nearest((x.start, y.start, x.stop, y.stop)), image, valid)
            if valid.all():
                break
        # TorchGeo up to 0.8 lets anything into a sample; later ones stack and join tensors alone.
        times = [pd.Timestamp(time).timestamp() for time in (t.start, t.stop)]
        bounds = torch.tensor([x.start, x.stop, x.step, y.start, y.stop, y.step, *times, t.step], dtype=torch.float64)
        sample = {"image": image, "valid": valid, "bounds": bounds}
        return sample if self.transforms is None else self.transforms(sample)


def blank(bands: Sequence[str], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Gives an empty sample: no pixel is valid.

    Args:
        bands: names of the bands.
        size: (rows, cols).

    Returns:
        float32 `(C, H, W)` reflectance, the band table's mean as in `Scene.read`, and bool `(H, W)`, all False.
    """
    means = torch.tensor([CHANNELS[band].mean for band in bands])
    return means.view(-1, 1, 1).repeat(1, *size), torch.zeros(size, dtype=torch.bool)


def fill(scene: Scene, window: Window, image: Tensor, valid: Tensor) -> None:
    """Reads a scene into a sample where that is not valid yet; the sample may reach beyond the scene.

    Args:
        scene: its own bands are read.
        window: the sample on the scene's grid.
        image: float32 `(C, H, W)` reflectance, changed in place.
        valid: bool `(H, W)`, changed in place.

    Raises:
        GlofgeoError: If a file cannot be read.
    """
    there = scene.grid.clip(window)
    if not (there.height and there.width):
        return
    pixels, seen = scene.load(there)
    row, col = there.row_off - window.row_off, there.col_off - window.col_off
    part = (slice(row, row + there.height), slice(col, col + there.width))
    fresh, into = ~valid[part], (slice(None), *part)
    # Mostly one scene fills a crop; choosing between two takes three times as long.
    image[into] = torch.from_numpy(pixels) if fresh.all() else torch.where(fresh, torch.from_numpy(pixels), image[into])
    valid[part] |= torch.from_numpy(seen)


def _open_all(paths: str | Path | Iterable[str | Path], bands: Sequence[str]) -> list[Scene]:
    roots = [paths] if isinstance(paths, str | Path) else list(paths)
    found = dict.fromkeys(path for root in roots for path in find_scenes(root))
    return [open_scene(path, bands) for path in found]


def _resolution(scene: Scene) -> tuple[float, float]:
    return scene.transform.a, -scene.transform.e


def _grid(scene: Scene) -> tuple[str, tuple[float, float]]:
    return scene.crs.to_string(), _resolution(scene)
