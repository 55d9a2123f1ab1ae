"""Calls that must be refused, and short scripts that show one failure of a plug-in by itself, without pytest."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

import stpairs_core

HEAD = "# The failure by itself, as a Python script:\n"


class Broken(AssertionError):
    """A promise that a plug-in breaks. `calls` are the lines of Python that show it, on the plug-in's own name."""

    def __init__(self, words: str, calls: str) -> None:
        super().__init__(words)
        self.calls = calls


@contextmanager
def showing(calls: str) -> Iterator[None]:
    """Whatever fails inside becomes a `Broken` with these calls; a `Broken` from further inside keeps its own."""
    try:
        yield
    except Broken:
        raise
    except AssertionError as error:
        raise Broken(str(error), calls) from None
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}", calls) from error


@contextmanager
def ending_with_calls(name: str, factory: str) -> Iterator[None]:
    """A `Broken` from inside ends with a script: the plug-in is built, then its calls are made."""
    try:
        yield
    except Broken as broken:
        broken.add_note(f"{HEAD}{construction(name, factory)}\n{broken.calls}")
        raise


def run_check(check: Callable[..., None], name: str, build: str, plugin: object, *rest: object) -> None:
    """Nothing, or the check's own failure, ending with a script: `build` makes the plug-in, then the check is made.

    The script shows the source of the check. `rest` are numbers, words, frozen values of `stpairs_core`, and functions
    that `build` makes.
    """
    try:
        check(plugin, *rest)
    except Exception as error:
        error.add_note(f"{HEAD}{_script(check, name, build, rest)}")
        raise


def refusal(call: Callable[[], object], what: str, *kinds: type[Exception]) -> str:
    """The text of the error of one of these kinds by which a call is refused, else an AssertionError.

    `what` names the call.
    """
    try:
        call()
    except kinds as error:
        return str(error)
    except Exception as error:
        named = " or ".join(kind.__name__ for kind in kinds)
        raise AssertionError(f"{what} is refused by a {type(error).__name__}, not by a {named}: {error}") from error
    raise AssertionError(f"{what} is taken, not refused")


def construction(name: str, factory: str) -> str:
    """The lines that make a plug-in by its factory, "module:callable"; where there is none, a comment that says so."""
    if not factory:
        return f"# There is no factory: make `{name}` here as your fixture does, or name one in the class.\n"
    module, _, path = factory.partition(":")
    return f"from {module} import {path.split('.')[0]}\n\n{name} = {path}()\n"


def _script(check: Callable[..., None], name: str, build: str, rest: tuple[object, ...]) -> str:
    source, known = inspect.getsource(check), check.__globals__
    values = [value.__name__ if inspect.isroutine(value) else repr(value) for value in rest]
    call = f"{check.__name__}({', '.join([name, *values])})\n"
    wanted = {word: known[word] for word in _names(source) & known.keys()}
    wanted |= {word: getattr(stpairs_core, word) for word in _names(call) & set(stpairs_core.__all__)}
    # The annotations of the check need no imports so.
    return f"from __future__ import annotations\n\n{_imports(wanted, check.__module__)}\n\n{source}\n\n{build}\n{call}"


def _imports(wanted: Mapping[str, object], room: str) -> str:
    """Lines that import all of these; what does not say where it is from is taken from `room`."""
    modules = {name: value.__name__ for name, value in wanted.items() if isinstance(value, ModuleType)}
    lines = [f"import {module}" + f" as {name}" * (module != name) for name, module in modules.items()]
    places = defaultdict(list)
    for name in sorted(wanted.keys() - modules.keys()):
        places[getattr(wanted[name], "__module__", room)].append(name)
    return "\n".join([*lines, *(f"from {place} import {', '.join(places[place])}" for place in sorted(places))]) + "\n"


def _names(text: str) -> set[str]:
    """The names that a piece of Python looks up when it runs; those of its annotations are not among them."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
