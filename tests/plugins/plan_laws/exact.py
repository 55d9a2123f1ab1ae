"""What a plan's rows must follow, from the definitions: nothing here asks the miner, or anything it is made of.

The positive or the negative rows of a configuration are a mixture of components. In each, the videos are given, the
three axes are independent of each other, and each axis has a table of the chances of its two starts.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plan_laws.configurations import Configuration

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Component:
    """One way to make a pair: which videos, apart first on which axis, and the chances of both starts on each axis."""

    weight: float
    videos: tuple[int, int]
    event: int
    axes: tuple[Table, ...]
    """Three tables, (starts of the first, starts of the second), each with the sum 1."""


def starts(configuration: Configuration) -> NDArray[np.int64]:
    """(N, 3): on how many places a volume can begin in each video, on each axis; all 0 where it does not fit."""
    found = np.array(configuration.extents, np.int64) - configuration.size + 1
    return np.where((found > 0).all(axis=1, keepdims=True), found, 0)


def components(configuration: Configuration, label: int) -> list[Component]:
    """The mixture of all positive (label 1) or of all negative (label -1) rows."""
    usable = [int(video) for video in np.flatnonzero(starts(configuration)[:, 0])]
    if label == 1:
        return _positive(configuration, usable)
    chances = negative_videos(configuration, usable)
    return [Component(chance, videos, 0, _anywhere(configuration, *videos)) for videos, chance in chances.items()]


def positive_videos(configuration: Configuration, usable: list[int]) -> dict[int, float]:
    """Equal chances for all videos with a disjoint pair; or in proportion to the share of disjoint pairs."""
    ways = {video: _ways(configuration, video) for video in usable}
    share = {video: sum(events) / (sum(events) + meeting) for video, (events, meeting) in ways.items() if sum(events)}
    if configuration.spec.redraw == "volumes":
        share = dict.fromkeys(share, 1.0)
    return {video: chance / sum(share.values()) for video, chance in share.items()}


def negative_videos(configuration: Configuration, usable: list[int]) -> dict[tuple[int, int], float]:
    """The first is any video, the second any of another group."""
    group = {video: _group(configuration, video) for video in usable}
    others = {first: [second for second in usable if group[second] != group[first]] for first in usable}
    return {(a, b): 1 / len(usable) / len(others[a]) for a in usable for b in others[a]}


def _group(configuration: Configuration, video: int) -> Hashable:
    name = None if configuration.groups is None else configuration.groups[video]
    return (name is None, video if name is None else name)


def _pairs(configuration: Configuration, video: int) -> Iterator[tuple[Table, Table]]:
    """For each axis: which two starts are apart, and which overlap, both within the boundary; 1 or 0."""
    shape = configuration.size
    reach = None if configuration.spec.boundary is None else configuration.spec.boundary - shape[0]
    for axis, n in enumerate(starts(configuration)[video].tolist()):
        distance = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
        near = np.ones((n, n), bool) if axis or reach is None else distance <= reach
        yield (near & (distance >= shape[axis])).astype(float), (near & (distance < shape[axis])).astype(float)


def _ways(configuration: Configuration, video: int) -> tuple[tuple[float, float, float], float]:
    """How many pairs of volumes are apart in t, else in y, else in x; and how many meet."""
    (t, tt), (y, yy), (x, xx) = ((apart.sum(), meet.sum()) for apart, meet in _pairs(configuration, video))
    return (t * (y + yy) * (x + xx), tt * y * (x + xx), tt * yy * x), tt * yy * xx


def _positive(configuration: Configuration, usable: list[int]) -> list[Component]:
    found = []
    for video, chance in positive_videos(configuration, usable).items():
        axes, (ways, _) = list(_pairs(configuration, video)), _ways(configuration, video)
        for event in range(3):
            if ways[event]:
                chosen = [
                    meet if axis < event else apart if axis == event else apart + meet
                    for axis, (apart, meet) in enumerate(axes)
                ]
                weight = chance * ways[event] / sum(ways)
                tables = tuple(table / table.sum() for table in chosen)
                found.append(Component(weight, (video, video), event, tables))
    return found


def _anywhere(configuration: Configuration, first: int, second: int) -> tuple[Table, ...]:
    places = starts(configuration)
    sizes = zip(places[first].tolist(), places[second].tolist(), strict=True)
    return tuple(np.broadcast_to(1 / (n * m), (n, m)) for n, m in sizes)  # one number, no memory


def mixed(parts: list[Component], tables: list[Any]) -> Table:
    """The weighted sum of one table for each component."""
    return np.asarray(sum(part.weight * table for part, table in zip(parts, tables, strict=True)), np.float64)
