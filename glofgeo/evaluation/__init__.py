"""The verb `evaluate`: a lake map against known lakes, pixel by pixel and lake by lake."""

from glofgeo.evaluation.protocol import evaluate
from glofgeo.evaluation.scorecard import Scorecard, print_scorecard, write_scorecard

__all__ = ["Scorecard", "evaluate", "print_scorecard", "write_scorecard"]
