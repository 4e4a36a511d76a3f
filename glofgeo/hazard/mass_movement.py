"""Avalanches of ice and falls of rock that can reach a lake, after Rounce et al. 2016 and 2017.

Rounce et al. 2016, Hydrology and Earth System Sciences 20, 3455-3475, and the code of Rounce et al. 2017. The criterion
is meant to miss nothing: of eight Nepalese lakes six are within reach of an avalanche, seven of a rockfall.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from glofgeo.hazard.drainage import Drainage
from glofgeo.hazard.ground import PIXEL_M, Ground

# Slopes that release: of ice from 45 to 60 degrees, of other ground from 30 degrees on.
ICE_DEG = (45.0, 60.0)
ROCK_DEG = 30.0
# Depths of ice that may come off, in metres, and the least volume that counts, in m3.
DEPTHS_M = (10, 30, 50)
LEAST_M3 = 1e5
# The mean slope of the way that an avalanche needs at least, and a rockfall, in degrees.
AVALANCHE_DEG = 17.0
ROCKFALL_DEG = 20.0


@dataclass(frozen=True)
class Reach:
    """What can reach a lake.

    Attributes:
        avalanche_deg: greatest mean slope of the way from a source of ice to the lake; 0 without a source above it.
        avalanche_depth_m: least of the depths 10, 30 and 50 m at which the ice that comes off reaches the lake; 0 if it
            does at none.
        rockfall_deg: greatest mean slope of the way from a source of rock; 0 without a source above it.
    """

    avalanche_deg: float
    avalanche_depth_m: float
    rockfall_deg: float


def reach_angle(volume_m3: float) -> float:
    """Gives the least mean slope in degrees of the way of an avalanche: tan a = 1.111 - 0.118 log10 V, at least 17.

    Huggel et al. 2004, Canadian Geotechnical Journal 41, 1068-1083.
    """
    return max(math.degrees(math.atan(1.111 - 0.118 * math.log10(volume_m3))), AVALANCHE_DEG)


def movements(ground: Ground, drainage: Drainage, ice: npt.NDArray[np.bool_]) -> Reach:
    """Finds what can reach a lake along the way that water takes to it.

    Args:
        ground: around the lake.
        drainage: of it.
        ice: `(H, W)` bool, glacier.
    """
    above = drainage.catchment & ~ground.lake & (drainage.way_m > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.degrees(np.arctan((ground.height - ground.level_m) / drainage.way_m))
        steep_ice = above & ice & (ground.slope >= ICE_DEG[0]) & (ground.slope <= ICE_DEG[1])
        rock = above & ~ice & (ground.slope >= ROCK_DEG)
    # A source goes on behind the water divide, where what comes off does not reach this lake.
    zone, zones = label(steep_ice, structure=np.ones((3, 3)))
    area = np.bincount(zone.ravel(), minlength=zones + 1)[1:] * PIXEL_M**2
    steepest = np.zeros(zones + 1)
    np.maximum.at(steepest, zone[steep_ice], angle[steep_ice])
    hits = [depth for depth in DEPTHS_M if _hits(area * depth, steepest[1:])]
    large = area * DEPTHS_M[-1] > LEAST_M3
    return Reach(
        avalanche_deg=float(steepest[1:][large].max(initial=0.0)),
        avalanche_depth_m=float(hits[0]) if hits else 0.0,
        rockfall_deg=float(angle[rock].max(initial=0.0)),
    )


def _hits(volumes: npt.NDArray[np.floating], angles: npt.NDArray[np.floating]) -> bool:
    return any(
        volume > LEAST_M3 and angle >= reach_angle(volume)
        for volume, angle in zip(volumes.tolist(), angles.tolist(), strict=True)
    )
