"""DINOv2 with extra transformer blocks and a convolutional stem, answering with a pyramid of feature maps."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Literal

import torch
import torch.nn.functional as F
from segmentation_models_pytorch.base.modules import Conv2dReLU
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from glofgeo.config import Variant
from glofgeo.errors import GlofgeoError

PATCH = 14
STRIDES = (3.5, 7.0, 14.0, 28.0)


@dataclass(frozen=True)
class Size:
    """Measures of one encoder: token width, pretrained blocks, attention heads, channels of the four pyramid levels."""

    width: int
    depth: int
    heads: int
    pyramid: tuple[int, int, int, int]


# Widths, depths and heads of small, base and large: Oquab et al. 2023 (arXiv 2304.07193), table 17; tiny is DeiT-Ti's.
SIZES: dict[Variant, Size] = {
    "tiny": Size(192, 12, 3, (32, 64, 96, 128)),
    "small": Size(384, 12, 6, (32, 64, 128, 192)),
    "base": Size(768, 12, 12, (64, 128, 192, 256)),
    "large": Size(1024, 24, 16, (64, 128, 256, 256)),
}


class ConvStem(nn.Module):
    """Detail beside the transformer: a token is 140 m wide on the ground, the smallest lakes 22 m.

    Maps ``(B, C, H, W)`` to ``(B, full, H, W)``, ``(B, half, ceil(H / 2), ceil(W / 2))``, and so on to a quarter and
    less where it has channels for these.
    """

    def __init__(self, in_channels: int, full: int, half: int, *coarser: int) -> None:
        super().__init__()
        self.full_res = nn.Sequential(Conv2dReLU(in_channels, full, 3, padding=1), Conv2dReLU(full, full, 3, padding=1))
        self.half_res = Conv2dReLU(full, half, 3, padding=1, stride=2)
        self.coarser = nn.ModuleList(
            nn.Sequential(Conv2dReLU(before, own, 3, padding=1, stride=2), Conv2dReLU(own, own, 3, padding=1))
            for before, own in pairwise([half, *coarser])
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns a map for each resolution, the full one first."""
        full = self.full_res(x)
        maps = [full, self.half_res(full)]
        for halve in self.coarser:
            maps.append(halve(maps[-1]))
        return maps


class DinoV2Encoder(nn.Module):
    """DINOv2's transformer (timm's implementation) with blocks added at its end and a pyramid made of four depths.

    At initialisation the added blocks are the identity to the last bit: their LayerScale is zero.

    Attributes:
        vit: the transformer; `vit.pos_embed` holds patch positions only, the class token's own is part of
            `vit.cls_token`.
        stem: convolutions at full and half resolution, and coarser ones if asked for.
        out_channels: channels of the maps that `forward` returns, the input's first.
        pyramid_blocks: the blocks (0-based) behind the maps of stride 3.5, 7, 14 and 28.
        grad_checkpoint: whether training keeps only what goes into each block and computes the rest again.
    """

    def __init__(
        self,
        variant: Variant = "large",
        extra_blocks: int = 1,
        in_channels: int = 4,
        image_size: int = 518,
        registers: int = 0,
        extra_init: Literal["copy", "zeros"] = "copy",
        stem_channels: Sequence[int] = (16, 32),
    ) -> None:
        """Builds the encoder with random weights.

        Args:
            variant: size of the transformer.
            extra_blocks: blocks after the pretrained ones.
            in_channels: input bands.
            image_size: side in pixels of the square the position embedding is stored for.
            registers: register tokens (Darcet et al. 2023, arXiv 2309.16588).
            extra_init: `copy` gives the added blocks the weights of the last pretrained block, so that the first
                step already sends a gradient into their LayerScale; `zeros` also sets attention and MLP to zero,
                and then every gradient of these blocks is zero for ever.
            stem_channels: channels of the stem at full and at half resolution, then as many as wanted, up to four, of
                those at a quarter and less, which join the levels of the pyramid from the finest on.

        Raises:
            GlofgeoError: If `image_size` is not a positive multiple of 14 or `extra_blocks` is negative.
        """
        super().__init__()
        if image_size % PATCH or image_size <= 0:
            raise GlofgeoError(f"model.image_size {image_size} is not a multiple of {PATCH}", "take 518, as DINOv2 has")
        if extra_blocks < 0:
            raise GlofgeoError(f"model.extra_blocks {extra_blocks} is negative", "take 0 or more")
        size = SIZES[variant]
        self.variant: Variant = variant
        self.depth = size.depth
        self.extra_init = extra_init
        self.grid = image_size // PATCH
        self.registers = registers
        self.grad_checkpoint = False
        # init_values: LayerScale as DINOv2's published configuration starts it.
        self.vit = VisionTransformer(
            img_size=image_size,
            patch_size=PATCH,
            in_chans=in_channels,
            num_classes=0,
            global_pool="",
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.heads,
            init_values=1e-5,
            reg_tokens=registers,
            no_embed_class=True,
            dynamic_img_size=True,
        )
        # Copies, not new blocks: the random numbers drawn for everything else stay those of the encoder without.
        for _ in range(extra_blocks):
            self.vit.blocks.append(copy.deepcopy(self.vit.blocks[-1]))
        self.reset_extra_blocks(0)

        last = len(self.vit.blocks) - 1
        self.pyramid_blocks = (size.depth // 4 - 1, size.depth // 2 - 1, size.depth * 3 // 4 - 1, last)
        # From one token to its pixels by a learned 4 x 4, 2 x 2, 1 x 1 pattern, as in DPT (arXiv 2103.13413).
        self.levels = nn.ModuleList(
            [
                nn.ConvTranspose2d(size.width, size.pyramid[0], kernel_size=4, stride=4),
                nn.ConvTranspose2d(size.width, size.pyramid[1], kernel_size=2, stride=2),
                nn.Conv2d(size.width, size.pyramid[2], kernel_size=1),
                nn.Sequential(
                    nn.Conv2d(size.width, size.pyramid[3], kernel_size=1),
                    nn.Conv2d(size.pyramid[3], size.pyramid[3], kernel_size=3, stride=2, padding=1),
                ),
            ]
        )
        self.stem = ConvStem(in_channels, *stem_channels)
        levels = zip_longest(size.pyramid, stem_channels[2:], fillvalue=0)
        self.out_channels = [in_channels, stem_channels[1], *(tokens + detail for tokens, detail in levels)]

    @property
    def blocks(self) -> nn.Sequential:
        """The transformer blocks, pretrained ones first."""
        return self.vit.blocks

    @torch.no_grad()
    def reset_extra_blocks(self, first: int) -> None:
        """Returns the added blocks from number `first` on (0-based among the added) to their initial state."""
        last_pretrained = self.vit.blocks[self.depth - 1]
        for block in self.vit.blocks[self.depth + first :]:
            block.load_state_dict(last_pretrained.state_dict())
            for name, parameter in block.named_parameters():
                if name.startswith("ls") or (self.extra_init == "zeros" and name.startswith(("attn", "mlp"))):
                    parameter.zero_()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Returns the input and five feature maps, as segmentation_models_pytorch's decoders expect them.

        Args:
            x: ``(B, C, H, W)`` float, normalised reflectance; any height and width.

        Returns:
            The input, then maps of stride 2, 3.5, 7, 14 and 28, each ``(B, out_channels[i], ceil(H / stride),
            ceil(W / stride))``.
        """
        _, half, *coarser = self.stem(x)
        return [x, half, *self.pyramid(x, coarser)]

    def pyramid(self, x: Tensor, coarser: Sequence[Tensor] = ()) -> list[Tensor]:
        """Returns the transformer's maps: strides 3.5, 7, 14 and 28, cropped to what covers the input.

        Args:
            x: as for `forward`.
            coarser: the stem's maps from a quarter of the resolution on, to be brought to these strides and appended to
                the channels of the finest levels.
        """
        height, width = x.shape[-2:]
        maps = []
        for level, tokens, stride in zip(self.levels, self.tokens(x, self.pyramid_blocks), STRIDES, strict=True):
            maps.append(level(tokens)[..., : math.ceil(height / stride), : math.ceil(width / stride)])
        for number, detail in enumerate(coarser):
            same = F.interpolate(detail, size=maps[number].shape[-2:], mode="bilinear")
            maps[number] = torch.cat([maps[number], same], dim=1)
        return maps

    def tokens(self, x: Tensor, blocks: tuple[int, ...]) -> list[Tensor]:
        """Returns the patch tokens after the named blocks, each passed through the final norm.

        Args:
            x: ``(B, C, H, W)`` float, normalised reflectance; padded by reflection to multiples of 14.
            blocks: 0-based block numbers.

        Returns:
            One ``(B, D, ceil(H / 14), ceil(W / 14))`` tensor a block, in the order asked for.

        Raises:
            ValueError: If there is no such block.
        """
        if not all(0 <= block < len(self.vit.blocks) for block in blocks):
            raise ValueError(f"blocks {blocks}: the encoder has 0 to {len(self.vit.blocks) - 1}")
        patches = self.vit.patch_embed(pad_to_multiple(x, PATCH))
        batch, rows, cols, _ = patches.shape
        patches = (patches + self._positions(rows, cols)).flatten(1, 2)
        prefix = [self.vit.get_parameter("cls_token").expand(batch, -1, -1)]
        if self.registers:
            prefix.append(self.vit.get_parameter("reg_token").expand(batch, -1, -1))
        sequence = torch.cat([*prefix, patches], dim=1)

        found: dict[int, Tensor] = {}
        for number, block in enumerate(self.vit.blocks[: max(blocks) + 1]):
            if self.grad_checkpoint and self.training:
                sequence = checkpoint(block, sequence, use_reentrant=False)
            else:
                sequence = block(sequence)
            if number in blocks:
                normed = self.vit.norm(sequence)[:, 1 + self.registers :]
                found[number] = normed.transpose(1, 2).unflatten(2, (rows, cols))
        return [found[block] for block in blocks]

    def _positions(self, rows: int, cols: int) -> Tensor:
        """Returns the position embedding for a grid of patches, ``(1, rows, cols, D)``.

        Interpolated as the published DINOv2 models do, which timm does not for the plain ones: bicubic by scale
        factor with 0.1 added to the target size and no antialiasing; those with registers by target size with
        antialiasing (`interpolate_offset`, `interpolate_antialias` in facebookresearch/dinov2, hub/backbones.py).
        """
        stored = self.vit.get_parameter("pos_embed").unflatten(1, (self.grid, self.grid))
        if (rows, cols) == (self.grid, self.grid):
            return stored
        image = stored.permute(0, 3, 1, 2)
        if self.registers:
            image = F.interpolate(image, size=(rows, cols), mode="bicubic", antialias=True)
        else:
            scale = ((rows + 0.1) / self.grid, (cols + 0.1) / self.grid)
            image = F.interpolate(image, scale_factor=scale, mode="bicubic")
        return image.permute(0, 2, 3, 1)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pads ``(B, C, H, W)`` at the right and bottom until both sides are multiples of `multiple`.

    By reflection; by repeating the edge where the image is too small to reflect.
    """
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return x
    mode = "reflect" if bottom < height and right < width else "replicate"
    return F.pad(x, (0, right, 0, bottom), mode=mode)
