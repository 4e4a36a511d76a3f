"""A tiled copy of a product, so that random crops need not decode JPEG 2000 again and again."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from datasets_def.bands import DEFAULT_BANDS
from datasets_def.safe import is_safe
from datasets_def.scene import Scene, open_scene

_ROWS = 1024  # of one read: the block height of 10 m JPEG 2000 files, so that each block is decoded once


def tiled_copy(path: Path, folder: Path, bands: Sequence[str] = DEFAULT_BANDS) -> Path:
    """Decodes a product once into a tiled GeoTIFF that `open_scene` opens as the same scene.

    The copy holds the product's own DN, its scale and offset, and the scene classification as band `SCL`. A scene that
    is already a raster file is given back as it is; a copy is used again unless the product has changed since.

    Args:
        path: the scene.
        folder: where copies are kept; made if need be.
        bands: bands to copy.

    Returns:
        The path to open instead.
    """
    if not is_safe(path):
        return path
    scene = open_scene(path, bands)
    scene.require(bands)
    out = folder / f"{scene.id}_{'-'.join(bands)}.tif"
    changed = max(file.stat().st_mtime for file in [path, *path.rglob("*")])
    if not out.exists() or out.stat().st_mtime < changed:
        folder.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f".{os.getpid()}-{out.name}")
        try:
            _write(scene, partial)
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
    return out


def _write(scene: Scene, out: Path) -> None:
    layers = [scene.layers[band] for band in scene.bands]
    extra = [scene.classification] if scene.classification else []
    rows, cols = scene.shape
    with rasterio.open(
        out, "w", driver="GTiff", dtype="uint16", count=len(layers) + len(extra), width=cols, height=rows,
        crs=scene.crs, transform=scene.transform, nodata=0, tiled=True, blockxsize=256, blockysize=256,
        compress="lzw", predictor=2, interleave="pixel", bigtiff="if_safer",
    ) as target:  # fmt: skip
        target.descriptions = [*scene.bands, *(["SCL"] if extra else [])]
        target.scales = [1 / layer.quantification for layer in layers] + [1.0] * len(extra)
        target.offsets = [layer.offset / layer.quantification for layer in layers] + [0.0] * len(extra)
        target.update_tags(SCENE_ID=scene.id, PROCESSING_BASELINE=scene.baseline, PROCESSING_LEVEL=scene.level)
        if scene.datetime:
            target.update_tags(ACQUISITION_DATETIME=scene.datetime.isoformat())
        for row in range(0, rows, _ROWS):
            window = Window(0, row, cols, min(_ROWS, rows - row))
            target.write(np.concatenate([scene.numbers(window, scene.bands)] + [
                scene.classes(window)[None] for _ in extra
            ]).astype(np.uint16), window=window)  # fmt: skip
