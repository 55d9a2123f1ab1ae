"""One pair of a plan in words: where its volumes lie, how far apart, and what was changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import boxes
from stpairs_core.cli.labels import as_json, expected_false_negatives, said
from stpairs_core.cli.pair_source import PairSource
from stpairs_core.collisions import FalseNegatives
from stpairs_core.errors import BadVideos
from stpairs_core.spec import Channels, PairPlan, VolumeShape
from stpairs_core.videos import ffmpeg
from stpairs_core.videos.listing import list_videos

AXES = ("time", "height", "width")
UNITS = ("frames", "rows", "columns")


Group = tuple[str, int]
"""Its name, and how many of its videos are here."""


@dataclass(frozen=True)
class Member:
    """One volume of a pair."""

    number: int
    """1 or 2."""
    video: int
    """Its video's number among the source's."""
    name: str
    label: str
    group: str
    """Name of its video's group; "" for none."""
    in_group: int
    """How many videos of that group are here; 0 for none."""
    extent: tuple[int, int, int]
    """Frames, height and width of its video."""
    origin: tuple[int, int, int]
    """First voxel (t, y, x)."""
    box: VolumeShape
    """What it spans of the video."""
    stride: int
    """It has one in so many frames of that span."""
    seconds: tuple[float, float] | None
    """When its first and its last frame are shown; None: the file does not say."""
    color: tuple[float, float, float] | None
    """F1's offset, exponent and scale; None: not applied."""
    channels: Channels
    """Where F1 adds its offset."""
    flip: bool
    """Whether F2 is applied."""

    @property
    def last(self) -> tuple[int, int, int]:
        """Last voxel (t, y, x)."""
        t, y, x = self.origin
        return t + self.box.frames - 1, y + self.box.height - 1, x + self.box.width - 1


@dataclass(frozen=True)
class Pair:
    """One pair, with all that is to be said of it."""

    index: int
    source: PairSource
    plan: PairPlan
    """Its only row."""
    members: tuple[Member, Member]
    known: FalseNegatives | None
    """How often a negative pair of the source shares a label, where labels say it."""

    @property
    def positive(self) -> bool:
        """Whether both volumes come from one video."""
        return bool(self.plan.label[0] > 0)

    @property
    def apart(self) -> tuple[int, int, int]:
        """Voxels that lie between the volumes of a positive pair on each axis; negative: so many are shared."""
        first, second = self.members
        box = first.box
        sizes = (box.frames, box.height, box.width)
        t, y, x = (abs(a - b) - size for a, b, size in zip(first.origin, second.origin, sizes, strict=True))
        return t, y, x

    @property
    def choices(self) -> int:
        """How many ordered pairs of disjoint volumes the video of a positive pair has, each as likely as this one."""
        first = self.members[0]
        return sum(boxes.events(first.extent, first.box, self.source.mining.boundary)[:3])


def pair_of(source: PairSource, index: int) -> Pair:
    """The pair of that index; an `InvalidSpec` when there is none."""
    plan = source.pair(index)
    groups = _group_names(source)
    videos: list[int] = plan.video[0].tolist()
    times = {video: _times(source, video) for video in set(videos)}
    first, second = (_member(source, plan, member, groups, times[video]) for member, video in enumerate(videos))
    known = expected_false_negatives(source.videos, source.usable)
    return Pair(index, source, plan, (first, second), known)


def _member(
    source: PairSource, plan: PairPlan, member: int, groups: Mapping[str, Group], times: NDArray[np.float64] | None
) -> Member:
    video = int(plan.video[0, member])
    t, y, x = plan.origin[0, member].tolist()
    frames, height, width = source.videos.extents[video].tolist()
    offset, exponent, scale = plan.color[0, member].tolist()
    box = source.mining.span
    group, in_group = groups.get(source.videos.paths[video], ("", 0))
    return Member(
        number=member + 1,
        video=video,
        name=source.videos.paths[video],
        label=source.videos.labels[video],
        group=group,
        in_group=in_group,
        extent=(frames, height, width),
        origin=(t, y, x),
        box=box,
        stride=plan.stride,
        seconds=None if times is None else (float(times[t]), float(times[t + box.frames - 1])),
        color=(offset, exponent, scale) if plan.recolor[0, member] else None,
        channels=plan.channels,
        flip=bool(plan.flip[0, member]),
    )


def _group_names(source: PairSource) -> Mapping[str, Group]:
    """Name of each video's group, with how many of it are here; for those that have one."""
    if source.videos.groups is None:
        return {}
    here = set(source.videos.paths)
    named = {video.path: video.group for video in list_videos(source.path)[0] if video.group and video.path in here}
    members = list(named.values())
    return {path: (group, members.count(group)) for path, group in named.items()}


def _times(source: PairSource, video: int) -> NDArray[np.float64] | None:
    """When each frame is shown, where the file says it of exactly the frames that were decoded."""
    try:
        times = ffmpeg.times(source.root / source.videos.paths[video])
    except BadVideos:
        return None
    whole = len(times) == source.videos.extents[video, 0] and bool((np.diff(times) > 0).all())
    return times if whole else None


def words(pair: Pair) -> list[str]:
    """The pair in sentences."""
    first, second = pair.members
    return [
        headline(pair),
        f"Volume 1: {where(first)}",
        f"          {changes(pair, first)}",
        f"Volume 2: {where(second)}",
        f"          {changes(pair, second)}",
        distance(pair),
        origin(pair),
        *([] if pair.positive else [said(pair.known)]),
    ]


def headline(pair: Pair) -> str:
    """Which pair it is, and of which class."""
    mining = pair.source.mining
    step, row = divmod(pair.index, mining.pairs)
    kind = "positive: one video, label +1" if pair.positive else "negative: two videos, label -1"
    which = f"Pair {pair.index} of seed {pair.source.seed}, row {row} of step {step}"
    return f"{which}, is {kind}."


def where(member: Member) -> str:
    """Which box of which video."""
    spans = [
        f"{unit} {first} to {last} of 0 to {length - 1}"
        for unit, first, last, length in zip(UNITS, member.origin, member.last, member.extent, strict=True)
    ]
    if member.stride > 1:
        spans[0] += f", one in {member.stride} of them"
    if member.seconds is not None:
        spans[0] += f" ({member.seconds[0]:.2f} to {member.seconds[1]:.2f} s)"
    label = f" [{member.label}]" if member.label else ""
    group = f" (group {member.group}, {member.in_group} here)" if member.group else ""
    return f"{member.name}{label}{group}: {', '.join(spans)}."


def changes(pair: Pair, member: Member) -> str:
    """What F1 and F2 do to a volume."""
    if member.number == 1:
        return "It stays as it lies in the video: F changes the second volume of a pair only."
    if pair.positive and pair.source.mining.augment == "negatives":
        return 'It stays as it lies in the video: augment="negatives" leaves positive pairs alone.'
    recolored = "F1 was not drawn: its colours stay." if member.color is None else f"F1 recolours it: {_f1(member)}."
    return f"{recolored} " + ("F2 mirrors it left-right." if member.flip else "F2 was not drawn: left stays left.")


def _f1(member: Member) -> str:
    assert member.color is not None  # only asked of a volume that is recoloured
    offset, exponent, scale = member.color
    parts = {"h": "hue", "sv": "saturation and value", "hsv": "hue, saturation and value"}[member.channels]
    turn = f" (hue turns by {offset * 360:+.0f}°)" if "h" in member.channels else ""
    return (
        f"{offset:+.3f} on {parts}{turn}, then saturation and value to the power {exponent:.2f} "
        f"({'weaker and darker' if exponent > 1 else 'stronger and brighter'}), then both times {scale:.2f} "
        f"({'stronger and brighter' if scale > 1 else 'weaker and darker'}), all kept within 0 to 1"
    )


def distance(pair: Pair) -> str:
    """How far apart the volumes lie, and on which axes they are disjoint."""
    first, second = pair.members
    if not pair.positive:
        return f"They come from two videos, {_labels(first.label, second.label)}."
    between = [f"in {axis}, {gap or 'no'} {unit} between them" for axis, unit, gap in _axes(pair) if gap >= 0]
    shared = [f"{-gap} {unit}" for _, unit, gap in _axes(pair) if gap < 0]
    joined = f"; they share {' and '.join(shared)}, but not one voxel" if shared else ""
    reach = "" if pair.source.mining.boundary is None else f" within {pair.source.mining.boundary} frames"
    choices = f"{pair.choices:,} ordered pairs of disjoint volumes{reach}"
    return (
        f"They are disjoint {'; and '.join(between)}{joined}. "
        f"The pair is one of the {choices} in this video, all equally likely."
    )


def _labels(first: str, second: str) -> str:
    if not (first and second):
        return "not both with a label, so nobody knows whether it is a false negative"
    if first == second:
        return f"both labelled {first}: a false negative"
    return f"labelled {first} and {second}: a true negative, by the labels"


def _axes(pair: Pair) -> list[tuple[str, str, int]]:
    return list(zip(AXES, UNITS, pair.apart, strict=True))


def origin(pair: Pair) -> str:
    """Which random words made it, and of how many videos."""
    source = pair.source
    text = (
        f"All that was drawn for it comes from Philox4x32-10 with key {source.seed} (the seed) at counter {pair.index} "
        f"(the pair), over {len(source.usable)} videos: the same in every process and on every machine."
    )
    step = pair.index // source.mining.pairs
    if source.steps is not None and step >= source.steps:
        text += f" The run ends before it: it has {source.steps} steps, 0 to {source.steps - 1}."
    return text


def fields_of(pair: Pair) -> dict[str, Any]:
    """The pair as JSON has it."""
    step, row = divmod(pair.index, pair.source.mining.pairs)
    positive = pair.positive
    return {
        "pair": pair.index,
        "seed": pair.source.seed,
        "step": step,
        "row": row,
        "label": 1 if positive else -1,
        "volumes": [_member_fields(member) for member in pair.members],
        "apart": dict(zip(UNITS, pair.apart, strict=True)) if positive else None,
        "disjoint_on": [axis for axis, _, gap in _axes(pair) if gap >= 0] if positive else None,
        "disjoint_pairs": pair.choices if positive else None,
        "false_negatives": as_json(pair.known),
    }


def _member_fields(member: Member) -> dict[str, Any]:
    spans = zip(UNITS, member.origin, member.last, strict=True)
    return {
        "video": member.video,
        "path": member.name,
        "label": member.label,
        "group": member.group,
        **{unit: [first, last] for unit, first, last in spans},
        "stride": member.stride,
        "seconds": None if member.seconds is None else list(member.seconds),
        "color": None
        if member.color is None
        else dict(zip(("offset", "exponent", "scale"), member.color, strict=True)),
        "flip": member.flip,
    }
