"""Compares the synthetic worlds with measured pixels: `python benchmarks/bundled_spectra.py --data FOLDER`.

Measured are the labelled Sentinel-2 pixels of `glacier_pixels.csv`. From the worlds come pixels of the same ground as
they were seen, through light, air and sensor: snow, shadowed snow, ice, rock and open water, outside cloud.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from judge_pixels import read_pixels

from datasets_def.bands import DEFAULT_BANDS
from datasets_def.synthetic.worlds import KINDS, World, draw_world
from datasets_def.synthetic.worlds.materials import MATERIALS
from datasets_def.synthetic.worlds.world import WATER

CLASSES = {
    "snow": ("snow", "old snow"),
    "shadowed_snow": ("snow", "old snow"),
    "ice": ("ice",),
    "rock": ("granite", "schist", "basalt", "limestone", "sandstone", "scree", "gravel"),
    "water": (),
}
TAKEN = 200
"""Pixels of each class from one world at most, so that none speaks for all."""


def belonging(world: World, name: str) -> np.ndarray:
    """Gives `(H, W)`, which pixels of a world show a class."""
    codes = [list(MATERIALS).index(material) for material in CLASSES[name]] or [WATER]
    light = world.light < 0.3 if name == "shadowed_snow" else world.light > 0.6
    return np.isin(world.cover, codes) & light


def draw_pixels(per_kind: int) -> dict[str, np.ndarray]:
    """Gives `(N, 4)` reflectance of each class, of worlds that no model was trained on."""
    rng, found = np.random.default_rng(0), {name: [np.zeros((0, 4))] for name in CLASSES}
    for kind in KINDS:
        for seed in range(900_000, 900_000 + per_kind):
            world = draw_world(kind, seed, 256)
            for name in CLASSES:
                pixels = world.reflectance[:, belonging(world, name)].T
                found[name].append(rng.permutation(pixels)[:TAKEN])
    return {name: np.concatenate(pixels) for name, pixels in found.items()}


def ndwi(pixels: np.ndarray) -> np.ndarray:
    """NDWI of `(N, 4)`."""
    return (pixels[:, 1] - pixels[:, 3]) / np.maximum(pixels[:, 1] + pixels[:, 3], 0.005)


def draw(measured: dict[str, np.ndarray], synthetic: dict[str, np.ndarray], path: Path) -> None:
    """Draws both side by side: boxes from the first to the third quartile, whiskers from 5 to 95 %."""
    figure, axes = plt.subplots(1, len(CLASSES), figsize=(14, 3.6), layout="constrained")
    style = {"widths": 0.32, "whis": (5, 95), "showfliers": False, "patch_artist": True}
    for axis, name in zip(axes, CLASSES, strict=True):
        for pixels, shift, face in ((measured[name], -0.19, "#d95f02"), (synthetic[name], 0.19, "#7570b3")):
            values = [*pixels.T, ndwi(pixels)]
            box = axis.boxplot(values, positions=np.arange(5) + shift, medianprops={"color": "white"}, **style)
            for patch in box["boxes"]:
                patch.set_facecolor(face)
        axis.set_xticks(range(5), [*DEFAULT_BANDS, "NDWI"], fontsize=8)
        axis.set_title(f"{name.replace('_', ' ')} ({len(measured[name])} and {len(synthetic[name])})", fontsize=9)
        axis.axvline(3.5, color="0.8", linewidth=0.8)
    axes[0].set_ylabel("reflectance, NDWI")
    handles = [plt.Rectangle((0, 0), 1, 1, color=face) for face in ("#d95f02", "#7570b3")]
    figure.legend(handles, ["measured", "synthetic worlds"], loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Prints quantiles as a table and draws the figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder with glacier_pixels.csv")
    arguments.add_argument("--out", type=Path, default=Path("spectra.png"))
    arguments.add_argument("--per-kind", type=int, default=12, help="worlds of each kind")
    given = arguments.parse_args()
    table = read_pixels(given.data)
    measured = {name: table.loc[table["class"] == name, list(DEFAULT_BANDS)].to_numpy() for name in CLASSES}
    synthetic = draw_pixels(given.per_kind)
    print("| | | " + " | ".join([*DEFAULT_BANDS, "NDWI"]) + " |\n|---|---|" + "---|" * 5)
    for name in CLASSES:
        for label, pixels in (("measured", measured[name]), ("worlds", synthetic[name])):
            columns = np.column_stack([pixels, ndwi(pixels)])
            cells = [
                " ".join(f"{value:.2f}" for value in np.quantile(column, (0.05, 0.5, 0.95))) for column in columns.T
            ]
            print(f"| {name.replace('_', ' ')} | {label} | {' | '.join(cells)} |")
    draw(measured, synthetic, given.out)


if __name__ == "__main__":
    main()
