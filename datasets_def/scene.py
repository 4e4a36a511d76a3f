"""Scene: one acquisition on its own grid, whatever container holds it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from datasets_def.bands import BANDS, DEFAULT_BANDS
from datasets_def.layers import Layer, read_layers
from datasets_def.naming import safe_name
from datasets_def.raster import read_raster
from datasets_def.safe import SafeProduct, is_safe, read_product
from glofgeo.errors import GlofgeoError

# Scene classification classes that say nothing about the ground: no data, saturated or defective, cloud of medium and
# high probability, thin cirrus. Dark area (2), cloud shadow (3), water (6), unclassified (7) and snow (11) stay: lakes
# lie there. Source: Sentinel-2 L2A product definition, SCL table.
UNOBSERVED_CLASSES = (0, 1, 8, 9, 10)

_OBSERVED_CLASS = ~np.isin(np.arange(256), UNOBSERVED_CLASSES)

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """One acquisition on its own grid. Opening it touches no pixel of a product.

    Attributes:
        path: file or folder it was opened from.
        id: product name, or file name without ending; fit to be the name of a folder.
        crs: of its grid.
        transform: pixel corner to CRS; north-up.
        shape: (rows, cols).
        bands: names of the bands that `read` gives, in order.
        datetime: acquisition time, UTC; None where the container does not tell.
        baseline: processing baseline as in the product ("05.10"); None where unknown.
        level: "L1C", "L2A", or None where unknown.
        radiometry: how DN become reflectance and how that is known, in words.
        layers: band name -> where its pixels lie.
        classification: the scene classification (SCL), if there is one.
        nodata: DN that means "no data" in every band.
    """

    path: Path
    id: str
    crs: CRS
    transform: Affine
    shape: tuple[int, int]
    bands: tuple[str, ...]
    datetime: datetime | None
    baseline: str | None
    level: str | None
    radiometry: str
    layers: dict[str, Layer] = field(repr=False)
    classification: Layer | None = field(repr=False)
    nodata: float = 0.0

    def read(self, window: Window | None = None, bands: Sequence[str] | None = None) -> Image:
        """Reads reflectance.

        Bands coarser than the grid are replicated, not interpolated: every pixel keeps a measured value.

        Args:
            window: part of the grid, inside it; all of it by default.
            bands: names; by default the scene's.

        Returns:
            float32 `(C, H, W)`, 1.0 = 100 %. Meaningless where `valid` is False.

        Raises:
            GlofgeoError: If a band is missing or its file cannot be read.
        """
        return self.load(window, bands)[0]

    def valid(self, window: Window | None = None) -> Mask:
        """Tells which pixels show the ground: neither nodata nor cloud.

        With a scene classification, everything but classes 0, 1, 8, 9 and 10 (snow, shadow and dark water are valid);
        without one, every pixel that has data in all bands, clouds included (see `has_cloud_mask`).

        Returns:
            bool `(H, W)`.
        """
        if self.classification is not None:
            return _OBSERVED_CLASS[self.classes(window)]
        return self._has_data(self.numbers(window, self.bands))

    def classes(self, window: Window | None = None) -> npt.NDArray[np.uint8]:
        """Reads the scene classification, `(H, W)` uint8.

        Raises:
            GlofgeoError: If the scene has none, or its file cannot be read.
        """
        if self.classification is None:
            raise GlofgeoError(f"{self.path}: has no scene classification (SCL)")
        return self._read_layer([self.classification], window)[0].astype(np.uint8)

    def load(self, window: Window | None = None, bands: Sequence[str] | None = None) -> tuple[Image, Mask]:
        """Reads reflectance and validity in one pass over the files; a nodata pixel of any band is not valid."""
        bands = tuple(self.bands if bands is None else bands)
        numbers, valid = self.load_numbers(window, bands)
        return self.reflectance(numbers, bands), valid

    def load_numbers(
        self, window: Window | None = None, bands: Sequence[str] | None = None
    ) -> tuple[npt.NDArray[Any], Mask]:
        """Like `load`, with digital numbers as stored, which take half the memory; see `reflectance`."""
        bands = self.bands if bands is None else bands
        self.require(bands)
        layers = [self.layers[band] for band in bands]
        if self.classification is not None and all(layer.path == self.classification.path for layer in layers):
            # One file holds all: a crop is too small to open it twice.
            planes = self._read_layer([*layers, self.classification], window)
            numbers, classes = planes[:-1], planes[-1].astype(np.uint8)
            return numbers, self._has_data(numbers) & _OBSERVED_CLASS[classes]
        numbers = self._read_layer(layers, window)
        valid = self._has_data(numbers)
        if self.classification is not None:
            valid &= self.valid(window)
        return numbers, valid

    def reflectance(
        self, numbers: npt.NDArray[Any], bands: Sequence[str] | None = None, out: Image | None = None
    ) -> Image:
        """Turns digital numbers into reflectance.

        Args:
            numbers: `(C, H, W)` as `numbers` reads them.
            bands: their names; by default the scene's.
            out: float32 `(C, H, W)` to write into.

        Returns:
            float32 `(C, H, W)`, 1.0 = 100 %, always finite: what is no number becomes 0, and is not valid.
        """
        bands = self.bands if bands is None else bands
        image: Image = np.empty(numbers.shape, np.float32) if out is None else out
        # Band by band, so that a plane is divided while it still lies in the processor's cache.
        for plane, dn, layer in zip(image, numbers, [self.layers[band] for band in bands], strict=True):
            plane[...] = dn
            plane += np.float32(layer.offset)
            plane /= np.float32(layer.quantification)
        if numbers.dtype.kind == "f":
            np.nan_to_num(image, copy=False, posinf=0, neginf=0)
        return image

    @property
    def has_cloud_mask(self) -> bool:
        """Whether `valid` knows of clouds."""
        return self.classification is not None

    def require(self, bands: Sequence[str]) -> None:
        """Checks that the bands are there, before any pixel is read.

        Raises:
            GlofgeoError: If one is not, naming what is missing.
        """
        missing = []
        for band in bands:
            if band not in self.layers:
                raise GlofgeoError(f"{self.path}: has no band {band}; it has {', '.join(self.layers)}")
            if self.layers[band].path.startswith("!"):
                missing.append(self.layers[band].path[1:])
        if missing:
            raise GlofgeoError(f"{self.path}: incomplete, missing {', '.join(missing)}; fetch the product again")

    def check(self) -> None:
        """Reads the last pixel of every file, which tells what is missing, cut short or of another size.

        Raises:
            GlofgeoError: If one cannot be read.
        """
        self.load_numbers(Window(self.shape[1] - 1, self.shape[0] - 1, 1, 1))

    def numbers(self, window: Window | None, bands: Sequence[str]) -> npt.NDArray[Any]:
        """Reads digital numbers as stored, `(C, H, W)`, on the scene's grid."""
        self.require(bands)
        return self._read_layer([self.layers[band] for band in bands], window)

    def _has_data(self, numbers: npt.NDArray[Any]) -> Mask:
        # In the numbers' own type: against a float, every number would be made one first.
        with np.errstate(invalid="ignore"):
            nodata = np.array(self.nodata).astype(numbers.dtype)
        if nodata != self.nodata:
            return np.isfinite(numbers).all(axis=0)
        there: Mask = numbers[0] != nodata
        # A few rows at a time, so that what is compared still lies in the processor's cache.
        for top in range(0, len(there), 32):
            rows = there[top : top + 32]
            for plane in numbers[1:, top : top + 32]:
                rows &= plane != nodata
            if numbers.dtype.kind == "f":
                rows &= np.isfinite(numbers[:, top : top + 32]).all(axis=0)
        return there

    def _read_layer(self, layers: list[Layer], window: Window | None) -> npt.NDArray[Any]:
        rows, cols = self.shape
        return read_layers(layers, self.shape, window or Window(0, 0, cols, rows), self.path)


def open_scene(
    path: str | Path,
    bands: Sequence[str] = DEFAULT_BANDS,
    resolution: int = 10,
    *,
    offset: float | None = None,
) -> Scene:
    """Opens a `.SAFE` folder, a zipped `.SAFE`, or a band-described GeoTIFF, COG or VRT.

    Args:
        path: the product or file.
        bands: names of the bands that `Scene.read` gives by default, in order.
        resolution: grid of a product in metres: 10, 20 or 60. A band comes from its file at this resolution, or from
            its native file where that is coarser. Other files have one grid of their own.
        offset: DN to add before dividing, for raster files that do not tell: -1000 for baseline 04.00 and later, else
            0.

    Raises:
        GlofgeoError: If there is no such scene, it is no product, a band is unknown, or it has no usable grid. Band
            files that an incomplete product lacks are reported when they are read.
    """
    path = Path(path)
    if not path.exists():
        raise GlofgeoError(f"{path}: no such scene; check the path")
    unknown = [band for band in bands if band not in BANDS]
    if unknown or not bands:
        raise GlofgeoError(f"unknown band {', '.join(unknown) or '(none)'}: Sentinel-2 has {', '.join(BANDS)}")
    if is_safe(path):
        return _scene_of_product(path, read_product(path), tuple(bands), resolution)
    return _scene_of_raster(path, tuple(bands), offset)


def _scene_of_product(path: Path, product: SafeProduct, bands: tuple[str, ...], resolution: int) -> Scene:
    if resolution not in product.grids:
        raise GlofgeoError(f"{path}: no {resolution} m grid; it has {', '.join(map(str, sorted(product.grids)))} m")
    transform, shape = product.grids[resolution]

    def layer(band: str, native: int, quantification: float = 1.0, offset: float = 0.0) -> Layer:
        wanted = max(native, resolution)
        absent = "!" + product.promised.get((band, wanted), f"{band} at {wanted} m")
        return Layer(product.files.get((band, wanted), absent), 1, wanted // resolution, quantification, offset)

    # Level-2A has no cirrus band, by specification.
    known = [band for band in BANDS.values() if not (band.name == "B10" and product.level == "L2A")]
    layers = {
        band.name: layer(band.name, band.resolution, product.quantification, product.offsets[band.name])
        for band in known
    }
    scene = Scene(
        path=path,
        id=safe_name(product.id),
        crs=product.crs,
        transform=transform,
        shape=shape,
        bands=bands,
        datetime=product.datetime,
        baseline=product.baseline,
        level=product.level,
        radiometry=f"(DN {product.offsets[bands[0]]:+g}) / {product.quantification:g}, from the product's metadata",
        layers=layers,
        classification=layer("SCL", 20) if product.level == "L2A" else None,
    )
    for band in bands:
        if band not in layers:
            raise GlofgeoError(f"{path}: a {product.level} product has no {band}")
    return scene


def _scene_of_raster(path: Path, bands: tuple[str, ...], offset: float | None) -> Scene:
    facts = read_raster(path, bands, offset)
    layers = {
        name: Layer(str(path), index, 1, *facts.radiometry[index - 1])
        for name, index in facts.indexes.items()
        if name in BANDS
    }
    return Scene(
        path=path,
        id=safe_name(facts.id),
        crs=facts.crs,
        transform=facts.transform,
        shape=facts.shape,
        bands=bands,
        datetime=facts.datetime,
        baseline=facts.baseline,
        level=facts.level,
        radiometry=facts.told,
        layers=layers,
        classification=Layer(str(path), facts.indexes["SCL"]) if "SCL" in facts.indexes else None,
        nodata=facts.nodata,
    )


def describe_scene(path: str | Path, offset: float | None = None) -> str:
    """What a person wants to know of a scene, in lines; for `offset` see `open_scene`."""
    scene = open_scene(path, offset=offset)
    there = [name for name, layer in scene.layers.items() if not layer.path.startswith("!")]
    lines = {
        "scene": scene.id,
        "level": scene.level or "unknown",
        "acquired": str(scene.datetime or "unknown"),
        "baseline": scene.baseline or "unknown",
        "grid": f"{scene.shape[0]} x {scene.shape[1]} pixels of {scene.transform.a:g}, {scene.crs.to_string()}",
        "reflectance": scene.radiometry,
        "bands": ", ".join(there) or "none",
        "cloud mask": "scene classification" if scene.has_cloud_mask else "none: clouds count as observed",
    }
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())
