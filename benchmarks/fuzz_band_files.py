"""Harmed VRTs and folders of band files; see `fuzz.py`."""

from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from affine import Affine
from fuzz_case import NO_FILE_TELLS, Kind, flip
from fuzz_rasters import BANDS, GRID, SHAPE, TAGS, Harm, Numbers, judged, write

NO_FILE_TELLS |= {
    "VRT bytes flipped": "text without checksums, in which one digit may become another",
    "band folder: files swapped": "a file that is not described is what its name says",
}


def kinds(folder: Path) -> dict[str, Kind]:
    """Gives the kinds of harm to several files that make one scene."""
    harms: dict[str, Harm] = {
        "VRT nodata of each band": vrt_nodata,
        "VRT of missing files": vrt_missing,
        "VRT bytes flipped": vrt_flipped,
        "VRT truncated": vrt_truncated,
        "band folder: good": partial(folder_of, None),
        "band folder: file missing": partial(folder_of, "missing"),
        "band folder: other grid": partial(folder_of, "grid"),
        "band folder: other date": partial(folder_of, "date"),
        "band folder: other offset": partial(folder_of, "offset"),
        "band folder: file damaged": partial(folder_of, "damaged"),
        "band folder: files swapped": partial(folder_of, "swapped"),
        "band folder: files swapped, described": partial(folder_of, "described"),
    }
    return judged(harms)


def vrt(here: Path, numbers: Numbers, nodata: list[int], hole: Numbers) -> Path:
    """A VRT of one file a band, each with its own nodata."""
    bands = []
    for name, plane, value in zip(BANDS, numbers, nodata, strict=True):
        filled = np.where(hole, value, plane).astype(np.uint16)[None]
        write(here / f"{name.lower()}_x.tif", filled, names=(name,), nodata=value, count=1)
        bands.append(
            f'<VRTRasterBand dataType="UInt16" band="{len(bands) + 1}"><Description>{name}</Description>'
            f"<NoDataValue>{value}</NoDataValue><SimpleSource>"
            f'<SourceFilename relativeToVRT="1">{name.lower()}_x.tif</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>\n"
        )
    tags = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in TAGS.items())
    path = here / "a.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{SHAPE[1]}" rasterYSize="{SHAPE[0]}"><SRS>EPSG:32645</SRS>\n'
        f"<GeoTransform>{', '.join(map(str, GRID.to_gdal()))}</GeoTransform>\n<Metadata>{tags}</Metadata>\n"
        f"{''.join(bands)}</VRTDataset>\n"
    )
    return path


def vrt_nodata(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    values = [rng.choice([0, 65535, 5000]) for _ in BANDS]
    return str(values), vrt(here, numbers, values, hole)


def vrt_missing(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = vrt(here, numbers, [0] * 4, hole)
    victim = here / f"{rng.choice(BANDS).lower()}_x.tif"
    how = rng.choice(["gone", "empty", "cut", "text"])
    content = {"empty": b"", "cut": victim.read_bytes()[: rng.randrange(3000)], "text": b"<html>404</html>"}
    victim.unlink()
    if how != "gone":
        victim.write_bytes(content[how])
    return how, path


def vrt_flipped(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = vrt(here, numbers, [0] * 4, hole)
    path.write_bytes(flip(rng, path.read_bytes(), most=4))
    return "flipped", path


def vrt_truncated(rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path]:
    path = vrt(here, numbers, [0] * 4, hole)
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) - 3)])
    return "cut", path


def folder_of(harm: str | None, rng: Random, here: Path, numbers: Numbers, hole: Numbers) -> tuple[str, Path, str]:
    """One file a band, named as in products, one of them harmed."""
    victim = rng.choice(BANDS)
    folder = here / "bands"
    folder.mkdir()
    order = dict(zip(BANDS, numbers, strict=True))
    if harm in ("swapped", "described"):
        order["B02"], order["B03"] = order["B03"], order["B02"]
    for name, plane in order.items():
        bad = name == victim
        day = "20200101" if bad and harm == "date" else "20241015"
        path = folder / f"T45RVL_{day}T045701_{name}{rng.choice(['', '_10m'])}{rng.choice(['.tif', '.TIF', '.tiff'])}"
        tags = {"BOA_ADD_OFFSET": "-1000" if bad and harm == "offset" else "0"}
        grid = GRID @ Affine.translation(*rng.choice([(1, 0), (0, -3)])) if bad and harm == "grid" else GRID
        described = {"B02": "B03", "B03": "B02"}.get(name, name) if harm == "described" else name
        names = None if harm == "swapped" else (described,)
        write(path, plane[None] if harm != "offset" else np.where(plane, plane + 600, 0).astype(np.uint16)[None],
              count=1, names=names, tags=tags, transform=grid)  # fmt: skip
        if bad and harm == "missing":
            path.unlink()
        if bad and harm == "damaged":
            path.write_bytes(flip(rng, path.read_bytes()[:1000]))
    return f"{harm} {victim}", folder, ""
