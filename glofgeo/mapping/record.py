"""`run.json`: what was found in a scene, with what model and settings, and how long it took."""

import math
import platform
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import geopandas as gpd

from glofgeo.mapping.job import Job
from glofgeo.mapping.scene_folder import CLOUDS_NOT_MASKED
from glofgeo.models.bundled import caveat
from glofgeo.version import __version__


@dataclass(frozen=True)
class Pace:
    """How a scene was computed.

    Attributes:
        batch_size: windows at once, at the end.
        probability: seconds until the probability was there.
        outputs: seconds that all files took after that.
    """

    batch_size: int
    probability: float
    outputs: float


def make_record(job: Job, lakes: gpd.GeoDataFrame, observed: float, pace: Pace) -> dict[str, Any]:
    """Gives plain JSON values.

    Args:
        job: what was mapped.
        lakes: the layer.
        observed: share of the pixels within the area of interest, 0-1.
        pace: how it was computed.
    """
    scene, card = job.scene, job.predictor.card
    return {
        "scene": scene.id,
        "acquired": scene.datetime.isoformat() if scene.datetime else None,
        "level": scene.level,
        "baseline": scene.baseline,
        "radiometry": scene.radiometry,
        "no_data": scene.missing,
        "cloud_mask": scene.has_cloud_mask,
        "bands": list(scene.bands),
        "pixel_m": round(job.pixel_m, 3),
        "trained_pixel_m": card.pixel_m or "not known",
        "note": job.note,
        "observed_share": round(observed, 6),
        "lakes": len(lakes),
        "lake_area_m2": round(float(lakes.area_m2.sum()), 1),
        # One standard deviation if lakes err independently, and if all err alike.
        "lake_area_unc_m2": round(math.hypot(*lakes.area_unc_m2), 1),
        "lake_area_unc_alike_m2": round(float(lakes.area_unc_m2.sum()), 1),
        "model": job.predictor.name,
        "runtime": job.predictor.runtime,
        "checkpoint_sha256": card.sha256,
        "model_note": caveat(card.sha256),
        "scene_in_training": scene.id in card.provenance.get("scenes", ()),
        "settings": asdict(job.settings) | {"window": job.area.plan.window, "batch_size": pace.batch_size},
        "windows": job.windows,
        "seconds": {"probability": round(pace.probability, 2), "outputs": round(pace.outputs, 2)},
        "peak_memory_mib": _peak_memory(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"glofgeo": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "rasterio", "timm", "segmentation-models-pytorch")},
        "fingerprint": job.fingerprint,
    }


def summary(record: dict[str, Any], *, brief: bool = False) -> str:
    """Says on one line what was found: lakes, their area with one standard deviation, and what was observed.

    Args:
        record: as `make_record` makes it.
        brief: leave out how far the area may be off if all lakes err alike, and whether clouds were masked.
    """
    count = record["lakes"]
    lakes = f"{count} lake{'' if count == 1 else 's'}"
    area = f"{_km2(record['lake_area_m2'], 3)} ± {_km2(record['lake_area_unc_m2'], 1)} km²"
    if count > 1 and not brief:
        area += f" (± {_km2(record['lake_area_unc_alike_m2'], 1)} if all err alike)"
    clouds = "clouds masked" if record["cloud_mask"] else CLOUDS_NOT_MASKED
    # Rounded down: 100 % means all.
    told = f"{lakes}, {area}, {math.floor(100 * record['observed_share'] + 1e-6)}% observed"
    return told if brief else f"{told}; {clouds}"


def _km2(square_metres: float, digits: int) -> str:
    """Square kilometres with so many significant digits."""
    return f"{float(f'{square_metres / 1e6:.{digits}g}'):g}"


def _peak_memory() -> int | None:
    """Most memory that this process has held so far; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
