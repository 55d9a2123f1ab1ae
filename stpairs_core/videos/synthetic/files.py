"""Synthetic videos as files: one H.264 file each, and a table of what is known of them."""

import csv
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

from stpairs_core.durable import TEMPORARY, cannot_write, whole
from stpairs_core.errors import BadFile
from stpairs_core.videos.ffmpeg import encode
from stpairs_core.videos.synthetic.factors import ACTIONS, Factors, SyntheticSpec
from stpairs_core.videos.synthetic.render import for_each_video, render

TABLE = "factors.csv"
"""Name of the table in the folder. It is also a manifest: `path` and `label` come first."""

_FACTORS = tuple(field.name for field in fields(Factors))


def write_videos(
    folder: str | os.PathLike[str],
    spec: SyntheticSpec,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write every video of a spec as `<action>/<action>_0007.mp4`, 7 being its index, and the table; returns its path.

    What an earlier call wrote into the folder is replaced. The table comes last: where it is, all videos are whole.
    `on_progress` hears how many of how many are done.
    """
    target = Path(folder)
    _prepare(target, spec.actions)
    return _write_table(
        target / TABLE, for_each_video(spec, lambda index: _write(target, spec, seed, index), on_progress)
    )


def read_table(path: str | os.PathLike[str]) -> dict[str, Factors]:
    """The factors of each video by its path relative to the table's folder; a `BadFile` where it is no such table."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
        columns = [header.index(name) for name in ("path", *_FACTORS)]
        return {path: Factors(*known) for path, *known in ([row[column] for column in columns] for row in rows)}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise BadFile(f"{os.fspath(path)} is no whole table of synthetic videos ({error}); write them anew") from error


def _prepare(folder: Path, actions: tuple[str, ...]) -> None:
    """Take away what an earlier call wrote, the unfinished files of a killed one included, and make the folders."""
    try:
        for action in actions:
            (folder / action).mkdir(parents=True, exist_ok=True)
        (folder / TABLE).unlink(missing_ok=True)
        left = [*folder.glob(f".{TABLE}.*{TEMPORARY}")]
        for action in ACTIONS:
            video = f"{action}_[0-9][0-9][0-9][0-9]*.mp4"
            left += [*(folder / action).glob(video), *(folder / action).glob(f".{video}.*{TEMPORARY}")]
        for path in left:
            path.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error


def _write(folder: Path, spec: SyntheticSpec, seed: int, index: int) -> tuple[str, Factors]:
    video, factors = render(spec, seed, index)
    name = f"{factors.action}/{factors.action}_{index:04d}.mp4"
    encode(folder / name, video, spec.rate)
    return name, factors


def _write_table(path: Path, rows: list[tuple[str, Factors]]) -> Path:
    with whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", *_FACTORS])
        table.writerows([name, factors.action, *asdict(factors).values()] for name, factors in rows)
    return path
