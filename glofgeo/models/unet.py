"""The network to beat: a plain U-Net without pretrained weights."""

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from glofgeo.config import ModelConfig
from glofgeo.models.encoder import pad_to_multiple
from glofgeo.models.normalise import normalise

_STRIDE = 32


class ComparisonUnet(nn.Module):
    """segmentation_models_pytorch's U-Net on a ResNet-18 (Ronneberger et al. 2015, arXiv 1505.04597), from scratch.

    Attributes:
        config: which bands it reads, in order, their normalisation, and whether as logarithms; what is said of the
            transformer is not used.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.net = smp.Unet("resnet18", encoder_weights=None, in_channels=len(config.bands), classes=1)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, -1, 1, 1))

    def forward(self, reflectance: Tensor) -> Tensor:
        """Gives lake logits float32 `(B, 1, H, W)` for reflectance `(B, C, H, W)` of any height and width."""
        height, width = reflectance.shape[-2:]
        x = pad_to_multiple(normalise(reflectance, self.mean, self.std, log=self.config.log_input), _STRIDE)
        logits: Tensor = self.net(x)
        return logits[..., :height, :width].float()
