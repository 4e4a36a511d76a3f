"""Draws synthetic worlds of each kind in true colour, their lakes outlined: `python benchmarks/worlds_picture.py`."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation

from datasets_def.synthetic.worlds import KINDS, draw_world

SIZE, SEEDS, CAPTION = 320, (12, 31), 18
SHORE = (230, 60, 40)


def picture(kind: str, seed: int) -> np.ndarray:
    """Gives `(SIZE, SIZE, 3)` uint8: red, green and blue stretched to what nearly all of the world has."""
    world = draw_world(kind, seed, SIZE)
    colour = world.reflectance[[2, 1, 0]]
    bright = float(np.clip(np.percentile(colour, 98), 0.25, 0.9))
    shown = (255 * np.clip(colour / bright, 0, 1) ** 0.7).astype(np.uint8).transpose(1, 2, 0)
    shown[binary_dilation(world.lake) & ~world.lake] = SHORE
    return shown


def main() -> None:
    """Writes the picture."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path("worlds.jpg"))
    given = arguments.parse_args()
    columns = -(-len(KINDS) // 2)
    sheet = Image.new("RGB", (columns * SIZE, 2 * (len(SEEDS) * SIZE + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, kind in enumerate(KINDS):
        left, top = place % columns * SIZE, place // columns * (len(SEEDS) * SIZE + CAPTION)
        pen.text((left + 6, top + 3), kind, fill="black")
        for row, seed in enumerate(SEEDS):
            sheet.paste(Image.fromarray(picture(kind, seed)), (left, top + CAPTION + row * SIZE))
    sheet.resize((sheet.width * 3 // 4, sheet.height * 3 // 4)).save(given.out, quality=82)


if __name__ == "__main__":
    main()
