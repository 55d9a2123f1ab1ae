"""A failure as a script of its own: the input, the check's source, the call."""

import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from stpairs_core.testing.augmentations.declares import Volume

LITERAL = 48
"""Numbers up to which an array is written out."""


def reproducer(check: Callable[..., None], given: object, source: str | None, arguments: Mapping[str, Any]) -> str:
    """A script that fails as the check failed, and passes once the augmentation is mended.

    `given` is the augmentation, or what holds it and its declaration; `source`, "module:object", says where it is, and
    is looked for where it is None. Of something that no module names, the script leaves one line to fill in.
    """
    where = source or locate(given)
    known = _opening(given, where)
    says = f'"""{check.__name__} fails for {where or "this augmentation"}."""'
    lines = [says, "", "from __future__ import annotations", "", *sorted(_imports(check)), "", *known, ""]
    lines += [f"{name} = {_value(name, value, given, where)}" for name, value in arguments.items() if name != "aug"]
    code = "\n\n\n".join(["\n".join(lines), *_sources(check)])
    call = ", ".join(f"{name}={name}" for name in arguments)
    return f'{code}\n\n\n{check.__name__}({call})\nprint("passes")\n'


def locate(thing: object) -> str | None:
    """ "module:name" of something that another program can import, or None."""
    name = f"{getattr(thing, '__module__', None)}:{getattr(thing, '__qualname__', None)}"
    if isinstance(thing, FunctionType | type) and _found(name) is thing and not name.startswith("__main__"):
        return name
    for module_name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and module_name != "__main__":
            for attribute, value in list(vars(module).items()):
                if value is thing:
                    return f"{module_name}:{attribute}"
    return None


def _found(name: str) -> object:
    module, _, path = name.partition(":")
    thing: object = sys.modules.get(module)
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing


def _opening(given: object, where: str | None) -> list[str]:
    """The lines that make `aug`, and `declares` where the object carries it."""
    if where is None:
        return ["aug = ...  # yours: no module names it, so it cannot be imported"]
    name = where.partition(":")[2]
    lines = [*_path(where), _import(where, name.split(".")[0])]
    if isinstance(given, tuple):
        return [*lines, f"aug = {name}[0]", *([f"declares = {name}[1]"] if len(given) > 1 else [])]
    return [*lines, f"aug = {name}"] + ([f"declares = {name}.declares"] if hasattr(given, "declares") else [])


def _import(where: str, name: str) -> str:
    return f"from {where.partition(':')[0]} import {name}"


def _path(where: str) -> list[str]:
    """The line that lets a module be found which is neither installed nor Python's own."""
    module = where.partition(":")[0]
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return []
    places = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")]
    if any(Path(file).is_relative_to(place) for place in places):
        return []
    parts = len(module.split(".")) + (Path(file).name == "__init__.py")
    return ["import sys", f"sys.path.insert(0, {str(Path(file).resolve().parents[parts - 1])!r})"]


def _value(name: str, value: Any, given: object, where: str | None) -> str:
    """A line's right side: plain data as it is written, an array as its bytes, a function as where it is."""
    if isinstance(value, np.ndarray):
        return array_code(value)
    if not callable(value):
        return repr(value)
    carried = given[1] if isinstance(given, tuple) and len(given) > 1 else getattr(given, "declares", None)
    if where is not None and getattr(carried, name, None) is value:
        return f"declares.{name}"
    place = locate(value)
    if place is None:
        return "...  # yours: no module names it, so it cannot be imported"
    module, _, path = place.partition(":")
    return f"__import__('importlib').import_module({module!r}).{path}"


def array_code(array: Volume) -> str:
    """A uint8 array as an expression: one number, a literal, or its bytes in hexadecimal.

    >>> array_code(np.full((1, 2, 2, 3), 7, np.uint8))
    'np.full((1, 2, 2, 3), 7, np.uint8)'
    """
    if not array.size:
        return f"np.zeros({array.shape}, np.uint8)"
    if (array == array.flat[0]).all():
        return f"np.full({array.shape}, {int(array.flat[0])}, np.uint8)"
    if array.size <= LITERAL:
        return f"np.array({array.tolist()}, np.uint8)"
    rows = "\n".join(f'    "{row}"' for row in textwrap.wrap(array.tobytes().hex(), 100))
    return f"np.frombuffer(bytes.fromhex(\n{rows}\n), np.uint8).reshape({array.shape}).copy()"


def _needed(check: Callable[..., None]) -> dict[str, Any]:
    """The names that a function takes from its module, and those that their functions take, in the order of need."""
    found: dict[str, Any] = {}
    module = sys.modules[check.__module__]
    waiting = [check]
    while waiting:
        function = inspect.unwrap(waiting.pop())
        for name in _names(function.__code__):
            if name in vars(module) and name not in found and name.isidentifier() and name[:2] != "__":
                found[name] = vars(module)[name]
                if getattr(found[name], "__module__", None) == module.__name__:
                    waiting.append(found[name])
    return found


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _imports(check: Callable[..., None]) -> set[str]:
    lines = {"import numpy as np"}
    for name, value in _needed(check).items():
        if isinstance(value, ModuleType):
            lines.add(f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}"))
        elif getattr(value, "__module__", check.__module__) != check.__module__ and not _plain(value):
            lines.add(f"from {value.__module__} import {value.__name__}")
    return lines


def _sources(check: Callable[..., None]) -> list[str]:
    """Constants in one block, then functions, the check itself last."""
    needed = _needed(check)
    constants = [f"{name} = {_literal(value)}" for name, value in needed.items() if _plain(value)]
    functions = [value for value in needed.values() if isinstance(value, FunctionType) and value is not check]
    own = [function for function in functions if function.__module__ == check.__module__]
    code = [*(inspect.getsource(function).strip() for function in own[::-1]), inspect.getsource(check).strip()]
    return (["\n".join(constants)] if constants else []) + [_without_pragmas(text) for text in code]


def _plain(value: object) -> bool:
    return isinstance(value, int | float | str | tuple)


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_literal(part) for part in value) + ",)"
    if isinstance(value, str) and "\n" in value:
        return f'r"""{value}"""' if "\\" in value else f'"""{value}"""'
    return value.__name__ if isinstance(value, type) else repr(value)


def _without_pragmas(text: str) -> str:
    return "\n".join(line.partition("  # noqa")[0] for line in text.splitlines())
