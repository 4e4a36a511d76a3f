"""Losses across dates at which a lake was not observed, which neighbouring dates do not show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from glofgeo.change.links import Links
from glofgeo.change.read_layer import LakeLayer
from glofgeo.change.significance import z_score


def across_gaps(
    series: pd.DataFrame, layers: Sequence[LakeLayer], graphs: Sequence[Links], of_lake: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Finds losses over dates at which lakes were hidden, from the last date before to the first one after.

    Without that, a cloud between two dates would hide every loss, and so would a date of a neighbouring scene.

    Args:
        series: as `lake_series` gives them.
        layers: in the order of their dates.
        graphs: the links of each pair of neighbouring layers.
        of_lake: by name of layer, the `series_id` of each of its lakes.

    Returns:
        A row for each loss, with the columns that `find_alerts` takes of a comparison; `cluster_id` is that of the lake
        in the links from `layer_before` on, `class` tells `shrank` or `vanished` by the areas alone.
    """
    place = {layer.name: i for i, layer in enumerate(layers)}
    told = series.assign(place=series["layer"].map(place))
    told = told[told["state"] != "not_observed"]
    first, second = told.iloc[:-1].reset_index(drop=True), told.iloc[1:].reset_index(drop=True)
    hidden = second["place"] - first["place"] > 1
    lost = second["area_m2"] < first["area_m2"]
    pairs = (first["series_id"] == second["series_id"]) & hidden & lost
    first, second = first[pairs], second[pairs]
    change = second["area_m2"] - first["area_m2"]
    sigmas = first["sigma_m2"].to_numpy(float), second["sigma_m2"].to_numpy(float)
    return pd.DataFrame(
        {
            "cluster_id": [
                _cluster(layers[i], graphs[i], of_lake[layers[i].name] == member)
                for i, member in zip(first["place"], first["series_id"], strict=True)
            ],
            "lake_id": first["lake_id"].fillna(""),
            "class": np.where(second["n_lakes"] == 0, "vanished", "shrank"),
            "layer_before": first["layer"],
            "layer_after": second["layer"],
            "date_before": first["date"],
            "date_after": second["date"],
            "area_before_m2": first["area_m2"],
            "area_after_m2": second["area_m2"],
            "change_m2": change,
            "z": z_score(change.to_numpy(float), *sigmas),
            "n_after": second["n_lakes"],
            "observed_after": second["observed"],
        }
    ).reset_index(drop=True)


def _cluster(layer: LakeLayer, graph: Links, lakes: np.ndarray) -> int:
    """The cluster of the largest of these lakes, from this layer to the next one."""
    which = np.flatnonzero(lakes)
    return int(graph.cluster_before[which[layer.lakes["area_m2"].to_numpy()[which].argmax()]])
