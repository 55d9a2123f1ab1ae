"""Microseconds a volume of cutting, F1 and F2, beside memcpy of the same bytes and beside the usual libraries; and the
paper's mix, plan and pixels.

    python -m benchmarks.pixels [--quick]

Everything reads boxes at random places of more than 1 GB of decoded frames and writes into one step's buffer, used
again and again: no input is in the cache by luck, and nothing is transformed twice.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import Footage, footage
from benchmarks.interleaved import Run, interleave
from benchmarks.peers import Change, Peer, peers
from benchmarks.scale import Scale
from benchmarks.script import show
from benchmarks.threaded import THREADS, in_two_threads
from stpairs_core import MiningSpec, PairMiner, PairPlan, cut, flip, materialize, recolor
from stpairs_core.testing import naive

PAIRS = 8
"""In one call; a call's fixed cost is part of what a volume costs."""
JUDGED = 6
"""Volumes whose colours are compared with the oracle's."""
Bytes = NDArray[np.uint8]


class Volume(NamedTuple):
    """One volume of the footage and its change."""

    pixels: Bytes
    change: Change


def measure(scale: Scale) -> dict[str, Any]:
    """One volume at a time; the errors; the paper's mix."""
    videos = footage(scale)
    found, missing = peers()
    plans = _plans(scale, videos)
    volumes = [volume for plan in plans for volume in _volumes(plan, videos)]
    return {
        "volume": _by_volume(scale, videos, plans, volumes, found),
        "errors": _errors(volumes[: min(JUDGED, len(volumes))], found),
        "missing": missing,
        "mix": _mix(scale, videos),
    }


def _plans(scale: Scale, videos: Footage) -> list[PairPlan]:
    """Plans in which every volume is recoloured and flipped, each in its own way."""
    spec = MiningSpec(scale.volume, pairs=PAIRS, recolor_probability=1.0, flip_probability=1.0)
    miner = PairMiner(videos.source.extents, spec, seed=0)
    plans = [miner.plan(step) for step in range(max(1, scale.visited // PAIRS))]
    every = np.ones((PAIRS, 2), np.bool_)
    colors = [np.stack([np.roll(plan.color[:, 1], 1, axis=0), plan.color[:, 1]], axis=1) for plan in plans]
    return [replace(plan, flip=every, recolor=every, color=color) for plan, color in zip(plans, colors, strict=True)]


def _volumes(plan: PairPlan, videos: Footage) -> Iterator[Volume]:
    """What a peer gets to see of the same plan."""
    size = plan.shape
    for row, member in itertools.product(range(len(plan)), (0, 1)):
        t, y, x = plan.origin[row, member].tolist()
        frames = videos.source.read(int(plan.video[row, member]), t, size.frames)
        offset, exponent, scale = plan.color[row, member].tolist()
        box = frames[:, y : y + size.height, x : x + size.width]
        yield Volume(box, Change(offset, exponent, scale, bool(plan.flip[row, member])))


def _by_volume(
    scale: Scale, videos: Footage, plans: Sequence[PairPlan], volumes: Sequence[Volume], found: dict[str, Peer]
) -> dict[str, Any]:
    noise = footage(scale, noise=True)
    out = np.empty((PAIRS, 2, scale.volume.frames, scale.volume.height, scale.volume.width, 3), np.uint8)
    slots = out.reshape(-1, *out.shape[2:])
    places = _places(videos, slots)
    runs = [
        Run("memcpy", _copies(videos, slots, places), len(slots)),
        Run("memcpy, hot", _copies(videos, slots[:1], places[:1])),
        Run("cut", _each(plans, lambda plan: cut(plan, videos.source, out)), len(slots)),
        Run("F2", _obeyed(plans, videos, out, f1=False), len(slots)),
        Run("F1", _obeyed(plans, videos, out, f2=False), len(slots)),
        Run("F1 and F2", _obeyed(plans, videos, out), len(slots)),
        Run("F1 and F2, noise", _obeyed(plans, noise, out), len(slots)),
        Run("flip(volume)", _each(volumes, lambda volume: flip(volume.pixels))),
        Run("recolor(volume)", _each(volumes, lambda volume: recolor(volume.pixels, *volume.change[:3]))),
    ]
    runs += [Run(name, _through(peer, volumes, slots)) for name, peer in found.items()]
    return interleave("volume", runs, scale.rounds, scale.least).as_json()


def _places(videos: Footage, slots: Bytes) -> list[int]:
    """Where in the footage to copy from."""
    places: list[int] = np.random.default_rng(3).integers(0, len(videos.memory) - slots[0].size, 4096).tolist()
    return places


def _copies(videos: Footage, slots: Bytes, places: Sequence[int]) -> Callable[[], None]:
    """memcpy of as many bytes from the next places of the footage, a slot after the other."""
    size = slots[0].size
    at = itertools.cycle(places)
    flat = [slot.reshape(-1) for slot in slots]

    def copy() -> None:
        for slot, place in zip(flat, at, strict=False):
            np.copyto(slot, videos.memory[place : place + size])

    return copy


def _each(items: Sequence[Any], call: Callable[[Any], object]) -> Callable[[], object]:
    """A call that takes the next item every time."""
    following = itertools.cycle(items)
    return lambda: call(next(following))


def _obeyed(
    plans: Sequence[PairPlan], videos: Footage, out: Bytes, f1: bool = True, f2: bool = True
) -> Callable[[], object]:
    """`materialize`, with all or none of F1 and of F2."""
    recolored, flipped = np.full((PAIRS, 2), f1), np.full((PAIRS, 2), f2)
    changed = [replace(plan, recolor=recolored, flip=flipped) for plan in plans]
    return _each(changed, lambda plan: materialize(plan, videos.source, out))


def _through(peer: Peer, volumes: Sequence[Volume], slots: Bytes) -> Callable[[], object]:
    following = itertools.cycle(slots)
    return _each(volumes, lambda volume: peer(volume.pixels, volume.change, next(following)))


def _errors(volumes: Sequence[Volume], found: dict[str, Peer]) -> dict[str, dict[str, float]]:
    """For ours and each peer: the greatest error in levels, and the share of the values that are not right."""

    def ours(volume: Bytes, asked: Change, out: Bytes) -> None:
        out[...] = flip(recolor(volume, asked.offset, asked.exponent, asked.scale))

    errors = {}
    for name, change in {"stpairs": ours, **found}.items():
        wrong = [_error(change, volume) for volume in volumes]
        errors[name] = {
            "levels": int(max(error.max() for error in wrong)),
            "share": float(f"{np.mean([(error > 0).mean() for error in wrong]):.3g}"),
        }
    return errors


def _error(change: Peer, volume: Volume) -> NDArray[np.int16]:
    right = naive.flip(naive.recolor(volume.pixels, *volume.change[:3]))
    out = np.empty(volume.pixels.shape, np.uint8)
    change(volume.pixels, volume.change, out)
    apart: NDArray[np.int16] = np.abs(out.astype(np.int16) - right)
    return apart


def _mix(scale: Scale, videos: Footage) -> dict[str, Any]:
    """The paper's steps of ten pairs, mined and made one after the other."""
    spec = MiningSpec(scale.volume)
    shape = (spec.pairs, 2, scale.volume.frames, scale.volume.height, scale.volume.width, 3)
    out = np.empty(shape, np.uint8)
    slots = out.reshape(-1, *shape[2:])
    runs = [
        Run("memcpy", _copies(videos, slots, _places(videos, slots)), spec.pairs),
        Run("plan", _mined(videos, spec, lambda plan: plan), spec.pairs),
        Run("plan and pixels", _mined(videos, spec, lambda plan: materialize(plan, videos.source, out)), spec.pairs),
    ]
    if THREADS:
        call = _mined(videos, spec, lambda plan: in_two_threads(plan, videos.source, out))
        runs.append(Run("plan and pixels, two threads", call, spec.pairs))
    return interleave("pair", runs, scale.rounds, scale.least).as_json()


def _mined(videos: Footage, spec: MiningSpec, then: Callable[[PairPlan], object]) -> Callable[[], object]:
    miner, steps = PairMiner(videos.source.extents, spec, seed=0), itertools.count()
    return lambda: then(miner.plan(next(steps)))


if __name__ == "__main__":
    show(__doc__, measure)
