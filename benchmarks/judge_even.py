"""Pictures of one surface alone, a line of `bundled.py`: no shore and no contrast, only colour and texture tell.

Windows like these fill the middle of ice fields, snow fields and large lakes. Each is drawn from the spectra of the
synthetic worlds, in sunlight or in shadow, with a texture from hardly any to that of the worlds. What is called lake is
counted before the mapper drops small patches.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from judge_pixels import SIDE, Texture, called_lake
from judge_table import Row

from datasets_def.synthetic.worlds.materials import MATERIALS, draw_spectrum
from datasets_def.synthetic.worlds.shape import waves
from datasets_def.synthetic.worlds.waters import draw_water
from glofgeo.models import Predictor

DRAWS = 12
GROUND = ("ice", "wet ice", "slush", "old snow", "snow", "schist", "basalt", "mud", "soil", "limestone", "burnt")
WATERS = {"milk or mud": 0.0, "turbid": 0.25, "middling": 0.5, "clear": 0.75, "a tarn": 1.0}
SHADE = 0.25 * np.array([1.3, 1.15, 1.0, 0.85])
"""Light in shadow, in B02, B03, B04 and B08, as a share of that in the sun."""

Image = npt.NDArray[np.float32]


def even_pictures(models: dict[str, Predictor], out: Path) -> list[Row]:
    """Tells the share of even pictures that is called lake, by surface."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = pictures(np.random.default_rng(0))
    found = pd.DataFrame([{"kind": one.kind} | called_lake(one, models, out) for one in drawn])
    shares = found.groupby("kind", sort=False).mean()
    wanted = {kind: "all" if kind.startswith("water") else "none" for kind in shares.index}
    methods = [*models, "ndwi"]
    return [
        Row(kind, {method: f"{share[method]:.0%}" for method in methods}, wanted[kind])
        for kind, share in shares.iterrows()
    ]


def pictures(rng: np.random.Generator) -> Iterator[Texture]:
    """Draws the pictures, `DRAWS` of each surface."""
    for number in range(DRAWS):
        for name, clear in WATERS.items():
            yield _picture(f"water, {name}", number, texture(rng, draw_water(rng, clear).deep, rng.uniform(0, 0.06)))
        for name in GROUND:
            for place, light in (("in the sun", np.ones(4)), ("in shadow", SHADE)):
                rough = MATERIALS[name].rough * 10 ** rng.uniform(-1.2, 0.15)
                yield _picture(f"{name} {place}", number, texture(rng, draw_spectrum(rng, name) * light, rough))


def texture(rng: np.random.Generator, spectrum: npt.NDArray[np.float64], rough: float) -> Image:
    """Gives a surface of one colour `(4, SIDE, SIDE)`, its brightness deviating by about a share `rough`."""
    grain = 0.8 * waves(rng, SIDE, 8, 1.2, 0.6) + 0.6 * waves(rng, SIDE, 60, 5, 1.2)
    seen = spectrum * np.exp(0.03 * rng.standard_normal(4)) + max(-0.01, rng.normal(0.01, 0.01))
    image = seen[:, None, None] * np.exp(rough * grain) + 0.002 * rng.standard_normal((4, SIDE, SIDE))
    return np.asarray(image, np.float32)


def _picture(kind: str, number: int, image: Image) -> Texture:
    name = f"{kind.replace(', ', '-').replace(' ', '-')}-{number}"
    return Texture(name, kind, "even", "alone", 1, image, np.ones((SIDE, SIDE), np.bool_))
