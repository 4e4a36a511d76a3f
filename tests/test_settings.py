"""What a setting may be is the same for a flag, a YAML file and a header; each wrong one is named."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from glofgeo.config import DataConfig, MapConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.presets import PRESETS, load_preset
from glofgeo.settings import Range, SettingError, check, from_dict
from glofgeo.terminal import told

WRONG = {
    "data": {
        "window": [27, 4097, "big", True, None, 56.5, [56], math.nan, 10**400],
        "batch_size": [0], "crops": [0], "workers": [-1], "block_deg": [0, -1, math.inf], "buffer_m": [-1],
        "lake_share": [-0.1, 1.1], "hard_share": [-0.1], "val_share": [0, 1], "lake_years": [-1, math.nan, "never"],
        "cache_size": [math.nan, math.inf, -1],
    },
    "loss": {"lovasz": [-1], "dice": [-1], "bce": [-1], "lake_weight": [-1, 0]},
    "augment": {"light": [-0.1], "band": [-0.1], "haze": [-1, 1.5]},
    "model": {
        "variant": ["giant", 1, ["tiny"]], "extra_blocks": [-1, 49, 100_000], "registers": [1, "0", False],
        "image_size": [13, 10**9], "bands": ["B02", {"B02": 1}, [2]], "mean": [["x"] * 4, [math.nan] * 4, [1e18] * 4],
        "std": [[0.1, 0.1, 0.1, 0.0], [1e18] * 4, [1e-300] * 4],
        "decoder_channels": [[8] * 4, [8] * 6, [8, 8, 8, 8, 0], [8, 8, 8, 8, 1e9], 8],
        "stem_channels": [[8], [8] * 7, [8, -8]], "log_input": ["yes", 1],
        "wide_view": [0, 17, 2.5, "4x"],
    },
}  # fmt: skip
WRONG_ALONE = {
    "weights": ["", " ", 5], "tune": ["half"], "lora_rank": [0], "lora_alpha": [0], "epochs": [-1, 0, 2.5, {}],
    "lr": [0, -1, math.nan, math.inf, "fast"], "encoder_lr": [0], "layer_decay": [0, 1.1], "weight_decay": [-1],
    "drop_path": [-0.1, 1], "warmup": [5, -0.1], "patience": [-1, 0], "clip": [-1, 0], "ema": [1, -0.1, "9e-1x"],
    "seed": [-1, 2**32], "compile": [2, "true", None],
}  # fmt: skip
CASES = [(section, name, v) for section, names in WRONG.items() for name, values in names.items() for v in values]
CASES += [("", name, value) for name, values in WRONG_ALONE.items() for value in values]


@pytest.mark.parametrize(("section", "name", "value"), CASES)
def test_a_setting_that_cannot_be_meant_is_named_with_its_file(section, name, value):
    values = {section: {name: value}} if section else {name: value}
    with pytest.raises(GlofgeoError) as raised:
        from_dict(TrainConfig, values, "mine.yaml")
    message = str(raised.value)
    assert message.startswith(f"mine.yaml: {section + '.' if section else ''}{name} ")
    assert "give " in message
    assert len(message) < 200 and message.isprintable()


WRONG_MAP = [("min_area", math.nan), ("min_area", -1), ("threshold", 1), ("overlap", -1)]
WRONG_MAP += [("batch_size", 0), ("batch_size", "some"), ("batch_size", 1.5)]


@pytest.mark.parametrize(("name", "value"), WRONG_MAP)
def test_how_to_map_is_checked_alike(name, value):
    with pytest.raises(SettingError, match=f"^{name} {value}: give ") as raised:
        MapConfig(**{name: value})
    assert told(raised.value).endswith(f" (--{name.replace('_', '-')})")


def test_what_is_exact_is_converted():
    values = {"ema": "9e-1", "epochs": 3.0, "clip": 2, "data": {"lake_years": "3", "window": "98"}, "lr": "1e-3"}
    config = from_dict(TrainConfig, values, "mine.yaml")
    assert (config.ema, config.epochs, config.clip, config.data.lake_years, config.data.window, config.lr) == (
        0.9, 3, 2.0, 3.0, 98, 1e-3,
    )  # fmt: skip
    assert [type(v) for v in (config.epochs, config.clip, config.data.window)] == [int, float, int]
    assert from_dict(TrainConfig, {"data": {"lake_years": None}}, "").data.lake_years is None
    assert from_dict(TrainConfig, {"model": {"stem_channels": [8, 8.0]}}, "").model.stem_channels == (8, 8)


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"epocs": 3}, "did you mean epochs?"),
        ({"window": 3}, "did you mean data.window?"),
        ({"data": {"lake-share": 0.5}}, "did you mean data.lake_share"),
        ({"data": {"flavour": 1}}, "known: data.window, data.batch_size"),
        ({3: 4}, "unknown setting 3"),
        ({"data": 5}, "data is 5"),
        ([], r"it is \[\]"),
        (None, "it is None"),
    ],
)
def test_unknown_settings_list_what_may_have_been_meant(values, remedy):
    with pytest.raises(GlofgeoError, match=remedy):
        from_dict(TrainConfig, values, "mine.yaml")


def test_shares_and_weights_are_checked_together():
    with pytest.raises(GlofgeoError, match=r"add up to 1\.4"):
        DataConfig(lake_share=0.7, hard_share=0.7)
    with pytest.raises(GlofgeoError, match="all 0"):
        from_dict(TrainConfig, {"loss": {"lovasz": 0, "dice": 0, "bce": 0}}, "")
    with pytest.raises(GlofgeoError, match="name each band once"):
        ModelConfig(bands=("B02", "B02"))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_and_their_yaml_are_whole_configurations(name, tmp_path):
    config = from_dict(TrainConfig, load_preset(name), name)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(dataclasses.asdict(config)))
    assert from_dict(TrainConfig, load_preset(str(path)), "again") == config
    assert dataclasses.replace(config, epochs=7).epochs == 7


@pytest.mark.parametrize("text", ["[" * 5000, "a: 2026-99-99", "a: !!python/object:os.system 1", "\x00", "a: [", "5"])
def test_a_file_that_is_no_yaml_of_settings_is_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(GlofgeoError, match=r"mine\.yaml"):
        load_preset(str(path))


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "mine.yaml"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(GlofgeoError, match="too large for a file of settings"):
        load_preset(str(path))


numbers = st.floats() | st.integers() | st.integers(10**300, 10**310)
words = st.sampled_from(["nan", "1e999", "0x10", "１", "\n", "a\u2028b"])
scalars = st.none() | st.booleans() | numbers | st.text(max_size=9) | words
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(scalars, inner), max_leaves=6)


@given(data=st.data())
def test_nothing_but_a_configuration_or_one_line_comes_out(data):
    section = data.draw(st.sampled_from(["", "model", "data", "loss", "augment"]))
    kind = {f.name: type(getattr(TrainConfig(), f.name)) for f in dataclasses.fields(TrainConfig)}.get(
        section, TrainConfig
    )
    name = data.draw(st.sampled_from([f.name for f in dataclasses.fields(kind)]))
    values = {name: data.draw(anything)}
    try:
        config = from_dict(TrainConfig, {section: values} if section else values, str(Path("mine.yaml")))
    except GlofgeoError as error:
        assert str(error).isprintable() and len(str(error)) < 700
    else:
        assert from_dict(TrainConfig, dataclasses.asdict(config), "again") == config


@pytest.mark.parametrize("values", [{"tune": "\n"}, {"model": {"bands": "a\u2028b"}}, {"tu\nne": "full"}, {"tune": ""}])
def test_text_that_would_break_the_line_is_quoted(values):
    with pytest.raises(GlofgeoError) as refusal:
        from_dict(TrainConfig, values, "mine.yaml")
    assert str(refusal.value).isprintable() and ("'" in str(refusal.value))


@dataclasses.dataclass(frozen=True)
class Example:
    share: Annotated[float, Range(0, 1, above=True, below=True)] = 0.5
    count: Annotated[int, Range(2)] | Literal["auto"] = "auto"

    def __post_init__(self):
        check(self)


@given(number=st.floats() | st.integers())
@example(number=2**53 + 1)
def test_a_number_is_taken_exactly_where_its_range_says(number):
    for name, fits in (("share", 0 < number < 1), ("count", number >= 2 and math.isfinite(number) and number % 1 == 0)):
        try:
            taken = getattr(Example(**{name: number}), name)
        except SettingError as error:
            assert not fits
            assert str(error).startswith(f"{name} ")
        else:
            assert fits and taken == number


@pytest.mark.parametrize(
    "text",
    [
        "epochs: 3\nlr: 0.1\nepochs: 5\n",
        "model:\n  variant: tiny\n  variant: small\n",
        "[" * 5000,
        "{a: " * 3000,
        "lr: !!float ''\n",
        "lr: !!bool x\n",
        "lr: !!timestamp x\n",
        "2001-99-99: 1\n",
    ],
)
def test_yaml_that_two_readers_would_read_differently_or_none_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(GlofgeoError, match="not readable as YAML") as raised:
        load_preset(str(path))
    assert "\n" not in str(raised.value)
