"""The backend itself: which devices work, and a fresh learner on one of them."""

from typing import final

import torch

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.spec import LearnerSpec
from stpairs_torch.learner import TorchLearner


@final
class TorchBackend:
    """PyTorch on the CPU and on CUDA, from the same code; a `stpairs_core.protocols.Backend`."""

    name = "torch"

    def learner(self, spec: LearnerSpec, device: str) -> TorchLearner:
        """A fresh learner. "auto" is CUDA where it works, else the CPU; "cuda" without CUDA is a `MissingPart`."""
        return TorchLearner(spec, pick_device(device))

    def devices(self) -> dict[str, str]:
        """Each device that really works, with a word on it."""
        found = {"cpu": f"{torch.get_num_threads()} threads"}
        if cuda_fault() is None:
            found["cuda"] = torch.cuda.get_device_name()
        return found


def pick_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu" or "cuda"."""
    if name not in ("auto", "cpu", "cuda"):
        raise InvalidSpec(f'device must be "auto", "cpu" or "cuda", not {name!r}')
    if name == "cpu":
        return torch.device("cpu")
    fault = cuda_fault()
    if fault is None:
        return torch.device("cuda")
    if name == "cuda":
        raise MissingPart(f"CUDA was asked for, but {fault}; use device cpu, or auto to take what works")
    return torch.device("cpu")


def cuda_fault() -> str | None:
    """Why CUDA cannot be used, or None where a first small sum on it works."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is built without it"
    if not torch.cuda.is_available():
        return "torch finds no usable CUDA device or driver"
    try:
        torch.ones(2, device="cuda").sum().item()
    except RuntimeError as error:
        return f"its first use failed: {str(error).splitlines()[0]}"
    return None
