"""What became of each cluster of lakes between two layers: its class, its change of area, and how sure that is."""

from typing import Any

import numpy as np
import pandas as pd

from glofgeo.change.links import Links, link_layers, within_a_pixel
from glofgeo.change.observed import observed_shares
from glofgeo.change.read_layer import LakeLayer
from glofgeo.change.significance import SIGNIFICANT_Z, z_score

# Classes, with what they mean.
CLASSES = {
    "persisted": "one lake at both dates, no significant change of area",
    "grew": "one lake at both dates, significantly larger",
    "shrank": "one lake at both dates, significantly smaller",
    "new": "no lake there at the earlier date",
    "vanished": "no lake there at the later date",
    "merged": "several lakes became one",
    "split": "one lake became several",
    "complex": "several lakes became several others",
    "carried_over": "outline copied from the earlier layer: no new observation",
    "not_observed": "less than 95 % of its ground was seen at one of the dates, or its outline is cut there",
    "weak_link": "overlap under a tenth of the smaller outline, or a gap of at most a pixel: same lake or not",
}

# Only where this share of a lake's ground was seen at both dates are they compared.
OBSERVED_SHARE = 0.95

_YEAR_DAYS = 365.25


def compare_layers(before: LakeLayer, after: LakeLayer) -> tuple[pd.DataFrame, Links]:
    """Compares two layers.

    Returns:
        A row for each cluster, in the order of `cluster_id`, and the links. Columns: `cluster_id`, `lake_id` (of the
        largest lake, of the earlier date where there is one), `class`, `relation` (one_to_one, new, vanished, merged,
        split, complex: the links alone), `n_before`, `n_after`, `area_before_m2`, `area_after_m2`, `change_m2`,
        `sigma_before_m2`, `sigma_after_m2`, `z`, `significant`, `date_before`, `date_after`, `years`,
        `rate_m2_per_year`, `rate_percent_per_year` (compound), `observed_before` and `observed_after` (0-1, NaN where
        nobody tells), `lake_type`, `elev_m`, `dist_glacier_m`, `basin`, `country`. The sum of `change_m2` is the
        difference of the layers' areas, exactly.
    """
    links = link_layers(before, after)
    rows = pd.DataFrame({"cluster_id": np.arange(links.clusters)})
    for side, layer, cluster in (("before", before, links.cluster_before), ("after", after, links.cluster_after)):
        lakes, count = layer.lakes, links.clusters
        rows[f"n_{side}"] = np.bincount(cluster, minlength=count)
        rows[f"area_{side}_m2"] = np.bincount(cluster, lakes["area_m2"], count)
        variance = np.bincount(cluster, lakes["sigma_m2"] ** 2, count)
        rows[f"sigma_{side}_m2"] = np.sqrt(variance)
        rows[f"date_{side}"] = _dates(layer, cluster, count)
    rows["change_m2"] = rows["area_after_m2"] - rows["area_before_m2"]
    rows["z"] = z_score(*(rows[name].to_numpy() for name in ("change_m2", "sigma_before_m2", "sigma_after_m2")))
    rows["relation"] = _relations(rows)
    _add_observed(rows, links, before, after)
    rows["class"] = _classes(rows, links, before, after)
    compared = ~rows["class"].isin(["carried_over", "not_observed", "weak_link"])
    rows["significant"] = compared & (rows["z"].abs() > SIGNIFICANT_Z)
    _add_rates(rows)
    for name in ("lake_id", "lake_type", "basin", "country"):
        rows[name] = _of_largest(name, before, after, links).fillna("")
    for name in ("elev_m", "dist_glacier_m"):
        rows[name] = _of_largest(name, before, after, links)
    return rows, links


def _dates(layer: LakeLayer, cluster: Any, count: int) -> "pd.Series[Any]":
    """The date of each cluster: that of its largest lake, or the layer's where the layer has none."""
    ranked = layer.lakes.assign(cluster=cluster).sort_values("area_m2", kind="stable")
    dates = ranked.groupby("cluster")["date"].last().reindex(range(count)).astype("datetime64[ms, UTC]")
    return dates.mask(~np.isin(np.arange(count), cluster), layer.middle)


def _of_largest(name: str, before: LakeLayer, after: LakeLayer, links: Links) -> "pd.Series[Any]":
    """What the largest lake of each cluster has, of the earlier date where it has anything."""
    found = []
    for layer, cluster in ((before, links.cluster_before), (after, links.cluster_after)):
        lakes = layer.lakes.assign(cluster=cluster).sort_values("area_m2", kind="stable")
        lakes = lakes[lakes[name].notna() & (lakes[name] != "")]
        found.append(lakes.groupby("cluster")[name].last().reindex(range(links.clusters)))
    return found[0].where(found[0].notna(), found[1])


def _relations(rows: pd.DataFrame) -> Any:
    before, after = rows["n_before"], rows["n_after"]
    return np.select(
        [before == 0, after == 0, (before == 1) & (after == 1), after == 1, before == 1],
        ["new", "vanished", "one_to_one", "merged", "split"],
        "complex",
    )


def _classes(rows: pd.DataFrame, links: Links, before: LakeLayer, after: LakeLayer) -> Any:
    one_to_one = rows["relation"] == "one_to_one"
    table = links.table
    copied = rows["cluster_id"].isin(table["cluster_id"][table["copied"]]) & one_to_one
    weak = rows["cluster_id"].isin(table["cluster_id"][table["weak"]]) & one_to_one
    weak |= rows["cluster_id"].isin(_beside_a_lake(rows, links, before, after))
    unseen = (rows["observed_before"] < OBSERVED_SHARE) | (rows["observed_after"] < OBSERVED_SHARE) | rows["cut"]
    significant = rows["z"].abs() > SIGNIFICANT_Z
    return np.select(
        [copied, unseen, weak, one_to_one & significant & (rows["z"] > 0), one_to_one & significant, one_to_one],
        ["carried_over", "not_observed", "weak_link", "grew", "shrank", "persisted"],
        rows["relation"],
    )


def _beside_a_lake(rows: pd.DataFrame, links: Links, before: LakeLayer, after: LakeLayer) -> Any:
    """Clusters of one date alone that come within a pixel of any lake of the other date."""
    lone = rows["relation"].isin(["new", "vanished"]).to_numpy()
    ours, theirs = (np.flatnonzero(lone[cluster]) for cluster in (links.cluster_before, links.cluster_after))
    near_before = within_a_pixel(before, after, ours, np.arange(len(after.lakes)))[0]
    near_after = within_a_pixel(before, after, np.arange(len(before.lakes)), theirs)[1]
    return np.union1d(links.cluster_before[near_before], links.cluster_after[near_after])


def _add_observed(rows: pd.DataFrame, links: Links, before: LakeLayer, after: LakeLayer) -> None:
    """Adds which share of each cluster's ground, that of both dates, was seen at either, and whether a lake is cut."""
    cut = np.zeros(links.clusters, bool)
    for layer, cluster in ((before, links.cluster_before), (after, links.cluster_after)):
        cut[cluster[layer.lakes["cut"].to_numpy(bool)]] = True
    rows["cut"] = cut
    outlines = np.concatenate([before.lakes.geometry.to_numpy(), after.lakes.geometry.to_numpy()])
    cluster = np.concatenate([links.cluster_before, links.cluster_after])
    for side, layer in (("before", before), ("after", after)):
        share = observed_shares(outlines, layer.masks)
        least = pd.Series(share).groupby(cluster).min()
        rows[f"observed_{side}"] = least.reindex(range(links.clusters)).to_numpy(float)


def _add_rates(rows: pd.DataFrame) -> None:
    """Adds rates where the lake was seen anew, at both dates, and the later one is later."""
    years = (rows["date_after"] - rows["date_before"]).dt.total_seconds() / 86400 / _YEAR_DAYS
    counted = rows["class"].isin(["persisted", "grew", "shrank", "merged", "split", "complex"]) & (years > 0)
    rows["years"] = years
    rows["rate_m2_per_year"] = (rows["change_m2"] / years).where(counted)
    ratio = (rows["area_after_m2"] / rows["area_before_m2"]).where(counted)
    rows["rate_percent_per_year"] = 100 * (ratio ** (1 / years.where(counted)) - 1)
