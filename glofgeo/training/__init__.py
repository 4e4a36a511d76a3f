"""The verb `train`: AOI, scenes and lakes in, a run folder with the best checkpoint out."""

from glofgeo.training.losses import LakeLoss
from glofgeo.training.run import Trained, train

__all__ = ["LakeLoss", "Trained", "train"]
