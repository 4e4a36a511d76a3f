"""Harmed checkpoint headers and configurations; see `fuzz.py`."""

import dataclasses
import json
import math
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import yaml
from fuzz_case import Case, Kind, change_digits, flip
from safetensors import safe_open

from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.models import build_model, load_checkpoint, save_checkpoint
from glofgeo.models.header import Header, read_header
from glofgeo.presets import load_preset
from glofgeo.settings import from_dict

ABSURD: tuple[Any, ...] = (0, -1, math.nan, math.inf, -math.inf, 1e18, 10**400, 1e-300, "x", "", "1e400", None, True,
                           [], {}, [1], {"a": 1}, "nan", "\0", -0.0, 0.5, "0x10", "1_000", "٣", [[]])  # fmt: skip
# Numbers of these settings decide what a model answers.
_DECIDE = ("mean", "std", "temperature", "pixel_m")
_FARTHEST = 1e6

Values = dict[str, Any]


def kinds(folder: Path) -> dict[str, Kind]:
    """Writes a good checkpoint and gives the kinds of harm to it and to configurations."""
    good = folder / "good.safetensors"
    model = ModelConfig("tiny", extra_blocks=0, image_size=28, decoder_channels=(1,) * 5, stem_channels=(1, 1))
    config = TrainConfig(model=model, data=DataConfig(window=28))
    save_checkpoint(good, build_model(model), config, {"note": "x"}, {"iou": 0.5}, 1.5, 10.0)
    with safe_open(good, "numpy") as file:
        text = file.metadata()["glofgeo"]

    def header(harm: Callable[[Random, Values], str], write: Callable[[Values], str] = json.dumps) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            values = json.loads(text)
            note = harm(rng, values)
            path = here / "a.safetensors"
            write_safetensors(path, {"glofgeo": write(values), "sha256": "0" * 64})
            return Case(note, partial(read_header, path), partial(compare_header, values=values))

        return make

    def content(harm: Callable[[Random, bytes], bytes]) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            path = here / "a.safetensors"
            path.write_bytes(harm(rng, good.read_bytes()))
            return Case(harm.__name__, partial(load_checkpoint, path), partial(compare_header, values=json.loads(text)))

        return make

    def settings(harm: Callable[[Random, Values], str]) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            values = json.loads(json.dumps(dataclasses.asdict(config)))
            note = harm(rng, values)
            return Case(note, partial(from_dict, TrainConfig, values, "a"), partial(compare, values=values))

        return make

    def in_yaml(harm: Callable[[Random, str], str]) -> Kind:
        plain = yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(config))))

        def make(rng: Random, here: Path) -> Case:
            path = here / "a.yaml"
            path.write_text(harm(rng, plain), encoding="utf-8", errors="surrogateescape")
            # What the text says, as another reader has it: flipped digits are the file's own word.
            return Case(getattr(harm, "__name__", ""), partial(read_yaml, path), compare_pair)

        return make

    def value_in_yaml(rng: Random, here: Path) -> Case:
        values = json.loads(json.dumps(dataclasses.asdict(config)))
        note = replace_value(rng, values)
        path = here / "a.yaml"
        path.write_text(yaml.safe_dump(values, allow_unicode=True))
        return Case(note, partial(read_yaml, path), compare_pair)

    return {
        "header value replaced": header(replace_value),
        "header own field replaced": header(replace_own),
        "header field removed": header(remove_value),
        "header unknown field": header(add_value),
        "header nested deeply": header(nest),
        "header list of another length": header(change_length),
        "header name twice": header(lambda rng, values: "temperature twice", say_twice),
        "header JSON cut": header(lambda rng, values: "cut", lambda values: json.dumps(values)[:-40]),
        "checkpoint header bytes flipped": content(flip_start),
        "checkpoint tensor bytes flipped": content(flip_tensors),
        "checkpoint length wrong": content(wrong_length),
        "checkpoint truncated": content(cut),
        "checkpoint header value, digest kept": content(keep_digest),
        "configuration value replaced": settings(replace_value),
        "configuration field removed": settings(remove_value),
        "configuration unknown field": settings(add_value),
        "configuration list of another length": settings(change_length),
        "configuration nested deeply": settings(nest),
        "YAML value replaced": value_in_yaml,
        "YAML bytes flipped": in_yaml(flip_text),
        "YAML digits changed": in_yaml(lambda rng, text: change_digits(rng, text.encode()).decode()),
        "YAML truncated": in_yaml(cut_text),
        "YAML name twice": in_yaml(name_twice),
        "YAML tag or bomb": in_yaml(tag_or_bomb),
    }


def write_safetensors(path: Path, metadata: dict[str, str]) -> None:
    """Writes a file of one number."""
    entries = {"__metadata__": metadata, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0\0\0")


def leaves(values: Any, *, own: bool = False) -> Iterator[tuple[Any, Any]]:
    """All places in nested values that hold no further ones, as (container, key)."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        if key in ("format", "sha256", "provenance", "scorecard") and not own:
            continue
        if isinstance(value, dict | list) and value:
            yield from leaves(value)
        yield values, key


def replace_value(rng: Random, values: Values) -> str:
    container, key = rng.choice(list(leaves(values)))
    container[key] = rng.choice(ABSURD)
    return f"{key} -> {container[key]!r:.60}"


def replace_own(rng: Random, values: Values) -> str:
    key = rng.choice(["temperature", "pixel_m", "format", "provenance", "scorecard", "config", "sha256"])
    values[key] = rng.choice(ABSURD)
    return f"{key} -> {values[key]!r:.60}"


def remove_value(rng: Random, values: Values) -> str:
    container, key = rng.choice([(c, k) for c, k in leaves(values, own=True) if isinstance(c, dict)])
    del container[key]
    return f"{key} removed"


def add_value(rng: Random, values: Values) -> str:
    place = rng.choice([values.get("config", values), values.get("config", values)["model"]])
    key = rng.choice(["x", "Lr", "__class__", "", "lr ", "a" * 3000, "self", "[/b]", "variant2"])
    place[key] = 1
    return f"{key!r:.40} added"


def nest(rng: Random, values: Values) -> str:
    depth, deep = rng.choice([2, 50, 400]), values
    for _ in range(depth):
        deep = rng.choice([{"a": deep}, [deep]])
    container, key = rng.choice([(c, k) for c, k in leaves(values) if isinstance(c, dict)])
    container[key] = json.loads(json.dumps(deep))
    return f"{key} {depth} deep"


def change_length(rng: Random, values: Values) -> str:
    model = values.get("config", values)["model"]
    key = rng.choice(["bands", "mean", "std", "decoder_channels", "stem_channels"])
    model[key] = rng.choice([model[key][:-1], model[key] * 2, [], model[key] * 10_000, model[key][0], [model[key]]])
    return key


def say_twice(values: Values) -> str:
    return json.dumps(values)[:-1] + ', "temperature": 3.0}'


def flip_start(rng: Random, content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return flip(rng, content, end=8 + length, most=3)


def flip_tensors(rng: Random, content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return flip(rng, content, start=8 + length, most=3)


def wrong_length(rng: Random, content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    return struct.pack("<Q", rng.choice([0, 1, length - 1, length + 1, 2**63, 2**64 - 1, 2**40, 10**6])) + content[8:]


def cut(rng: Random, content: bytes) -> bytes:
    return content[: rng.choice([0, 1, 7, 8, 9, 1000, rng.randrange(len(content) - 1)])]


def keep_digest(rng: Random, content: bytes) -> bytes:
    """Another temperature of the same length."""
    return content.replace(rb"\"temperature\": 1.5", rb"\"temperature\": 2.5", 1)


def flip_text(rng: Random, text: str) -> str:
    return flip(rng, text.encode(), most=4).decode("utf-8", "surrogateescape")


def cut_text(rng: Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def name_twice(rng: Random, text: str) -> str:
    return text + rng.choice(["epochs: 3\n", "model:\n  variant: small\n", "lr: 0.1\n"])


def tag_or_bomb(rng: Random, text: str) -> str:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    return rng.choice([
        bomb, bomb + "weights: *j\n", f"model: &m\n  bands: *m\n{text}", "lr: !!python/object/apply:os.system [true]\n",
        "lr: !!binary x\n", "epochs: 2001-12-14t21:59:43.10-05:00\n", "epochs: 1:30\n", "? [a]\n: 1\n", "- 1\n", "\0",
        "epochs: 0o17\n", "<<: {epochs: 3}\n", "%YAML 9.9\n---\nlr: 1\n", "--- 1\n--- 2\n", "[" * 5000, "{a: " * 3000,
        "epochs: !!int 'x'\n", "lr: !!float ''\n", "lr: !!bool x\n", "lr: !!timestamp x\n", "lr: !!int ''\n",
        "a: !!set [x]\n", "a: !!omap {x: 1}\n", "lr: &a !!map [*a]\n", "lr: .inf\n", "lr: 1e999\n", "epochs: 1e6\n",
        "1: 2\n", "~: 2\n", "2001-99-99: 1\n", "weights: 'a\tb'\n",
    ])  # fmt: skip


def read_yaml(path: Path) -> tuple[Any, Values]:
    """A configuration from a file, and what any YAML reader finds there, a name that stands twice aside."""
    values = load_preset(str(path))
    return from_dict(TrainConfig, values, "a"), parse_once(path.read_text(encoding="utf-8"))


def parse_once(text: str) -> Any:
    """Reads YAML; a name that stands twice is no answer."""
    loader = yaml.SafeLoader(text)
    root = loader.get_single_node()
    seen = [key.value for key, _ in root.value if key.tag != "tag:yaml.org,2002:merge"] if root else []
    if len(set(seen)) != len(seen):
        return {"": "a name stands twice"}
    return loader.construct_document(root) if root else {}


def compare_pair(found: tuple[Any, Values]) -> str:
    return compare(found[0], found[1])


def compare_header(found: Header, values: Values) -> str:
    """Tells where what was read is not what the file says, or decides the answer and cannot be meant."""
    wrong = [compare(found.config, values.get("config")), *map(str, absurd(dataclasses.asdict(found.config.model)))]
    for name, default in (("temperature", 1.0), ("pixel_m", None), ("provenance", None), ("scorecard", None)):
        wrong.append(difference(getattr(found, name), values.get(name, default), name))
        wrong += absurd({name: getattr(found, name)})
    return ", ".join(filter(None, wrong))


def compare(found: Any, values: Any) -> str:
    """Tells where settings are not what was given, or no number at all."""
    if not isinstance(values, dict):
        return f"{values!r:.60} taken for settings"
    wrong = []
    for name, value in values.items():
        here = getattr(found, name, None)
        wrong.append(compare(here, value) if dataclasses.is_dataclass(here) else difference(here, value, name))
    wrong += absurd(dataclasses.asdict(found))
    return ", ".join(filter(None, wrong))


def difference(here: Any, value: Any, name: str) -> str:
    """Tells whether a setting differs from what was given: 3.0 for 3 and a number for its text are exact."""
    if isinstance(here, tuple) and isinstance(value, list):
        # Empty: filled in by the band table.
        if not value and name in ("mean", "std"):
            return ""
        same = len(here) == len(value) and not any(map(difference, here, value, [name] * len(here)))
        return "" if same else f"{name} {here}"
    if type(here) in (int, float) and isinstance(value, str):
        return "" if float(value) == here else f"{name} {here} of {value!r}"
    same = here == value and isinstance(here, bool) == isinstance(value, bool)
    return "" if same else f"{name} {here!r:.60} of {value!r:.60}"


def absurd(values: Any, name: str = "") -> Iterator[str]:
    """Names of numbers that are none, or that decide an answer and are out of all proportion."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from absurd(value, str(key))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from absurd(value, name)
    elif isinstance(values, float):
        if not math.isfinite(values):
            yield f"{name} is {values}"
        elif name in _DECIDE and (abs(values) > _FARTHEST or (name != "mean" and values < 1 / _FARTHEST)):
            yield f"{name} is {values:g}"
