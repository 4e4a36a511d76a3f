"""The verb `train`: AOI, scenes and lakes in, a run folder with the best checkpoint out."""

from glofgeo.training.fit import Trained, train
from glofgeo.training.losses import LakeLoss

__all__ = ["LakeLoss", "Trained", "train"]
