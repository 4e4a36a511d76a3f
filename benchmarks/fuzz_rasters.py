"""Harmed GeoTIFFs; see `fuzz.py`."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from fuzz_case import NO_FILE_TELLS, Case, Kind, Truth, scene_case
from fuzz_geotiff import (
    BANDS,
    GRID,
    SHAPE,
    TAGS,
    Numbers,
    flipped_header,
    flipped_packed,
    flipped_pixels,
    sentinel,
    truncated,
    write,
)
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from datasets_def.bands import BANDS as TABLE

NO_FILE_TELLS |= {
    "GeoTIFF bytes flipped in plain pixels": "a GeoTIFF without compression has no checksums",
    "GeoTIFF bytes flipped in deflated pixels": "GDAL leaves the checksum of a block unread once the block is full",
    "GeoTIFF bytes flipped in Zstandard pixels": "GDAL writes no checksums into them",
    "GeoTIFF bytes flipped in the header": "nor for its header, where a coordinate may become another",
    "GeoTIFF descriptions swapped": "the pixels do not name their band",
    "GeoTIFF other UTM zone": "nothing else in the file says where it lies",
    "GeoTIFF moved": "nothing else in the file says where it lies",
    "GeoTIFF plausible date": "nothing else in the file says when it was seen",
    "GeoTIFF sentinel within the range": "an undeclared 1 or 255 may be dark ground",
}

# Writes DN with a hole of zeros, and the hole itself, in some hostile way: gives what was done, the file,
# and what words of the scene would tell of it.
Harm = Callable[[Random, Path, Numbers, Numbers], tuple[str, Path] | tuple[str, Path, str]]


def kinds(folder: Path) -> dict[str, Kind]:
    """Gives the kinds of harm to GeoTIFFs."""
    harms: dict[str, Harm] = {
        "GeoTIFF nodata declared": declared,
        "GeoTIFF nodata undeclared": undeclared,
        "GeoTIFF sentinel within the range": within_range,
        "GeoTIFF zeros beside another nodata": zeros_beside,
        "GeoTIFF nodata in one band": hole_in_one,
        "GeoTIFF scale and offset": scaled,
        "GeoTIFF scale absurd": scale_absurd,
        "GeoTIFF scale of one band": scale_of_one,
        "GeoTIFF scale plausible": scale_plausible,
        "GeoTIFF dtype": other_type,
        "GeoTIFF descriptions lower case": lower_case,
        "GeoTIFF descriptions changed": names_changed,
        "GeoTIFF descriptions swapped": names_swapped,
        "GeoTIFF names against descriptions": names_against,
        "GeoTIFF no CRS": no_crs,
        "GeoTIFF CRS of another kind": absurd_crs,
        "GeoTIFF other UTM zone": other_zone,
        "GeoTIFF grid absurd": grid_absurd,
        "GeoTIFF moved": moved,
        "GeoTIFF mask": masked,
        "GeoTIFF alpha": alpha,
        "GeoTIFF date garbled": date_garbled,
        "GeoTIFF plausible date": date_plausible,
        "GeoTIFF dates disagree": dates_disagree,
        "GeoTIFF baseline and offset tags": radiometry_tags,
        "GeoTIFF SCENE_ID": scene_id,
        "GeoTIFF truncated": truncated,
        "GeoTIFF bytes flipped in the header": flipped_header,
        "GeoTIFF bytes flipped in plain pixels": flipped_pixels,
        "GeoTIFF bytes flipped in deflated pixels": partial(flipped_packed, "deflate"),
        "GeoTIFF bytes flipped in Zstandard pixels": partial(flipped_packed, "zstd"),
    }
    return judged(harms)


def judged(harms: dict[str, Harm]) -> dict[str, Kind]:
    """Makes kinds of what harms the one good raster file."""
    ground = np.random.default_rng(7).integers(150, 4000, (4, *SHAPE)).astype(np.uint16)
    ground[:, ::7] //= 4
    # What is measured must not be what a file declares as missing.
    ground[np.isin(ground, (0, 1, 255, 10_000))] += 2
    hole = np.zeros(SHAPE, bool)
    hole[:9] = hole[20:24, 30:40] = True
    image = ground.astype(np.float32) / 10_000
    image[:, hole] = np.array([[TABLE[band].mean] for band in BANDS])
    truth = Truth(image, ~hole, CRS.from_epsg(32645), GRID, datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC))

    def kind(harm: Harm) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            note, path, *told = harm(rng, here, np.where(hole, 0, ground).astype(np.uint16), hole)
            return scene_case(note, path, truth, BANDS, *told)

        return make

    return {name: kind(harm) for name, harm in harms.items()}


def plain_tags(kind: str) -> dict[str, str]:
    """Floating-point reflectance has no offset."""
    return {"ACQUISITION_DATETIME": TAGS["ACQUISITION_DATETIME"]} if kind.startswith("float") else TAGS


def declared(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    filled, value, kind = sentinel(rng, numbers, hole, rng.choice(["beyond", "within"]))
    return f"{kind} {value}", write(here / "a.tif", filled, nodata=value, tags=plain_tags(kind))


def undeclared(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    filled, value, kind = sentinel(rng, numbers, hole, "beyond")
    return f"{kind} {value}", write(here / "a.tif", filled, tags=plain_tags(kind))


def within_range(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    filled, value, kind = sentinel(rng, numbers, hole, "within")
    return f"{kind} {value}", write(here / "a.tif", filled)


def zeros_beside(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    value = rng.choice([65535, 1])
    return f"zeros, {value} declared", write(here / "a.tif", numbers, nodata=value)


def hole_in_one(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    band = rng.randrange(4)
    filled = numbers.copy()
    filled[:, hole] = 1234
    filled[band, hole] = 0
    return f"band {band}", write(here / "a.tif", filled, nodata=rng.choice([0, None]))


def scaled(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    offset = rng.choice([0, 1000])
    filled = np.where(hole, 0, numbers + offset).astype(rng.choice(["uint16", "int16", "float32", "int32"]))
    scales = [(1e-4, -1e-4 * offset)] * 4
    tags = rng.choice([{}, TAGS | {"BOA_ADD_OFFSET": str(-offset)}])
    return f"offset {offset}", write(here / "a.tif", filled, scales=scales, nodata=0, tags=tags)


ABSURD = (0, -1e-4, float("nan"), float("inf"), 1e18, 1e-18, 10_000)


def scale_absurd(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    pair = rng.choice([(rng.choice(ABSURD), 0.0), (1e-4, rng.choice([float("nan"), float("inf"), -1e9, 1000, -1000]))])
    return str(pair), write(here / "a.tif", numbers, scales=[pair] * 4)


def scale_of_one(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path, str]:
    scales, band = [(1e-4, 0.0)] * 4, rng.randrange(4)
    scales[band] = rng.choice([(1e-3, 0.0), (1e-4, -0.1), (1.0, 0.0), (5e-5, 0.0)])
    told = f"{round(1 / scales[band][0])}" if scales[band][1] == 0 else "-1000"
    return f"{BANDS[band]} {scales[band]}", write(here / "a.tif", numbers, scales=scales), told


def scale_plausible(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path, str]:
    pair, told = rng.choice([((2e-4, 0.0), "/ 5000"), ((1e-4, -0.1), "DN -1000"), ((1e-3, 0.0), "/ 1000")])
    return str(pair), write(here / "a.tif", numbers, scales=[pair] * 4), told


def other_type(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    kind, by = rng.choice([("uint8", 16), ("float32", 1), ("float64", 1), ("int8", 32), ("uint32", 1), ("complex64", 1),
                           ("int32", 1), ("float32", 10_000), ("float64", 10_000), ("float32", 100)])  # fmt: skip
    filled = (numbers / by).astype(kind)
    return f"{kind} / {by}", write(here / "a.tif", filled, tags=plain_tags(kind))


def lower_case(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    names = rng.choice([("b02", "b03", "b04", "b08"), ("B2", "b3", "B4", "b8"), ("B2, 490 nm", "B3 (x)", " B4", "B8 ")])
    return str(names), write(here / "a.tif", numbers, names=names)


def names_changed(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    names: Any = rng.choice([None, ("B02", "B02", "B04", "B08"), ("B02", "B03", "B04", "B99"), ("", "", "", ""),
                             ("B02", "b2", "B04", "B08"), ("red", "green", "blue", "nir"), ("B02", "B03", "B04", "SCL"),
                             ("B02\n", "B03", "B04", "B08x"), ("SCL", "SCL", "B04", "B08")])  # fmt: skip
    return str(names), write(here / "a.tif", numbers, names=names)


def names_swapped(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    return "B03 first", write(here / "a.tif", numbers, names=("B03", "B02", "B04", "B08"))


def names_against(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    name = rng.choice(["x_B02_B03_B04_B08", "B02B03B04B08", "scene_B02-B03-B04-B08_10m"])
    return name, write(here / f"{name}.tif", numbers, names=("B03", "B02", "B04", "B08"))


def no_crs(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    return "no CRS", write(here / "a.tif", numbers, crs=None)


LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'


def absurd_crs(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    """A CRS in which no pixel of 10 lies on the Earth, or that is tied to no place."""
    crs = rng.choice(["EPSG:4326", "EPSG:4258", LOCAL, "EPSG:4978"])
    return crs, write(here / "a.tif", numbers, crs=crs)


def other_zone(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    crs = rng.choice(["EPSG:32644", "EPSG:32745", "EPSG:3857"])
    return crs, write(here / "a.tif", numbers, crs=crs)


def grid_absurd(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    nan, inf = float("nan"), float("inf")
    grid = rng.choice([GRID @ Affine.rotation(3), GRID @ Affine.scale(1, -1), GRID @ Affine.scale(-1, 1),
                       Affine(10, 0, nan, 0, -10, 3e6), Affine(10, 0, 3e5, 0, -10, inf),
                       Affine(10, 0, 1e18, 0, -10, 0), Affine(1e18, 0, 0, 0, -1e18, 0), Affine(10, 0, 3e5, 0, -10, 1e9),
                       Affine(10, 2, 3e5, 0, -10, 3e6), Affine(0, 0, 3e5, 0, 0, 3e6), Affine.identity(),
                       Affine(1e-9, 0, 3e5, 0, -1e-9, 3e6), Affine(-10, 0, 3e5, 0, 10, 3e6)])  # fmt: skip
    return str(tuple(grid)[:6]), write(here / "a.tif", numbers, transform=grid)


def moved(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    grid = GRID @ Affine.translation(rng.choice([1, 10, 1000]), rng.choice([-1, 0.5, 100]))
    return str(tuple(grid)[:6]), write(here / "a.tif", numbers, transform=grid)


def masked(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    filled = numbers.copy()
    filled[:, hole] = 777
    inside = rng.choice([True, False])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
        return f"inside: {inside}", write(here / "a.tif", filled, mask=~hole)


def alpha(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    filled = np.concatenate([numbers, np.where(hole, 0, 65535)[None].astype(np.uint16)])
    filled[:4, hole] = 777
    path = here / "a.tif"
    write(path, filled, names=(*BANDS, None), photometric="MINISBLACK")
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * 3, ColorInterp.alpha]
    return "alpha", path


def date_garbled(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    text = rng.choice(["", "yesterday", "2024-13-45T99:99:99", "0000-00-00T00:00:00", "9" * 5000, "٢٠٢٤-١٠-١٥T٠٤:٥٧:٠١",
                       "9999-99-99T00:00:00 2024-10-15T04:57:01", "15/10/2024"])  # fmt: skip
    tags = {"BOA_ADD_OFFSET": "0", "TIFFTAG_DATETIME": "2020:01:01 00:00:00", "ACQUISITION_DATETIME": text}
    name = rng.choice(["a", "scene_2024-10-15", "T45RVL_20241015T045701", "x_20249999T999999", "_2024-99-99"])
    return f"{name} {text[:40]}", write(here / f"{name}.tif", numbers, tags=tags)


def date_plausible(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    tags = TAGS | {"ACQUISITION_DATETIME": "2019-06-01T04:57:01"}
    return "2019", write(here / "a.tif", numbers, tags=tags)


def dates_disagree(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    """Two of the places that tell a time tell different years."""
    wrong = "2019-06-01T04:57:01"
    name, tags = rng.choice([
        ("a", {"PRODUCT_START_TIME": "2024-10-15T04:57:01", "ACQUISITION_DATETIME": wrong}),
        ("S2A_MSIL2A_20241015T045701_N0213_R119_T45RVL_20241015T085701", {"ACQUISITION_DATETIME": wrong}),
        ("S2A_MSIL2A_20241015T045701_N0213_R119_T45RVL_20241015T085701_B02_B03_B04_B08", {"PRODUCT_START_TIME": wrong}),
    ])  # fmt: skip
    return name, write(here / f"{name}.tif", numbers, tags={"BOA_ADD_OFFSET": "0"} | tags)


def radiometry_tags(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path, str]:
    tags = rng.choice([{"BOA_ADD_OFFSET": value} for value in ("-1000", "nan", "inf", "-1e18", "", "x", "1000", "-500")]
                      + [{"PROCESSING_BASELINE": value} for value in ("05.10", "99.99", "nan", "-1", "x", "02.14")]
                      + [{"BOA_ADD_OFFSET": "0", "PROCESSING_BASELINE": "05.10"},
                         {"BOA_ADD_OFFSET": "-1000", "RADIO_ADD_OFFSET": "0"}])  # fmt: skip
    tags = {"ACQUISITION_DATETIME": TAGS["ACQUISITION_DATETIME"]} | tags
    return str(tags), write(here / "a.tif", numbers, tags=tags), "from its tag"


def scene_id(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    text = rng.choice(["/../../../x/thesis", "..", ".", "*", "[/b]", "a" * 5000, "", " ", "con", "a\nb", "$x_{$",
                       "a|b<c>", "C:\\x", "a\tb", "ü", "-rf", "\u202egpj", "a/", "NUL.txt", "~", "{}"])  # fmt: skip
    return repr(text[:40]), write(here / "a.tif", numbers, tags=TAGS | {"SCENE_ID": text})
