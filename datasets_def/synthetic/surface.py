"""What a satellite sees of a synthetic landscape on one day: ground cover, light, cloud, classification."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from datasets_def.bands import BANDS
from datasets_def.synthetic.lakes import Lake, draw
from datasets_def.synthetic.terrain import Floats, Halves, Land, noise, shift, step_at, sunlight

NODES_NM = (493.0, 560.0, 665.0, 833.0, 1614.0, 2202.0)

# Round figures in the usual order of brightness and colour of these covers; choices, not measurements.
SPECTRA: dict[str, tuple[float, ...]] = {
    "rock": (0.090, 0.103, 0.124, 0.178, 0.240, 0.215),
    "scree": (0.135, 0.160, 0.190, 0.225, 0.290, 0.270),
    "meadow": (0.045, 0.070, 0.080, 0.240, 0.210, 0.120),
    "gravel": (0.170, 0.195, 0.220, 0.250, 0.300, 0.280),
    "river": (0.190, 0.210, 0.180, 0.095, 0.015, 0.010),
    "ice": (0.390, 0.402, 0.402, 0.425, 0.040, 0.030),
    "wet ice": (0.330, 0.350, 0.290, 0.200, 0.015, 0.010),
    "debris": (0.112, 0.125, 0.142, 0.180, 0.200, 0.185),
    "snow": (0.870, 0.870, 0.875, 0.890, 0.120, 0.090),
    "old snow": (0.800, 0.805, 0.785, 0.750, 0.070, 0.050),
    "lake ice": (0.590, 0.600, 0.595, 0.605, 0.050, 0.040),
    "mud": (0.120, 0.145, 0.170, 0.190, 0.200, 0.170),
    "cloud": (0.790, 0.780, 0.780, 0.800, 0.600, 0.480),
}


@dataclass(frozen=True)
class View:
    """A landscape on one day, all `(H, W)` float16 in 0-1 unless said otherwise.

    Attributes:
        layers: ground cover by the name of its spectrum, in the order of painting over bare rock.
        texture: roughness of the ground, about 1, which the eye reads as rock or rubble.
        tint: slow variation of colour, mean 0 and deviation 1.
        lakes: the lakes, drained ones too.
        lake: `(H, W)` int16, the lake's place in `lakes` where `water` is above 0.
        water: share of the pixel that is open or frozen lake.
        sheet: share of the lake's surface under ice, and its icebergs.
        direct: direct sunlight relative to flat ground (0 and up), without shadows of clouds.
        cloud: opacity of cloud.
        cloud_shadow: share of the direct light that cloud takes away.
    """

    layers: dict[str, Halves]
    texture: Halves
    tint: Halves
    lakes: Sequence[Lake]
    lake: NDArray[np.int16]
    water: Halves
    sheet: Halves
    direct: Halves
    cloud: Halves
    cloud_shadow: Halves


def look(
    rng: np.random.Generator,
    day: np.random.Generator,
    land: Land,
    lakes: Sequence[Lake],
    when: datetime,
    sun: tuple[float, float],
    clouds: float,
) -> View:
    """Looks at a landscape on one day.

    Args:
        rng: randomness of the place, the same at every date.
        day: randomness of the day.
        land: the landscape, its lakes already laid in.
        lakes: its lakes.
        when: the day.
        sun: zenith and azimuth in degrees.
        clouds: share of the scene under cloud, thin edges included.
    """
    size = len(land.height)
    share, index = draw(lakes, when, size)
    dry = np.array([lake.drained(when) for lake in lakes])[index]
    water, bed = share * ~dry, share * dry
    ground = 1 - share
    del share, dry

    def cover(layer: Floats | Halves) -> Halves:
        return (layer * ground).astype(np.float16)

    tint = noise(rng, size, 1500, 160, 1.2)
    texture = (1 + 0.12 * noise(rng, size, 160, 20, 0.5) + 0.05 * tint).astype(np.float16)
    direct = _direct(land, water, sun)
    season = float(np.cos(2 * np.pi * (when.timetuple().tm_yday - 40) / 365))

    down, right = np.gradient(land.height, np.float32(10.0))
    slope = np.hypot(down, right)
    layers = {
        "scree": cover(step_at(-slope, -0.62, 0.05) * step_at(tint, 0.1, 0.35)),
        "meadow": cover(
            0.85 * step_at(-land.height, -4930, 25) * step_at(-slope, -0.45, 0.06) * step_at(tint, -0.7, 0.25)
        ),
        "gravel": cover(land.gravel),
        "ice": cover(land.ice),
    }
    del right
    # Melt and medial moraines run along the flow.
    stripes = np.cos(land.flow / np.float32(34) + 1.5 * tint)
    melt = step_at(0.6 * stripes + noise(rng, size, 600, 80, 1.2), 1.1, 0.12)
    layers["wet ice"] = cover(melt * land.ice)
    moraine = 0.6 * step_at(stripes - 0.5 * tint, 0.93, 0.04)
    layers["debris"] = cover(np.maximum(land.debris, moraine * land.ice))
    layers["river"] = cover(land.river)
    del stripes, melt, moraine

    # Snow lies above a line that falls in winter, lower on slopes that face north and in patches below it.
    line = 5500 - 170 * season + 50 * float(day.standard_normal())
    cold = land.height - 130 * np.clip(down, -1, 1) + 55 * tint - line
    del down
    snow = step_at(cold, 0, 14) * step_at(-slope, -1.25, 0.06)
    drift = cold + 60 * noise(day, size, 400, 80, 1.0) + 72 * tint
    snow = np.maximum(snow, 0.8 * step_at(drift, -30, 12) * step_at(-slope, -0.8, 0.06))
    del drift, slope
    layers["old snow"] = cover(snow)
    layers["snow"] = cover(snow * step_at(cold + 90 * tint, 150, 50))
    layers["mud"] = bed
    del snow, cold

    sheet = _lake_ice(rng, day, lakes, index, season, size)
    cloud, cloud_shadow = _clouds(day, size, sun, clouds)
    return View(
        layers=layers,
        texture=texture,
        tint=tint.astype(np.float16),
        lakes=lakes,
        lake=index,
        water=water,
        sheet=sheet.astype(np.float16),
        direct=direct,
        cloud=cloud.astype(np.float16),
        cloud_shadow=cloud_shadow.astype(np.float16),
    )


def _direct(land: Land, water: Halves, sun: tuple[float, float]) -> Halves:
    """Returns the direct sunlight, lakes lying level."""
    direct, shadow = sunlight(land.height, *sun)
    return ((direct * (1 - water) + water) * (1 - shadow)).astype(np.float16)


def _lake_ice(
    rng: np.random.Generator,
    day: np.random.Generator,
    lakes: Sequence[Lake],
    index: NDArray[np.int16],
    season: float,
    size: int,
) -> Floats:
    """Returns the share of each pixel's lake surface under a sheet of ice or an iceberg."""
    # About a sixth of the lakes carry some ice in October and a third in February; none is closed altogether.
    frozen = 0.20 + 0.12 * season
    begun = np.array([np.clip((frozen - lake.freezes) / frozen, 0, 1) for lake in lakes])
    edge = 1.6 - 1.9 * begun + 0.25 * day.standard_normal(len(lakes))
    edge[begun == 0] = 9
    bergs = np.array([2.1 if lake.icebergs else 9 for lake in lakes])
    sheet = step_at(noise(day, size, 500, 120, 1.6) - edge[index].astype(np.float32), 0, 0.05)
    return np.maximum(sheet, step_at(noise(rng, size, 120, 30, 0.5) - bergs[index].astype(np.float32), 0, 0.1))


def _clouds(day: np.random.Generator, size: int, sun: tuple[float, float], share: float) -> tuple[Floats, Floats]:
    """Returns the opacity of cloud and the light its shadow takes, the cloud being 1400 m above the ground."""
    field = noise(day, size, 3500, 100, 1.7)
    if share <= 0:
        return np.zeros_like(field), np.zeros_like(field)
    edge = float(np.quantile(field[::8, ::8], 1 - share))
    opacity = np.clip((field - edge) / 0.45, 0, 1)
    opacity *= 0.97 * (2 - opacity)
    zenith, azimuth = math.radians(sun[0]), math.radians(sun[1])
    away = 1400 * math.tan(zenith)
    return opacity, 0.85 * shift(opacity, away * math.sin(azimuth), away * math.cos(azimuth), 0.0)


def spectrum(name: str, band: str) -> float:
    """Returns the reflectance of a material in a band, between the nodes of its spectrum by straight lines."""
    return float(np.interp(BANDS[band].wavelength, NODES_NM, SPECTRA[name]))


def reflectance(view: View, band: str, toa: bool) -> Floats:
    """Paints a view in one band.

    Args:
        view: the landscape on a day.
        band: name of the band.
        toa: top of the atmosphere instead of the surface.

    Returns:
        `(H, W)` float32 reflectance, 1.0 = 100 %, blurred by half a pixel, free of noise.
    """
    wavelength = BANDS[band].wavelength
    rho = spectrum("rock", band) * (1 + 0.12 * view.tint.astype(np.float32))
    for name, layer in view.layers.items():
        rho += layer * (np.float32(spectrum(name, band)) - rho)
    # Snow and ice are smoother than rock.
    rough = 1 - 0.8 * np.maximum(view.layers["old snow"], 0.75 * view.layers["ice"])
    rho *= 1 + (view.texture - 1) * rough

    nodes = [*NODES_NM[:4], 1000.0, 2202.0]
    body = np.array(
        [np.interp(wavelength, nodes, [*lake.water, 0.004, 0.002]) for lake in view.lakes],
        np.float32,
    )[view.lake]
    body *= 1 + 0.03 * view.tint
    body += view.sheet * (np.float32(spectrum("lake ice", band)) - body)
    rho += view.water * (body - rho)
    del body, rough

    # Skylight is the bluer part of the light (Rayleigh scattering, softened by aerosol), and with 0.05 from
    # sunlit slopes opposite all there is in shadow.
    sky = 0.12 * (wavelength / 492.7) ** -2.3
    light = np.minimum(view.direct, np.float16(1.7)) * (1 - view.cloud_shadow.astype(np.float32))
    rho *= (0.95 - sky) * light + sky + 0.05
    rho += view.cloud * (np.float32(spectrum("cloud", band)) - rho)
    if toa:
        haze = 0.075 * (wavelength / 492.7) ** -3
        rho = haze + (1 - haze) * rho
    if band == "B10":
        # Water vapour hides the ground at 1375 nm; only high cloud shows.
        rho = 0.0015 + 0.01 * view.cloud.astype(np.float32)
    return gaussian_filter(rho, 0.5)


def classify(view: View, green: Floats, red: Floats, nir: Floats) -> NDArray[np.uint8]:
    """Returns the scene classification at 20 m, with the mistakes Sen2Cor's thresholds make in the mountains.

    Clear lakes are water, milky and frozen ones come out as bare ground, snow or unclassified; shadow is dark area.

    Args:
        view: the landscape on a day.
        green: `(ceil(H / 2), ceil(W / 2))` reflectance of B03 at 20 m.
        red: the same of B04.
        nir: the same of B08.
    """
    frozen = np.maximum(view.layers["old snow"], np.maximum(view.layers["ice"], view.water * view.sheet))
    white = halve(frozen.astype(np.float32))
    cloud, shade = halve(view.cloud.astype(np.float32)), halve(view.cloud_shadow.astype(np.float32))
    light = halve(view.direct.astype(np.float32))
    ndwi = (green - nir) / np.maximum(green + nir, 1e-3)
    ndvi = (nir - red) / np.maximum(nir + red, 1e-3)
    scl = np.full(green.shape, 5, np.uint8)
    scl[np.abs(ndwi) < 0.03] = 7
    scl[ndvi > 0.33] = 4
    scl[(ndwi > 0.05) & (nir < 0.12)] = 7
    scl[(white > 0.5) & (green > 0.25)] = 11
    scl[(light < 0.25) & (green < 0.14)] = 2
    scl[(ndwi > 0.25) & (nir < 0.06) & (green > 0.02)] = 6
    scl[shade > 0.35] = 3
    scl[cloud > 0.12] = 10
    scl[cloud > 0.35] = 8
    scl[cloud > 0.7] = 9
    return scl


def halve(field: Floats, times: int = 2) -> Floats:
    """Averages `times` x `times` pixels; a ragged last row or column is continued outwards first."""
    rows, cols = (-(-n // times) for n in field.shape)
    padded = np.pad(field, ((0, rows * times - field.shape[0]), (0, cols * times - field.shape[1])), mode="edge")
    return padded.reshape(rows, times, cols, times).mean(axis=(1, 3), dtype=np.float32)
