"""The encoder under names that segmentation_models_pytorch (smp) knows, so that its other decoders can be tried.

    smp.create_model("fpn", "glofgeo-dinov2-large", in_channels=4, encoder_weights=None, classes=1, upsampling=3.5)

Inputs are multiples of 28 px and normalised by the caller. Strides are 2, 3.5, 7, 14 and 28 where smp thinks of 2, 4,
8, 16 and 32, so the answer has the input's size with

- `unet` and `segformer`, as they come;
- `fpn` and `upernet` with `upsampling=3.5`, `pspnet` with `upsampling=7`;
- `pan` with `upsampling=3.5` and `encoder_output_stride=32`, from 224 px on.

Without `upsampling` theirs is larger by 8 to 7. `linknet`, `manet` and `unetplusplus` double sizes on the way and fail
between strides 3.5 and 2, `deeplabv3` and `deeplabv3plus` dilate convolutions, and `dpt` takes timm's names only.
"""

from typing import get_args

from segmentation_models_pytorch.encoders import encoders
from torch import Tensor, nn

from glofgeo.config import Variant
from glofgeo.errors import GlofgeoError
from glofgeo.models.encoder import PATCH, SIZES, ConvStem, DinoV2Encoder

STEM_CHANNELS = (16, 32)


class SmpEncoder(DinoV2Encoder):
    """The encoder as smp builds one: with three channels first, then with as many as asked for."""

    output_stride = 28

    def __init__(self, variant: Variant, depth: int, output_stride: int) -> None:
        """Builds the encoder with random weights; `load_pretrained` takes it as it takes any other.

        Args:
            variant: size of the transformer.
            depth: how many maps the decoder reads, 1 to 5.
            output_stride: 32, which stands for the transformer's own 28.

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
        """Returns the input and as many maps as the decoder reads; see `DinoV2Encoder.forward`."""
        return super().forward(x)[: len(self.out_channels)]


def register_encoders() -> None:
    """Adds `glofgeo-dinov2-{tiny,small,base,large}` to the encoders of smp."""
    for variant in get_args(Variant):
        entry = {"encoder": SmpEncoder, "params": {"variant": variant}, "pretrained_settings": {}}
        encoders[f"glofgeo-dinov2-{variant}"] = entry
