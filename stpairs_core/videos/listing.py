"""Which files a path names: a folder, one video, a list file or a manifest."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stpairs_core.errors import BadVideos
from stpairs_core.videos.manifest import read_rows

# What people call their videos, the kinds that we do not read included: those are named, not passed over.
SUFFIXES = (
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v"),
    *(".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm"),
    *(".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)

_UCF = re.compile(r"v_(?P<name>.+)_(?P<group>g\d+)_c\d+\.")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not among the videos, or not in full, and why."""

    path: str
    """As listed, relative to the root."""
    reason: str
    """In a few words, for people."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file that should be a video."""

    path: str
    """Relative to the folder, list or manifest that names it."""
    file: str
    """Where it is."""
    label: str = ""
    """Its class, when known."""
    group: str | None = None
    """Videos of one group share a source and are never a negative pair."""


def list_videos(path: str | os.PathLike[str]) -> tuple[list[Listed], list[LeftOut]]:
    """What should be videos under a path, in a fixed order, and the folders that could not be looked into.

    A folder is walked: links are followed, no folder is entered twice, hidden names are passed over, labels are the
    names of parent folders. A `.txt` lists one path a line, relative to itself; `#` starts a comment. A `.csv` or
    `.parquet` is a manifest with a column `path` and perhaps `label` and `group`. Any other file is one video.
    """
    root = Path(path)
    if not root.exists():
        raise BadVideos(f"there is no {path}; name a folder of videos, a video, a list file or a manifest")
    closed: list[LeftOut] = []
    if root.is_dir():
        found = [_listed(root, name) for name in _walk(root, closed)]
    elif root.suffix.lower() == ".txt":
        found = [_listed(root.parent, name) for name in _lines(root)]
    elif root.suffix.lower() in (".csv", ".parquet"):
        found = [_of_row(root.parent, row) for row in read_rows(root)]
    else:
        found = [Listed(root.name, os.fspath(root.absolute()), "", _ucf_group(root.name))]
    if not found:
        raise BadVideos(_nothing(root, closed))
    return found, closed


def _walk(root: Path, closed: list[LeftOut]) -> Iterator[str]:
    """Names of the candidates, relative to the root, in the order of their bytes."""
    entered: set[tuple[int, int]] = set()
    names: list[str] = []

    def refuse(error: OSError) -> None:
        closed.append(LeftOut(os.path.relpath(error.filename, root), (error.strerror or str(error)).lower()))

    for folder, inner, files in os.walk(root, followlinks=True, onerror=refuse):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=os.fsencode)
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            inner.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        names += [os.path.relpath(os.path.join(folder, name), root) for name in files if _is_candidate(name)]
    yield from sorted(names, key=os.fsencode)


def _is_candidate(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _lines(path: Path) -> Iterator[str]:
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise BadVideos(f"cannot read the list {path}: {(error.strerror or str(error)).lower()}") from error
    for line in lines:
        if (name := line.strip()) and not name.startswith(b"#"):
            yield os.fsdecode(name)


def _listed(root: Path, name: str) -> Listed:
    return Listed(name, os.path.join(root.absolute(), name), Path(name).parent.name, _ucf_group(name))


def _of_row(root: Path, row: dict[str, str | None]) -> Listed:
    plain = _listed(root, row["path"] or "")
    label = row["label"] or "" if "label" in row else plain.label
    group = row["group"] or None if "group" in row else plain.group
    return Listed(plain.path, plain.file, label, group)


def _ucf_group(name: str) -> str | None:
    """UCF101 numbers the source videos of each class: v_Basketball_g03_c02.avi is of group Basketball_g03."""
    match = _UCF.match(os.path.basename(name))
    return f"{match['name']}_{match['group']}" if match else None


def _nothing(root: Path, closed: list[LeftOut]) -> str:
    if not root.is_dir():
        return f"{root} names no videos: it has no rows"
    if closed:
        return f"{root} shows no videos, and {closed[0].path} could not be looked into: {closed[0].reason}"
    if not any(root.iterdir()):
        return f"{root} is an empty folder; put videos into it"
    known = "mp4, mov, mkv, webm, avi, mpg, gif, ..."
    return f"{root} holds no file with the name of a video ({known}); a list (.txt) or manifest (.csv) can name others"
