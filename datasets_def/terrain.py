"""Slope and cast shadow beside the bands of a scene, computed from a DEM for every window that is read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from datasets_def.bands import TERRAIN
from datasets_def.elevation import SHADOW_REACH_M, Dem, Floats, Spacing, cast_shadow, slope, spacing
from datasets_def.errors import GlofgeoError
from datasets_def.files import Layer
from datasets_def.grid import Grid
from datasets_def.pixels import Mask, Pixels
from datasets_def.sun import scene_sun

if TYPE_CHECKING:
    from datasets_def.scene import Scene

TERRAIN_LAYERS = {band.name: Layer("", quantification=band.quantification) for band in TERRAIN.values()}


@dataclass(frozen=True)
class Terrain:
    """The terrain of a scene.

    It is computed on pixels as large as the DEM's, but no finer than the scene's, and replicated to these like a coarse
    band. A window says the same as all of the grid: it is read with `SHADOW_REACH_M` of ground around it.

    Attributes:
        dem: the DEM.
        grid: the scene's.
        sun: its zenith and azimuth in degrees, the latter clockwise from north; None where only the slope is wanted.
    """

    dem: Dem
    grid: Grid
    sun: tuple[float, float] | None

    @cached_property
    def _factor(self) -> int:
        return max(1, round(self.dem.pixel_m / self.grid.pixel_side))

    @cached_property
    def _pixel(self) -> Spacing:
        return spacing(self.grid.coarser(self._factor))

    def read(self, window: Window, names: Sequence[str]) -> tuple[npt.NDArray[np.uint16], Mask]:
        """Computes terrain bands.

        Args:
            window: part of the grid.
            names: of `TERRAIN`.

        Returns:
            `(C, H, W)` uint16 DN, see `TERRAIN`; and bool `(H, W)`, where they are known: off the DEM and in voids,
            for the slope also within a pixel of these, they are not.

        Raises:
            GlofgeoError: If the DEM cannot be read.
        """
        factor = self._factor
        (top, bottom), (left, right) = window.toranges()
        first, start = top // factor, left // factor
        shape = (-(-bottom // factor) - first, -(-right // factor) - start)
        reach_m = SHADOW_REACH_M if "shadow" in names else 0.0
        margin = math.ceil(reach_m / min(self._pixel.east_m, self._pixel.north_m)) + 1
        wide = Window(start - margin, first - margin, shape[1] + 2 * margin, shape[0] + 2 * margin)
        height = self.dem.on(self.grid.coarser(factor).window(wide))
        found = np.stack([self._compute(name, height)[margin:-margin, margin:-margin] for name in names])
        known: Mask = np.logical_and.reduce(np.isfinite(found))
        scale = np.array([TERRAIN[name].quantification for name in names], np.float32)[:, None, None]
        dn = np.where(known, np.rint(found * scale), 0).astype(np.uint16)
        part = (
            slice(top - first * factor, bottom - first * factor),
            slice(left - start * factor, right - start * factor),
        )
        return _replicated(dn, factor)[:, *part], _replicated(known, factor)[part]

    def add(self, pixels: Pixels, window: Window | None, bands: Sequence[str]) -> Pixels:
        """Adds terrain bands to what was read of a scene; where they are not known, no pixel counts as measured.

        Args:
            pixels: of the bands that are stored.
            window: what was read; by default all of the grid.
            bands: names of all bands, in the order of the result.

        Raises:
            GlofgeoError: If the DEM cannot be read.
        """
        names = [band for band in bands if band in TERRAIN]
        if not names:
            return pixels
        rows, cols = self.grid.shape
        dn, known = self.read(window or Window(0, 0, cols, rows), names)
        planes: dict[bool, Any] = {True: iter(dn), False: iter(pixels.dn)}
        joined = np.empty((len(bands), *known.shape), np.result_type(dn, pixels.dn))
        for plane, band in zip(joined, bands, strict=True):
            plane[...] = next(planes[band in TERRAIN])
        return Pixels(joined, pixels.present & known, pixels.valid & known)

    def _compute(self, name: str, height: Floats) -> Floats:
        if name == "slope":
            return slope(height, self._pixel) / np.float32(90)
        assert self.sun is not None
        shadow = cast_shadow(height, self._pixel, *self.sun, SHADOW_REACH_M).astype(np.float32)
        return np.where(np.isnan(height), np.float32(np.nan), shadow)


def scene_terrain(scene: "Scene", dem: Dem, bands: Sequence[str]) -> Terrain:
    """Gives the terrain of a scene.

    Args:
        scene: whose.
        dem: the DEM.
        bands: which of `TERRAIN` will be read, beside any others.

    Raises:
        GlofgeoError: If the DEM does not meet it, or shadow is wanted and it tells neither its sun nor its time.
    """
    if not dem.meets(scene.grid):
        raise GlofgeoError(f"{dem.files[0]}: the DEM does not cover {scene.id}", "check both in QGIS", argument="dem")
    sun = scene_sun(scene) if "shadow" in bands else None
    if sun is None and "shadow" in bands:
        raise GlofgeoError(
            f"{scene.path}: does not tell its time of day, and so not where the sun stood",
            "add the tag ACQUISITION_DATETIME",
        )
    return Terrain(dem, scene.grid, sun)


def _replicated(values: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    return values.repeat(factor, axis=-2).repeat(factor, axis=-1)
