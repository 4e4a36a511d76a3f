"""The steep lakefront of a lake: how far it could fall if its dam gave way, after Fujita et al. 2013."""

import math
from dataclasses import dataclass

import numpy as np

from glofgeo.hazard.ground import PIXEL_M, Ground

# Fujita et al. 2013, Natural Hazards and Earth System Sciences 13, 1827-1839: no outburst is known of a lake from whose
# shore the ground falls by less than 10 degrees within 1 km.
STEEP_DEG = 10.0
FARTHEST_M = 1000.0
# Closer than this, errors between neighbouring pixels of the DEM are steeper than any front (Rounce et al. 2016,
# Hydrology and Earth System Sciences 20, 3455-3475).
NEAREST_M = 100.0


@dataclass(frozen=True)
class Lakefront:
    """The ground below a lake, as seen from its shore.

    Attributes:
        angle_deg: greatest angle down from the nearest shore to ground 100 to 1000 m away; 0 where none is lower.
        lowering_m: Hp: by how much the lake can fall until that angle is 10 degrees; 0 without a steep front.
        steep_km2: area of the ground that is seen more than 10 degrees down.
    """

    angle_deg: float
    lowering_m: float
    steep_km2: float


def steep_lakefront(ground: Ground) -> Lakefront | None:
    """Measures the steep lakefront.

    The angle points down, from the lake's surface at the shore to the ground; Hp = (z_lake - z) - d tan 10 degrees, at
    the pixel of the greatest angle.

    Returns:
        None where the lake lies in a void of the DEM, or a tenth of the ground around it does.
    """
    distance = ground.distance(ground.outline, FARTHEST_M)
    zone = (distance > NEAREST_M) & (distance <= FARTHEST_M)
    known = zone & ~np.isnan(ground.height)
    if math.isnan(ground.level_m) or known.sum() < 0.9 * zone.sum():
        return None
    fall = ground.level_m - ground.height[known].astype(np.float64)
    away = distance[known]
    angle = np.degrees(np.arctan2(fall, away))
    best = int(angle.argmax())
    steep = angle > STEEP_DEG
    lowering = fall[best] - away[best] * math.tan(math.radians(STEEP_DEG)) if steep[best] else 0.0
    return Lakefront(max(float(angle[best]), 0.0), float(lowering), float(steep.sum()) * PIXEL_M**2 / 1e6)
