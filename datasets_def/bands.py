"""The Sentinel-2 MSI band table."""

from dataclasses import dataclass


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

DEFAULT_BANDS: tuple[str, ...] = ("B02", "B03", "B04", "B08")
