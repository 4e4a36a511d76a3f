"""Peak memory of mapping a tile and a scene four times as high: `python benchmarks/map_memory.py --data FOLDER`.

All of `glofgeo map` but the network, whose place NDWI takes: what is held grows with nothing but reading, blending,
writing, polygons and picture. Each size is mapped in a process of its own; the higher scene is a VRT that stacks the
tile and its mirror image.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

HEIGHTS = (1, 4)


def main() -> None:
    """Prints one row a height."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=None, help="folder for the tile; by default a temporary one")
    arguments.add_argument("--map", type=Path, default=None, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.map:
        print(mapped(given.map))
        return
    from fullsize import full_tif

    print(f"{platform.machine()}, {date.today()}\n")
    print("| rows | lakes | seconds | peak (MiB) | share of the first |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        tile = full_tif(given.data or Path(folder))
        first = 0
        for times in HEIGHTS:
            scene = stacked(tile, times, Path(folder))
            command = [sys.executable, __file__, "--map", str(scene)]
            words = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
            first = first or int(words[-1])
            print("|", " | ".join([*words[-4:], f"{int(words[-1]) / first:.3f}"]), "|", flush=True)


def stacked(tile: Path, times: int, folder: Path) -> Path:
    """Writes a VRT that shows a tile so many times, one below the other."""
    import rasterio

    with rasterio.open(tile) as source:
        rows, cols, transform, wkt = source.height, source.width, source.transform, source.crs.to_wkt()
        names, scales, offsets = source.descriptions, source.scales, source.offsets
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{i}"><Description>{name}</Description><NoDataValue>0</NoDataValue>'
        f"<Scale>{scales[i - 1]}</Scale><Offset>{offsets[i - 1]}</Offset>"
        + "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(str(tile.resolve()))}</SourceFilename>'
            f'<SourceBand>{i}</SourceBand><SrcRect xOff="0" yOff="0" xSize="{cols}" ySize="{rows}"/>'
            f'<DstRect xOff="0" yOff="{rows * n}" xSize="{cols}" ySize="{rows}"/></SimpleSource>'
            for n in range(times)
        )
        + "</VRTRasterBand>"
        for i, name in enumerate(names, 1)
    )
    path = folder / f"tile{times}.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{cols}" rasterYSize="{rows * times}"><SRS>{escape(wkt)}</SRS>'
        f"<GeoTransform>{', '.join(map(str, transform.to_gdal()))}</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def mapped(path: Path) -> str:
    """Maps a scene; gives rows, lakes, seconds and peak memory in MiB."""
    import torch

    from datasets_def import open_scene
    from glofgeo.config import ModelConfig
    from glofgeo.mapping import map_scene
    from glofgeo.models import torch_predictor

    class Ndwi(torch.nn.Module):
        config = ModelConfig(variant="tiny")

        def forward(self, reflectance: torch.Tensor) -> torch.Tensor:
            green, infrared = reflectance[:, 1:2], reflectance[:, 3:4]
            return 40 * ((green - infrared) / (green + infrared).clamp_min(1e-3) - 0.5)

    with tempfile.TemporaryDirectory() as out:
        scene = open_scene(path)
        record = map_scene(scene, torch_predictor(Ndwi()), out=out).record
    return f"{scene.shape[0]} {record['lakes']} {sum(record['seconds'].values()):.1f} {record['peak_memory_mib']}"


if __name__ == "__main__":
    main()
