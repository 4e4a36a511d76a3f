"""Lovasz-Dice-BCE over the observed pixels."""

import torch.nn.functional as F
from segmentation_models_pytorch.losses import DiceLoss, LovaszLoss
from torch import Tensor, nn

from glofgeo.config import LossConfig
from glofgeo.percent import NOT_OBSERVED


class LakeLoss(nn.Module):
    """Weighted sum of three terms; unobserved pixels change neither its value nor any gradient.

    Lovasz hinge (Berman et al. 2018, arXiv 1705.08790) for each image, averaged over the images with an observed
    pixel; Dice over the batch, zero where the batch has no lake; binary cross-entropy averaged over the observed
    pixels. Zero if nothing was observed.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.lovasz = LovaszLoss("binary", per_image=True, ignore_index=NOT_OBSERVED)
        self.dice = DiceLoss("binary", ignore_index=NOT_OBSERVED)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Returns the loss of a batch.

        Args:
            logits: ``(B, 1, H, W)`` float.
            target: ``(B, H, W)`` integer; 1 lake, 0 land, 255 not observed.

        Returns:
            A float32 scalar.
        """
        observed = target != NOT_OBSERVED
        # Cut out before any arithmetic, so that not even an infinity under a cloud gets through.
        scores = logits[:, 0].float().masked_fill(~observed, 0.0)
        seen = observed.flatten(1).any(dim=1)
        if not seen.any():
            return scores.sum()
        scores, target, observed = scores[seen], target[seen].long(), observed[seen]
        config, loss = self.config, scores.new_zeros(())
        if config.lovasz:
            loss = loss + config.lovasz * self.lovasz(scores, target)
        if config.dice:
            loss = loss + config.dice * self.dice(scores.unsqueeze(1), target)
        if config.bce:
            weight = scores.new_tensor(config.lake_weight)
            wanted = target[observed].float()
            loss = loss + config.bce * F.binary_cross_entropy_with_logits(scores[observed], wanted, pos_weight=weight)
        return loss
