"""LakeTask: what a training step is, what is measured, and how the rate goes."""

from collections.abc import Sequence
from typing import Any, Self, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from glofgeo.config import TrainConfig
from glofgeo.models import LakeSegmenter
from glofgeo.training.adapt import keep_still, layer_of
from glofgeo.training.augment import Augment
from glofgeo.training.losses import LakeLoss
from glofgeo.training.pictures import Examples
from glofgeo.training.validation import AreaPlan, BlendedAreas

Batch = dict[str, Tensor]


class LakeTask(lightning.LightningModule):
    """Trains a lake segmenter.

    A batch is `{"image": float32 (B, C, H, W) reflectance, "mask": uint8 (B, H, W), 1 lake, 0 land, 255 not observed}`,
    in validation with `place`, where each window lies in the plans. Figures (`val_iou`, `val_dice`, `val_precision`,
    `val_recall`, `val_accuracy`) are those of the lake class on the map that `glofgeo map` would make of the validation
    area, specks below its least area included.

    Attributes:
        judged: what the last validation counted.
        examples: some of its windows.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, plans: Sequence[AreaPlan] = ()) -> None:
        """Takes a model.

        Args:
            model: `LakeSegmenter`, adapted by `glofgeo.training.adapt.adapt`, or another network that gives logits
                `(B, 1, H, W)`, whose task chooses its own rates.
            config: loss, rates and schedule.
            plans: of the validation area, whose windows come in order.
        """
        super().__init__()
        # Convolutions are a tenth to a quarter faster with the channels innermost.
        self.model = model.to(memory_format=torch.channels_last)
        self.config = config
        self.loss = LakeLoss(config.loss)
        self.augment = Augment(config.model.bands, config.augment)
        self.plans = plans
        self.judged = BlendedAreas(plans)
        self.examples = Examples()
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Sets training mode, from which a frozen transformer is exempt."""
        super().train(mode)
        if self.config.tune == "frozen":
            keep_still(cast(LakeSegmenter, self.model).encoder)
        return self

    def forward(self, reflectance: Tensor) -> Tensor:
        """Gives lake logits `(B, 1, H, W)` for reflectance `(B, C, H, W)`."""
        logits: Tensor = self.model(reflectance.contiguous(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Gives the loss of an augmented batch."""
        # By the step, so that a resumed run draws what the whole run drew.
        torch.manual_seed(hash((self.config.seed, self.global_step, self.global_rank)))
        image, mask = self.augment(batch["image"], batch["mask"])
        loss: Tensor = self.loss(self(image), mask)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(image))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Starts counting anew."""
        self.judged = BlendedAreas(self.plans)
        self.examples = Examples()

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """Takes the loss of a batch of windows and blends them."""
        logits = self(batch["image"])
        loss = self.loss(logits, batch["mask"])
        self.log("val_loss", loss, batch_size=len(logits))
        probability, masks = logits[:, 0].float().sigmoid().cpu().numpy(), batch["mask"].cpu().numpy()
        places = torch.stack(batch["place"], dim=1).tolist()
        for place, image, one, mask in zip(places, batch["image"].cpu().numpy(), probability, masks, strict=True):
            self.judged.add(tuple(place), one, mask)
            self.examples.offer(image, mask, one)

    def on_validation_epoch_end(self) -> None:
        """Logs the epoch's figures."""
        for name, value in self.judged.figures().items():
            self.log(f"val_{name}", value, prog_bar=name == "iou")

    def configure_optimizers(self) -> Any:
        """Gives AdamW with a rate that warms up over the first steps and then falls along a cosine."""
        config = self.config
        steps = int(self.trainer.estimated_stepping_batches)
        model = cast(LakeSegmenter, self.model)
        if config.weights == "none":
            groups = parameter_groups(model, config.lr, config.lr)
        else:
            groups = parameter_groups(model, config.lr, config.encoder_lr, config.layer_decay)
        optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule(optimizer, steps, config.warmup), "interval": "step"},
        }


def schedule(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> LRScheduler:
    """Lets the rates rise linearly to their peak and then fall along a cosine, to nothing at the last step.

    Args:
        optimizer: whose rates.
        steps: all of them.
        warmup: share of them during which the rates rise.
    """
    rising = max(1, round(warmup * steps))
    rise = LinearLR(optimizer, 1 / rising, total_iters=max(1, rising - 1))
    fall = CosineAnnealingLR(optimizer, max(1, steps - rising))
    return SequentialLR(optimizer, [rise, fall], [rising])


def parameter_groups(
    model: LakeSegmenter, lr: float, encoder_lr: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Deals every trainable parameter to one group of its own rate and decay.

    Norms, biases, LayerScale, tokens and positions do not decay: they are offsets and scales, not filters.

    Args:
        model: whose parameters.
        lr: rate of what starts anew: decoder, head, stem, pyramid, extra blocks, low-rank additions.
        encoder_lr: rate of the last pretrained block.
        layer_decay: factor from each pretrained block to the one before it, down to the embeddings (Clark et al. 2020,
            arXiv 2003.10555).
    """
    depth = model.encoder.depth
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name.rsplit(".", 1)[-1] not in ("cls_token", "reg_token", "pos_embed")
            layer = layer_of(name, depth)
            own_lr = lr if layer is None else encoder_lr * layer_decay ** (depth - layer)
            groups.setdefault((own_lr, decays), []).append(parameter)
    return [
        {"params": parameters, "lr": group_lr} | ({} if decays else {"weight_decay": 0.0})
        for (group_lr, decays), parameters in groups.items()
    ]
