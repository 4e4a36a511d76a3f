"""Scorecard: one comparison, with all its figures."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glofgeo.evaluation.blocks import BLOCK_METRES
from glofgeo.evaluation.calibration import Calibration
from glofgeo.evaluation.pixels import PixelCounts
from glofgeo.evaluation.score import Score
from glofgeo.models.bundled import caveat


@dataclass(frozen=True)
class Scorecard:
    """A prediction, or several pooled, against reference lakes, beside other methods on the same pixels.

    Attributes:
        prediction: name of the predicted file, or how many maps were judged.
        reference: name of the file of reference lakes.
        scene: id of the scene, if one was given and no more than one.
        grid: where the grid comes from.
        crs: of the grid.
        threshold: probability from which on a pixel counted as lake; None for masks and layers.
        aoi_share: share of the grid's pixels inside the area of interest (1 without one), 0-1.
        observed_share: share of those that were observed, 0-1; None if there are none, or nothing tells. Only
            these enter the figures.
        reference_lakes: those that touch the grid.
        not_observed: those of them mostly not observed or outside the area of interest; neither found nor missed.
        too_small: those of them observed but below the minimum size; neither found nor missed.
        model: how the prediction did.
        ndwi: how NDWI > 0 did; None where it cannot be had.
        models: SHA-256 -> name of those that made the prediction, as far as that is known.
        notes: what a reader must know besides.
        start_iou: lake IoU, on the same areas, of the model that training started from; None where there was none.
        ndwi_threshold: of the NDWI that `ndwi_at` stands for, if one was given.
        ndwi_origin: where that threshold comes from.
        ndwi_at: how that did; None where it cannot be had.
        unet: how a U-Net did that was trained on the same windows for the same time, if there was one.
        calibration: how far the probabilities can be trusted; None for masks and layers.
        blocks: that the intervals are drawn from.
        block_km: their side: as large as the errors' own correlation asks for and the area allows.
        neighbours: correlation of the errors of neighbouring blocks, 0-1; above 0.3 there are no intervals.
        by_scene: pixels of every scene and method, where several scenes were judged.
    """

    prediction: str
    reference: str
    scene: str | None
    grid: str
    crs: str
    threshold: float | None
    aoi_share: float
    observed_share: float | None
    reference_lakes: int
    not_observed: int
    too_small: int
    model: Score
    ndwi: Score | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    start_iou: float | None = None
    ndwi_threshold: float | None = None
    ndwi_origin: str = "given"
    ndwi_at: Score | None = None
    unet: Score | None = None
    calibration: Calibration | None = None
    blocks: int = 0
    block_km: float = BLOCK_METRES / 1000
    neighbours: float = 0.0
    by_scene: Mapping[str, Mapping[str, PixelCounts]] = field(default_factory=dict)

    @property
    def methods(self) -> dict[str, Score]:
        """What is compared, by the name it is shown under."""
        others = {
            "U-Net": self.unet,
            "NDWI > 0": self.ndwi,
            f"NDWI > {self.ndwi_threshold or 0:.4g} ({self.ndwi_origin})": self.ndwi_at,
        }
        return {"model": self.model} | {name: score for name, score in others.items() if score is not None}

    def to_dict(self) -> dict[str, Any]:
        """Gives plain values that survive JSON unchanged."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        parts = {name: getattr(self, name) for name in ("model", "unet", "ndwi", "ndwi_at", "calibration")}
        plain = {name: None if part is None else part.to_dict() for name, part in parts.items()}
        by_scene = {
            scene: {method: dataclasses.asdict(pixels) | {"iou": pixels.iou} for method, pixels in methods.items()}
            for scene, methods in self.by_scene.items()
        }
        models = [
            {"name": name, "sha256": sha256, "note": caveat(sha256)} for sha256, name in self.models.items()
        ]  # fmt: skip
        return values | plain | {"by_scene": by_scene, "models": models, "notes": list(self.notes)}
