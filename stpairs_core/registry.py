"""Finding plug-ins: one entry point by name, loaded when it is asked for."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from stpairs_core.errors import MissingPart
from stpairs_core.protocols import Backend, Runtime


def find_backend(name: str) -> Backend:
    """The training backend of that name, from the entry-point group `stpairs.backends`."""
    return cast(Backend, _find("stpairs.backends", name))


def find_runtime(name: str) -> Runtime:
    """The engine for exported encoders of that name, from the entry-point group `stpairs.runtimes`."""
    return cast(Runtime, _find("stpairs.runtimes", name))


def plugin_names(group: str) -> list[str]:
    """Names of all that is installed in a group, such as `stpairs.backends`."""
    return sorted({point.name for point in entry_points(group=group)})


def _find(group: str, name: str) -> Any:
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        raise MissingPart(f"no {name!r} in {group}; installed: {', '.join(sorted(points)) or 'none'}")
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        # A plug-in that lacks a module of its own is broken, and its traceback should show.
        if error.name is None or error.name.split(".")[0] == points[name].module.split(".")[0]:
            raise
        text = f"{name!r} needs the package {error.name!r}, which is not installed{_hint(points[name])}"
        raise MissingPart(text) from error


def _hint(point: EntryPoint) -> str:
    """How to install what one of our own plug-ins needs; nothing for another's, whose extras are its own affair."""
    if point.dist is None or point.dist.name != "stpairs":
        return ""
    extras = point.dist.metadata.get_all("Provides-Extra") or []
    fitting = [extra for extra in extras if extra == point.name or extra.startswith(f"{point.name}-")]
    return ": " + " or ".join(f'pip install "stpairs[{extra}]"' for extra in fitting)
