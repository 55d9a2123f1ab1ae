"""A linear encoder of coarse colours, trained by Adam written out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import LearnerSpec, PairPlan, VolumeShape
from stpairs_numpy.objective import Floats, loss_and_gradients, scores

GRID = 2
"""Cells of the picture along each side; each gives its mean colour."""
INPUTS = GRID * GRID * 3


class NumpyEncoder:
    """Mean colours of four quarters, times a matrix."""

    def __init__(self, shape: VolumeShape, weight: Floats) -> None:
        self.shape = shape
        self.width = weight.shape[1]
        self._weight = weight

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, T, H, W, 3) -> (n, width)."""
        _check_volumes(volumes, (len(volumes),), self.shape)
        return (coarse(volumes) @ self._weight).astype(np.float32)


class NumpyLearner:
    """One such encoder with a comparing head."""

    recolors = False

    def __init__(self, spec: LearnerSpec) -> None:
        _check(spec)
        self._spec = spec
        width = max(1, round(8 * spec.network.width))
        drawn = rng.uniform(spec.seed, 0, rng.WEIGHTS, INPUTS * width).reshape(INPUTS, width)
        self._weights: dict[str, Floats] = {"weight": drawn - 0.5, "offset": np.zeros(())}
        self._forget()

    def step(self, plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
        """One step of Adam; the loss before it."""
        _check_volumes(volumes, (len(plan), 2), self._spec.volume)
        difference = _difference(volumes)
        mask = self._mask(len(plan))
        loss, gradients = loss_and_gradients(self._weights, difference, plan.label, mask, self._spec.learning)
        self._descend(gradients)
        return loss

    def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, 2, T, H, W, 3) -> (B,)."""
        return scores(self._weights, _difference(volumes)).astype(np.float32)

    def encoder(self) -> NumpyEncoder:
        """A copy of the encoder as it is now."""
        return NumpyEncoder(self._spec.volume, self._weights["weight"].copy())

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Weights, Adam's moments, and the step that decides what drops out."""
        parts = {"model": self._weights, "adam.mean": self._mean, "adam.square": self._square}
        arrays = {f"{part}.{name}": array.copy() for part, named in parts.items() for name, array in named.items()}
        return arrays | {"step": np.array(self._step)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take a state back; the moments start afresh when there are only weights."""
        for name, array in self._weights.items():
            if state[f"model.{name}"].shape != array.shape:
                raise ValueError(f"model.{name} is {state[f'model.{name}'].shape}, not {array.shape}")
        self._weights = {name: state[f"model.{name}"].copy() for name in self._weights}
        self._forget()
        if "step" in state:
            self._mean = {name: state[f"adam.mean.{name}"].copy() for name in self._weights}
            self._square = {name: state[f"adam.square.{name}"].copy() for name in self._weights}
            self._step = int(state["step"])

    def _forget(self) -> None:
        self._mean = {name: np.zeros_like(array) for name, array in self._weights.items()}
        self._square = {name: np.zeros_like(array) for name, array in self._weights.items()}
        self._step = 0

    def _mask(self, pairs: int) -> Floats:
        """(B, F): what is dropped in this step; what stays makes up for it."""
        keep = 1.0 - self._spec.network.dropout
        width = self._weights["weight"].shape[1]
        drawn = rng.uniform(self._spec.seed, self._step, rng.DROPOUT, pairs * width).reshape(pairs, width)
        return (drawn < keep) / keep

    def _descend(self, gradients: Mapping[str, Floats]) -> None:
        """Adam with its usual constants."""
        self._step += 1
        for name, gradient in gradients.items():
            self._mean[name] = 0.9 * self._mean[name] + 0.1 * gradient
            self._square[name] = 0.999 * self._square[name] + 0.001 * gradient**2
            mean = self._mean[name] / (1 - 0.9**self._step)
            root = np.sqrt(self._square[name] / (1 - 0.999**self._step))
            self._weights[name] = self._weights[name] - self._spec.learning.learning_rate * mean / (root + 1e-8)


def coarse(volumes: NDArray[np.uint8]) -> Floats:
    """(..., T, H, W, 3) -> (..., INPUTS): the mean colour of each cell over all frames, from -1 to 1."""
    rows = np.array_split(volumes, GRID, axis=-3)
    cells = [cell for row in rows for cell in np.array_split(row, GRID, axis=-2)]
    means = [cell.mean(axis=(-4, -3, -2)) for cell in cells]  # (..., 3) each
    return np.concatenate(means, axis=-1) / 127.5 - 1.0


def _difference(volumes: NDArray[np.uint8]) -> Floats:
    first, second = coarse(volumes[:, 0]), coarse(volumes[:, 1])
    return first - second


def _check_volumes(volumes: NDArray[Any], leading: tuple[int, ...], shape: VolumeShape) -> None:
    expected = (*leading, shape.frames, shape.height, shape.width, 3)
    if volumes.shape != expected or volumes.dtype != np.uint8:
        raise InvalidSpec(f"expected uint8 volumes of shape {expected}, not {volumes.dtype} of shape {volumes.shape}")


def _check(spec: LearnerSpec) -> None:
    """Refuse what this backend does not do."""
    volume, network = spec.volume, spec.network
    if min(volume.height, volume.width) < GRID:
        raise InvalidSpec(f"the backend 'numpy' needs volumes of {GRID}x{GRID} pixels at least, not {volume}")
    if (network.input, network.norm, network.head, spec.learning.hinge) != ("rgb", "none", "compare", "pairs"):
        raise InvalidSpec("the backend 'numpy' has input=rgb, norm=none, head=compare and hinge=pairs only")
