"""Scene: one acquisition on its own grid, in any container."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window
from shapely import Polygon

from datasets_def.bands import BANDS, CHANNELS, DEFAULT_BANDS, QUANTIFICATION, TERRAIN, require_dem, stored_bands
from datasets_def.container import Source, read_container
from datasets_def.elevation import Dem
from datasets_def.errors import GlofgeoError
from datasets_def.files import ABSENT, Layer, Planes, read_layers
from datasets_def.grid import Grid
from datasets_def.naming import safe_name
from datasets_def.pixels import OBSERVED_CLASS, Image, Mask, Pixels, as_classes, measured, to_reflectance
from datasets_def.raster_checks import CLASSES
from datasets_def.terrain import TERRAIN_LAYERS, Terrain, scene_terrain


@dataclass(frozen=True)
class Scene:
    """One acquisition on its own grid. Opening it touches no pixel of a product.

    Attributes:
        path: file or folder it was opened from; of what is read elsewhere the address without signature, or of its
            STAC item the address, the path or else the id.
        id: product name, or file name without ending; fit to be the name of a folder.
        grid: where its pixels lie.
        bands: names of the bands that `read` gives, in order.
        datetime: acquisition time, UTC; None where the container does not tell.
        baseline: processing baseline as in the product ("05.10"); None where unknown.
        level: "L1C", "L2A", or None where unknown.
        radiometry: how DN become reflectance and how that is known, in words.
        layers: band name -> where its pixels lie.
        classification: the scene classification (SCL), if there is one.
        missing: how pixels without data are recognised, in words.
        terrain: gives slope and cast shadow, if it was opened for these.
    """

    path: Path | str
    id: str
    grid: Grid
    bands: tuple[str, ...]
    datetime: datetime | None
    baseline: str | None
    level: str | None
    radiometry: str
    layers: dict[str, Layer] = field(repr=False)
    classification: Layer | None = field(repr=False)
    missing: str
    terrain: Terrain | None = field(default=None, repr=False)

    def read(self, window: Window | None = None, bands: Sequence[str] | None = None) -> Image:
        """Reads reflectance.

        Bands coarser than the grid are replicated, not interpolated: every pixel keeps a measured value.

        Args:
            window: part of the grid, inside it; all of it by default.
            bands: names; by default the scene's.

        Returns:
            float32 `(C, H, W)`, 1.0 = 100 % (of terrain, see `TERRAIN`); pixels without data in any of the bands have
            the band table's mean in all.

        Raises:
            GlofgeoError: If a band is missing or its file cannot be read.
        """
        return self.load(window, bands)[0]

    def valid(self, window: Window | None = None) -> Mask:
        """Finds the pixels that show the surface: neither nodata nor cloud.

        With a scene classification, classes 2 to 7 and 11 (snow, shadow and dark water are valid);
        without one, every pixel that has data in all bands, clouds included (see `has_cloud_mask`).

        Returns:
            bool `(H, W)`.
        """
        if self.classification is not None:
            return OBSERVED_CLASS[self.classes(window)]
        return self.load_dn(window).valid

    def classes(self, window: Window | None = None) -> npt.NDArray[np.uint8]:
        """Reads the scene classification, `(H, W)` uint8; 0, no data, for numbers that are no class.

        Raises:
            GlofgeoError: If the scene has none, or its file cannot be read.
        """
        if self.classification is None:
            raise GlofgeoError(f"{self.path}: has no scene classification (SCL)")
        return as_classes(self._read_layers([self.classification], window).dn[0])

    def load(self, window: Window | None = None, bands: Sequence[str] | None = None) -> tuple[Image, Mask]:
        """Reads reflectance and validity in one pass over the files; a nodata pixel of any band is not valid."""
        bands = tuple(self.bands if bands is None else bands)
        pixels = self.load_dn(window, bands)
        return self.reflectance(pixels.dn, bands, present=pixels.present), pixels.valid

    def load_dn(self, window: Window | None = None, bands: Sequence[str] | None = None) -> Pixels:
        """As `load`, but DN as stored, which take half the memory; see `reflectance`."""
        bands = self.bands if bands is None else bands
        self.require(bands)
        pixels = self._load_stored([self.layers[band] for band in bands if band in self.layers], window)
        return self.terrain.add(pixels, window, bands) if self.terrain else pixels

    def _load_stored(self, layers: list[Layer], window: Window | None) -> Pixels:
        if self.classification is None:
            planes = self._read_layers(layers, window)
            present = measured(planes, layers)
            return Pixels(planes.dn, present, present)
        if all(layer.path == self.classification.path for layer in layers):
            # One file holds all: a crop is too small to open it twice.
            both = self._read_layers([*layers, self.classification], window)
            planes, classes = Planes(both.dn[:-1], both.unmasked), as_classes(both.dn[-1])
        else:
            planes, classes = self._read_layers(layers, window), self.classes(window)
        present = measured(planes, layers)
        return Pixels(planes.dn, present, present & OBSERVED_CLASS[classes])

    def reflectance(
        self,
        dn: npt.NDArray[Any],
        bands: Sequence[str] | None = None,
        out: Image | None = None,
        *,
        present: Mask | None = None,
    ) -> Image:
        """Turns DN into reflectance.

        What was not measured becomes the band table's mean, whatever number stands for it: a network that sees the
        mean there answers alike beside every hole.

        Args:
            dn: `(C, H, W)` as `load_dn` reads them.
            bands: their names; by default the scene's.
            out: float32 `(C, H, W)` to write into.
            present: bool `(H, W)`, where all of them were measured; by default everywhere.

        Returns:
            float32 `(C, H, W)`, 1.0 = 100 %, finite where the DN are or where they are not present.
        """
        bands = self.bands if bands is None else bands
        image: Image = np.empty(dn.shape, np.float32) if out is None else out
        holes = None if present is None or present.all() else ~present
        layers = [self.layers.get(band) or TERRAIN_LAYERS[band] for band in bands]
        to_reflectance(dn, layers, image, holes, [CHANNELS[band].mean for band in bands])
        return image

    @property
    def readable(self) -> tuple[str, ...]:
        """Names of all bands that can be asked for."""
        return (*self.layers, *(TERRAIN if self.terrain else ()))

    @property
    def stored(self) -> "Scene":
        """The same scene without its terrain."""
        return replace(self, bands=tuple(band for band in self.bands if band in self.layers), terrain=None)

    @property
    def crs(self) -> CRS:
        """CRS of its grid."""
        return self.grid.crs

    @property
    def transform(self) -> Affine:
        """From (column, row), pixel corners, to coordinates of its CRS; north-up."""
        return self.grid.transform

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.grid.shape

    @property
    def outline(self) -> Polygon:
        """What it covers, in its CRS."""
        return self.grid.outline

    @property
    def has_cloud_mask(self) -> bool:
        """Whether `valid` excludes clouds."""
        return self.classification is not None

    def require(self, bands: Sequence[str]) -> None:
        """Checks that the files of the bands exist, before any pixel is read.

        Raises:
            GlofgeoError: If one is not, naming what is missing.
        """
        missing = []
        for band in bands:
            if band not in self.readable:
                raise GlofgeoError(f"{self.path}: has no band {band}; it has {', '.join(self.readable)}")
            if band in self.layers and self.layers[band].path.startswith(ABSENT):
                missing.append(self.layers[band].path[1:])
        if missing:
            listed = ", ".join(dict.fromkeys(missing))
            raise GlofgeoError(f"{self.path}: incomplete, missing {listed}", "download the product again")

    def check(self) -> None:
        """Reads the last pixel of every file: finds what is missing, damaged, misplaced or of another size.

        Raises:
            GlofgeoError: If one cannot be read.
        """
        self.load_dn(Window(self.shape[1] - 1, self.shape[0] - 1, 1, 1))

    def _read_layers(self, layers: list[Layer], window: Window | None) -> Planes:
        rows, cols = self.shape
        return read_layers(layers, self.shape, window or Window(0, 0, cols, rows), self.path)


def open_scene(
    path: Source,
    bands: Sequence[str] = DEFAULT_BANDS,
    resolution: int = 10,
    *,
    offset: float | None = None,
    dem: Dem | None = None,
) -> Scene:
    """Opens a product (`.SAFE`, zipped or not), a GeoTIFF, COG or VRT with named bands, a folder of single-band files.

    Or what lies elsewhere: a STAC item, or a COG with named bands over HTTP or from S3. Of these, windows are read.

    Args:
        path: the product or file; an address (`https://…`, `s3://…`) or path of GDAL (`/vsis3/…`); or what
            `read_items` gave of a STAC item.
        bands: names of the bands that `Scene.read` gives by default, in order.
        resolution: grid of a product in metres: 10, 20 or 60. A band comes from its file at this resolution, or from
            its native file where that is coarser. Other files have one grid of their own.
        offset: DN to add before dividing, for raster files and products that do not tell: -1000 for baseline 04.00 and
            later, else 0.
        dem: needed for the bands `slope` and `shadow`.

    Raises:
        GlofgeoError: If there is no such scene, it is no product, a band is unknown, it has no usable grid, or terrain
            is wanted that cannot be computed. Band files that an incomplete product lacks are reported when they are
            read.
    """
    stored = stored_bands(bands)
    require_dem(bands, dem)
    if offset is not None and not abs(offset) <= QUANTIFICATION:
        raise GlofgeoError(f"offset {offset:g}: give DN from -{QUANTIFICATION:g} to {QUANTIFICATION:g}, such as -1000")
    name, facts = read_container(path, stored, resolution, offset)
    scene = Scene(
        path=name,
        id=safe_name(facts.id),
        grid=facts.grid,
        bands=tuple(bands),
        datetime=facts.datetime,
        baseline=facts.baseline,
        level=facts.level,
        radiometry=facts.radiometry,
        layers={band: layer for band, layer in facts.layers.items() if band in BANDS},
        classification=facts.layers.get(CLASSES),
        missing=facts.missing,
    )
    return scene if dem is None or stored == tuple(bands) else replace(scene, terrain=scene_terrain(scene, dem, bands))
