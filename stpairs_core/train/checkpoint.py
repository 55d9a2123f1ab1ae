"""Checkpoints: a learner's whole state on disk, and which files of them are good."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.durable import TEMPORARY, cannot_write, whole
from stpairs_core.errors import BadFile, MissingPart, TrainingStopped

State = Mapping[str, NDArray[Any]]

_FORMAT = 1
_WEIGHTS = "model."
_OURS = re.compile(r"model\.safetensors|checkpoints/step-\d+\.safetensors")
"""Names of files that a pointer may hold: none outside the run's folder."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of weights, and how to know that it is whole."""

    file: str
    """Its path inside the run's folder."""
    step: int
    """Steps made before it was saved."""
    sha256: str
    """Of the file, as hex."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a run has on disk: `checkpoints/latest.json`, which is written after the files that it names."""

    newest: SavedFile | None = None
    before: SavedFile | None = None
    """The checkpoint before the newest, kept in case that one is damaged."""
    model: SavedFile | None = None
    """`model.safetensors`, written when all steps are made."""


class Checkpoints:
    """The checkpoints of one run, the newest two of them."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._pointer = run / "checkpoints" / "latest.json"
        self.saved = Saved()
        """What is on disk."""

    @property
    def begun(self) -> bool:
        """Whether this folder has ever held checkpoints."""
        return self._pointer.exists()

    def begin(self) -> None:
        """Make the folder, with a pointer to nothing yet."""
        try:
            self._pointer.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self._pointer.parent, error) from error
        self._point(Saved())

    def open(self) -> None:
        """Read which files there are; `BadFile` when that cannot be known."""
        try:
            self.saved = _parsed(json.loads(self._pointer.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise BadFile(f"{self._pointer} is missing, so {self._run} cannot be continued: {_AFRESH}") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadFile(f"{self._pointer} is broken, so {self._run} cannot be continued: {_AFRESH}") from error

    def clean(self) -> None:
        """Remove what a killed process left: half-written files and checkpoints that the pointer does not name."""
        folder = self._pointer.parent
        named = {self._run / saved.file for saved in (self.saved.newest, self.saved.before) if saved}
        left = [*self._run.glob(f".*{TEMPORARY}"), *folder.glob(f".*{TEMPORARY}"), *folder.glob("step-*.safetensors")]
        for path in left:
            if path not in named:
                with suppress(OSError):  # of a disk that takes no more changes; the next start tries again
                    path.unlink(missing_ok=True)

    def save(self, step: int, state: State) -> None:
        """Write the checkpoint of a step, then point to it, then remove the last but two."""
        file = f"checkpoints/step-{step:08d}.safetensors"
        newest = self._write(file, step, state)
        again = self.saved.newest is not None and self.saved.newest.file == file
        before = self.saved.before if again else self.saved.newest
        self._point(Saved(newest, before, self.saved.model))
        self.clean()

    def save_model(self, step: int, state: State) -> None:
        """Write `model.safetensors`: the weights alone, at the end of a run."""
        weights = {name: array for name, array in state.items() if name.startswith(_WEIGHTS)}
        model = self._write("model.safetensors", step, weights)
        self._point(Saved(self.saved.newest, self.saved.before, model))

    def load(self) -> tuple[int, State]:
        """Step and state of the newest checkpoint that is there; `BadFile` when it is damaged.

        A newest one that has been deleted gives way to the one before.
        """
        newest, before = self.saved.newest, self.saved.before
        if newest is None:
            raise BadFile(f"{self._run} has no checkpoint yet")
        if before and not (self._run / newest.file).exists() and (self._run / before.file).exists():
            newest, before = before, None
            self.saved = Saved(newest, None, self.saved.model)  # on disk with the next save: reading writes nothing
        return newest.step, self._read(newest, self._advice(newest, before))

    def load_weights(self) -> State:
        """The trained weights; of the newest checkpoint while the run is not finished."""
        model, newest = self.saved.model, self.saved.newest
        if model and (newest is None or model.step >= newest.step):
            return self._read(model, "delete it and train again, which writes it anew")
        return {name: array for name, array in self.load()[1].items() if name.startswith(_WEIGHTS)}

    def _advice(self, newest: SavedFile, before: SavedFile | None) -> str:
        if before and (self._run / before.file).exists():
            return f"delete it to continue from step {before.step}, or give a fresh folder"
        return _AFRESH

    def _write(self, file: str, step: int, state: State) -> SavedFile:
        arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
        for name, array in arrays.items():
            if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
                raise TrainingStopped(f"{name} is not finite after step {step}; what was saved before is intact")
        data = _safetensors().save(arrays)
        with whole(self._run / file) as path:
            path.write_bytes(data)
        return SavedFile(file, step, hashlib.sha256(data).hexdigest())

    def _read(self, saved: SavedFile, advice: str) -> State:
        path = self._run / saved.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadFile(f"{path} cannot be read ({error.strerror}): {advice}") from error
        if hashlib.sha256(data).hexdigest() != saved.sha256:
            raise BadFile(f"{path} is damaged (its SHA-256 is not the one it was saved with): {advice}")
        return parsed_weights(data, path)

    def _point(self, saved: Saved) -> None:
        text = json.dumps({"format": _FORMAT, **asdict(saved)}, indent=2) + "\n"
        with whole(self._pointer) as path:
            path.write_text(text, encoding="utf-8")
        self.saved = saved


_AFRESH = "give a fresh folder, or delete this one to start from step 0"


def parsed_weights(data: bytes, path: Path) -> State:
    """The arrays in the bytes of a safetensors file; `path` is named when they are none."""
    try:
        state: State = _safetensors().load(data)
    except MissingPart:
        raise
    except Exception as error:  # safetensors raises an error class of its own for each fault
        raise BadFile(f"{path} is not a safetensors file: {error}") from error
    return state


def _parsed(data: Any) -> Saved:
    if data["format"] != _FORMAT:
        raise ValueError("another format")
    return Saved(*(_parsed_file(data[name]) for name in ("newest", "before", "model")))


def _parsed_file(data: Any) -> SavedFile | None:
    if data is None:
        return None
    file, step, sha256 = data["file"], data["step"], data["sha256"]
    if not _OURS.fullmatch(file) or type(step) is not int or not isinstance(sha256, str):
        raise ValueError("not a file of a run")
    return SavedFile(file, step, sha256)


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        hint = 'pip install "stpairs[cli]"'
        raise MissingPart(f"saving weights needs the package 'safetensors', which is not installed: {hint}") from error
    return safetensors.numpy
