"""Makes the input of the full-size measurements: a whole Sentinel-2 tile, as a product and as a tiled GeoTIFF.

    python benchmarks/fullsize.py FOLDER

Simulating 10980 x 10980 pixels takes long and much memory. A sixth of the side is simulated instead and repeated,
mirrored at every seam, so that the pixels stay as hard to compress, read and write as the simulated ones are. The
repetition has no lakes file: these scenes measure pipelines, not skill. Both files show the same pixels.
"""

import argparse
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from datasets_def import Scene, open_scene
from datasets_def.bands import DEFAULT_BANDS
from datasets_def.synthetic.metadata import Product, manifest_xml, product_xml, tile_xml
from datasets_def.synthetic.product import write_jp2, write_product
from datasets_def.synthetic.terrain import sun_position

SIDE, SMALL = 10980, 1830
WHEN = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
BLOCK = 512
PRODUCT = Product(
    level="L2A",
    baseline="05.10",
    when=WHEN,
    generated=WHEN + timedelta(hours=4),
    tile="45RVL",
    epsg=32645,
    left=399_960,
    top=3_100_020,
    size=SIDE,
    bands=DEFAULT_BANDS,
    sun=sun_position(86.9, 27.9, WHEN),
)


def full_product(folder: Path) -> Path:
    """Gives a Level-2A product of B02, B03, B04, B08 at 10980 px and SCL at 5490 px; one made before is used again.

    Args:
        folder: where it is kept; made if need be.

    Returns:
        Its `.SAFE` folder.
    """
    safe = folder / f"{PRODUCT.stem}.SAFE"
    if safe.exists():
        return safe
    scene = _small_scene(folder)
    part = folder / f".{safe.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    order = _mirrored(SMALL)

    def write(band: str) -> None:
        digits = scene.load_dn(None, [band]).dn[0][order][:, order]
        write_jp2(part / f"{PRODUCT.image(band, 10)}.jp2", digits, PRODUCT.epsg, PRODUCT.transform(10))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, DEFAULT_BANDS))
    # The scene gives its classes on the grid of 10 m; every second is the file's own.
    order = _mirrored(SMALL // 2)
    classes = scene.classes()[::2, ::2][order][:, order]
    write_jp2(part / f"{PRODUCT.image('SCL', 20)}.jp2", classes, PRODUCT.epsg, PRODUCT.transform(20))
    (part / PRODUCT.metadata).write_text(product_xml(PRODUCT), encoding="utf-8")
    (part / PRODUCT.granule / "MTD_TL.xml").write_text(tile_xml(PRODUCT), encoding="utf-8")
    (part / "manifest.safe").write_text(manifest_xml(PRODUCT, part), encoding="utf-8")
    part.rename(safe)
    return safe


def full_tif(folder: Path) -> Path:
    """Gives the same four bands as one uncompressed uint16 GeoTIFF, without classification; made once.

    Tiles are 512 x 512, pixel-interleaved (GDAL's default), nodata 0, with scale and offset of reflectance.

    Args:
        folder: where it is kept; made if need be.

    Returns:
        The file.
    """
    tif = folder / f"{PRODUCT.stem}.tif"
    if tif.exists():
        return tif
    small = _small_scene(folder).load_dn(None, DEFAULT_BANDS).dn
    part = tif.with_name(f".{tif.name}.part")
    order = _mirrored(SMALL)
    with rasterio.open(
        part, "w", driver="GTiff", dtype="uint16", count=len(small), width=SIDE, height=SIDE,
        crs=f"EPSG:{PRODUCT.epsg}", transform=PRODUCT.transform(10), nodata=0,
        tiled=True, blockxsize=BLOCK, blockysize=BLOCK, interleave="pixel",
    ) as out:  # fmt: skip
        out.descriptions = DEFAULT_BANDS
        out.scales = [1e-4] * len(small)
        out.offsets = [-PRODUCT.offset * 1e-4] * len(small)
        out.update_tags(
            SCENE_ID=PRODUCT.stem,
            ACQUISITION_DATETIME=WHEN.isoformat(),
            PROCESSING_BASELINE=PRODUCT.baseline,
            PROCESSING_LEVEL=PRODUCT.level,
        )
        for top in range(0, SIDE, BLOCK):
            rows = order[top : top + BLOCK]
            out.write(small[:, rows][:, :, order], window=Window(0, top, SIDE, len(rows)))
    part.rename(tif)
    return tif


def _small_scene(folder: Path) -> Scene:
    """Gives the scene that is repeated, all of it seen by the satellite; one made before is used again."""
    made = sorted((folder / "small").glob("*.SAFE"))
    safe = made[0] if made else write_product(folder / "small", size=SMALL, when=WHEN, seed=0)[0]
    return open_scene(safe)


def _mirrored(length: int) -> np.ndarray:
    """Gives the index of each full-size pixel in the small scene along one side, forth and back in turn."""
    return np.pad(np.arange(length), (0, length * (SIDE // SMALL - 1)), mode="symmetric")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are kept")
    folder = parser.parse_args().folder
    makers: dict[str, Callable[[Path], object]] = {
        "small scene": _small_scene, "product": full_product, "GeoTIFF": full_tif
    }  # fmt: skip
    for name, make in makers.items():
        start = time.perf_counter()
        make(folder)
        # Kilobytes on Linux, bytes on macOS.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
        print(f"{name}: {time.perf_counter() - start:.1f} s, peak RSS so far {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
