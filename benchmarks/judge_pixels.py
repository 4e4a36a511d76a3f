"""Labelled glacier pixels as texture, a line of `bundled.py`: what share of each class is called lake.

The pixels have no neighbourhood, and a network looks at neighbourhoods. So scenes are filled with pixels drawn from one
class of one site and date, their spectra untouched: `smooth`, sorted by brightness along a smooth random field, so that
neighbours are alike, and `shuffled`. Each comes twice: the class alone (`alone`), and in blobs of 5 to 30 px radius
within rock of the same site and date (`in rock`). What is called lake is counted before the mapper drops small patches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
from judge_maps import ANY_PIXEL, THRESHOLD
from judge_table import Row
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

from datasets_def.bands import DEFAULT_BANDS, QUANTIFICATION
from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.scene import open_scene
from glofgeo.mapping import map_scene
from glofgeo.models import Predictor
from glofgeo.percent import is_lake, percent_cut

SIDE = 252
ORDERS = ("smooth", "shuffled")
SETTINGS = ("alone", "in rock")
BACKGROUND = "rock"
WANTED = {"water": ">= 90 %"}
UNWANTED = "< 0.5 %"
# Pixels over which the smooth field varies.
PATCH = 5.0
RADII = (5, 30)
BLOBS = 12

Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Texture:
    """A scene made of labelled pixels.

    Attributes:
        name: fit for a file.
        kind: class that is judged.
        order: one of `ORDERS`.
        setting: one of `SETTINGS`.
        labels: how many labelled pixels it was drawn from.
        image: reflectance float32 `(4, SIDE, SIDE)` in `DEFAULT_BANDS`.
        own: `(SIDE, SIDE)`, where the class is.
    """

    name: str
    kind: str
    order: str
    setting: str
    labels: int
    image: Image
    own: Mask


def glacier_pixels(data: Path, models: dict[str, Predictor], out: Path) -> list[Row]:
    """Tells the share of each class that is called lake, each labelled pixel counting alike."""
    out.mkdir(parents=True, exist_ok=True)
    pixels = read_pixels(data)
    found = [
        {"kind": texture.kind, "order": texture.order, "setting": texture.setting, "labels": texture.labels}
        | called_lake(texture, models, out)
        for texture in textures(pixels, np.random.default_rng(0))
    ]
    table = pd.DataFrame(found)
    methods = [*models, "ndwi"]
    rows = []
    for kind, of_kind in table.groupby("kind", sort=False):
        words = str(kind).replace("_", " ")
        rows.append(_row(f"**{words}**", of_kind, methods, WANTED.get(str(kind), UNWANTED)))
        for (order, setting), variant in of_kind.groupby(["order", "setting"], sort=False):
            rows.append(_row(f"{words}, {order}, {setting}", variant, methods))
    return rows


def read_pixels(data: Path) -> pd.DataFrame:
    """Reads the labelled pixels, without dates on which all have one value (Wolverine, 2021-06-15)."""
    pixels = pd.read_csv(data / "glacier_pixels.csv")
    of_date = pixels.groupby(["site", "date"])[list(DEFAULT_BANDS)]
    return pixels[(of_date.transform("nunique") > 1).any(axis=1)]


def textures(pixels: pd.DataFrame, random: np.random.Generator) -> Iterator[Texture]:
    """Makes the scenes of every class, site and date.

    Args:
        pixels: columns `site`, `date`, `class`, and reflectance of `DEFAULT_BANDS`.
        random: draws pixels, fields and blobs.
    """
    bands = list(DEFAULT_BANDS)
    for (site, date), there in pixels.groupby(["site", "date"]):
        spectra = {str(kind): own[bands].to_numpy(np.float32) for kind, own in there.groupby("class")}
        for kind, own in spectra.items():
            for order in ORDERS:
                for setting in SETTINGS if kind != BACKGROUND else SETTINGS[:1]:
                    mask = np.ones((SIDE, SIDE), np.bool_) if setting == "alone" else blobs(random)
                    image = np.zeros((len(bands), SIDE, SIDE), np.float32)
                    image[:, mask] = arrange(own, smooth_field(random, order)[mask], random)
                    image[:, ~mask] = arrange(spectra[BACKGROUND], smooth_field(random, order)[~mask], random)
                    name = f"{site}-{date}-{kind}-{order}-{setting.replace(' ', '-')}"
                    yield Texture(name, kind, order, setting, len(own), image, mask)


def arrange(spectra: Image, field: npt.NDArray[np.float64], random: np.random.Generator) -> Image:
    """Draws pixels with replacement and lays the brighter where the field is higher.

    Args:
        spectra: `(N, C)`.
        field: `(M,)` at the places to fill.
        random: draws.

    Returns:
        `(C, M)`.
    """
    drawn = spectra[random.integers(len(spectra), size=len(field))]
    laid = np.empty_like(drawn)
    laid[np.argsort(field)] = drawn[np.argsort(drawn.mean(axis=1))]
    return laid.T


def smooth_field(random: np.random.Generator, order: str) -> npt.NDArray[np.float64]:
    """Gives noise `(SIDE, SIDE)`; with order `smooth`, neighbours are alike but for a tenth."""
    noise = random.normal(size=(SIDE, SIDE))
    if order == "shuffled":
        return noise
    wide = gaussian_filter(random.normal(size=(SIDE, SIDE)), PATCH, mode="wrap")
    return wide / wide.std() + 0.1 * noise


def blobs(random: np.random.Generator) -> Mask:
    """Draws round patches with wavy edges, `(SIDE, SIDE)`."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    rows, cols = np.indices(mask.shape)
    waves = gaussian_filter(random.normal(size=mask.shape), 4)
    waves *= 0.15 / waves.std()
    for radius in random.uniform(*RADII, size=BLOBS):
        row, col = random.uniform(radius, SIDE - radius, size=2)
        mask |= np.hypot(rows - row, cols - col) < radius * (1 + waves)
    return mask


def called_lake(texture: Texture, models: dict[str, Predictor], out: Path) -> dict[str, float]:
    """Maps a texture and gives the share of its class that is called lake, 0-1, by method."""
    path = out / f"{texture.name}.tif"
    write_scene(path, texture.image)
    scene = open_scene(path)
    shares = {}
    for name, model in models.items():
        percent = map_scene(scene, model, settings=ANY_PIXEL).probability
        shares[name] = float(is_lake(percent, percent_cut(THRESHOLD))[texture.own].mean())
    index = ndwi(*texture.image[[DEFAULT_BANDS.index(band) for band in NDWI_BANDS]])
    return shares | {"ndwi": float((index > 0)[texture.own].mean())}


def write_scene(path: Path, image: Image) -> None:
    """Writes reflectance `(4, rows, cols)` as a GeoTIFF on a 10 m grid."""
    # DN 0 would mean that nothing was measured.
    dn = np.clip(np.round(image * QUANTIFICATION), 1, 65535).astype(np.uint16)
    profile = {"driver": "GTiff", "dtype": dn.dtype, "count": len(dn), "height": dn.shape[1], "width": dn.shape[2]}
    where = {"crs": "EPSG:32606", "transform": from_origin(500_000, 7_000_000, 10, 10)}
    with rasterio.open(path, "w", **profile, **where, nodata=0) as target:
        target.write(dn)
        target.descriptions = DEFAULT_BANDS
        target.update_tags(BOA_ADD_OFFSET=0)


def _row(name: str, found: pd.DataFrame, methods: list[str], target: str = "") -> Row:
    """Gives the share over labelled pixels, and the worst scene: the most, of water the least."""
    worst = "min" if found["kind"].iloc[0] in WANTED else "max"
    shares = {method: np.average(found[method], weights=found["labels"]) for method in methods}
    cells = {method: f"{share:.2%} (worst {found[method].agg(worst):.2%})" for method, share in shares.items()}
    return Row(name, cells, target)
