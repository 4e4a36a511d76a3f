"""The verb `evaluate`: a lake map against reference lakes, pixel by pixel and lake by lake."""

from glofgeo.evaluation.cases import evaluate, evaluate_all
from glofgeo.evaluation.evidence import Case
from glofgeo.evaluation.ndwi import open_judged, tune_ndwi
from glofgeo.evaluation.report import print_scorecard, require_place, write_scorecard
from glofgeo.evaluation.scorecard import Scorecard

__all__ = [
    "Case",
    "Scorecard",
    "evaluate",
    "evaluate_all",
    "open_judged",
    "print_scorecard",
    "require_place",
    "tune_ndwi",
    "write_scorecard",
]
