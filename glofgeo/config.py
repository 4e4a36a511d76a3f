"""Configuration: one definition serves as command-line flags, YAML file and checkpoint header.

Every field is a plain type, so that a configuration survives JSON and YAML unchanged.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Parameter

from datasets_def.bands import CHANNELS, DEFAULT_BANDS, stored_bands
from glofgeo.errors import GlofgeoError
from glofgeo.help_groups import CROPS, HARDWARE, LOSS, MAIN, MODEL, RESULT, SCENES, SPLIT
from glofgeo.settings import NotNegative, Positive, Range, SettingError, Share, check

Variant = Literal["tiny", "small", "base", "large"]
Channels = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes:
        variant: size of the DINOv2 encoder; with its decoder it has 8, 27, 98 or 322 million parameters.
        extra_blocks: transformer blocks added after the pretrained ones.
        extra_init: how the added blocks start: `copy` repeats the last pretrained block behind a LayerScale of zero;
            `zeros` sets all of their weights to zero, which never receive a gradient (for comparison only).
        registers: register tokens of the DINOv2 weights, 0 or 4.
        image_size: side in pixels of the image that the stored position embedding covers; other sizes are
            interpolated.
        bands: input bands, in order; beside bands of Sentinel-2 also slope and shadow (cast by terrain), for which
            training and mapping need a DEM.
        mean: mean reflectance of each band, subtracted from the input (1.0 = 100 %); by default built-in values.
        std: standard deviation of each band's reflectance, by which the input is divided; by default built-in values.
        decoder_channels: channels of the five stages of the U-Net decoder.
        stem_channels: channels of the convolutional stem at full and at half resolution; up to four more numbers let it
            go on to a quarter and less.
        log_input: feed the network the logarithm of the reflectance, so that brighter light adds a constant; not for
            pretrained weights.
        wide_view: reduction factor for a second, coarser look, which decides inside wide lakes and wide land
            when a map is made; 1 for none. Training uses the first look alone.
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
    stem_channels: tuple[Channels, ...] = (16, 32)
    log_input: bool = False
    wide_view: Annotated[int, Range(1, 16)] = 1

    def __post_init__(self) -> None:
        """Fills in the band statistics and refuses unknown bands."""
        check(self, "model.")
        if not 2 <= len(self.stem_channels) <= 6:
            raise SettingError("model.stem_channels", list(self.stem_channels), "give two to six numbers, as in 16 32")
        stored_bands(self.bands)
        if len(set(self.bands)) != len(self.bands):
            raise GlofgeoError(f"bands {', '.join(self.bands)}: name each band once", argument="model.bands")
        for name in ("mean", "std"):
            given = getattr(self, name)
            if not given:
                object.__setattr__(self, name, tuple(getattr(CHANNELS[band], name) for band in self.bands))
            elif len(given) != len(self.bands):
                raise GlofgeoError(f"model.{name} has {len(given)} values for {len(self.bands)} bands")


@dataclass(frozen=True)
class DataConfig:
    """The crops that training draws, and how an area is split.

    Attributes:
        window: side of a training crop in pixels; reduced to the largest scene if that is smaller. The trained model
            maps with windows of this size.
        batch_size: crops per step.
        crops: crops per epoch.
        lake_share: fraction of the crops drawn around lakes, every size class equally often.
        hard_share: fraction of the crops drawn around areas that look like lakes: shadow, dark surfaces, wet ice,
            slush, snow margins, cloud edges. The remaining crops are drawn anywhere.
        workers: processes that load crops.
        block_deg: side in degrees of the blocks that become train or val, if the area has no `split` column.
        buffer_m: gap in metres between train and val blocks.
        val_share: fraction of the blocks used for validation.
        lake_years: in each scene, ignore lakes that were mapped more than this many years before or after it, and lakes
            without a date; by default all lakes count in every scene.
        cache_size: disk space for decoded scenes in GB; the least recently used are deleted first.
    """

    window: Annotated[int, Range(28, 4096)] = 518
    batch_size: Annotated[int, Range(1, 65536), Parameter(group=MAIN)] = 4
    crops: Annotated[int, Range(1, 10**9)] = 1000
    lake_share: Share = 0.5
    hard_share: Share = 0.2
    workers: Annotated[int, Range(0, 1024), Parameter(group=HARDWARE)] = 2
    block_deg: Annotated[float, Range(0, 90, above=True), Parameter(group=SPLIT)] = 0.25
    buffer_m: Annotated[float, Range(0, 1e6), Parameter(group=SPLIT)] = 6000.0
    val_share: Annotated[float, Range(0, 1, above=True, below=True), Parameter(group=SPLIT)] = 0.2
    lake_years: Annotated[NotNegative | None, Parameter(group=SCENES)] = None
    cache_size: Annotated[NotNegative, Parameter(group=HARDWARE)] = 50.0

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self, "data.")
        if self.lake_share + self.hard_share > 1:
            raise GlofgeoError(
                f"data.lake_share and data.hard_share add up to {self.lake_share + self.hard_share:g}",
                "lower one of them: together they may be 1 at most",
                argument="data.hard_share",
            )


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of the loss.

    Cross-entropy alone is lowest if a pixel is called lake where lake is more likely than land; the best IoU and F1
    need a lower threshold (Lipton et al. 2014, arXiv 1402.1892). A lake weight `w` moves it to `1 / (1 + w)`.

    Attributes:
        lovasz: weight of the Lovász hinge, a surrogate of 1 - IoU.
        dice: weight of 1 - Dice.
        bce: weight of the binary cross-entropy.
        lake_weight: weight of a lake pixel in the cross-entropy, relative to a land pixel; above 1, more is mapped as
            lake.
    """

    lovasz: NotNegative = 1.0
    dice: NotNegative = 1.0
    bce: NotNegative = 1.0
    lake_weight: Positive = 1.0

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self, "loss.")
        if not self.lovasz + self.dice + self.bce:
            raise GlofgeoError(
                "loss.lovasz, loss.dice and loss.bce are all 0", "give one of them some weight", argument="loss.bce"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of light and air in training crops.

    Attributes:
        light: strength of random brightness changes of all bands together: 0.2 scales reflectance by 1/1.2 to 1.2.
        band: strength of random brightness changes of each band on its own.
        haze: largest reflectance added as haze, at 490 nm (1.0 = 100 %); less at longer wavelengths.
    """

    light: Annotated[float, Range(0, 10)] = 0.2
    band: Annotated[float, Range(0, 10)] = 0.05
    haze: Share = 0.03

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self, "augment.")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run.

    Attributes:
        model: the network.
        data: crops and split.
        loss: weights of the terms of the loss.
        augment: random changes of the crops.
        epochs: number of epochs.
        weights: initial weights: of the encoder, `auto` (DINOv2 if it can be downloaded, otherwise random), `dinov2`
            (download or stop), `none` (random), or a file; of the whole network, `bundled` (the model that comes with
            glofgeo, whose `model` settings then hold), or a checkpoint of a network with the same settings.
        tune: which pretrained weights are trained: `full` (all), `lora` (low-rank additions to the attention layers),
            `frozen` (none). Stem, decoder and added blocks are always trained.
        lora_rank: rank of the low-rank additions (with LoRA).
        lora_alpha: the low-rank additions are scaled by alpha / rank.
        lr: peak learning rate of everything that starts untrained: stem, decoder, added blocks, LoRA.
        encoder_lr: peak learning rate of the last pretrained block.
        layer_decay: learning rate of each pretrained block relative to the next; 1 gives all blocks the same rate.
        weight_decay: weight decay of AdamW; norms, biases, LayerScale, tokens and positions have none.
        drop_path: stochastic depth: probability of skipping the last transformer block, falling linearly to 0 at the
            first.
        grad_checkpoint: gradient checkpointing: a fraction of the memory, about a third more time.
        compile: compile the network with torch.compile: a slow start, then faster steps.
        warmup: fraction of all steps over which the learning rate rises to its peak.
        patience: stop after this many epochs without a better validation IoU.
        clip: largest gradient norm; larger gradients are scaled down to it.
        ema: decay of the exponential moving average of the weights, which is what is validated and saved; lower in the
            first thousand steps. 0 saves the weights of the last step.
        start_share: share of the initial weights in the model that is validated and saved, for training with few labels
            from a whole trained network.
        seed: random seed.
        allow_leaks: train even if train, val and test overlap or share lakes or places; the scorecard then reports it.
        skip_damaged: leave out damaged scenes and name them, instead of stopping.
    """

    model: Annotated[ModelConfig, Parameter(group=MODEL)] = field(default_factory=ModelConfig)
    data: Annotated[DataConfig, Parameter(group=CROPS)] = field(default_factory=DataConfig)
    loss: Annotated[LossConfig, Parameter(group=LOSS)] = field(default_factory=LossConfig)
    augment: Annotated[AugmentConfig, Parameter(group=CROPS)] = field(default_factory=AugmentConfig)
    epochs: Annotated[int, Range(1, 10**6), Parameter(group=MAIN)] = 50
    weights: Annotated[str, Parameter(group=MODEL)] = "auto"
    tune: Literal["full", "frozen", "lora"] = "full"
    lora_rank: Annotated[int, Range(1, 1024)] = 8
    lora_alpha: Positive = 16.0
    lr: Annotated[float, Range(0, 1, above=True)] = 5e-4
    encoder_lr: Annotated[float, Range(0, 1, above=True)] = 5e-5
    layer_decay: Annotated[float, Range(0, 1, above=True)] = 0.9
    weight_decay: Share = 0.05
    drop_path: Annotated[float, Range(0, 1, below=True)] = 0.0
    grad_checkpoint: Annotated[bool, Parameter(group=HARDWARE)] = False
    compile: Annotated[bool, Parameter(group=HARDWARE)] = False
    warmup: Share = 0.05
    patience: Annotated[int, Range(1, 10**6)] = 10
    clip: Positive = 1.0
    ema: Annotated[float, Range(0, 1, below=True)] = 0.999
    start_share: Annotated[float, Range(0, 1, below=True)] = 0.0
    seed: Annotated[int, Range(0, 2**32, below=True)] = 0
    allow_leaks: Annotated[bool, Parameter(group=SPLIT)] = False
    skip_damaged: Annotated[bool, Parameter(group=SCENES)] = False

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self)


@dataclass(frozen=True)
class MapConfig:
    """How a scene is mapped.

    Attributes:
        threshold: probability (0 to 1) from which a pixel is lake.
        min_area: smallest lake and smallest island kept, in square metres. The default is five pixels of 10 m, the
            minimum of Sentinel-2 inventories (Lesi et al. 2022, ESSD 14:5489).
        overlap: smallest overlap of neighbouring windows in pixels.
        batch_size: windows per batch; `auto` chooses by device and window size. Halved whenever memory runs out.
        tta: test-time augmentation: average the predictions for the eight rotations and reflections of each window;
            eight times slower.
        skip_dry: skip windows in which bands B03 and B08 show that no pixel can be water; see docs/mapping.md for what
            that misses.
        compile: compile the network with torch.compile: a slow start, then faster windows.
        any_resolution: also map scenes whose pixels are more than a quarter larger or smaller than in the scenes the
            model was trained on; the outputs say so.
    """

    threshold: Annotated[float, Range(0, 1, above=True, below=True), Parameter(group=RESULT)] = 0.5
    min_area: Annotated[NotNegative, Parameter(group=RESULT)] = 500.0
    overlap: Annotated[int, Range(0, 4096)] = 64
    batch_size: Annotated[int, Range(1, 65536)] | Literal["auto"] = "auto"
    tta: bool = False
    skip_dry: bool = False
    compile: bool = False
    any_resolution: Annotated[bool, Parameter(group=SCENES)] = False

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self)
