"""The Sentinel-2 MSI band table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from datasets_def.errors import GlofgeoError


@dataclass(frozen=True)
class Band:
    """One MSI band.

    Attributes:
        name: as in the product's file names, for example ``"B8A"``.
        band_id: number of the band in the product's metadata (``band_id`` of ``BOA_ADD_OFFSET``).
        resolution: native ground sampling distance in metres.
        wavelength: central wavelength of Sentinel-2A in nanometres.
        mean: typical mean reflectance of a high-mountain scene (1.0 = 100 %).
        std: typical standard deviation of the same.
    """

    name: str
    band_id: int
    resolution: int
    wavelength: float
    mean: float
    std: float


# Names, ids, resolutions and wavelengths: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD).
# Means and deviations are rounded choices between a snow-free alpine scene (0.10, 0.07) and one half under snow
# (0.35, 0.30); they only set the scale at which a model sees reflectance, and travel with its checkpoint.
_TABLE = (
    Band("B01", 0, 60, 442.7, 0.16, 0.16),
    Band("B02", 1, 10, 492.7, 0.16, 0.16),
    Band("B03", 2, 10, 559.8, 0.17, 0.16),
    Band("B04", 3, 10, 664.6, 0.17, 0.17),
    Band("B05", 4, 20, 704.1, 0.20, 0.17),
    Band("B06", 5, 20, 740.5, 0.24, 0.17),
    Band("B07", 6, 20, 782.8, 0.25, 0.17),
    Band("B08", 7, 10, 832.8, 0.26, 0.17),
    Band("B8A", 8, 20, 864.7, 0.26, 0.17),
    Band("B09", 9, 60, 945.1, 0.26, 0.17),
    Band("B10", 10, 60, 1373.5, 0.01, 0.01),
    Band("B11", 11, 20, 1613.7, 0.16, 0.12),
    Band("B12", 12, 20, 2202.4, 0.12, 0.10),
)

BANDS: dict[str, Band] = {band.name: band for band in _TABLE}


@dataclass(frozen=True)
class TerrainBand:
    """What a DEM tells of every pixel, to be read beside the bands.

    Attributes:
        name: as it is asked for.
        meaning: in words, with its unit.
        quantification: DN per 1.0.
        mean: typical mean in high mountains.
        std: typical standard deviation of the same.
    """

    name: str
    meaning: str
    quantification: float
    mean: float
    std: float


# In units in which they are as large as reflectance. Means and deviations are rounded choices for ground of 25 degrees
# on average, a tenth of it in shadow.
TERRAIN: dict[str, TerrainBand] = {
    "slope": TerrainBand("slope", "slope of the ground, 1.0 = 90 degrees", 9000.0, 0.28, 0.17),
    "shadow": TerrainBand("shadow", "1.0 where terrain keeps the sun away, else 0", 1.0, 0.1, 0.3),
}

# All that a scene can be read for.
CHANNELS: dict[str, Band | TerrainBand] = BANDS | TERRAIN

DEFAULT_BANDS: tuple[str, ...] = ("B02", "B03", "B04", "B08")

# Reflectance is (DN + offset) / 10000, with this offset from processing baseline 04.00 on and none before
# (Sentinel-2 processing-baseline notice 04.00).
QUANTIFICATION = 10000.0
OFFSET = -1000.0


def stored_bands(bands: Sequence[str]) -> tuple[str, ...]:
    """Gives those of the bands that a scene stores: all but `TERRAIN`.

    Raises:
        GlofgeoError: If there is none, or a band is unknown.
    """
    stored = tuple(band for band in bands if band not in TERRAIN)
    unknown = [band for band in stored if band not in BANDS]
    if unknown or not stored:
        raise GlofgeoError(
            f"unknown band {', '.join(unknown) or '(none)'}: Sentinel-2 has {', '.join(BANDS)}, "
            f"and a DEM gives {' and '.join(TERRAIN)}"
        )
    return stored


def require_dem(bands: Sequence[str], dem: object) -> None:
    """Refuses terrain bands where there is no DEM.

    Raises:
        GlofgeoError: If there is none, and one is needed.
    """
    wanted = [band for band in bands if band in TERRAIN]
    if wanted and not dem:
        raise GlofgeoError(
            f"{' and '.join(wanted)} must be computed from a DEM, and there is none", "give one", argument="dem"
        )


# As STAC catalogues and other programs name the bands of 10 m.
_COLOURS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}

# `B2`, `B02_10m`, `B2, central wavelength 490 nm`; Earth Engine puts the number or the name of an image before it, and
# what it reduced several to behind it.
_BAND = re.compile(
    r"(?ix)\s* (?:\d+_ | \w*_T\d\d[A-Z]{3}_)? (?: B0?(?P<digit>\d) | B(?P<other>1[0-2]|8A) | (?P<classes>SCL) )"
    r"(?:_\d0m | _median | _mean)? \s* (?:$ | [,(] | -\s)"
)


def band_name(text: str) -> str:
    """Reads a band's name: `b2`, `blue` and `B2, central wavelength 490 nm` are `B02`; other text is left as it is."""
    colour = _COLOURS.get(text.strip().lower())
    found = _BAND.match(text)
    if colour or not found:
        return colour or text.strip()
    if found["digit"]:
        return f"B0{found['digit']}"
    return f"B{found['other'].upper()}" if found["other"] else "SCL"


# Names of files of one band, without ending: `B02`, `T45RVL_20241015T045701_B03_10m`, `…_B02_(Raw)` of Copernicus
# Browser; its name and its resolution.
FILE_NAME = re.compile(r"(?i)(?:.*[_.-])?(B\d[\dA]?|SCL|blue|green|red|nir)(?:[_-](\d0)m)?(?:_\(Raw\))?")
# Names of files that list their bands: `…_B02B03B04B08_12m`, `…_B02_B03_B04_B08`.
_LIST = re.compile(r"(?:B\d[\dA][_-]?){2,}")


def listed_bands(stem: str) -> list[str]:
    """Gives the bands that the name of a file lists, in order; empty where it lists none or one."""
    run = _LIST.search(stem)
    return re.findall(r"B\d[\dA]", run[0]) if run else []


def band_names(stem: str, descriptions: Sequence[str | None]) -> list[str]:
    """Names the bands of a file: by their descriptions, or by the file's name, which tells one band or lists them all.

    Args:
        stem: name of the file without ending.
        descriptions: of its bands, None or empty where there is none.

    Raises:
        GlofgeoError: If a file of one band is named for another band than its description says.
    """
    names = [band_name(text or "") for text in descriptions]
    listed = listed_bands(stem)
    if not any(names) and len(listed) == len(names):
        return listed
    match = FILE_NAME.fullmatch(stem)
    if len(names) > 1 or match is None:
        return names
    if names[0] in BANDS and names[0] != band_name(match[1]):
        raise GlofgeoError(f"{stem}: is named for {match[1].upper()}, but its band is described as {names[0]}")
    return [band_name(match[1])]
