"""Configuration: one definition serves as command-line flags, YAML file and checkpoint header.

Every field is a plain type, so that a configuration survives JSON and YAML unchanged.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from datasets_def.bands import BANDS, DEFAULT_BANDS
from glofgeo.errors import GlofgeoError
from glofgeo.settings import NotNegative, Positive, Range, Share, check

Variant = Literal["tiny", "small", "base", "large"]
Channels = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class ModelConfig:
    """What the network is.

    Attributes:
        variant: size of the DINOv2 encoder.
        extra_blocks: transformer blocks added after the pretrained ones.
        extra_init: how those start: `copy` learns from the first step on; `zeros` (everything at zero) never
            receives a gradient.
        registers: register tokens of the DINOv2 variant (0 or 4).
        image_size: side in pixels of the square the position embedding is stored for.
        bands: names of the input bands, in order.
        mean: reflectance subtracted per band; by default the band table's.
        std: reflectance divided by per band; by default the band table's.
        decoder_channels: width of the U-Net decoder's five stages.
        stem_channels: width of the convolutional stem at full and at half resolution.
        log_input: give the network the logarithms of the reflectance, in which light is a sum and a band ratio a
            difference; pretrained weights expect the reflectance itself.
    """

    variant: Variant = "large"
    extra_blocks: Annotated[int, Range(0, 48)] = 1
    extra_init: Literal["copy", "zeros"] = "copy"
    registers: Literal[0, 4] = 0
    image_size: Annotated[int, Range(14, 4096)] = 518
    bands: tuple[str, ...] = DEFAULT_BANDS
    mean: tuple[Annotated[float, Range(-100, 100)], ...] = ()
    std: tuple[Annotated[float, Range(1e-6, 100)], ...] = ()
    decoder_channels: tuple[Channels, Channels, Channels, Channels, Channels] = (256, 128, 64, 32, 16)
    stem_channels: tuple[Channels, Channels] = (16, 32)
    log_input: bool = False

    def __post_init__(self) -> None:
        """Fills in the band statistics and refuses a band that is not Sentinel-2's."""
        check(self, "model.")
        unknown = [band for band in self.bands if band not in BANDS]
        if unknown:
            raise GlofgeoError(f"unknown band {', '.join(unknown)}: Sentinel-2 has {', '.join(BANDS)}")
        if len(set(self.bands)) != len(self.bands) or not self.bands:
            raise GlofgeoError(f"bands {', '.join(self.bands) or '(none)'}: name each band once")
        for name in ("mean", "std"):
            given = getattr(self, name)
            if not given:
                object.__setattr__(self, name, tuple(getattr(BANDS[band], name) for band in self.bands))
            elif len(given) != len(self.bands):
                raise GlofgeoError(f"model.{name} has {len(given)} values for {len(self.bands)} bands")


@dataclass(frozen=True)
class DataConfig:
    """Which crops training sees.

    Attributes:
        window: side of a training crop in pixels; shrunk to the largest scene if that is smaller.
        batch_size: crops a step.
        crops: crops an epoch.
        lake_share: share of the crops around lakes, every size class alike.
        hard_share: share of the crops around what is taken for lakes: shadow, wet ice and slush, snow margins, cloud
            edges; the rest falls anywhere.
        workers: loader processes.
        block_deg: side in degrees of the blocks that split an AOI without `split`.
        buffer_m: ground left unused between the parts of such a split, in metres.
        val_share: share of those blocks that validate.
        lake_years: lakes mapped this many years before or after a scene was acquired are left out there, neither
            learned nor judged, like those without a date; by default dates are not looked at.
        cache_size: GB that decoded scenes may take beside the runs; those used least recently give way.
    """

    window: Annotated[int, Range(28, 4096)] = 518
    batch_size: Annotated[int, Range(1, 65536)] = 4
    crops: Annotated[int, Range(1, 10**9)] = 1000
    lake_share: Share = 0.5
    hard_share: Share = 0.2
    workers: Annotated[int, Range(0, 1024)] = 2
    block_deg: Annotated[float, Range(0, 90, above=True)] = 0.25
    buffer_m: Annotated[float, Range(0, 1e6)] = 6000.0
    val_share: Annotated[float, Range(0, 1, above=True, below=True)] = 0.2
    lake_years: NotNegative | None = None
    cache_size: NotNegative = 50.0

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self, "data.")
        if self.lake_share + self.hard_share > 1:
            raise GlofgeoError("--data.lake-share and --data.hard-share are shares of one whole: give 0 to 1 together")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the three terms of the loss.

    Attributes:
        lovasz: of the Lovasz hinge, a surrogate of 1 - IoU.
        dice: of 1 - Dice.
        bce: of the binary cross-entropy.
        lake_weight: of a lake pixel in the binary cross-entropy, where land has 1. The cross-entropy alone calls lake
            what is lake more often than not; the best IoU and F1 need a lower bar (Lipton et al. 2014, arXiv
            1402.1892), which `w` puts at a probability of `1 / (1 + w)`.
    """

    lovasz: NotNegative = 1.0
    dice: NotNegative = 1.0
    bce: NotNegative = 1.0
    lake_weight: Positive = 1.0

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self, "loss.")
        if not self.lovasz + self.dice + self.bce:
            raise GlofgeoError("--loss.lovasz, --loss.dice and --loss.bce are all 0: give one of them some weight")


@dataclass(frozen=True)
class AugmentConfig:
    """What a training crop's light and air may differ by.

    Attributes:
        light: illumination is scaled by up to `1 + light`, or down by as much.
        band: the same for each band on its own.
        haze: most reflectance that haze adds at 490 nm; falls with wavelength.
    """

    light: Annotated[float, Range(0, 10)] = 0.2
    band: Annotated[float, Range(0, 10)] = 0.05
    haze: Share = 0.03

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self, "augment.")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run.

    Attributes:
        model: what the network is.
        data: which crops training sees.
        loss: weights of the loss.
        augment: how crops are varied.
        weights: `auto` (`dinov2` where it can be had, else random, and says so), `dinov2` (Meta's, fetched through
            timm), `none` (random), or a file.
        tune: what learns beside decoder, stem and extra blocks: `full`, the whole transformer; `frozen`, none of it;
            `lora`, low-rank additions to its attention, merged into plain weights in best.safetensors.
        lora_rank: rank of these additions.
        lora_alpha: they are scaled by `lora_alpha / lora_rank`.
        epochs: passes of `data.crops` crops.
        lr: peak learning rate of decoder, stem, extra blocks and low-rank additions.
        encoder_lr: the same for the last pretrained block.
        layer_decay: factor on `encoder_lr` from each pretrained block to the one before it; 1 gives all the same.
            Without pretrained weights, neither applies.
        weight_decay: AdamW's; norms, biases, LayerScale, tokens and positions have none.
        drop_path: probability that a training sample skips the last block; it falls linearly to 0 at the first.
        grad_checkpoint: compute the transformer blocks again in the backward pass: about a third more time, a fraction
            of the memory.
        compile: translate the network with torch.compile: a slow start, then faster steps.
        warmup: share of all steps during which the rate rises.
        patience: epochs without a better lake IoU before training stops.
        clip: gradient norm above which gradients are scaled down.
        ema: weight of the past in the running mean of the weights, which is what is validated and kept; it starts
            small and rises to this. 0 keeps the last step's weights.
        seed: of everything random.
        allow_leaks: go on where the split leaks; the scorecard then says so.
        skip_damaged: leave out scenes that are damaged, and say which.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    weights: str = "auto"
    tune: Literal["full", "frozen", "lora"] = "full"
    lora_rank: Annotated[int, Range(1, 1024)] = 8
    lora_alpha: Positive = 16.0
    epochs: Annotated[int, Range(1, 10**6)] = 50
    lr: Annotated[float, Range(0, 1, above=True)] = 5e-4
    encoder_lr: Annotated[float, Range(0, 1, above=True)] = 5e-5
    layer_decay: Annotated[float, Range(0, 1, above=True)] = 0.9
    weight_decay: Share = 0.05
    drop_path: Annotated[float, Range(0, 1, below=True)] = 0.0
    grad_checkpoint: bool = False
    compile: bool = False
    warmup: Share = 0.05
    patience: Annotated[int, Range(1, 10**6)] = 10
    clip: Positive = 1.0
    ema: Annotated[float, Range(0, 1, below=True)] = 0.999
    seed: Annotated[int, Range(0, 2**32, below=True)] = 0
    allow_leaks: bool = False
    skip_damaged: bool = False

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self)


@dataclass(frozen=True)
class MapConfig:
    """How a scene is mapped.

    Attributes:
        threshold: probability from which a pixel is lake.
        min_area: smallest lake and smallest island that is kept, in square metres (five pixels of 10 m, the least that
            inventories from Sentinel-2 map: Lesi et al. 2022, ESSD 14:5489). A lake's outline and its pixels must both
            reach it, an island's pixels.
        overlap: pixels that neighbouring windows share at the least.
        batch_size: windows inferred at once, or `auto`; halved while memory does not hold them.
        tta: average the answers to the eight symmetries of each window: eight times the work.
        skip_dry: leave out windows in which no pixel could be water (B03 and B08 tell); see docs/mapping.md for what
            that costs.
        compile: translate the network with torch.compile: a slow start, then faster windows.
        any_resolution: map scenes whose pixels are more than a quarter larger or smaller than those the model was
            trained on, and note it in the outputs.
    """

    threshold: Annotated[float, Range(0, 1, above=True, below=True)] = 0.5
    min_area: NotNegative = 500.0
    overlap: Annotated[int, Range(0, 4096)] = 64
    batch_size: Annotated[int, Range(1, 65536)] | Literal["auto"] = "auto"
    tta: bool = False
    skip_dry: bool = False
    compile: bool = False
    any_resolution: bool = False

    def __post_init__(self) -> None:
        """Refuses values that cannot be meant."""
        check(self)
