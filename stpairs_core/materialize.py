"""From a plan to pixels: obeys the plan, draws nothing, keeps nothing."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from stpairs_core.color import Color, check_color, flip_box, flip_in_place, recolor_box, recolor_in_place
from stpairs_core.errors import BadVideos, InvalidSpec
from stpairs_core.protocols import VideoSource
from stpairs_core.spec import PairPlan

Volumes = NDArray[np.uint8]  # (B, 2, T, H, W, 3)


def materialize(plan: PairPlan, source: VideoSource, out: Volumes | None = None, threads: int = 1) -> Volumes:
    """(B, 2, T, H, W, 3): the volumes of a plan with its F1 and F2 applied, in `out` where given, by some threads.

    F1 and F2 commute: F1 maps each pixel by itself, the same way in the whole volume, and F2 moves pixels. Errors as
    `cut` and `transform` have them. Safe to call from several threads. Paper: S in Algorithm 1.
    """
    _check_columns(plan)
    _check_colors(plan)
    return _filled(plan, source, out, changed=True, threads=threads)


def cut(plan: PairPlan, source: VideoSource, out: Volumes | None = None) -> Volumes:
    """(B, 2, T, H, W, 3): the volumes of a plan as they lie in the videos, neither recoloured nor flipped.

    `out`, where given, is filled and returned: `uint8`, C-contiguous and of that shape. Of each video only the frames
    of a volume are read and only its box is copied. `InvalidSpec` names the first row whose video does not exist or
    whose box leaves it. Safe to call from several threads. Paper: STVolume in Algorithm 1.
    """
    _check_columns(plan)
    return _filled(plan, source, out, changed=False)


def transform(plan: PairPlan, volumes: Volumes) -> None:
    """Apply a plan's F1 and F2 in place to volumes as `cut` gives them.

    `materialize(plan, source)` is `transform` after `cut`. `InvalidSpec` where `volumes` are not of the plan's shape,
    or a row of its colours cannot be obeyed.
    """
    _check_columns(plan)
    _check_colors(plan)
    _check_volumes(plan, volumes)
    for row, member in _members(plan):
        if plan.recolor[row, member]:
            recolor_in_place(volumes[row, member], *_color(plan, row, member))
        if plan.flip[row, member]:
            flip_in_place(volumes[row, member])


def _filled(plan: PairPlan, source: VideoSource, out: Volumes | None, changed: bool, threads: int = 1) -> Volumes:
    extents = np.asarray(source.extents)
    _check_boxes(plan, extents)
    volumes = np.empty(_shape_of(plan), np.uint8) if out is None else out
    _check_volumes(plan, volumes)
    shape, span = plan.shape, plan.shape.span(plan.stride).frames

    def fill(row: int, member: int) -> None:
        video = int(plan.video[row, member])
        t, y, x = plan.origin[row, member].tolist()
        frames = source.read(video, t, span)
        _check_frames(frames, video, (span, *extents[video, 1:].tolist(), 3))
        volume, flipped = volumes[row, member], changed and bool(plan.flip[row, member])
        if changed and plan.recolor[row, member]:
            recolor_box(frames, (y, x), plan.stride, volume, _color(plan, row, member), flipped)
        elif flipped:
            flip_box(frames, (y, x), plan.stride, volume)
        else:
            volume[...] = frames[:: plan.stride, y : y + shape.height, x : x + shape.width]

    # Those that take the longest first, so that no thread begins one when the others are done.
    members = sorted(_members(plan), key=lambda member: threads > 1 and not plan.recolor[member])
    _for_each(fill, members, threads)
    return volumes


def _for_each(work: Callable[[int, int], None], members: list[tuple[int, int]], threads: int) -> None:
    """Do the work of every member; each thread, this one among them, takes the next that nobody has taken."""
    if threads < 1:
        raise InvalidSpec(f"threads must be at least 1, not {threads}")
    left = iter(members)

    def take() -> None:
        for row, member in left:
            work(row, member)

    if threads == 1:
        return take()
    wrong: list[BaseException] = []

    def help_out() -> None:
        try:
            take()
        except BaseException as error:  # a thread has nobody to raise to
            wrong.append(error)

    # Plain threads: a pool takes longer to make, and one that is kept would be lost in a fork.
    helpers = [threading.Thread(target=help_out) for _ in range(min(threads, len(members)) - 1)]
    for helper in helpers:
        helper.start()
    try:
        take()
    finally:
        for helper in helpers:
            helper.join()
    if wrong:
        raise wrong[0]


def _members(plan: PairPlan) -> Iterator[tuple[int, int]]:
    return ((row, member) for row in range(len(plan)) for member in (0, 1))


def _color(plan: PairPlan, row: int, member: int) -> Color:
    offset, exponent, scale = plan.color[row, member].tolist()
    return offset, exponent, scale, plan.channels


def _shape_of(plan: PairPlan) -> tuple[int, ...]:
    return (len(plan), 2, plan.shape.frames, plan.shape.height, plan.shape.width, 3)


def _check_columns(plan: PairPlan) -> None:
    rows = len(plan)
    for name, shape in {
        "video": (rows, 2),
        "origin": (rows, 2, 3),
        "flip": (rows, 2),
        "recolor": (rows, 2),
        "color": (rows, 2, 3),
    }.items():
        found = getattr(plan, name).shape
        if found != shape:
            raise InvalidSpec(f"a plan of {rows} rows needs a column {name!r} of shape {shape}, not {found}")


def _check_frames(frames: NDArray[np.uint8], video: int, shape: tuple[int, ...]) -> None:
    if frames.shape != shape or frames.dtype != np.uint8:
        raise BadVideos(
            f"video {video} should give uint8 {shape} by its extents; its source gave {frames.dtype} {frames.shape}"
        )


def _check_boxes(plan: PairPlan, extents: NDArray[np.int32]) -> None:
    unknown = np.argwhere((plan.video < 0) | (plan.video >= len(extents)))
    if len(unknown):
        row, member = unknown[0].tolist()
        video = plan.video[row, member]
        raise InvalidSpec(f"row {row} of the plan asks for video {video}; there are {len(extents)}, counted from 0")
    if plan.stride < 1:
        raise InvalidSpec(f"the stride of a plan must be at least 1, not {plan.stride}")
    size = np.array([plan.shape.span(plan.stride).frames, plan.shape.height, plan.shape.width])
    outside = np.argwhere(((plan.origin < 0) | (plan.origin + size > extents[plan.video])).any(axis=-1))
    if len(outside):
        row, member = outside[0].tolist()
        video, origin = int(plan.video[row, member]), tuple(plan.origin[row, member].tolist())
        extent, asked = ("x".join(map(str, sides.tolist())) for sides in (extents[video], size))
        raise InvalidSpec(
            f"row {row} of the plan asks for {asked} voxels from (t, y, x) = {origin} on; video {video} has "
            f"{extent}: use a plan with the videos it was mined from"
        )


def _check_colors(plan: PairPlan) -> None:
    for row, member in np.argwhere(plan.recolor).tolist():
        offset, exponent, scale = plan.color[row, member].tolist()
        try:
            check_color(offset, exponent, scale, plan.channels)
        except InvalidSpec as error:
            raise InvalidSpec(f"row {row} of the plan: {error}") from None


def _check_volumes(plan: PairPlan, volumes: Volumes) -> None:
    shape = _shape_of(plan)
    if volumes.dtype != np.uint8 or volumes.shape != shape:
        raise InvalidSpec(f"the volumes of this plan are uint8 {shape}, not {volumes.dtype} {volumes.shape}")
    if not (volumes.flags.c_contiguous and volumes.flags.writeable):
        raise InvalidSpec("volumes are written in place: give a C-contiguous, writeable array")
