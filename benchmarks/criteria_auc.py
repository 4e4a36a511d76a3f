"""How well single criteria tell the lakes that burst from those that did not.

The lakes are those of Fischer et al. 2021 (github.com/geveh/GLOFsusceptibility), as a CSV file with a row a lake and
the column GLOF. AUC with ties counted half (Mann-Whitney U).

    python benchmarks/criteria_auc.py glof_susceptibility.csv
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

# Column of the CSV, in words, and whether small values speak for an outburst.
QUANTITIES = {
    "Area": ("lake area", False),
    "glacier_ar": ("glacier area in the catchment", False),
    "catchm_ar": ("catchment area", False),
    "Dist_gr": ("nearness to a glacier", True),
    "mean_slp_250m": ("mean slope within 250 m", False),
}

# Criteria with a published threshold: column, least and greatest value at which it fires.
CRITERIA = {
    "area of 0.02 km2 or more": ("Area", 0.02, np.inf),
    "area over 0.2 km2": ("Area", 0.2, np.inf),
    "less than 500 m from a glacier": ("Dist_gr", -np.inf, 500.0),
}


def auc(values: pd.Series, burst: pd.Series) -> float:
    """The chance that a lake that burst has the greater value, plus half the chance that both have the same."""
    statistic = mannwhitneyu(values[burst], values[~burst]).statistic
    return float(statistic / (burst.sum() * (~burst).sum()))


def aucs(path: Path) -> dict[str, float]:
    """AUC of each quantity, by its words."""
    lakes = pd.read_csv(path)
    burst = lakes["GLOF"] == 1
    return {words: auc(-lakes[name] if small else lakes[name], burst) for name, (words, small) in QUANTITIES.items()}


def fired(path: Path) -> dict[str, tuple[float, float]]:
    """Share of the lakes that burst, and of the others, at which each criterion fires."""
    lakes = pd.read_csv(path)
    burst = lakes["GLOF"] == 1
    shares = {}
    for words, (name, low, high) in CRITERIA.items():
        fires = (lakes[name] >= low) & (lakes[name] <= high)
        shares[words] = (float(fires[burst].mean()), float(fires[~burst].mean()))
    return shares


def main() -> None:
    path = Path(sys.argv[1])
    lakes = pd.read_csv(path)
    print(f"{len(lakes)} lakes, {int(lakes['GLOF'].sum())} of which burst")
    for words, value in aucs(path).items():
        print(f"{words}: AUC {value:.3f}")
    for words, (burst, others) in fired(path).items():
        print(f"{words}: fires at {burst:.1%} of those that burst, {others:.1%} of the others")


if __name__ == "__main__":
    main()
