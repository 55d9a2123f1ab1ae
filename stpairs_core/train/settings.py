"""Specs as plain mappings, for TOML and JSON, and back."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from stpairs_core.errors import InvalidSpec

T = TypeVar("T")


def spec_to_mapping(spec: Any) -> dict[str, Any]:
    """A frozen dataclass as nested dictionaries of plain values.

    >>> from stpairs_core.spec import VolumeShape
    >>> spec_to_mapping(VolumeShape(16, 48, 48))
    {'frames': 16, 'height': 48, 'width': 48}
    """
    values = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return {name: spec_to_mapping(value) if is_dataclass(value) else value for name, value in values.items()}


def spec_from_mapping(kind: type[T], mapping: Mapping[str, Any], start: T | None = None) -> T:
    """`start` (by default `kind()`) with the settings that `mapping` names.

    An unknown setting or a value of another type is an `InvalidSpec` that names it.

    >>> from stpairs_core.spec import VolumeShape
    >>> spec_from_mapping(VolumeShape, {"frames": 8})
    VolumeShape(frames=8, height=112, width=112)
    """
    return cast(T, _changed(start if start is not None else kind(), mapping, ""))


def flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Each leaf of a nested mapping by its dotted name.

    >>> flat({"seed": 1, "mining": {"pairs": 10}})
    {'seed': 1, 'mining.pairs': 10}
    """
    leaves: dict[str, Any] = {}
    for name, value in mapping.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return leaves


def _changed(start: Any, mapping: object, prefix: str) -> Any:
    if not isinstance(mapping, Mapping):
        raise InvalidSpec(f"{prefix.rstrip('.') or 'the settings'} must be a table of settings, not {mapping!r}")
    kinds = get_type_hints(type(start))
    values = {}
    for name, value in mapping.items():
        if name not in kinds:
            raise InvalidSpec(f"no setting {prefix}{name}; there are: {', '.join(prefix + known for known in kinds)}")
        values[name] = _value(kinds[name], value, getattr(start, name), prefix + str(name))
    return replace(start, **values)


def _value(kind: Any, value: object, start: Any, name: str) -> Any:
    if is_dataclass(kind):
        return _changed(start, value, f"{name}.")
    for choice in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        fits, plain = _as(choice, value)
        if fits:
            return plain
    raise InvalidSpec(f"{name} must be {_described(kind)}, not {value!r}")


def _as(kind: Any, value: object) -> tuple[bool, object]:
    """Whether the value is of that kind, and how it is kept."""
    if get_origin(kind) is Literal:
        return value in get_args(kind), value
    if kind is float:  # JSON and TOML write 1.0 as 1 where they like
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return number, float(cast(float, value)) if number else value
    return type(value) is kind, value


def _described(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_described(choice) for choice in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(repr(choice) for choice in get_args(kind))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "nothing"}
    return names.get(kind, str(kind))
