"""The verb `evaluate`: a lake map against known lakes, pixel by pixel and lake by lake."""

from glofgeo.evaluation.calibration import fit_temperature
from glofgeo.evaluation.protocol import evaluate
from glofgeo.evaluation.report import print_scorecard, write_scorecard
from glofgeo.evaluation.scorecard import Scorecard

__all__ = ["Scorecard", "evaluate", "fit_temperature", "print_scorecard", "write_scorecard"]
