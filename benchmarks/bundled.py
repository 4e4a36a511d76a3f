"""What the model that comes with the package is worth, beside NDWI > 0 and a U-Net: a Markdown table a line.

    python benchmarks/bundled.py --data FOLDER --model bundled --unet unet.safetensors --out bundled.md

Lines:

- `dolomites`: five lakes in high alpine ground, a real scene at 10 m. Nine pixels that may be a pond or a roof are not
  judged, nor what is around them.
- `alberta`: ponds of oil-sand mines and forest under broken cloud, a real scene at 12 m in degrees.
- `pixels`: labelled glacier pixels laid out as texture, see `judge_pixels.py`.
- `even`: pictures of one surface alone, see `judge_even.py`.
- `chips`: real inland water at 30 m, pooled over areas.
- `worlds`: synthetic worlds with seeds that are never trained on.

Every method maps the same scenes as `glofgeo map` does, and `glofgeo.evaluation` compares the maps with the lakes. A
false lake is one that overlaps no reference lake. Figures in brackets are 95 % intervals; of the glacier pixels, the
worst of the scenes.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import torch
from judge_even import even_pictures
from judge_many import chips, worlds
from judge_maps import open_unet
from judge_pixels import glacier_pixels
from judge_scenes import alberta, dolomites
from judge_table import Row, table

from glofgeo.models import load_model

TITLES = {
    "dolomites": "Dolomites, five lakes",
    "alberta": "Alberta, ponds outside cloud and its shadow",
    "pixels": "Glacier pixels as texture: share called lake",
    "even": "Pictures of one even surface: share called lake",
    "chips": "Water chips",
    "worlds": "Synthetic worlds never trained on",
}


def main() -> None:
    """Prints a table for each line and writes all of them to a file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True, help="folder of the real scenes, chips and pixels")
    arguments.add_argument("--model", default="bundled", help="`bundled`, or a checkpoint")
    arguments.add_argument("--unet", type=Path, help="tensors of a U-Net to compare with")
    arguments.add_argument("--worlds", type=int, default=8, help="synthetic worlds of each kind")
    arguments.add_argument("--chips-fold", type=Path, help="layer of chips with a column `split`: judge `test` only")
    arguments.add_argument("--lines", nargs="+", choices=TITLES, default=list(TITLES))
    arguments.add_argument("--out", type=Path, required=True, help="file for the tables")
    given = arguments.parse_args()
    if given.worlds < 1 or not given.data.is_dir() or not given.out.resolve().parent.is_dir():
        arguments.error("--worlds is 1 or more, and --data and the folder of --out must exist")
    models = {"model": load_model(given.model)}
    if given.unet is not None:
        models["unet"] = open_unet(given.unet)
    where = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}"
    parts = [f"{where}, `{' '.join(['python', *sys.argv])}`, model {models['model'].sha256[:12]}\n"]
    with tempfile.TemporaryDirectory() as folder:
        judges: dict[str, Callable[[Path], list[Row]]] = {
            "dolomites": partial(dolomites, given.data, models),
            "alberta": partial(alberta, given.data, models),
            "pixels": partial(glacier_pixels, given.data, models),
            "even": partial(even_pictures, models),
            "chips": partial(chips, given.data, models, fold=given.chips_fold),
            "worlds": partial(worlds, models, count=given.worlds),
        }
        for line in given.lines:
            parts.append(table(TITLES[line], judges[line](Path(folder) / line), [*models, "ndwi"]))
            print(parts[-1], flush=True)
            given.out.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
