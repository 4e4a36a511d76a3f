"""What there is to doubt about each lake of a layer, from its own columns."""

import geopandas as gpd
import numpy as np

# A flag, the column it is told by, and the range of values that raise it.
_FLAGS = (
    ("cut", "touches_edge", 0.5, np.inf),
    ("partly observed", "valid_frac", -np.inf, 0.95),
    ("few pixels", "n_px", -np.inf, 20),
    ("in shadow", "shadow_frac", 0.5, np.inf),
    # Water lies level: ground this steep in a DEM of 30 m is no lake, or the lake is younger than the DEM.
    ("steep", "mean_slope", 10.0, np.inf),
)


def qa_flags(lakes: gpd.GeoDataFrame) -> list[str]:
    """Lists for each lake what is to be checked before it is believed.

    `cut`: by the scene's edge or cloud, so that its area is a lower bound. `partly observed`: less than 95 % of its
    surroundings were seen. `few pixels`: fewer than 20. `in shadow`: half of it or more. `steep`: the DEM slopes by 10
    degrees or more on it. `DEM void`: there is no height. A flag whose column a layer lacks is never raised.

    Returns:
        One text a lake, flags joined by `, `; empty where there is nothing.
    """
    raised = [
        (name, ((values >= low) & (values < high)).to_numpy())
        for name, column, low, high in _FLAGS
        if column in lakes
        for values in [lakes[column].astype("float64")]
    ]
    if "elev_m" in lakes:
        raised.append(("DEM void", lakes["elev_m"].isna().to_numpy()))
    return [", ".join(name for name, which in raised if which[i]) for i in range(len(lakes))]
