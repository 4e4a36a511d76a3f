"""How a pretrained encoder is adapted: what learns, by which detour, and what is dropped or computed twice for it."""

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from torch import Tensor, nn

from glofgeo.config import TrainConfig
from glofgeo.models import DinoV2Encoder, LakeSegmenter, build_model

_EMBEDDINGS = ("patch_embed", "cls_token", "reg_token", "pos_embed")
_NEW = ("encoder.stem.", "encoder.levels.", "decoder.", "fuse.", "head.")


class LowRankLinear(nn.Linear):
    """A linear layer whose weight stays as it is, with a learned ``up @ down`` of low rank beside it.

    LoRA: Hu et al. 2021 (arXiv 2106.09685). `up` starts at zero, so that at first the layer answers as the plain one
    does, to the last bit; `weight` and `bias` keep their names.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        """Takes over the weights of a plain layer.

        Args:
            linear: whose weights; they are shared, not copied.
            rank: columns of `up`.
            alpha: the product is scaled by `alpha / rank`.
        """
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = alpha / rank
        self.down = nn.Parameter(linear.weight.new_empty(rank, linear.in_features))
        self.up = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(..., in_features)`` to ``(..., out_features)``."""
        return super().forward(x) + self.scale * F.linear(F.linear(x, self.down), self.up)

    @torch.no_grad()
    def merged(self) -> Tensor:
        """Returns the weight of the plain layer that answers alike."""
        return self.weight + self.scale * (self.up @ self.down)


def adapt(model: LakeSegmenter, config: TrainConfig) -> None:
    """Makes a model with its first weights ready to be trained as the configuration says, in place."""
    encoder = model.encoder
    if config.tune != "full":
        for name, parameter in model.named_parameters():
            if layer_of(name, encoder.depth) is not None:
                parameter.requires_grad = False
    if config.tune == "lora":
        for block in encoder.blocks[: encoder.depth]:
            attention: Any = block.attn
            attention.qkv = LowRankLinear(attention.qkv, config.lora_rank, config.lora_alpha)
            attention.proj = LowRankLinear(attention.proj, config.lora_rank, config.lora_alpha)
    _set_drop_path(encoder, config.drop_path)
    encoder.grad_checkpoint = config.grad_checkpoint
    if config.compile:
        # In place: `torch.compile(model)` would put a prefix before every name in the checkpoints.
        model.compile()


def keep_still(encoder: DinoV2Encoder) -> None:
    """Puts the pretrained part of the transformer into evaluation mode."""
    for module in (encoder.vit.patch_embed, encoder.vit.norm, *encoder.blocks[: encoder.depth]):
        module.eval()


def merged(model: LakeSegmenter) -> LakeSegmenter:
    """Returns the plain network that answers as an adapted one does, sharing all weights but the merged ones."""
    tensors = model.state_dict()
    for name, module in model.named_modules():
        if isinstance(module, LowRankLinear):
            del tensors[f"{name}.down"], tensors[f"{name}.up"]
            tensors[f"{name}.weight"] = module.merged()
    with torch.device("meta"):
        plain = build_model(model.config)
    plain.load_state_dict(tensors, assign=True)
    return plain.train(model.training)


def layer_of(name: str, depth: int) -> int | None:
    """Tells how far from the input a pretrained parameter stands.

    Args:
        name: of a parameter of `LakeSegmenter`.
        depth: pretrained blocks.

    Returns:
        0 for the embeddings, 1 to `depth` for the blocks, `depth` for the final norm; None for what starts anew:
        stem, pyramid, decoder, head, added blocks, low-rank matrices.

    Raises:
        ValueError: If the network has no such part.
    """
    if name.startswith(_NEW):
        return None
    part, *inner = name.removeprefix("encoder.vit.").split(".")
    if part in _EMBEDDINGS:
        return 0
    if part == "norm":
        return depth
    if part == "blocks":
        number = int(inner[0])
        return None if number >= depth or inner[-1] in ("down", "up") else number + 1
    raise ValueError(f"{name}: neither pretrained nor known to start anew")


def _set_drop_path(encoder: DinoV2Encoder, rate: float) -> None:
    """Drops blocks at random in training, the last at `rate`, fewer towards the first, which always stays.

    Huang et al. 2016 (arXiv 1603.09382), section 3; for each sample and each of attention and MLP, as timm does.
    """
    last = len(encoder.blocks) - 1
    for number, block in enumerate(encoder.blocks):
        if rate and number:
            block.drop_path1 = DropPath(rate * number / last)
            block.drop_path2 = DropPath(rate * number / last)
