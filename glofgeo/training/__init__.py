"""AOI, scenes and reference lakes in, a run folder with the best checkpoint out."""

from glofgeo.training.fit import Trained, TrainingStopped, train_model
from glofgeo.training.losses import LakeLoss
from glofgeo.training.options import RunOptions
from glofgeo.training.sources import Sources

__all__ = ["LakeLoss", "RunOptions", "Sources", "Trained", "TrainingStopped", "train_model"]
