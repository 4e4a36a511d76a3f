"""What a random crop of a full-size product costs: `python benchmarks/crops.py --data FOLDER`.

Stock TorchGeo reads the product as its documentation shows; ours reads the tiled copy that training makes on the first
touch, with validity beside reflectance. Both draw their windows with `RandomGeoSampler(518)`, in one process. The
first touch, which makes the copy of the whole tile, scene classification included, stands against plainly decoding the
four bands, each alone on all cores, in turn.
"""

import argparse
import platform
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
import torchgeo.datasets
from fullsize import full_product
from map_scene import decode_seconds
from rasterio.windows import Window
from torchgeo.samplers import RandomGeoSampler

from datasets_def import Sentinel2, TiledCopy, fill_cache, open_scene
from datasets_def.bands import DEFAULT_BANDS

WINDOW = 518


def crop_seconds(dataset: torchgeo.datasets.GeoDataset, crops: int) -> list[float]:
    """Times of single crops; the first is not counted."""
    torch.manual_seed(0)
    seconds = []
    for query in RandomGeoSampler(dataset, size=WINDOW, length=crops + 1):
        started = time.perf_counter()
        image = dataset[query]["image"]
        seconds.append(time.perf_counter() - started)
        assert image.shape[0] == len(DEFAULT_BANDS) and image.shape[1] in (WINDOW, WINDOW + 1), image.shape
    return seconds[1:]


def first_touch(product: Path, folder: Path) -> tuple[float, Path]:
    """Makes the copy of the whole tile; gives the seconds it took, and its path."""
    scene = open_scene(product)
    copy = TiledCopy(scene, Window(0, 0, scene.shape[1], scene.shape[0]), folder)
    started = time.perf_counter()
    fill_cache([copy], folder, 50e9, lambda text, done, total: None)
    return time.perf_counter() - started, copy.path


def main() -> None:
    """Prints two tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=None, help="folder for the product; by default a temporary one")
    arguments.add_argument("--crops", type=int, default=30, help="crops of the product")
    arguments.add_argument("--cached-crops", type=int, default=500, help="crops of the copy")
    arguments.add_argument("--repeats", type=int, default=3, help="of decoding and of the first touch")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        product = full_product(given.data or Path(temporary))
        touches, decodes = [], []
        for repeat in range(given.repeats):
            decodes.append(decode_seconds(product))
            seconds, copy = first_touch(product, Path(temporary) / str(repeat))
            touches.append(seconds)
        stock = crop_seconds(torchgeo.datasets.Sentinel2(str(product), bands=list(DEFAULT_BANDS)), given.crops)
        ours = crop_seconds(Sentinel2(copy), given.cached_crops)
    before, after = statistics.median(stock), statistics.median(ours)
    tail = statistics.quantiles(ours, n=20)[-1]
    decode, touch = statistics.median(decodes), statistics.median(touches)
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}\n")
    print("| crops of 518 px, four bands | median (ms) | crops a second |\n|---|---|---|")
    print(f"| torchgeo.datasets.Sentinel2 | {before * 1e3:.1f} | {1 / before:.2f} |")
    print(f"| after the first touch | {after * 1e3:.1f} (95 %: {tail * 1e3:.1f}) | {1 / after:.0f} |")
    print(f"| ratio | | {before / after:.0f} |\n")
    print("| first touch (s) | plain decode (s) | ratio |\n|---|---|---|")
    print(f"| {touch:.1f} | {decode:.1f} | {touch / decode:.2f} |")


if __name__ == "__main__":
    main()
