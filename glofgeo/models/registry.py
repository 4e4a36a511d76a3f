"""The encoder under names that segmentation_models_pytorch (smp) knows, so that its other decoders can be tried.

    import glofgeo.models.registry
    smp.create_model("fpn", "glofgeo-dinov2-large", in_channels=4, encoder_weights=None, classes=1)

Input is normalised by the caller. The transformer's maps of stride 3.5, 7, 14 and 28 are resampled to the strides that
smp's decoders take for granted, 4, 8, 16 and 32, so that `unet`, `unetplusplus`, `manet`, `linknet`, `fpn`, `pspnet`,
`upernet` and `segformer` work as they come, and `pan` with `encoder_output_stride=32` from 256 px on. Any size runs,
multiples of 28 without padding; `unet` and `segformer` answer in the input's size, the others in the next multiple of
32 (multiples of 224 are both). `deeplabv3` and `deeplabv3plus` dilate convolutions and are refused; `dpt` takes timm's
names only.
"""

import math
from typing import get_args

import torch.nn.functional as F
from segmentation_models_pytorch.encoders import encoders
from torch import Tensor, nn

from glofgeo.config import Variant
from glofgeo.errors import GlofgeoError
from glofgeo.models.encoder import PATCH, SIZES, ConvStem, DinoV2Encoder

STEM_CHANNELS = (16, 32)


class SmpEncoder(DinoV2Encoder):
    """The encoder as smp builds one: with three channels first, then with as many as asked for."""

    # What smp demands sides to be multiples of.
    output_stride = 1

    def __init__(self, variant: Variant, depth: int, output_stride: int) -> None:
        """Builds the encoder with random weights; `load_pretrained` takes it as it takes any other.

        Args:
            variant: size of the transformer.
            depth: how many maps the decoder reads, 1 to 5.
            output_stride: 32.

        Raises:
            GlofgeoError: If the decoder wants a depth or a stride that the transformer does not have.
        """
        if not 1 <= depth <= 5:
            raise GlofgeoError(f"encoder_depth {depth}: DINOv2 has maps of depth 1 to 5")
        if output_stride != 32:
            raise GlofgeoError(
                f"encoder_output_stride {output_stride}: DINOv2 cannot be dilated; "
                "take 32 where the decoder lets you choose, or another decoder"
            )
        super().__init__(variant, in_channels=3, stem_channels=STEM_CHANNELS)
        self.out_channels = self.out_channels[: depth + 1]

    def set_in_channels(self, in_channels: int, pretrained: bool = False) -> None:
        """Starts what reads the image anew, for another number of bands."""
        self.vit.patch_embed.proj = nn.Conv2d(in_channels, SIZES[self.variant].width, PATCH, PATCH)
        self.vit.in_chans = in_channels
        self.stem = ConvStem(in_channels, *STEM_CHANNELS)
        self.out_channels = [in_channels, *self.out_channels[1:]]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the input and as many maps as the decoder reads, each twice as large as the next.

        Args:
            x: ``(B, C, H, W)`` float, normalised reflectance.

        Returns:
            The input, then maps of ``32 / stride`` times ``ceil(H / 32)`` rows and ``ceil(W / 32)`` columns, for
            strides 2, 4, 8, 16 and 32.
        """
        least = [math.ceil(side / 32) for side in x.shape[-2:]]
        maps = super().forward(x)[1 : len(self.out_channels)]
        sizes = [[side * 2 ** (4 - level) for side in least] for level in range(len(maps))]
        return [x, *(F.interpolate(m, size, mode="bilinear") for m, size in zip(maps, sizes, strict=True))]


def register_encoders() -> None:
    """Adds `glofgeo-dinov2-{tiny,small,base,large}` to the encoders of smp."""
    for variant in get_args(Variant):
        entry = {"encoder": SmpEncoder, "params": {"variant": variant}, "pretrained_settings": {}}
        encoders[f"glofgeo-dinov2-{variant}"] = entry


register_encoders()
