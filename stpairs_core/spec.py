"""The values that pass between the rooms: frozen, checked when made, with no behaviour of their own."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec

Channels = Literal["h", "sv", "hsv"]
"""Which of hue, saturation and value F1 adds its offset to."""


_MOST = 2**31
"""What no whole number but a seed may reach: frames, rows, columns and pairs are counted in int32."""


def _check_kinds(spec: Any) -> None:
    """Every field of the kind that it is declared to be, NumPy's numbers as plain ones; otherwise an `InvalidSpec`."""
    for name, kind in get_type_hints(type(spec)).items():
        value = getattr(spec, name)
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if choices and value not in choices:
            raise InvalidSpec(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
        if kind is int or (kind == int | None and value is not None):
            # Plain: NumPy's overflow where the counts of pairs of volumes are large.
            object.__setattr__(spec, name, _whole(name, value))
        elif kind is float:
            object.__setattr__(spec, name, _real(name, value))
        elif isinstance(kind, type) and not isinstance(value, kind):
            raise InvalidSpec(f"{name} must be a {kind.__name__}, not {value!r}")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InvalidSpec(f"{name} must be a whole number, not {value!r}")
    if name != "seed" and not -_MOST < value < _MOST:
        raise InvalidSpec(f"{name} must be below 2**31, not {value}")
    return int(value)


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidSpec(f"{name} must be a number, not {value!r}")
    return float(value)


@dataclass(frozen=True, slots=True)
class VolumeShape:
    """The size of one spatio-temporal volume, in voxels; the paper's (t0, y0, x0)."""

    frames: int = 16
    """Length in time."""
    height: int = 112
    """Rows."""
    width: int = 112
    """Columns."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        if min(self.frames, self.height, self.width) < 1:
            raise InvalidSpec(f"a volume needs at least one voxel on each axis, not {self}")

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"

    def span(self, stride: int) -> "VolumeShape":
        """What a volume of every `stride`-th frame takes up in its video: from its first frame to its last."""
        return VolumeShape((self.frames - 1) * stride + 1, self.height, self.width)


@dataclass(frozen=True, slots=True)
class MiningSpec:
    """How pairs are drawn: Algorithm 1 of the paper and the readings of it that we offer (docs/paper.md)."""

    volume: VolumeShape = VolumeShape()
    """Size of every volume."""
    pairs: int = 10
    """B, pairs in one step."""
    positive_ratio: float = 0.3
    """p; the first round(pB) rows of a step, rounded half away from zero, are the positive ones."""
    augment: Literal["both", "negatives"] = "both"
    """Which pairs have F applied to their second member. The algorithm prints it for negatives, the text says both."""
    recolor_probability: float = 0.5
    """Chance of F1 on the second member of a pair."""
    flip_probability: float = 0.5
    """Chance of F2 on the second member of a pair."""
    channels: Channels = "hsv"
    """Where F1 adds its offset."""
    redraw: Literal["volumes", "video"] = "volumes"
    """What is drawn again when two volumes of a positive meet; "video" gives long videos more weight."""
    boundary: int | None = None
    """The two volumes of a positive lie within this many frames of one another, end to end; None: anywhere."""
    literal_algorithm1: bool = False
    """Run the negative loop to N_n, as printed, and not to B: fewer negatives."""
    temporal_stride: int = 1
    """A volume takes one of this many frames of its video; those between count when two volumes meet."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        for name in ("pairs", "temporal_stride"):
            if getattr(self, name) < 1:
                raise InvalidSpec(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("positive_ratio", "recolor_probability", "flip_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidSpec(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if self.boundary is not None and self.boundary < self.span.frames:
            raise InvalidSpec(f"boundary={self.boundary} is shorter than one volume, of {self.span.frames} frames")

    @property
    def span(self) -> VolumeShape:
        """What a volume takes up in its video, the frames between included."""
        return self.volume.span(self.temporal_stride)


@dataclass(frozen=True, slots=True, eq=False)
class PairPlan:
    """Which volumes make the pairs of one step, and what is changed: a struct of arrays, one row a pair.

    Nothing random is left in it: whoever holds a plan and the videos can make exactly its pixels.
    """

    video: NDArray[np.int32]
    """(B, 2): the video that each volume comes from."""
    origin: NDArray[np.int32]
    """(B, 2, 3): first voxel (t, y, x) of each volume."""
    flip: NDArray[np.bool_]
    """(B, 2): F2, mirrored left-right."""
    recolor: NDArray[np.bool_]
    """(B, 2): F1 at all? False leaves the bytes untouched."""
    color: NDArray[np.float32]
    """(B, 2, 3): F1's offset, exponent and scale."""
    label: NDArray[np.int8]
    """(B,): +1 for the same video, -1 for different ones."""
    shape: VolumeShape
    """Of every volume in the plan."""
    channels: Channels = "hsv"
    """Where F1 adds its offset."""
    group: NDArray[np.int32] | None = None
    """(B, 2): a number for the group of each volume's video; None: every video is a group by itself."""
    stride: int = 1
    """Frame i of a volume is frame t + i * stride of its video."""

    def __len__(self) -> int:
        return len(self.label)

    def __repr__(self) -> str:
        positives = int((self.label > 0).sum())
        return f"PairPlan({len(self)} pairs, {positives} positive, volumes of {self.shape})"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The encoder T and the pair head G."""

    width: float = 1.0
    """Scales every channel count of C3D; 1 is the paper's network."""
    input: Literal["rgb", "residual"] = "rgb"
    """What the first layer sees: the frames, or the differences of neighbouring frames."""
    norm: Literal["none", "batch"] = "none"
    """Normalisation after each layer; the paper has none."""
    head: Literal["concat", "compare"] = "concat"
    """What G sees: both features end to end (the paper), or |f1 - f2| and f1·f2."""
    dropout: float = 0.5
    """In the fully connected layers, except after the output."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        if not 0 < self.width < math.inf:
            raise InvalidSpec(f"width must be positive, not {self.width}")
        if not 0.0 <= self.dropout < 1.0:
            raise InvalidSpec(f"dropout must lie in [0, 1), not {self.dropout}")


@dataclass(frozen=True, slots=True)
class LearningSpec:
    """The objective of Eqn. 2 and the optimizer."""

    hinge: Literal["pairs", "dense"] = "pairs"
    """The pairs of the plan alone, or also every further negative that their members form across rows."""
    learning_rate: float = 1e-4
    """Adam's step size; the paper does not print it."""
    penalty: Literal["norm", "squared"] = "norm"
    """The Frobenius norm of all weights as printed, or its square."""
    penalty_weight: float = 0.0005
    """λ."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        if not 0 < self.learning_rate < math.inf:
            raise InvalidSpec(f"learning_rate must be positive, not {self.learning_rate}")
        if not 0 <= self.penalty_weight < math.inf:
            raise InvalidSpec(f"penalty_weight must be finite and not negative, not {self.penalty_weight}")


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """All that a backend needs to build a learner."""

    volume: VolumeShape = VolumeShape()
    """Size of the volumes it will be given."""
    network: NetworkSpec = NetworkSpec()
    """What is learned."""
    learning: LearningSpec = LearningSpec()
    """How it is learned."""
    seed: int = 0
    """Of initial weights and dropout, the only things that a backend draws."""


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """One training run: what is mined, what learns, for how long. `TrainSpec()` is the paper's."""

    mining: MiningSpec = MiningSpec()
    """Which pairs."""
    network: NetworkSpec = NetworkSpec()
    """What is learned."""
    learning: LearningSpec = LearningSpec()
    """How it is learned."""
    steps: int = 2000
    """Steps in all, those of earlier sittings included."""
    seed: int = 0
    """Of the pairs, the held-out share, the first weights and dropout."""
    held_out: float = 0.15
    """Share of the videos kept out of training to measure on; 0 for none."""
    evaluate_every: int = 200
    """Steps between two measurements on the held-out videos."""
    save_every: int = 200
    """Steps between two checkpoints."""
    workers: int = 2
    """Threads that prepare volumes ahead. The pairs are the same for any number."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        for name in ("steps", "evaluate_every", "save_every", "workers"):
            if getattr(self, name) < 1:
                raise InvalidSpec(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 <= self.held_out < 1.0:
            raise InvalidSpec(f"held_out must lie in [0, 1), not {self.held_out}")

    @property
    def learner(self) -> LearnerSpec:
        """What the backend is asked to build."""
        return LearnerSpec(self.mining.volume, self.network, self.learning, self.seed)
