"""The pipelines that `map_overhead.py` compares, each from one GeoTIFF to another."""

from itertools import pairwise
from pathlib import Path
from typing import Any

# Nothing heavy is imported here: see `map_overhead.py`.

WINDOW, OVERLAP, BATCH = 512, 64, 8
QUANTIFICATION, OFFSET = 10_000, -1_000
OUTPUT = {
    "driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 255,
    "tiled": True, "blockxsize": 512, "blockysize": 512,
}  # fmt: skip


def water_model() -> Any:
    """Makes a torch module without weights: reflectance `(B, 4, H, W)` -> logits of land and water `(B, 2, H, W)`."""
    import torch

    class Ndwi(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            green, nir = x[:, 1], x[:, 3]
            logit = 5 * (green - nir) / (green + nir + 1e-3)
            return torch.stack([-logit, logit], dim=1)

    return Ndwi().eval()


def ours(tif: Path, out: Path) -> None:
    """glofgeo: strips read ahead, blended as they come, written behind."""
    import numpy as np
    import rasterio
    import torch
    from rasterio.windows import Window

    from datasets_def import open_scene
    from glofgeo.inference.batches import Batcher
    from glofgeo.inference.stream import GDAL_CACHE, Area, stream_probability
    from glofgeo.inference.windows import plan_windows
    from glofgeo.mapping.rasters import StripWriter

    model = water_model()

    def infer(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(batch)).softmax(1)[:, 1].numpy()

    scene = open_scene(tif)
    rows, cols = scene.shape
    plan = plan_windows(scene.shape, WINDOW, OVERLAP)
    # As `glofgeo map` does; GDAL's own default is 5 % of the machine's memory.
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE), StripWriter(out, scene.grid) as writer:
        stream_probability(Area(scene, Window(0, 0, cols, rows), plan), Batcher(infer, BATCH), [writer])


def floor(tif: Path, out: Path) -> None:
    """A plain loop: one row of windows after the other, half the overlap cropped, one thread beside torch's."""
    import numpy as np
    import rasterio
    import torch
    from rasterio.windows import Window

    model = water_model()
    with rasterio.open(tif) as source:
        side = source.width
        starts = [*range(0, side - WINDOW, WINDOW - OVERLAP), side - WINDOW]
        # Where one window's pixels end and the next one's begin: in the middle of what they share.
        cuts = [0, *((a + WINDOW + b) // 2 for a, b in pairwise(starts)), side]
        grid = {"width": side, "height": side, "crs": source.crs, "transform": source.transform}
        with rasterio.open(out, "w", **OUTPUT, **grid) as target, torch.inference_mode():
            for row, top in enumerate(starts):
                image = source.read(window=Window(0, top, side, WINDOW)).astype(np.float32)
                image += OFFSET
                image /= QUANTIFICATION
                rows = slice(cuts[row] - top, cuts[row + 1] - top)
                strip = np.empty((rows.stop - rows.start, side), np.uint8)
                for first in range(0, len(starts), BATCH):
                    lefts = starts[first : first + BATCH]
                    batch = torch.from_numpy(np.stack([image[:, :, left : left + WINDOW] for left in lefts]))
                    percent = (model(batch).softmax(1)[:, 1] * 100).round_().to(torch.uint8).numpy()
                    for col, left in enumerate(lefts, first):
                        kept = slice(cuts[col] - left, cuts[col + 1] - left)
                        strip[:, cuts[col] : cuts[col + 1]] = percent[col - first, rows, kept]
                target.write(strip, 1, window=Window(0, cuts[row], side, len(strip)))


def omnicloudmask(tif: Path, out: Path) -> None:
    """OmniCloudMask: the array in, the class mask out."""
    import omnicloudmask.raster_utils
    import rasterio
    from omnicloudmask import predict_from_array

    omnicloudmask.raster_utils.channel_norm = lambda patch, nodata: (patch + OFFSET) / QUANTIFICATION
    with rasterio.open(tif) as source:
        image = source.read()
        grid = {"width": source.width, "height": source.height, "crs": source.crs, "transform": source.transform}
    mask = predict_from_array(
        image, patch_size=WINDOW, patch_overlap=OVERLAP, batch_size=BATCH, inference_device="cpu",
        inference_dtype="fp32", custom_models=[water_model()], pred_classes=2,
    )  # fmt: skip
    with rasterio.open(out, "w", **OUTPUT, **grid) as target:
        target.write(mask)


def geoai(tif: Path, out: Path) -> None:
    """geoai: file in, file out."""
    import numpy as np
    from geoai.inference import predict_geotiff

    predict_geotiff(
        water_model(), str(tif), str(out), tile_size=WINDOW, overlap=OVERLAP, batch_size=BATCH, num_classes=2,
        output_dtype="uint8", output_nodata=255, device="cpu", verbose=False,
        preprocess_fn=lambda tile: (tile + OFFSET) / QUANTIFICATION,
        postprocess_fn=lambda logits: logits.argmax(0).astype(np.uint8),
    )  # fmt: skip


PIPELINES = {pipeline.__name__: pipeline for pipeline in (ours, floor, omnicloudmask, geoai)}
# What each imports, so that none of it counts as its time.
IMPORTS = {
    "ours": ("torch", "datasets_def.scene", "glofgeo.inference.stream", "glofgeo.mapping.rasters"),
    "floor": ("torch", "rasterio"),
    "omnicloudmask": ("torch", "rasterio", "omnicloudmask"),
    "geoai": ("torch", "rasterio", "tqdm.auto", "geoai.utils", "geoai.inference"),
}
DISTRIBUTIONS = {"ours": "glofgeo", "omnicloudmask": "omnicloudmask", "geoai": "geoai-py"}
