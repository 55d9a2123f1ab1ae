"""The seams: what a source of videos, an encoder, a learner, a backend and a runtime promise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from stpairs_core.spec import LearnerSpec, PairPlan, VolumeShape


class VideoSource(Protocol):
    """Videos by number. Thread-safe, deterministic, pickles without open handles."""

    def __len__(self) -> int:
        """How many videos."""

    @property
    def extents(self) -> NDArray[np.int32]:
        """(N, 3): frames, height and width of each video."""

    def read(self, video: int, first: int, count: int) -> NDArray[np.uint8]:
        """(count, H, W, 3) RGB: frames `first` to `first + count` of one video."""


class Encoder(Protocol):
    """A map from volumes to features. Torch, ONNX and any other encoder are this same callable."""

    @property
    def shape(self) -> VolumeShape:
        """The volumes it takes."""

    @property
    def width(self) -> int:
        """Length of one feature vector."""

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, T, H, W, 3) RGB -> (n, width)."""


class Learner(Protocol):
    """One pair network being trained."""

    @property
    def recolors(self) -> bool:
        """True: `step` gets volumes as cut and applies the plan's F1 and F2 itself. False: it gets them applied."""

    def step(self, plan: PairPlan, volumes: NDArray[np.uint8]) -> SupportsFloat:
        """Learn from one step's pairs, (B, 2, T, H, W, 3); returns the loss.

        `volumes` is lent: the loop fills the same memory again once `step` has returned. A step that fails leaves the
        state as it was.
        """

    def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, 2, T, H, W, 3) -> (B,): the more positive, the more "same video"."""

    def encoder(self) -> Encoder:
        """The encoder as it is now; it does not follow later steps."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything that decides the next steps, bit for bit on the CPU. Keys of weights start with `model.`."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take a `state()` back. With the `model.` keys alone, the optimizer starts afresh."""


class OnnxWriter(Protocol):
    """A learner that can write itself as ONNX graphs."""

    def write_onnx(self, encoder: Path, score: Path | None = None) -> None:
        """Write the encoder, uint8 `volumes` (n, T, H, W, 3) -> `features` (n, width), n free.

        With `score`, also the pair network: uint8 `first` and `second`, each (n, T, H, W, 3) -> `score` (n,).
        """


class Backend(Protocol):
    """A training framework, plugged in. Entry-point group `stpairs.backends`."""

    name: str

    def learner(self, spec: LearnerSpec, device: str) -> Learner:
        """A fresh learner. `device` is "auto", "cpu" or "cuda"; one that is not there is a `MissingPart`.

        Any other word is an `InvalidSpec`.
        """

    def devices(self) -> Mapping[str, str]:
        """Each device that really works, with a word on it."""


class Runtime(Protocol):
    """An engine that runs exported encoders. Entry-point group `stpairs.runtimes`."""

    name: str

    def encoder(self, path: Path, device: str) -> Encoder:
        """The encoder in a file. `device` is "auto", "cpu" or "cuda"; one that is not there is a `MissingPart`.

        Any other word is an `InvalidSpec`.
        """

    def publish(self, learner: Learner, encoder: Path, score: Path | None = None) -> Mapping[str, float]:
        """Export an `OnnxWriter` to `encoder` (and its pair network to `score`), checked before they get their names.

        Returns what was measured, such as the largest difference from the learner's own features. The learner computes
        on the CPU: another device rounds otherwise.
        """

    def devices(self) -> Mapping[str, str]:
        """Each device that really works, with a word on it."""
