"""Settings check themselves: the annotation of a field says which values it may have.

Flags, YAML files and checkpoint headers all end in the constructor of a dataclass, so that the same values are allowed
in each of them.
"""

import dataclasses
import difflib
import math
import reprlib
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from glofgeo.errors import GlofgeoError

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The range of a number; part of the annotation of a field.

    Attributes:
        least: lower limit.
        most: upper limit.
        above: the number must be greater than the lower limit.
        below: the number must be less than the upper limit.
    """

    least: float
    most: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, number: float) -> bool:
        """Whether a number is in the range; NaN and infinity never are."""
        low = number > self.least if self.above else number >= self.least
        return math.isfinite(number) and low and (number < self.most if self.below else number <= self.most)

    def __str__(self) -> str:
        """Words the range, to follow "a number"."""
        if math.isinf(self.most):
            return f"above {self.least:g}" if self.above else f"from {self.least:g} up"
        start = f"above {self.least:g} and" if self.above else f"from {self.least:g}"
        return f"{start} {'below' if self.below else 'up to' if self.above else 'to'} {_plain(self.most)}"


Number = Annotated[float, Range(-math.inf)]
NotNegative = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Share = Annotated[float, Range(0, 1)]


class SettingError(GlofgeoError):
    """A setting with a value that it cannot have.

    Attributes:
        name: name with its section, `data.window`.
        problem: its value and what to give instead.
    """

    def __init__(self, name: str, value: object, remedy: str) -> None:
        self.name = name
        self.problem = f"{_short(value)}: {remedy}"
        super().__init__(f"{name} {self.problem}", argument=name)


class _Misfit(Exception):
    """What to give instead."""


def check(settings: object, section: str = "") -> None:
    """Checks every field of a dataclass against its annotation, and converts it to that type.

    Called by `__post_init__`. Only exact conversions are made: 3.0 becomes a whole number, "9e-1" (text in YAML)
    becomes 0.9, a list becomes a tuple; True is not a number.

    Args:
        settings: the dataclass.
        section: prefix of the names of its fields, `data.`.

    Raises:
        SettingError: If a field has a value that it cannot have.
    """
    for name, hint in get_type_hints(type(settings), include_extras=True).items():
        value = getattr(settings, name)
        try:
            object.__setattr__(settings, name, _fit(value, hint))
        except _Misfit as misfit:
            raise SettingError(section + name, value, f"give {misfit}") from None


def from_dict(kind: type[T], values: Any, where: str, section: str = "") -> T:
    """Builds a configuration from nested plain values, as YAML and JSON give them.

    Args:
        kind: the dataclass to build.
        values: its fields; missing ones keep their defaults.
        where: the file the values come from, for the error message.
        section: prefix of the names of the fields in that message.

    Raises:
        GlofgeoError: If a field is unknown or has a value that it cannot have.
    """
    if not isinstance(values, dict):
        what = section.removesuffix(".") or "it"
        raise GlofgeoError(f"{where}: {what} is {reprlib.repr(values)}; write `name: value` for each of its settings")
    hints = get_type_hints(kind)
    built: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise GlofgeoError(f"{where}: unknown setting {section}{_short(name)}; {_near(kind, str(name), section)}")
        nested = dataclasses.is_dataclass(hints[name])
        built[name] = from_dict(hints[name], value, where, f"{section}{name}.") if nested else value
    try:
        return kind(**built)
    except SettingError as error:
        raise GlofgeoError(f"{where}: {error.name} {error.problem}") from None
    except GlofgeoError as error:
        raise GlofgeoError(f"{where}: {error}") from None


def _fit(value: Any, hint: Any, limits: Range | None = None) -> Any:
    """Converts a value to the type of an annotation.

    Raises:
        _Misfit: If it does not fit.
    """
    kind, args = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return _fit(value, args[0], next((note for note in args[1:] if isinstance(note, Range)), limits))
    if kind in (UnionType, Union):
        return _fit_one_of(value, args)
    if kind is Literal:
        if not any(value == word and type(value) is type(word) for word in args):
            raise _Misfit(_either([str(word) for word in args]))
        return value
    if kind is tuple:
        return _fit_tuple(value, args)
    if hint in (int, float):
        return _fit_number(value, hint, limits)
    hint = kind or hint
    # A dataclass checks itself, and text is checked by the code that uses it.
    if not isinstance(value, hint) or (hint is str and not value.strip()):
        raise _Misfit({bool: "true or false", str: "some text", NoneType: "nothing"}.get(hint, "named values"))
    return value


def _fit_number(value: Any, kind: type[float], limits: Range | None) -> float:
    wanted = f"a {'whole ' if kind is int else ''}number{f' {limits}' if limits and limits != Range(-math.inf) else ''}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Misfit(wanted)
    try:
        number = float(value)
        if (limits and number not in limits) or (kind is int and number != int(number)):
            raise _Misfit(wanted)
        # A float holds no whole number above 2^53 exactly.
        return value if type(value) is kind else kind(number)
    except (ValueError, OverflowError):
        raise _Misfit(wanted) from None


def _fit_tuple(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    # A set has no order, and text would be split into letters.
    if not isinstance(value, list | tuple):
        raise _Misfit("a list")
    if args[-1] is Ellipsis:
        return tuple(_fit(item, args[0]) for item in value)
    if len(value) != len(args):
        raise _Misfit(f"{len(args)} values")
    return tuple(_fit(item, hint) for item, hint in zip(value, args, strict=True))


def _fit_one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    wanted = []
    for hint in hints:
        try:
            return _fit(value, hint)
        except _Misfit as misfit:
            wanted.append(str(misfit))
    raise _Misfit(_either(wanted))


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def _short(value: object) -> str:
    plain = isinstance(value, str) and 0 < len(value) < 40 and value.isprintable()
    return str(value) if plain else reprlib.repr(value)


def _near(kind: type, name: str, section: str) -> str:
    """Names settings with a similar name, in whatever section, or otherwise all settings."""
    known = _names(kind, section)
    last = {full.rsplit(".", 1)[-1]: full for full in known}
    near = difflib.get_close_matches(name.replace("-", "_").rsplit(".", 1)[-1], last, n=2, cutoff=0.7)
    return f"did you mean {_either([last[name] for name in near])}?" if near else f"known: {', '.join(known)}"


def _names(kind: Any, section: str) -> list[str]:
    names: list[str] = []
    for name, hint in get_type_hints(kind).items():
        names += _names(hint, f"{section}{name}.") if dataclasses.is_dataclass(hint) else [section + name]
    return names
