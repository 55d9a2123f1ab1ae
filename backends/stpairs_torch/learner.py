"""One pair network being trained: Adam on the hinge, a state that resumes bit for bit on the CPU."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stpairs_core.errors import BadFile, TrainingStopped
from stpairs_core.spec import LearnerSpec, PairPlan
from stpairs_torch.c3d import PairNetwork, initialise
from stpairs_torch.encoder import BATCH, TorchEncoder, check_volumes, full_precision, to_device
from stpairs_torch.objective import balanced_coefficients, balanced_hinge, dense_labels, frobenius_norm, penalty

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Adam's memory of each weight, by torch's names."""


@final
class TorchLearner:
    """Trains one `PairNetwork`; a `stpairs_core.protocols.Learner` and `OnnxWriter`.

    First weights come from the seed, dropout from the seed and the number of the step. On the CPU, with one number of
    threads, the weights of a step are therefore a pure function of the spec, the plans and the volumes so far, bit for
    bit. On CUDA they are so but for rounding: its kernels sum in no fixed order, and steps use TF32 as torch is set.
    """

    def __init__(self, spec: LearnerSpec, device: torch.device) -> None:
        self._spec = spec
        self._device = device
        self._network = _fresh_network(spec).to(device)
        self._network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stubs lack it
        self._adam = torch.optim.Adam(self._network.parameters(), lr=spec.learning.learning_rate)
        self._forget()

    @property
    def recolors(self) -> bool:
        """False: `step` gets volumes with F1 and F2 applied."""
        return False

    def step(self, plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
        """Learn from one step's pairs, (B, 2, T, H, W, 3); returns the loss of Eqn. 2 before the step.

        Both members of all pairs go through the encoder as one batch, and batch norm takes its statistics over
        all 2B of them. A plan without both classes is an `InvalidSpec`. Where the loss or its gradient is not
        finite, the whole state stays as it is and `TrainingStopped` names the step.
        """
        check_volumes(volumes, (len(plan), 2), self._spec.volume)
        dense = self._spec.learning.hinge == "dense"
        labels = dense_labels(plan) if dense else plan.label
        coefficients = balanced_coefficients(labels)

        self._network.train()
        with _buffers_kept_on_failure(self._network):
            with _drawing(self._device, f"dropout {self._spec.seed} {self._step}"):
                f1, f2 = self._features(volumes)
                scores = self._network.head(*_every_pair(f1, f2)) if dense else self._network.head(f1, f2)
            loss = balanced_hinge(scores, to_device(labels, self._device), to_device(coefficients, self._device))
            loss = loss + penalty(self._network.parameters(), self._spec.learning)
            return self._descend(loss)

    def score(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, 2, T, H, W, 3) -> (B,): the more positive, the more "same video"; on CUDA without TF32."""
        check_volumes(volumes, (len(volumes), 2), self._spec.volume)
        scores = np.empty(len(volumes), np.float32)
        self._network.eval()
        with torch.inference_mode(), full_precision(self._device):
            for start in range(0, len(volumes), BATCH // 2):
                rows = slice(start, start + BATCH // 2)
                scores[rows] = self._network.head(*self._features(volumes[rows])).cpu().numpy()
        return scores

    def encoder(self) -> TorchEncoder:
        """The encoder as it is now; it does not follow later steps."""
        return TorchEncoder(self._network.encoder, self._device)

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of all that decides the next steps: `model.*`, `optimizer.*` and `step`."""
        arrays = {name: _to_numpy(tensor) for name, tensor in self._tensors().items()}
        return arrays | {"step": np.array(self._step, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take a `state()` back. With the `model.` keys alone, the optimizer starts afresh.

        A state that does not fit is a `BadFile` that names the first array at fault; nothing is changed then.
        """
        expected = self.state()
        if all(name.startswith("model.") for name in state):
            expected = {name: array for name, array in expected.items() if name.startswith("model.")}
        _check_state(state, expected)

        self._forget(int(state.get("step", 0)))
        tensors = self._tensors()
        for name in expected.keys() - {"step"}:
            tensors[name].copy_(to_device(state[name], self._device))

    def write_onnx(self, encoder: Path, score: Path | None = None) -> None:
        """Write the encoder as one ONNX file, and with `score` the pair network as another (see `OnnxWriter`).

        A copy on the CPU is written, wherever the learner computes. To publish it, its features must agree with ONNX
        Runtime's on the CPU to 1e-5, so restore its state into a learner on the CPU first.
        """
        from stpairs_torch.onnx_writer import write_encoder, write_score  # onnxscript takes seconds to import

        write_encoder(self._network.encoder, encoder)
        if score is not None:
            write_score(self._network, score)

    def _features(self, volumes: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        members = to_device(volumes, self._device).flatten(0, 1)  # (2B, T, H, W, 3), a view
        f1, f2 = self._network.encoder(members).unflatten(0, (-1, 2)).unbind(1)  # (B, F) each
        return f1, f2

    def _descend(self, loss: Tensor) -> float:
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        gradients = [weight.grad for weight in self._network.parameters() if weight.grad is not None]
        if not torch.isfinite(loss.detach() + frobenius_norm(gradients)):
            other = "" if self._spec.network.norm == "batch" else " or train with norm=batch"
            raise TrainingStopped(
                f"the loss or its gradient is not finite at step {self._step}; lower the learning rate "
                f"({self._spec.learning.learning_rate:g}){other}"
            )
        self._adam.step()
        self._step += 1
        return float(loss.detach())

    def _forget(self, step: int = 0) -> None:
        """Give Adam an empty memory before `step`, laid out in full so that every state has the same keys."""
        self._step = step
        for weight in self._network.parameters():
            empty = {moment: torch.zeros_like(weight) for moment in MOMENTS}
            self._adam.state[weight] = {"step": torch.tensor(float(step))} | empty

    def _tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state, by its key; the learner's own memory."""
        tensors = {f"model.{name}": tensor for name, tensor in self._network.state_dict().items()}
        for name, weight in self._network.named_parameters():
            tensors |= {f"optimizer.{name}.{moment}": self._adam.state[weight][moment] for moment in MOMENTS}
        return tensors


def _fresh_network(spec: LearnerSpec) -> PairNetwork:
    # The layers' constructors draw too; the fork gives the caller's generator back as it was.
    with torch.random.fork_rng(devices=[]):
        network = PairNetwork(spec.volume, spec.network)
    initialise(network, torch.Generator().manual_seed(_word(f"weights {spec.seed}")))
    return network


@contextmanager
def _buffers_kept_on_failure(network: PairNetwork) -> Iterator[None]:
    """Batch norm moves its statistics on the way forward, before it is known whether the step succeeds."""
    kept = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    except BaseException:
        for buffer, before in zip(network.buffers(), kept, strict=True):
            buffer.copy_(before)
        raise


@contextmanager
def _drawing(device: torch.device, address: str) -> Iterator[None]:
    """Torch's generator for that device set from `address`, and given back afterwards as it was."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
        if cuda:
            torch.cuda.manual_seed(_word(address))
        else:
            torch.default_generator.manual_seed(_word(address))
        yield


def _word(address: str) -> int:
    """63 bits for a generator. Hashed, so that neighbouring seeds and steps share nothing."""
    return int.from_bytes(hashlib.blake2b(address.encode(), digest_size=8).digest()) >> 1


def _every_pair(f1: Tensor, f2: Tensor) -> tuple[Tensor, Tensor]:
    """(B, F) and (B, F) -> (B, B, F) each: first member i against second member j."""
    pairs = (len(f1), len(f2), -1)
    return f1[:, None].expand(pairs), f2[None].expand(pairs)


def _to_numpy(tensor: Tensor) -> NDArray[Any]:
    copied: NDArray[Any] = tensor.detach().cpu().contiguous().numpy().copy()
    return copied


def _check_state(state: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    for name, array in expected.items():
        if name not in state:
            raise BadFile(f"the state lacks {name!r}; it was saved by another network or another backend")
        found, wanted = (f"{x.dtype} of shape {x.shape}" for x in (state[name], array))
        if found != wanted:
            raise BadFile(f"{name!r} is {found} in the state and {wanted} in this network")
    for name in state:
        if name not in expected:
            raise BadFile(f"the state has {name!r}, which this network has not; it was saved by another one")
