"""The lake segmenter: reflectance in, lake logits out."""

import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.base.modules import Conv2dReLU
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn

from glofgeo.config import ModelConfig
from glofgeo.models.encoder import PATCH, DinoV2Encoder, pad_to_multiple
from glofgeo.models.normalise import normalise
from glofgeo.models.wide_view import join_looks, shrink

# Side in pixels of the smallest image that a second look is worth: two tokens.
_LEAST = 2 * PATCH


class LakeSegmenter(nn.Module):
    """DINOv2 encoder, U-Net decoder and segmentation head of one channel.

    Decoder and stem use batch norm: at inference it is a fixed scale per channel, so that a pixel's answer does not
    depend on what else its window happens to show, as it would with group or instance norm.

    Attributes:
        config: what the network is; `config.bands` names the input channels in order.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Builds the network with random weights."""
        super().__init__()
        self.config = config
        self.encoder = DinoV2Encoder(
            config.variant,
            extra_blocks=config.extra_blocks,
            in_channels=len(config.bands),
            image_size=config.image_size,
            registers=config.registers,
            extra_init=config.extra_init,
            stem_channels=config.stem_channels,
        )
        # Bilinear: from stride 3.5 to 2 the nearest neighbour would jump unevenly.
        self.decoder = UnetDecoder(
            self.encoder.out_channels, decoder_channels=config.decoder_channels, interpolation_mode="bilinear"
        )
        full, decoded = config.stem_channels[0], config.decoder_channels[-1]
        self.fuse = Conv2dReLU(decoded + full, decoded, 3, padding=1)
        self.head = SegmentationHead(decoded, 1)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, -1, 1, 1))

    def forward(self, reflectance: Tensor) -> Tensor:
        """Returns the logit of "lake" for every pixel.

        Args:
            reflectance: ``(B, C, H, W)`` float32, surface reflectance (1.0 = 100 %), channels as in `config.bands`;
                any height and width.

        Returns:
            ``(B, 1, H, W)`` float32.
        """
        near, factor = self._look(reflectance), self.config.wide_view
        if self.training or factor == 1 or min(reflectance.shape[-2:]) < factor * _LEAST:
            return near
        return join_looks(near, self._look(shrink(reflectance, factor)))

    def _look(self, reflectance: Tensor) -> Tensor:
        height, width = reflectance.shape[-2:]
        x = pad_to_multiple(normalise(reflectance, self.mean, self.std, log=self.config.log_input), PATCH)
        full, half, *coarser = self.encoder.stem(x)
        decoded = self.decoder([x, half, *self.encoder.pyramid(x, coarser)])
        logits: Tensor = self.head(self.fuse(torch.cat([decoded, full], dim=1)))
        return logits[..., :height, :width].float()


def build_model(config: ModelConfig) -> LakeSegmenter:
    """Builds the network that a configuration describes, with random weights.

    The same torch seed gives the same weights.
    """
    return LakeSegmenter(config)
